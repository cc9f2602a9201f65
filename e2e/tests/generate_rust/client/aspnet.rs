// The errors of ASP.NET Core problem details, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# ASP.NET Core's ProblemDetails and ValidationProblemDetails: RFC 9457 with errors by member. The types are those of its
# releases since 8; those before pointed into RFC 7231.
demur: 1
name: aspnet
title: ASP.NET Core problem details
source: https://learn.microsoft.com/aspnet/core/web-api/handle-errors
content_type: application/problem+json
request_id: { field: X-Request-Id, prefix: "" }
members:
  type: The section of the RFC that defines the status
  title: A short summary
  status: The HTTP status
  errors: Messages by member
  traceId: The request's id
formats:
  default: { type?: $type, title: $title, status: $status, traceId: $request_id }
  keyed:
    type?: $type
    title: $title
    status: $status
    errors: { $violation.field: [$violation.message] }
    traceId: $request_id
violations:
  field: pascal
  show: all
  messages:
    required: The {param} field is required.
    requires: The {param} field requires {limit}.
    invalid: The value '{value}' is not valid for {param}.
    minimum: The field {param} must be at least {limit}.
    maximum: The field {param} must be at most {limit}.
    length.min: The field {param} must have a minimum length of '{limit}'.
    length.max: The field {param} must have a maximum length of '{limit}'.
    pattern: "The field {param} must match the regular expression '{limit}'."
errors:
  bad_request: { status: 400, type: "https://tools.ietf.org/html/rfc9110#section-15.5.1", title: Bad Request, on: [request, body] }
  validation: { status: 400, type: "https://tools.ietf.org/html/rfc9110#section-15.5.1", title: One or more validation errors occurred., format: keyed, on: [param] }
  unauthorized: { status: 401, type: "https://tools.ietf.org/html/rfc9110#section-15.5.2", title: Unauthorized, on: [credential] }
  forbidden: { status: 403, type: "https://tools.ietf.org/html/rfc9110#section-15.5.4", title: Forbidden, on: [permission, plan, plan.required, plan.inactive] }
  not_found: { status: 404, type: "https://tools.ietf.org/html/rfc9110#section-15.5.5", title: Not Found, on: [resource.not_found, resource.gone, upstream.refused.404] }
  method_not_allowed: { status: 405, type: "https://tools.ietf.org/html/rfc9110#section-15.5.6", title: Method Not Allowed, on: [resource.method_not_allowed] }
  conflict: { status: 409, type: "https://tools.ietf.org/html/rfc9110#section-15.5.10", title: Conflict, on: [resource.exists, resource.conflict, idempotency, idempotency.in_flight] }
  unsupported_media_type: { status: 415, type: "https://tools.ietf.org/html/rfc9110#section-15.5.16", title: Unsupported Media Type, on: [body.unsupported_media_type] }
  too_many_requests: { status: 429, title: Too Many Requests, on: [rate, quota.exceeded, credential.throttled, credits.held] }
  internal_server_error:
    status: 500
    type: "https://tools.ietf.org/html/rfc9110#section-15.6.1"
    title: An error occurred while processing your request.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
"#;

/// Every declared error of aspnet.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `bad_request`: Bad Request
    BadRequest(Box<demur_client::ApiError>),
    /// 400 `validation`: One or more validation errors occurred.
    Validation(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: Unauthorized
    Unauthorized(Box<demur_client::ApiError>),
    /// 403 `forbidden`: Forbidden
    Forbidden(Box<demur_client::ApiError>),
    /// 404 `not_found`: Not Found
    NotFound(Box<demur_client::ApiError>),
    /// 405 `method_not_allowed`: Method Not Allowed
    MethodNotAllowed(Box<demur_client::ApiError>),
    /// 409 `conflict`: Conflict
    Conflict(Box<demur_client::ApiError>),
    /// 415 `unsupported_media_type`: Unsupported Media Type
    UnsupportedMediaType(Box<demur_client::ApiError>),
    /// 429 `too_many_requests`: Too Many Requests
    TooManyRequests(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: An error occurred while processing your request.
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("bad_request") => Error::BadRequest(error),
            Some("validation") => Error::Validation(error),
            Some("unauthorized") => Error::Unauthorized(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("not_found") => Error::NotFound(error),
            Some("method_not_allowed") => Error::MethodNotAllowed(error),
            Some("conflict") => Error::Conflict(error),
            Some("unsupported_media_type") => Error::UnsupportedMediaType(error),
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
            Error::BadRequest(error) => error,
            Error::Validation(error) => error,
            Error::Unauthorized(error) => error,
            Error::Forbidden(error) => error,
            Error::NotFound(error) => error,
            Error::MethodNotAllowed(error) => error,
            Error::Conflict(error) => error,
            Error::UnsupportedMediaType(error) => error,
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
