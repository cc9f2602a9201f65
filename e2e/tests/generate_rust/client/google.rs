// The errors of google.rpc.Status, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# google.rpc.Status as JSON, as AIP-193 has it: the canonical code as `status`, an ErrorInfo in `details`. The reason names
# the error; the message may say more than it does here.
demur: 1
name: google
title: google.rpc.Status
source: https://google.aip.dev/193
code_style: SCREAMING_SNAKE_CASE
request_id: { field: X-Request-Id, prefix: req_ }
types:
  INVALID_ARGUMENT: The client specified an invalid argument
  FAILED_PRECONDITION: The system is not in the state that the operation needs
  UNAUTHENTICATED: There are no valid credentials
  PERMISSION_DENIED: The caller may not do this
  NOT_FOUND: There is no such entity
  ALREADY_EXISTS: There is such an entity already
  ABORTED: The operation was aborted
  RESOURCE_EXHAUSTED: A limit is reached
  UNIMPLEMENTED: Not implemented
  INTERNAL: Something is broken
  UNAVAILABLE: The service is not available at the moment
  DEADLINE_EXCEEDED: The deadline passed first
members:
  error.code: The HTTP status
  error.message: What went wrong, for a developer, in English
  error.status: The canonical code
  error.details: An ErrorInfo with the reason, and what else a program needs
formats:
  default:
    error:
      code: $status
      message: $message
      status: $type
      details:
        - { "@type": type.googleapis.com/google.rpc.ErrorInfo, reason: $code, domain: demur.example, metadata: {} }
        - { "@type": type.googleapis.com/google.rpc.RequestInfo, requestId: $request_id }
  violations:
    error:
      code: $status
      message: $message
      status: $type
      details:
        - { "@type": type.googleapis.com/google.rpc.ErrorInfo, reason: $code, domain: demur.example, metadata: {} }
        - "@type": type.googleapis.com/google.rpc.BadRequest
          fieldViolations: [{ field: $violation.field, description: $violation.message, reason: $violation.rule }]
        - { "@type": type.googleapis.com/google.rpc.RequestInfo, requestId: $request_id }
violations:
  field: path
  show: all
errors:
  API_KEY_INVALID:
    status: 401
    type: UNAUTHENTICATED
    message: { default: "The API key is not valid.", open: true }
    on: [credential]
  CREDENTIALS_MISSING:
    status: 401
    type: UNAUTHENTICATED
    message: { default: "The request has no credentials.", open: true }
    on: [credential.missing, credential.scheme]
  ACCESS_DENIED:
    status: 403
    type: PERMISSION_DENIED
    message: { default: "The caller does not have permission.", open: true }
    on: [permission, plan.required, plan.inactive]
  INVALID_PARAMETERS:
    status: 400
    type: INVALID_ARGUMENT
    format: violations
    message: { default: "The request has invalid arguments.", open: true }
    on: [param]
  INVALID_REQUEST:
    status: 400
    type: INVALID_ARGUMENT
    message: { default: "The request cannot be read.", open: true }
    on: [request, body]
  RESOURCE_NOT_FOUND:
    status: 404
    type: NOT_FOUND
    message: { default: "The resource was not found.", open: true }
    on: [resource.not_found, resource.gone, upstream.refused.404]
  METHOD_NOT_FOUND:
    status: 501
    type: UNIMPLEMENTED
    message: The method is not implemented.
    on: [resource.method_not_allowed]
  RESOURCE_EXISTS:
    status: 409
    type: ALREADY_EXISTS
    message: { default: "The resource exists already.", open: true }
    on: [resource.exists]
  OPERATION_CONFLICT:
    status: 409
    type: ABORTED
    message: { default: "The operation conflicts with another one.", open: true }
    on: [resource.conflict, idempotency, idempotency.in_flight]
  PRECONDITION_FAILED:
    status: 400
    type: FAILED_PRECONDITION
    message: { default: "A precondition does not hold.", open: true }
    on: [precondition]
  RATE_LIMIT_EXCEEDED:
    status: 429
    type: RESOURCE_EXHAUSTED
    message: { default: "There are more requests than the rate allows.", open: true }
    on: [rate, credential.throttled, credits.held]
  QUOTA_EXCEEDED:
    status: 429
    type: RESOURCE_EXHAUSTED
    message: { default: "The quota is used up.", open: true }
    on: [quota, credits.exhausted]
  DEADLINE_EXCEEDED:
    status: 504
    type: DEADLINE_EXCEEDED
    message: The service took too long.
    on: [upstream.timeout]
  SERVICE_UNAVAILABLE:
    status: 503
    type: UNAVAILABLE
    message: The service is not available at the moment.
    on: [overloaded, store, upstream.unreachable, upstream.unavailable]
  INTERNAL_ERROR:
    status: 500
    type: INTERNAL
    message: Something is broken on the server's side.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
