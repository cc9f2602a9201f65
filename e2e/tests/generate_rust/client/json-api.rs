// The errors of JSON:API errors, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# JSON:API 1.1: a list of error objects, one for each violation. Titles never change; a detail may say more than it does
# here.
demur: 1
name: json-api
title: JSON:API errors
source: https://jsonapi.org/format/#errors
content_type: application/vnd.api+json
code_style: snake_case
request_id: { field: X-Request-Id, prefix: req_ }
members:
  errors: Error objects
  errors[].id: The request's id
  errors[].status: The HTTP status, as a string
  errors[].code: A name for the error
  errors[].title: A short summary that never changes
  errors[].detail: What went wrong this time
  errors[].source.pointer: JSON Pointer to what caused it in the request's document
  errors[].source.parameter: The query parameter that caused it
  errors[].source.header: The request header that caused it
formats:
  default:
    errors:
      - id?: $request_id
        status: $status|string
        code: $code
        title: $title
        detail: $detail
        source?:
          pointer?: $violation.pointer|in:body
          parameter?: $violation.field|in:query
          header?: $violation.field|in:header
violations:
  field: path
  show: all
errors:
  bad_request: { status: 400, title: Bad Request, message: { default: "The request cannot be read.", open: true }, on: [request, body] }
  unauthorized: { status: 401, title: Unauthorized, message: { default: "Valid credentials are needed.", open: true }, on: [credential, credential.throttled] }
  forbidden: { status: 403, title: Forbidden, message: { default: "The key does not cover this.", open: true }, on: [permission, plan.required] }
  not_found: { status: 404, title: Not Found, message: { default: "There is no such resource.", open: true }, on: [resource.not_found, resource.gone, upstream.refused.404] }
  unsupported_media_type:
    status: 415
    title: Unsupported Media Type
    message: { default: "Send application/vnd.api+json.", open: true }
    on: [body.unsupported_media_type]
  validation_failed:
    status: 422
    title: Unprocessable Content
    message: { default: "Some attributes are not valid.", open: true }
    on: [param]
  rate_limited: { status: 429, title: Too Many Requests, message: { default: "Wait before the next request.", open: true }, on: [rate, quota.exceeded, credits.held] }
  internal_server_error:
    status: 500
    title: Internal Server Error
    message: Something went wrong on the server's side.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
"#;

/// Every declared error of json-api.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `bad_request`: The request cannot be read.
    BadRequest(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: Valid credentials are needed.
    Unauthorized(Box<demur_client::ApiError>),
    /// 403 `forbidden`: The key does not cover this.
    Forbidden(Box<demur_client::ApiError>),
    /// 404 `not_found`: There is no such resource.
    NotFound(Box<demur_client::ApiError>),
    /// 415 `unsupported_media_type`: Send application/vnd.api+json.
    UnsupportedMediaType(Box<demur_client::ApiError>),
    /// 422 `validation_failed`: Some attributes are not valid.
    ValidationFailed(Box<demur_client::ApiError>),
    /// 429 `rate_limited`: Wait before the next request.
    RateLimited(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: Something went wrong on the server's side.
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
            Some("unsupported_media_type") => Error::UnsupportedMediaType(error),
            Some("validation_failed") => Error::ValidationFailed(error),
            Some("rate_limited") => Error::RateLimited(error),
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
            Error::UnsupportedMediaType(error) => error,
            Error::ValidationFailed(error) => error,
            Error::RateLimited(error) => error,
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
