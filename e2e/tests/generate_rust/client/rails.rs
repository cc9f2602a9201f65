// The errors of Rails-shaped errors, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# The keyed shape that Rails applications render: errors of a model by attribute, one `error` elsewhere.
demur: 1
name: rails
title: Rails-shaped errors
source: https://guides.rubyonrails.org/active_record_validations.html
request_id: { field: X-Request-Id, prefix: "" }
members:
  errors: Messages by attribute
  error: What went wrong
formats:
  default: { status: $status, error: $title }
  keyed:
    errors: { $violation.field: [$violation.message] }
violations:
  field: name
  show: all
  messages:
    required: can't be blank
    requires: requires {limit}
    invalid: is invalid
    enum: is not included in the list
    minimum: must be greater than or equal to {limit}
    maximum: must be less than or equal to {limit}
    length.empty: can't be blank
    length.min: is too short (minimum is {limit} characters)
    length.max: is too long (maximum is {limit} characters)
    unknown: is not permitted
errors:
  bad_request: { status: 400, title: Bad Request, on: [request, body] }
  unauthorized: { status: 401, title: Unauthorized, on: [credential] }
  forbidden: { status: 403, title: Forbidden, on: [permission, plan.required, plan.inactive] }
  not_found: { status: 404, title: Not Found, on: [resource, upstream.refused.404] }
  unprocessable_entity: { status: 422, title: Unprocessable Content, format: keyed, on: [param] }
  too_many_requests: { status: 429, title: Too Many Requests, on: [rate, quota.exceeded, credential.throttled, credits.held] }
  internal_server_error:
    status: 500
    title: Internal Server Error
    on: [internal, rule, upstream.failed, upstream.invalid_response]
"#;

/// Every declared error of rails.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `bad_request`: Bad Request
    BadRequest(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: Unauthorized
    Unauthorized(Box<demur_client::ApiError>),
    /// 403 `forbidden`: Forbidden
    Forbidden(Box<demur_client::ApiError>),
    /// 404 `not_found`: Not Found
    NotFound(Box<demur_client::ApiError>),
    /// 422 `unprocessable_entity`: Unprocessable Content
    UnprocessableEntity(Box<demur_client::ApiError>),
    /// 429 `too_many_requests`: Too Many Requests
    TooManyRequests(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: Internal Server Error
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("bad_request") => Error::BadRequest(error),
            Some("unauthorized") => Error::Unauthorized(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("not_found") => Error::NotFound(error),
            Some("unprocessable_entity") => Error::UnprocessableEntity(error),
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
            Error::Unauthorized(error) => error,
            Error::Forbidden(error) => error,
            Error::NotFound(error) => error,
            Error::UnprocessableEntity(error) => error,
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
