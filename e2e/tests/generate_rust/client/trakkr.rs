// The errors of Trakkr API, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# Trakkr: scores and brands. Follows the public page "Error Handling" of the Trakkr API.
demur: 1
name: trakkr
title: Trakkr API
source: the Trakkr API's page "Error Handling"
code_style: snake_case
request_id: { field: X-Request-Id, prefix: req_ }
doc_url: https://docs.trakkr.example/errors/{name}
statuses:
  closed: true
  200: OK - Request succeeded
  201: Created - Resource successfully created
  400: Bad Request - Invalid parameters
  401: Unauthorized - Invalid or missing API key
  403: Forbidden - No permission to access resource
  404: Not Found - Resource doesn't exist
  429: Too Many Requests - Rate limit exceeded
  500: Internal Server Error - Something went wrong
  503: Service Unavailable - Temporary outage
types:
  authentication_error: Problems authenticating your request
  invalid_request_error: Your request has invalid parameters
  rate_limit_error: Too many requests in a given time period
  api_error: An error occurred on our servers
members:
  error.type: The class of error (e.g., authentication_error)
  error.code: A machine-readable error code for programmatic handling
  error.message: A human-readable description of what went wrong
  error.param: The specific parameter that caused the error (when applicable)
  error.doc_url: Link to documentation for this specific error
formats:
  default:
    error:
      type: $type
      code: $code
      message: $message
      param?: $param
      doc_url: $doc_url
violations:
  field: name
  show: first
errors:
  # Authentication
  missing_authorization:
    status: 401
    type: authentication_error
    message: No Authorization header provided
    on: [credential.missing]
  invalid_api_key:
    status: 401
    type: authentication_error
    message: The API key is invalid or malformed
    on: [credential]
  api_key_revoked:
    status: 401
    type: authentication_error
    message: The API key has been revoked
    on: [credential.revoked]
  api_key_expired:
    status: 401
    type: authentication_error
    message: The API key has expired
    on: [credential.expired]
  permission_denied: # the page lists the status 403 and gives it no type or code: these are ours
    status: 403
    type: authentication_error
    message: No permission to access resource
    on: [permission, plan.required, plan.inactive, credits.exhausted]

  # The request
  missing_param:
    status: 400
    type: invalid_request_error
    message: "A required parameter is missing: {param}"
    on: [param.missing, param.requires]
  invalid_param:
    status: 400
    type: invalid_request_error
    message: "A request parameter is invalid: {param}"
    on: [param.invalid]
  invalid_json:
    status: 400
    type: invalid_request_error
    message: Request body is not valid JSON
    on: [body.invalid_json]
  invalid_request: # ours: what is wrong with a request beyond its parameters
    status: 400
    type: invalid_request_error
    message: The request is invalid
    on:
      - request
      - body
      - precondition.failed
      - idempotency.mismatch
      - idempotency.in_flight
      - idempotency.completed
      - resource.exists
      - resource.conflict
      - upstream.refused
      - upstream.refused.408
      - upstream.refused.425
  not_found:
    status: 404
    type: invalid_request_error
    message: The requested resource does not exist
    on: [resource, upstream.refused.404, upstream.refused.410]

  # Limits
  rate_limit_exceeded:
    status: 429
    type: rate_limit_error
    message: Request rate limit exceeded
    on: [rate, credential.throttled, credits.held]
  daily_limit_exceeded:
    status: 429
    type: rate_limit_error
    message: Daily request quota exceeded
    on: [quota]

  # The servers
  internal_error:
    status: 500
    type: api_error
    message: Internal server error
    on: [internal, rule, upstream]
  service_unavailable:
    status: 503
    type: api_error
    message: Service temporarily unavailable
    on: [upstream.unreachable, upstream.unavailable, upstream.refused.429, store.unavailable.keys, store.unavailable.limits, store.unavailable.credits, overloaded]
  timeout:
    status: 500
    type: api_error
    message: Request timed out
    on: [upstream.timeout]
"#;

/// Every declared error of trakkr.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 401 `missing_authorization`: No Authorization header provided
    MissingAuthorization(Box<demur_client::ApiError>),
    /// 401 `invalid_api_key`: The API key is invalid or malformed
    InvalidApiKey(Box<demur_client::ApiError>),
    /// 401 `api_key_revoked`: The API key has been revoked
    ApiKeyRevoked(Box<demur_client::ApiError>),
    /// 401 `api_key_expired`: The API key has expired
    ApiKeyExpired(Box<demur_client::ApiError>),
    /// 403 `permission_denied`: No permission to access resource
    PermissionDenied(Box<demur_client::ApiError>),
    /// 400 `missing_param`: A required parameter is missing: {param}
    MissingParam(Box<demur_client::ApiError>),
    /// 400 `invalid_param`: A request parameter is invalid: {param}
    InvalidParam(Box<demur_client::ApiError>),
    /// 400 `invalid_json`: Request body is not valid JSON
    InvalidJson(Box<demur_client::ApiError>),
    /// 400 `invalid_request`: The request is invalid
    InvalidRequest(Box<demur_client::ApiError>),
    /// 404 `not_found`: The requested resource does not exist
    NotFound(Box<demur_client::ApiError>),
    /// 429 `rate_limit_exceeded`: Request rate limit exceeded
    RateLimitExceeded(Box<demur_client::ApiError>),
    /// 429 `daily_limit_exceeded`: Daily request quota exceeded
    DailyLimitExceeded(Box<demur_client::ApiError>),
    /// 500 `internal_error`: Internal server error
    InternalError(Box<demur_client::ApiError>),
    /// 503 `service_unavailable`: Service temporarily unavailable
    ServiceUnavailable(Box<demur_client::ApiError>),
    /// 500 `timeout`: Request timed out
    Timeout(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("missing_authorization") => Error::MissingAuthorization(error),
            Some("invalid_api_key") => Error::InvalidApiKey(error),
            Some("api_key_revoked") => Error::ApiKeyRevoked(error),
            Some("api_key_expired") => Error::ApiKeyExpired(error),
            Some("permission_denied") => Error::PermissionDenied(error),
            Some("missing_param") => Error::MissingParam(error),
            Some("invalid_param") => Error::InvalidParam(error),
            Some("invalid_json") => Error::InvalidJson(error),
            Some("invalid_request") => Error::InvalidRequest(error),
            Some("not_found") => Error::NotFound(error),
            Some("rate_limit_exceeded") => Error::RateLimitExceeded(error),
            Some("daily_limit_exceeded") => Error::DailyLimitExceeded(error),
            Some("internal_error") => Error::InternalError(error),
            Some("service_unavailable") => Error::ServiceUnavailable(error),
            Some("timeout") => Error::Timeout(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::MissingAuthorization(error) => error,
            Error::InvalidApiKey(error) => error,
            Error::ApiKeyRevoked(error) => error,
            Error::ApiKeyExpired(error) => error,
            Error::PermissionDenied(error) => error,
            Error::MissingParam(error) => error,
            Error::InvalidParam(error) => error,
            Error::InvalidJson(error) => error,
            Error::InvalidRequest(error) => error,
            Error::NotFound(error) => error,
            Error::RateLimitExceeded(error) => error,
            Error::DailyLimitExceeded(error) => error,
            Error::InternalError(error) => error,
            Error::ServiceUnavailable(error) => error,
            Error::Timeout(error) => error,
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
