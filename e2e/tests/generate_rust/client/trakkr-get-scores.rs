// The errors of Trakkr get-scores, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# Trakkr, the older generation: POST /get-scores. Follows the public page of that endpoint.
# It has no strict rate limit: it never answers 429.
demur: 1
name: trakkr-get-scores
title: Trakkr get-scores
source: the Trakkr API's page on get-scores
request_id: { field: X-Request-Id, prefix: req_ }
statuses:
  closed: true
  200: Success - The request was successful
  400: Bad Request - The request was invalid
  401: Unauthorized - Missing or invalid API key
  403: Forbidden - Valid API key but insufficient permissions
  500: Internal Server Error - Something went wrong on our end
members:
  error: Error title
  errors: Detailed error messages
formats:
  default: { error: $title, errors: [$detail] } # each violation's message, or the message itself
violations:
  field: name
  show: same_error
errors:
  # 400
  missing_parameter:
    status: 400
    title: "Missing required parameter: {param}"
    message: "{param} parameter is required"
    on: [param.missing]
  invalid_format:
    status: 400
    title: "Invalid {param} parameter format"
    message: "{param} must be a valid JSON array"
    on: [param.invalid.type.array]
  invalid_values:
    status: 400
    title: "Invalid {param} values"
    message: "Invalid {param} values: {values|quoted}. Valid values are: {allowed|quoted}"
    collect: values
    on: [param.invalid.enum, param.invalid.const]
  invalid_date:
    status: 400
    title: "Invalid {param} format"
    message: "{param} must be in YYYY-MM-DD format"
    on: [param.invalid.pattern, param.invalid.format.date]
  invalid_parameter: # ours: what the page does not mention
    status: 400
    title: "Invalid {param}"
    message: "{param} is not valid"
    same_as: [invalid_values] # where names and values hold the texts of the other
    on: [param]
  date_range_too_large: # raised by a rule in the gateway's configuration
    status: 400
    title: Date range too large
    message: The total date range cannot exceed 90 days
  bad_request: # the page gives 400 its description, not a sample: the title is ours
    status: 400
    title: Bad request
    message: The request was invalid
    on:
      - request
      - body
      - resource.not_found
      - resource.method_not_allowed
      - resource.exists
      - resource.conflict
      - resource.gone
      - precondition.failed
      - idempotency.mismatch
      - idempotency.in_flight
      - idempotency.completed
      - upstream.refused
      - upstream.refused.408
      - upstream.refused.425
      - upstream.refused.429

  # 401, 403
  missing_api_key:
    status: 401
    title: Missing API key
    message: "API key must be provided in the Authorization header as 'Bearer <api_key>'"
    on: [credential.missing, credential.scheme]
  invalid_api_key:
    status: 403
    title: Invalid API key
    message: No accounts found for this API key
    on: [credential, credential.throttled]
  brand_access_denied: # raised by a rule in the gateway's configuration
    status: 403
    title: Brand access denied
    message: You do not have access to this brand
  forbidden: # the title is ours
    status: 403
    title: Forbidden
    message: Valid API key but insufficient permissions
    on:
      - permission
      - plan.required
      - plan.inactive
      - credits.exhausted
      - credits.held # there is no 429 here: as with the rates
      - rate.exceeded
      - rate.concurrency
      - quota.exceeded

  # 500
  authentication_error:
    status: 500
    title: Authentication error
    message: Could not validate API key against database
    on: [store.unavailable.keys]
  date_range_validation_error: # what a rule that fails to run says, where the configuration names it
    status: 500
    title: Date range validation error
    message: "Could not validate date range: invalid date format"
  internal_server_error: # the detail is the request's id, never the cause
    status: 500
    title: Internal server error
    message: "An unexpected error occurred: {request_id}"
    on: [internal, overloaded, rule, store, upstream]
"#;

/// Every declared error of trakkr-get-scores.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `missing_parameter`: {param} parameter is required
    MissingParameter(Box<demur_client::ApiError>),
    /// 400 `invalid_format`: {param} must be a valid JSON array
    InvalidFormat(Box<demur_client::ApiError>),
    /// 400 `invalid_values`: Invalid {param} values: {values|quoted}. Valid values are: {allowed|quoted}
    InvalidValues(Box<demur_client::ApiError>),
    /// 400 `invalid_date`: {param} must be in YYYY-MM-DD format
    InvalidDate(Box<demur_client::ApiError>),
    /// 400 `invalid_parameter`: {param} is not valid
    InvalidParameter(Box<demur_client::ApiError>),
    /// 400 `date_range_too_large`: The total date range cannot exceed 90 days
    DateRangeTooLarge(Box<demur_client::ApiError>),
    /// 400 `bad_request`: The request was invalid
    BadRequest(Box<demur_client::ApiError>),
    /// 401 `missing_api_key`: API key must be provided in the Authorization header as 'Bearer \<api_key>'
    MissingApiKey(Box<demur_client::ApiError>),
    /// 403 `invalid_api_key`: No accounts found for this API key
    InvalidApiKey(Box<demur_client::ApiError>),
    /// 403 `brand_access_denied`: You do not have access to this brand
    BrandAccessDenied(Box<demur_client::ApiError>),
    /// 403 `forbidden`: Valid API key but insufficient permissions
    Forbidden(Box<demur_client::ApiError>),
    /// 500 `authentication_error`: Could not validate API key against database
    AuthenticationError(Box<demur_client::ApiError>),
    /// 500 `date_range_validation_error`: Could not validate date range: invalid date format
    DateRangeValidationError(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: An unexpected error occurred: {request_id}
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("missing_parameter") => Error::MissingParameter(error),
            Some("invalid_format") => Error::InvalidFormat(error),
            Some("invalid_values") => Error::InvalidValues(error),
            Some("invalid_date") => Error::InvalidDate(error),
            Some("invalid_parameter") => Error::InvalidParameter(error),
            Some("date_range_too_large") => Error::DateRangeTooLarge(error),
            Some("bad_request") => Error::BadRequest(error),
            Some("missing_api_key") => Error::MissingApiKey(error),
            Some("invalid_api_key") => Error::InvalidApiKey(error),
            Some("brand_access_denied") => Error::BrandAccessDenied(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("authentication_error") => Error::AuthenticationError(error),
            Some("date_range_validation_error") => Error::DateRangeValidationError(error),
            Some("internal_server_error") => Error::InternalServerError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::MissingParameter(error) => error,
            Error::InvalidFormat(error) => error,
            Error::InvalidValues(error) => error,
            Error::InvalidDate(error) => error,
            Error::InvalidParameter(error) => error,
            Error::DateRangeTooLarge(error) => error,
            Error::BadRequest(error) => error,
            Error::MissingApiKey(error) => error,
            Error::InvalidApiKey(error) => error,
            Error::BrandAccessDenied(error) => error,
            Error::Forbidden(error) => error,
            Error::AuthenticationError(error) => error,
            Error::DateRangeValidationError(error) => error,
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
