// The errors of Trackyard API, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# Trackyard: a track catalogue with search. Follows the public page "Errors" of the Trackyard API.
# 503 is not among its statuses: trouble of the gateway's own is answered 500.
demur: 1
name: trackyard
title: Trackyard API
source: the Trackyard API's page on errors
support: support@trackyard.example
request_id: { field: X-Request-Id, prefix: req_ }
headers: [x-ratelimit]
statuses:
  closed: true
  400: Bad Request
  401: Unauthorized
  402: Payment Required
  403: Forbidden
  404: Not Found
  429: Too Many Requests
  500: Internal Server Error
members:
  error: Brief error identifier; for invalid parameters, what is wrong with them
  message: Human-readable error description
  code: Present on invalid parameters
formats:
  default: { error: $title, message: $message }
  invalid: { error: $detail, code: $code }
violations:
  show: first
errors:
  # 400
  invalid_parameters:
    status: 400
    format: invalid
    message: The parameters are invalid
    cause: Invalid request parameters.
    fix: [Check parameter types and required fields, Review the API Reference for correct usage]
    on: [param]
  malformed_json:
    status: 400
    code: invalid_parameters
    format: invalid
    message: The request body is not valid JSON
    cause: Malformed JSON.
    fix: [Validate JSON syntax]
    on: [body.invalid_json]
  invalid_request:
    status: 400
    code: invalid_parameters
    format: invalid
    message: The request is invalid
    same_as: [invalid_parameters] # what is said of a parameter that is called `The request`
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

  # 401 to 404
  unauthorized:
    status: 401
    title: Unauthorized
    message: Invalid API key
    cause: Missing, invalid, or expired API key.
    fix:
      - Check that your API key is correct
      - "Ensure you're using the Authorization: Bearer header format"
      - Verify the key hasn't been revoked
      - Generate a new key if needed
    on: [credential]
  out_of_credits:
    status: 402
    title: Out of credits
    message: Please top up or upgrade your plan
    cause: Out of credits.
    fix: [Wait for monthly credit reset (1st of each month for free tier), Upgrade your plan]
    on: [credits.exhausted]
  forbidden:
    status: 403
    title: Forbidden
    message: This feature requires a paid plan
    cause: API key is valid but lacks permissions for the requested action.
    fix: [Check your account tier with GET /me, Upgrade your plan if needed]
    on: [plan]
  forbidden_admin: # the message is ours
    status: 403
    title: Forbidden
    message: This action requires admin rights
    fix: [Verify you're not accessing admin-only endpoints]
    on: [permission]
  track_not_found:
    status: 404
    title: Not Found
    message: Track not found
    cause: Requested resource doesn't exist.
    fix:
      - Verify the track ID is correct (from /search results)
      - Check for typos
      - The track may have been removed from the catalog
  not_found: # ours: for whatever is no track
    status: 404
    title: Not Found
    message: The requested resource does not exist
    on: [resource, upstream.refused.404, upstream.refused.410]

  # 429
  too_many_requests:
    status: 429
    title: Too Many Requests
    message: Rate limit exceeded
    retry: { class: after_delay, default_delay: 60s, attempts: 3 }
    cause: Rate limit exceeded.
    fix: [Wait retry_after seconds before retrying, Implement exponential backoff in your code]
    on: [rate, quota.exceeded, credential.throttled, credits.held]

  # 500
  internal_server_error:
    status: 500
    title: Internal Server Error
    message: An unexpected error occurred
    cause: Server-side error.
    fix: [Retry the request after a short delay, "If the problem persists, contact support with the request_id"]
    on: [internal, overloaded, rule, store, upstream]
"#;

/// Every declared error of trackyard.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `invalid_parameters`: The parameters are invalid
    InvalidParameters(Box<demur_client::ApiError>),
    /// 400 `invalid_parameters`: The request body is not valid JSON
    MalformedJson(Box<demur_client::ApiError>),
    /// 400 `invalid_parameters`: The request is invalid
    InvalidRequest(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: Invalid API key
    Unauthorized(Box<demur_client::ApiError>),
    /// 402 `out_of_credits`: Please top up or upgrade your plan
    OutOfCredits(Box<demur_client::ApiError>),
    /// 403 `forbidden`: This feature requires a paid plan
    Forbidden(Box<demur_client::ApiError>),
    /// 403 `forbidden_admin`: This action requires admin rights
    ForbiddenAdmin(Box<demur_client::ApiError>),
    /// 404 `track_not_found`: Track not found
    TrackNotFound(Box<demur_client::ApiError>),
    /// 404 `not_found`: The requested resource does not exist
    NotFound(Box<demur_client::ApiError>),
    /// 429 `too_many_requests`: Rate limit exceeded
    TooManyRequests(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: An unexpected error occurred
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("invalid_parameters") => Error::InvalidParameters(error),
            Some("malformed_json") => Error::MalformedJson(error),
            Some("invalid_request") => Error::InvalidRequest(error),
            Some("unauthorized") => Error::Unauthorized(error),
            Some("out_of_credits") => Error::OutOfCredits(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("forbidden_admin") => Error::ForbiddenAdmin(error),
            Some("track_not_found") => Error::TrackNotFound(error),
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
            Error::InvalidParameters(error) => error,
            Error::MalformedJson(error) => error,
            Error::InvalidRequest(error) => error,
            Error::Unauthorized(error) => error,
            Error::OutOfCredits(error) => error,
            Error::Forbidden(error) => error,
            Error::ForbiddenAdmin(error) => error,
            Error::TrackNotFound(error) => error,
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