"#;

/// Every declared error of google.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 401 `API_KEY_INVALID`: The API key is not valid.
    ApiKeyInvalid(Box<demur_client::ApiError>),
    /// 401 `CREDENTIALS_MISSING`: The request has no credentials.
    CredentialsMissing(Box<demur_client::ApiError>),
    /// 403 `ACCESS_DENIED`: The caller does not have permission.
    AccessDenied(Box<demur_client::ApiError>),
    /// 400 `INVALID_PARAMETERS`: The request has invalid arguments.
    InvalidParameters(Box<demur_client::ApiError>),
    /// 400 `INVALID_REQUEST`: The request cannot be read.
    InvalidRequest(Box<demur_client::ApiError>),
    /// 404 `RESOURCE_NOT_FOUND`: The resource was not found.
    ResourceNotFound(Box<demur_client::ApiError>),
    /// 501 `METHOD_NOT_FOUND`: The method is not implemented.
    MethodNotFound(Box<demur_client::ApiError>),
    /// 409 `RESOURCE_EXISTS`: The resource exists already.
    ResourceExists(Box<demur_client::ApiError>),
    /// 409 `OPERATION_CONFLICT`: The operation conflicts with another one.
    OperationConflict(Box<demur_client::ApiError>),
    /// 400 `PRECONDITION_FAILED`: A precondition does not hold.
    PreconditionFailed(Box<demur_client::ApiError>),
    /// 429 `RATE_LIMIT_EXCEEDED`: There are more requests than the rate allows.
    RateLimitExceeded(Box<demur_client::ApiError>),
    /// 429 `QUOTA_EXCEEDED`: The quota is used up.
    QuotaExceeded(Box<demur_client::ApiError>),
    /// 504 `DEADLINE_EXCEEDED`: The service took too long.
    DeadlineExceeded(Box<demur_client::ApiError>),
    /// 503 `SERVICE_UNAVAILABLE`: The service is not available at the moment.
    ServiceUnavailable(Box<demur_client::ApiError>),
    /// 500 `INTERNAL_ERROR`: Something is broken on the server's side.
    InternalError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("API_KEY_INVALID") => Error::ApiKeyInvalid(error),
            Some("CREDENTIALS_MISSING") => Error::CredentialsMissing(error),
            Some("ACCESS_DENIED") => Error::AccessDenied(error),
            Some("INVALID_PARAMETERS") => Error::InvalidParameters(error),
            Some("INVALID_REQUEST") => Error::InvalidRequest(error),
            Some("RESOURCE_NOT_FOUND") => Error::ResourceNotFound(error),
            Some("METHOD_NOT_FOUND") => Error::MethodNotFound(error),
            Some("RESOURCE_EXISTS") => Error::ResourceExists(error),
            Some("OPERATION_CONFLICT") => Error::OperationConflict(error),
            Some("PRECONDITION_FAILED") => Error::PreconditionFailed(error),
            Some("RATE_LIMIT_EXCEEDED") => Error::RateLimitExceeded(error),
            Some("QUOTA_EXCEEDED") => Error::QuotaExceeded(error),
            Some("DEADLINE_EXCEEDED") => Error::DeadlineExceeded(error),
            Some("SERVICE_UNAVAILABLE") => Error::ServiceUnavailable(error),
            Some("INTERNAL_ERROR") => Error::InternalError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::ApiKeyInvalid(error) => error,
            Error::CredentialsMissing(error) => error,
            Error::AccessDenied(error) => error,
            Error::InvalidParameters(error) => error,
            Error::InvalidRequest(error) => error,
            Error::ResourceNotFound(error) => error,
            Error::MethodNotFound(error) => error,
            Error::ResourceExists(error) => error,
            Error::OperationConflict(error) => error,
            Error::PreconditionFailed(error) => error,
            Error::RateLimitExceeded(error) => error,
            Error::QuotaExceeded(error) => error,
            Error::DeadlineExceeded(error) => error,
            Error::ServiceUnavailable(error) => error,
            Error::InternalError(error) => error,
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
