// The errors of Stripe-shaped errors, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# The shape of Stripe's errors, for APIs whose callers use its SDKs. An upstream may say more than the messages here; with
# pages of your own, add `doc_url` to the file and `doc_url?: $doc_url` to the format.
demur: 1
name: stripe
title: Stripe-shaped errors
source: https://docs.stripe.com/api/errors
description: What Stripe's client libraries read, that is type, code, param and message, and Stripe-Should-Retry.
code_style: snake_case
request_id: { field: Request-Id, prefix: req_ }
headers: [{ should_retry: Stripe-Should-Retry }]
types:
  api_error: Something is wrong with the servers
  card_error: A payment was declined
  idempotency_error: An Idempotency-Key was used for another request
  invalid_request_error: The request has invalid parameters
members:
  error.type: The class of error
  error.code: A name for errors that a program could handle
  error.message: A human-readable message
  error.param: The parameter that it is about
formats:
  default:
    error:
      type: $type
      code?: $code
      message: $detail
      param?: $param
  plain:
    error:
      type: $type
      message: $detail
violations:
  field: path
  show: first
  messages:
    required: "Missing required param: {param}."
    requires: "Missing required param: {limit}."
    unknown: "Received unknown parameter: {param}"
    type: "Invalid {limit}: {value}"
    enum: "Invalid {param}: must be one of {allowed}"
    length.empty: "You passed an empty string for '{param}'. Provide a value, or leave it out."
    invalid: "Invalid value for {param}: {value}"
errors:
  unauthorized:
    status: 401
    type: invalid_request_error
    code: none
    format: plain
    message: { default: "You did not provide a valid API key.", open: true }
    on: [credential]
  api_key_expired:
    status: 401
    type: invalid_request_error
    message: { default: "The API key has expired.", open: true }
    on: [credential.expired]
  payment_required:
    status: 402
    type: card_error
    code: insufficient_funds
    message: { default: "The account has no credits left.", open: true }
    on: [credits.exhausted, plan.inactive]
  forbidden:
    status: 403
    type: invalid_request_error
    code: none
    format: plain
    message: { default: "The key does not have the permissions for this request.", open: true }
    on: [permission, plan.required]
  parameter_missing:
    status: 400
    type: invalid_request_error
    message: { default: "A required parameter is missing.", open: true }
    on: [param.missing, param.requires]
  parameter_unknown:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter is not known.", open: true }
    on: [param.invalid.unknown]
  parameter_invalid_empty:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter must not be empty.", open: true }
    on: [param.invalid.length.empty]
  parameter_invalid:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter is not valid.", open: true }
    on: [param.invalid]
  bad_request:
    status: 400
    type: invalid_request_error
    code: none
    format: plain
    message: { default: "The request could not be understood.", open: true }
    on: [request, body]
  resource_missing:
    status: 404
    type: invalid_request_error
    message: { default: "No such resource.", open: true }
    on: [resource.not_found, resource.gone, upstream.refused.404]
  resource_already_exists:
    status: 400
    type: invalid_request_error
    message: { default: "There is such a resource already.", open: true }
    on: [resource.exists]
  idempotency_key_in_use:
    status: 409
    type: idempotency_error
    message: { default: "Another request with this Idempotency-Key is under way.", open: true }
    on: [idempotency.in_flight]
  idempotency_mismatch:
    status: 400
    type: idempotency_error
    code: none
    format: plain
    message: { default: "The Idempotency-Key was used with other parameters before.", open: true }
    on: [idempotency.mismatch]
  idempotency_completed:
    status: 400
    type: idempotency_error
    message: { default: "The request with this Idempotency-Key has completed, and its response is not kept.", open: true }
    on: [idempotency.completed]
  rate_limit:
    status: 429
    type: invalid_request_error
    message: { default: "Too many requests. Back off exponentially.", open: true }
    on: [rate, quota.exceeded, credential.throttled, credits.held]
  api_error:
    status: 500
    type: api_error
    code: none
    format: plain
    message: An error occurred on our side.
    on: [internal, rule, store, overloaded, upstream.failed, upstream.invalid_response, upstream.unreachable, upstream.unavailable, upstream.timeout]
