// The errors of TrackBot Pro API, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# TrackBot Pro: couriers and shipments. Follows the public page "Error responses" of the TrackBot Pro API.
# 403 is not among its statuses.
demur: 1
name: trackbot-pro
title: TrackBot Pro API
source: the TrackBot Pro API's page "Error responses"
code_style: snake_case
request_id: { field: X-Request-Id, prefix: req_ }
statuses:
  closed: true
  400: Bad Request
  401: Unauthorized
  402: Payment Required
  404: Not Found
  429: Too Many Requests
  500: Internal Server Error
members:
  error.status: The HTTP status
  error.message: A human-readable message describing the error
  error.code: Machine-readable details about the cause of some 4xx errors
  error.errors: The validation errors for all the parameters
formats:
  default:
    error:
      status: $status
      message: $message
      code?: $code # `?`: left out where an error has no code
      errors?: [{ field: $violation.field, message: $violation.message }]
violations:
  field: pascal # how a parameter is called on the wire
  show: all
  messages:
    required: "'{field}' must not be empty."
    requires: "'{field}' requires '{limit}'."
    invalid: "'{field}' is not valid."
    type: "'{field}' must be of type '{limit}'."
    enum: "'{field}' must be one of: {allowed}."
    format: "'{field}' is not in the correct format."
    pattern: "'{field}' is not in the correct format."
    minimum: "'{field}' must be greater than or equal to '{limit}'."
    maximum: "'{field}' must be less than or equal to '{limit}'."
    length.empty: "'{field}' must not be empty."
    length.min: "The length of '{field}' must be at least {limit} characters."
    length.max: "The length of '{field}' must be {limit} characters or fewer."
    unknown: "'{field}' is not a known parameter."
errors:
  validation_failed:
    status: 400
    message: Input parameters validation failed.
    on: [param] # covers param.missing, param.invalid.maximum, …
  invalid_courier: # raised by the API itself, by name
    status: 400
    message: The courier slug you specified doesn't exist.
  shipment_already_exists:
    status: 400
    message: A shipment with the same tracking code and courier already exists.
  bad_request:
    status: 400
    code: none # this error shows no code on the wire
    message: The request is invalid.
    on:
      - request
      - body
      - precondition.failed
      - idempotency.mismatch
      - idempotency.in_flight
      - idempotency.completed
      - resource.exists
      - resource.conflict
      - resource.method_not_allowed
      - upstream.refused
      - upstream.refused.408
      - upstream.refused.425
      - upstream.refused.429
  unauthorized:
    status: 401
    code: none
    message: The API token in the request is missing or is invalid.
    on: [credential]
  payment_required:
    status: 402
    code: none
    message: No active plan for the account or plan doesn't allow API/endpoint usage.
    on: [plan, credits.exhausted, permission.operation]
  not_found:
    status: 404
    code: none
    message: The requested resource does not exist.
    on: [resource, permission.resource, upstream.refused.404, upstream.refused.410]
  too_many_requests:
    status: 429
    code: none
    message: The API rate limit has been exceeded.
    on: [rate, quota.exceeded, credential.throttled, credits.held]
  internal_server_error:
    status: 500
    code: none
    message: An unexpected internal server error has occurred.
    on: [internal, overloaded, rule, store, upstream]

# For clients that send Accept-Language. Without it every answer is the documented one, in English.
locales:
  it:
    errors: # the titles are what problem documents (Accept: application/problem+json) show
      validation_failed:
        title: Un parametro manca o non è valido
        message: Verifica dei parametri di ingresso non riuscita.
      invalid_courier:
        title: Richiesta non riuscita
        message: Il corriere specificato non esiste.
      shipment_already_exists:
        title: Richiesta non riuscita
        message: Esiste già una spedizione con lo stesso codice di tracciamento e lo stesso corriere.
      bad_request:
        title: Richiesta non valida
        message: La richiesta non è valida.
      unauthorized:
        title: Credenziali mancanti o non valide
        message: Il token API nella richiesta manca o non è valido.
      payment_required:
        title: Pagamento richiesto
        message: L'account non ha un piano attivo, oppure il piano non consente l'uso dell'API o dell'endpoint.
      not_found:
        title: Non trovato
        message: La risorsa richiesta non esiste.
      too_many_requests:
        title: Troppe richieste
        message: Il limite di richieste all'API è stato superato.
      internal_server_error:
        title: Errore interno del server
        message: Si è verificato un errore interno del server.
    violations:
      required: "'{field}' non deve essere vuoto."
      requires: "'{field}' richiede '{limit}'."
      invalid: "'{field}' non è valido."
      type: "'{field}' deve essere di tipo '{limit}'."
      enum: "{allowed, plural, one {'{field}' deve essere {allowed}.} other {'{field}' deve essere uno di: {allowed}.}}"
      format: "'{field}' non è nel formato corretto."
      pattern: "'{field}' non è nel formato corretto."
      minimum: "'{field}' deve essere maggiore o uguale a '{limit}'."
      maximum: "'{field}' deve essere minore o uguale a '{limit}'."
      length.empty: "'{field}' non deve essere vuoto."
      length.min: "'{field}' deve avere almeno {limit, plural, one {# carattere} other {# caratteri}}."
      length.max: "'{field}' deve avere al massimo {limit, plural, one {# carattere} other {# caratteri}}."
      unknown: "'{field}' non è un parametro conosciuto."
"#;

/// Every declared error of trackbot-pro.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `validation_failed`: Input parameters validation failed.
    ValidationFailed(Box<demur_client::ApiError>),
    /// 400 `invalid_courier`: The courier slug you specified doesn't exist.
    InvalidCourier(Box<demur_client::ApiError>),
    /// 400 `shipment_already_exists`: A shipment with the same tracking code and courier already exists.
    ShipmentAlreadyExists(Box<demur_client::ApiError>),
    /// 400 `bad_request`: The request is invalid.
    BadRequest(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: The API token in the request is missing or is invalid.
    Unauthorized(Box<demur_client::ApiError>),
    /// 402 `payment_required`: No active plan for the account or plan doesn't allow API/endpoint usage.
    PaymentRequired(Box<demur_client::ApiError>),
    /// 404 `not_found`: The requested resource does not exist.
    NotFound(Box<demur_client::ApiError>),
    /// 429 `too_many_requests`: The API rate limit has been exceeded.
    TooManyRequests(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: An unexpected internal server error has occurred.
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("validation_failed") => Error::ValidationFailed(error),
            Some("invalid_courier") => Error::InvalidCourier(error),
            Some("shipment_already_exists") => Error::ShipmentAlreadyExists(error),
            Some("bad_request") => Error::BadRequest(error),
            Some("unauthorized") => Error::Unauthorized(error),
            Some("payment_required") => Error::PaymentRequired(error),
            Some("not_found") => Error::NotFound(error),
            Some("too_many_requests") => Error::TooManyRequests(error),
            Some("internal_server_error") => Error::InternalServerError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::ValidationFailed(error) => error,
            Error::InvalidCourier(error) => error,
            Error::ShipmentAlreadyExists(error) => error,
            Error::BadRequest(error) => error,
            Error::Unauthorized(error) => error,
            Error::PaymentRequired(error) => error,
            Error::NotFound(error) => error,
            Error::TooManyRequests(error) => error,
            Error::InternalServerError(error) => error,
            Error::Unrecognized(error) => error,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.details().fmt(f)
    }
}

impl std::error::Error for Error {}
