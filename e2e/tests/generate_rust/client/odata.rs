// The errors of OData and Azure errors, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# The error response of OData 4.01, as the Azure REST API guidelines use it. The code names the error; the message may say
# more than it does here.
demur: 1
name: odata
title: OData and Azure errors
source: https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html
description: Also the Microsoft Azure REST API guidelines, section on handling errors.
code_style: PascalCase
request_id: { field: x-ms-request-id, prefix: "" }
members:
  error.code: A name for the error
  error.message: What went wrong, in the language of the reader
  error.target: What it is about
  error.details: One entry for each violation
formats:
  default:
    error:
      code: $code
      message: $message
      target?: $param
      details?: [{ code: $violation.rule, target: $violation.field, message: $violation.message }]
violations:
  field: path
  show: all
errors:
  BadRequest: { status: 400, message: { default: "The request cannot be read.", open: true }, on: [request, body] }
  InvalidArgument: { status: 400, message: { default: "Some arguments are not valid.", open: true }, on: [param] }
  Unauthorized: { status: 401, message: { default: "The credentials are missing or not valid.", open: true }, on: [credential, credential.throttled] }
  Forbidden: { status: 403, message: { default: "The caller may not do this.", open: true }, on: [permission, plan.required] }
  ResourceNotFound: { status: 404, message: { default: "There is no such resource.", open: true }, on: [resource.not_found, resource.gone, upstream.refused.404] }
  ResourceAlreadyExists: { status: 409, message: { default: "There is such a resource already.", open: true }, on: [resource.exists] }
  PreconditionFailed: { status: 412, message: { default: "A precondition does not hold.", open: true }, on: [precondition] }
  TooManyRequests: { status: 429, message: { default: "Wait before the next request.", open: true }, on: [rate, credits.held] }
  QuotaExceeded: { status: 429, message: { default: "The quota is used up.", open: true }, on: [quota] }
  InternalServerError:
    status: 500
    message: Something went wrong on the server's side.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
  ServiceUnavailable:
    status: 503
    message: The service is not available at the moment.
    on: [overloaded, store, upstream.unavailable]
"#;

/// Every declared error of odata.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `BadRequest`: The request cannot be read.
    BadRequest(Box<demur_client::ApiError>),
    /// 400 `InvalidArgument`: Some arguments are not valid.
    InvalidArgument(Box<demur_client::ApiError>),
    /// 401 `Unauthorized`: The credentials are missing or not valid.
    Unauthorized(Box<demur_client::ApiError>),
    /// 403 `Forbidden`: The caller may not do this.
    Forbidden(Box<demur_client::ApiError>),
    /// 404 `ResourceNotFound`: There is no such resource.
    ResourceNotFound(Box<demur_client::ApiError>),
    /// 409 `ResourceAlreadyExists`: There is such a resource already.
    ResourceAlreadyExists(Box<demur_client::ApiError>),
    /// 412 `PreconditionFailed`: A precondition does not hold.
    PreconditionFailed(Box<demur_client::ApiError>),
    /// 429 `TooManyRequests`: Wait before the next request.
    TooManyRequests(Box<demur_client::ApiError>),
    /// 429 `QuotaExceeded`: The quota is used up.
    QuotaExceeded(Box<demur_client::ApiError>),
    /// 500 `InternalServerError`: Something went wrong on the server's side.
    InternalServerError(Box<demur_client::ApiError>),
    /// 503 `ServiceUnavailable`: The service is not available at the moment.
    ServiceUnavailable(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("BadRequest") => Error::BadRequest(error),
            Some("InvalidArgument") => Error::InvalidArgument(error),
            Some("Unauthorized") => Error::Unauthorized(error),
            Some("Forbidden") => Error::Forbidden(error),
            Some("ResourceNotFound") => Error::ResourceNotFound(error),
            Some("ResourceAlreadyExists") => Error::ResourceAlreadyExists(error),
            Some("PreconditionFailed") => Error::PreconditionFailed(error),
            Some("TooManyRequests") => Error::TooManyRequests(error),
            Some("QuotaExceeded") => Error::QuotaExceeded(error),
            Some("InternalServerError") => Error::InternalServerError(error),
            Some("ServiceUnavailable") => Error::ServiceUnavailable(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::BadRequest(error) => error,
            Error::InvalidArgument(error) => error,
            Error::Unauthorized(error) => error,
            Error::Forbidden(error) => error,
            Error::ResourceNotFound(error) => error,
            Error::ResourceAlreadyExists(error) => error,
            Error::PreconditionFailed(error) => error,
            Error::TooManyRequests(error) => error,
            Error::QuotaExceeded(error) => error,
            Error::InternalServerError(error) => error,
            Error::ServiceUnavailable(error) => error,
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