"#;

/// Every declared error of stripe.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 401 `unauthorized`: You did not provide a valid API key.
    Unauthorized(Box<demur_client::ApiError>),
    /// 401 `api_key_expired`: The API key has expired.
    ApiKeyExpired(Box<demur_client::ApiError>),
    /// 402 `insufficient_funds`: The account has no credits left.
    PaymentRequired(Box<demur_client::ApiError>),
    /// 403 `forbidden`: The key does not have the permissions for this request.
    Forbidden(Box<demur_client::ApiError>),
    /// 400 `parameter_missing`: A required parameter is missing.
    ParameterMissing(Box<demur_client::ApiError>),
    /// 400 `parameter_unknown`: A parameter is not known.
    ParameterUnknown(Box<demur_client::ApiError>),
    /// 400 `parameter_invalid_empty`: A parameter must not be empty.
    ParameterInvalidEmpty(Box<demur_client::ApiError>),
    /// 400 `parameter_invalid`: A parameter is not valid.
    ParameterInvalid(Box<demur_client::ApiError>),
    /// 400 `bad_request`: The request could not be understood.
    BadRequest(Box<demur_client::ApiError>),
    /// 404 `resource_missing`: No such resource.
    ResourceMissing(Box<demur_client::ApiError>),
    /// 400 `resource_already_exists`: There is such a resource already.
    ResourceAlreadyExists(Box<demur_client::ApiError>),
    /// 409 `idempotency_key_in_use`: Another request with this Idempotency-Key is under way.
    IdempotencyKeyInUse(Box<demur_client::ApiError>),
    /// 400 `idempotency_mismatch`: The Idempotency-Key was used with other parameters before.
    IdempotencyMismatch(Box<demur_client::ApiError>),
    /// 400 `idempotency_completed`: The request with this Idempotency-Key has completed, and its response is not kept.
    IdempotencyCompleted(Box<demur_client::ApiError>),
    /// 429 `rate_limit`: Too many requests. Back off exponentially.
    RateLimit(Box<demur_client::ApiError>),
    /// 500 `api_error`: An error occurred on our side.
    ApiError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("unauthorized") => Error::Unauthorized(error),
            Some("api_key_expired") => Error::ApiKeyExpired(error),
            Some("payment_required") => Error::PaymentRequired(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("parameter_missing") => Error::ParameterMissing(error),
            Some("parameter_unknown") => Error::ParameterUnknown(error),
            Some("parameter_invalid_empty") => Error::ParameterInvalidEmpty(error),
            Some("parameter_invalid") => Error::ParameterInvalid(error),
            Some("bad_request") => Error::BadRequest(error),
            Some("resource_missing") => Error::ResourceMissing(error),
            Some("resource_already_exists") => Error::ResourceAlreadyExists(error),
            Some("idempotency_key_in_use") => Error::IdempotencyKeyInUse(error),
            Some("idempotency_mismatch") => Error::IdempotencyMismatch(error),
            Some("idempotency_completed") => Error::IdempotencyCompleted(error),
            Some("rate_limit") => Error::RateLimit(error),
            Some("api_error") => Error::ApiError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::Unauthorized(error) => error,
            Error::ApiKeyExpired(error) => error,
            Error::PaymentRequired(error) => error,
            Error::Forbidden(error) => error,
            Error::ParameterMissing(error) => error,
            Error::ParameterUnknown(error) => error,
            Error::ParameterInvalidEmpty(error) => error,
            Error::ParameterInvalid(error) => error,
            Error::BadRequest(error) => error,
            Error::ResourceMissing(error) => error,
            Error::ResourceAlreadyExists(error) => error,
            Error::IdempotencyKeyInUse(error) => error,
            Error::IdempotencyMismatch(error) => error,
            Error::IdempotencyCompleted(error) => error,
            Error::RateLimit(error) => error,
            Error::ApiError(error) => error,
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
