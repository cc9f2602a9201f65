// The errors of OpenAI-shaped errors, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# The shape of the OpenAI API's errors, for APIs whose callers use its SDKs. An upstream may say more than the messages
# here.
demur: 1
name: openai
title: OpenAI-shaped errors
source: https://platform.openai.com/docs/guides/error-codes
description: What OpenAI's client libraries read, that is type, code, param and message, and x-should-retry.
code_style: snake_case
request_id: { field: x-request-id, prefix: req_ }
headers: [x-should-retry]
types:
  invalid_request_error: The request cannot be served as it is
  insufficient_quota: What was paid for is used up
  requests: Too many requests at once
  server_error: Trouble on the server's side
members:
  error.message: What went wrong, for a developer
  error.type: The class of error
  error.param: The parameter that it is about, or null
  error.code: A name for the error, or null
formats:
  default: { error: { message: $detail, type: $type, param: $param, code: $code } }
violations:
  field: path
  show: first
  messages:
    required: "Missing required parameter: '{param}'."
    requires: "Missing required parameter: '{limit}', which '{param}' requires."
    type: "Invalid type for '{param}': expected {limit}, but got {value} instead."
    enum: "Invalid value for '{param}': '{value}'. Supported values are: {allowed|quoted}."
    minimum: "Invalid '{param}': expected a value of {limit} or more, but got {value} instead."
    maximum: "Invalid '{param}': expected a value of {limit} or less, but got {value} instead."
    unknown: "Unrecognized request argument supplied: {param}"
    invalid: "Invalid value for '{param}'."
errors:
  invalid_api_key:
    status: 401
    type: invalid_request_error
    message: { default: "Incorrect API key provided.", open: true }
    on: [credential]
  missing_api_key:
    status: 401
    type: invalid_request_error
    code: none
    message: { default: "You didn't provide an API key. Send it in an Authorization header, as Bearer and the key.", open: true }
    on: [credential.missing, credential.scheme]
  permission_denied:
    status: 403
    type: invalid_request_error
    message: { default: "The key does not have access to this.", open: true }
    on: [permission, plan.required, plan.inactive]
  missing_required_parameter:
    status: 400
    type: invalid_request_error
    message: { default: "A required parameter is missing.", open: true }
    on: [param.missing, param.requires]
  invalid_type:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter has the wrong type.", open: true }
    on: [param.invalid.type]
  invalid_value:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter has a value that is not allowed.", open: true }
    on: [param.invalid]
  unknown_parameter:
    status: 400
    type: invalid_request_error
    message: { default: "A parameter is not known.", open: true }
    on: [param.invalid.unknown]
  bad_request:
    status: 400
    type: invalid_request_error
    code: none
    message: { default: "The request could not be understood.", open: true }
    on: [request, body]
  not_found:
    status: 404
    type: invalid_request_error
    message: { default: "Not found.", open: true }
    on: [resource.not_found, resource.gone, upstream.refused.404]
  conflict:
    status: 409
    type: invalid_request_error
    message: { default: "The request conflicts with another one.", open: true }
    retry: never
    on: [resource.exists, resource.conflict, idempotency, idempotency.in_flight]
  rate_limit_exceeded:
    status: 429
    type: requests
    message: { default: "Rate limit reached. Wait before you try again.", open: true }
    on: [rate, credential.throttled, credits.held]
  insufficient_quota:
    status: 429
    type: insufficient_quota
    message: { default: "You exceeded your current quota. Check your plan and billing details.", open: true }
    retry: never
    on: [quota.exceeded, credits.exhausted]
  server_error:
    status: 500
    type: server_error
    message: The server had an error while processing your request.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
  service_unavailable:
    status: 503
    type: server_error
    message: The service is overloaded or not available. Try again later.
    on: [overloaded, store, upstream.unreachable, upstream.unavailable, upstream.timeout]
"#;

/// Every declared error of openai.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 401 `invalid_api_key`: Incorrect API key provided.
    InvalidApiKey(Box<demur_client::ApiError>),
    /// 401 `missing_api_key`: You didn't provide an API key. Send it in an Authorization header, as Bearer and the key.
    MissingApiKey(Box<demur_client::ApiError>),
    /// 403 `permission_denied`: The key does not have access to this.
    PermissionDenied(Box<demur_client::ApiError>),
    /// 400 `missing_required_parameter`: A required parameter is missing.
    MissingRequiredParameter(Box<demur_client::ApiError>),
    /// 400 `invalid_type`: A parameter has the wrong type.
    InvalidType(Box<demur_client::ApiError>),
    /// 400 `invalid_value`: A parameter has a value that is not allowed.
    InvalidValue(Box<demur_client::ApiError>),
    /// 400 `unknown_parameter`: A parameter is not known.
    UnknownParameter(Box<demur_client::ApiError>),
    /// 400 `bad_request`: The request could not be understood.
    BadRequest(Box<demur_client::ApiError>),
    /// 404 `not_found`: Not found.
    NotFound(Box<demur_client::ApiError>),
    /// 409 `conflict`: The request conflicts with another one.
    Conflict(Box<demur_client::ApiError>),
    /// 429 `rate_limit_exceeded`: Rate limit reached. Wait before you try again.
    RateLimitExceeded(Box<demur_client::ApiError>),
    /// 429 `insufficient_quota`: You exceeded your current quota. Check your plan and billing details.
    InsufficientQuota(Box<demur_client::ApiError>),
    /// 500 `server_error`: The server had an error while processing your request.
    ServerError(Box<demur_client::ApiError>),
    /// 503 `service_unavailable`: The service is overloaded or not available. Try again later.
    ServiceUnavailable(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("invalid_api_key") => Error::InvalidApiKey(error),
            Some("missing_api_key") => Error::MissingApiKey(error),
            Some("permission_denied") => Error::PermissionDenied(error),
            Some("missing_required_parameter") => Error::MissingRequiredParameter(error),
            Some("invalid_type") => Error::InvalidType(error),
            Some("invalid_value") => Error::InvalidValue(error),
            Some("unknown_parameter") => Error::UnknownParameter(error),
            Some("bad_request") => Error::BadRequest(error),
            Some("not_found") => Error::NotFound(error),
            Some("conflict") => Error::Conflict(error),
            Some("rate_limit_exceeded") => Error::RateLimitExceeded(error),
            Some("insufficient_quota") => Error::InsufficientQuota(error),
            Some("server_error") => Error::ServerError(error),
            Some("service_unavailable") => Error::ServiceUnavailable(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::InvalidApiKey(error) => error,
            Error::MissingApiKey(error) => error,
            Error::PermissionDenied(error) => error,
            Error::MissingRequiredParameter(error) => error,
            Error::InvalidType(error) => error,
            Error::InvalidValue(error) => error,
            Error::UnknownParameter(error) => error,
            Error::BadRequest(error) => error,
            Error::NotFound(error) => error,
            Error::Conflict(error) => error,
            Error::RateLimitExceeded(error) => error,
            Error::InsufficientQuota(error) => error,
            Error::ServerError(error) => error,
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
