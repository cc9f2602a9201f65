// The errors of Trackunit APIs, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# yaml-language-server: $schema=../docs/schema/contract.json
# Trackunit: groups, assets and telematics devices. Follows the public page "Errors" of the Trackunit APIs.
# Its list of statuses is open ("most common"): what is not claimed here is derived.
demur: 1
name: trackunit
title: Trackunit APIs
source: the Trackunit APIs' page "Errors"
code_style: snake_case
request_id: { field: X-Request-Id, prefix: req_ }
statuses:
  200: OK - requested operation was completed successfully, and a JSON representation of the result was returned
  201: Created - requested resource was successfully created
  204: No Content - requested operation was completed successfully, however no JSON response was returned
  400: Bad Request - request was invalid
  401: Unauthorized - valid authentication credentials were missing in the request
  403: Forbidden - provided credentials were insufficient
  404: Not Found - requested resource was not found
  500: Internal Server Error - an unexpected error occurred in the API
members:
  status: HTTP status code of the response
  code: Error code (snake case) to distinguish between different errors
  message: Error message providing an explanation of the error
  violations: All the fields in which some constraint was violated
formats:
  default:
    status: $status
    code: $code
    message: $message
    violations?: [{ field: $violation.field, message: $violation.message }]
violations:
  field: path
  show: all
  messages:
    required: "value 'null' was rejected: must not be null"
    requires: "value '{value}' was rejected: requires {limit}"
    invalid: "value '{value}' was rejected: is not valid"
    type: "value '{value}' was rejected: must be of type {limit}"
    enum: "value '{value}' was rejected: must be one of {allowed}"
    format: "value '{value}' was rejected: must be a well-formed {limit}"
    pattern: "value '{value}' was rejected: must match \"{limit}\""
    minimum: "value '{value}' was rejected: must be greater than or equal to {limit}"
    maximum: "value '{value}' was rejected: must be less than or equal to {limit}"
    length.empty: "value '{value}' was rejected: must not be empty"
    length.min: "value '{value}' was rejected: size must be at least {limit}"
    length.max: "value '{value}' was rejected: size must be at most {limit}"
    count.min: "value '{value}' was rejected: must have at least {limit} elements"
    count.max: "value '{value}' was rejected: must have at most {limit} elements"
    unknown: "value '{value}' was rejected: unknown field"
errors:
  constraint_violation:
    status: 400
    message: Constraint violation
    on: [param]
  exactly_one_telematics_device_is_required:
    status: 400
    message: >-
      Exactly one telematics device is required to onboard an asset. The request was missing a telematics
      device or had more then one telematics device.
  telematics_device_already_onboarded: # named in the page's text; the code is ours
    status: 400
    message: The telematics device was already onboarded on Trackunit platform
  bad_request: # the code is ours
    status: 400
    message: The request was invalid
    on: [request, body]
  unauthorized:
    status: 401
    message: Valid authentication credentials were missing in the request
    on: [credential, credential.throttled]
  forbidden:
    status: 403
    message: Provided credentials were insufficient to access a requested resource or perform a requested operation
    on: [permission, plan.required]
  not_found:
    status: 404
    message: The requested resource was not found
    on: [resource.not_found, resource.gone, upstream.refused.404]
  internal_server_error:
    status: 500
    message: >-
      An unexpected error occurred in the API. This might be due to a bug or temporary infrastructure problems.
    on: [internal, rule, upstream.failed, upstream.invalid_response]
"#;

/// Every declared error of trackunit.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `constraint_violation`: Constraint violation
    ConstraintViolation(Box<demur_client::ApiError>),
    /// 400 `exactly_one_telematics_device_is_required`: Exactly one telematics device is required to onboard an asset. The request was missing a telematics device or had more then one telematics device.
    ExactlyOneTelematicsDeviceIsRequired(Box<demur_client::ApiError>),
    /// 400 `telematics_device_already_onboarded`: The telematics device was already onboarded on Trackunit platform
    TelematicsDeviceAlreadyOnboarded(Box<demur_client::ApiError>),
    /// 400 `bad_request`: The request was invalid
    BadRequest(Box<demur_client::ApiError>),
    /// 401 `unauthorized`: Valid authentication credentials were missing in the request
    Unauthorized(Box<demur_client::ApiError>),
    /// 403 `forbidden`: Provided credentials were insufficient to access a requested resource or perform a requested operation
    Forbidden(Box<demur_client::ApiError>),
    /// 404 `not_found`: The requested resource was not found
    NotFound(Box<demur_client::ApiError>),
    /// 500 `internal_server_error`: An unexpected error occurred in the API. This might be due to a bug or temporary infrastructure problems.
    InternalServerError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("constraint_violation") => Error::ConstraintViolation(error),
            Some("exactly_one_telematics_device_is_required") => Error::ExactlyOneTelematicsDeviceIsRequired(error),
            Some("telematics_device_already_onboarded") => Error::TelematicsDeviceAlreadyOnboarded(error),
            Some("bad_request") => Error::BadRequest(error),
            Some("unauthorized") => Error::Unauthorized(error),
            Some("forbidden") => Error::Forbidden(error),
            Some("not_found") => Error::NotFound(error),
            Some("internal_server_error") => Error::InternalServerError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::ConstraintViolation(error) => error,
            Error::ExactlyOneTelematicsDeviceIsRequired(error) => error,
            Error::TelematicsDeviceAlreadyOnboarded(error) => error,
            Error::BadRequest(error) => error,
            Error::Unauthorized(error) => error,
            Error::Forbidden(error) => error,
            Error::NotFound(error) => error,
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
