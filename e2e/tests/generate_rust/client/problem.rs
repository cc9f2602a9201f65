// The errors of Problem Details, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r"# yaml-language-server: $schema=../docs/schema/contract.json
# The contract of an API that declares none: RFC 9457, Problem Details for HTTP APIs.
# Everything that is not listed here is derived: the usual status, title and code of its condition.
demur: 1
name: problem
title: Problem Details
source: https://www.rfc-editor.org/rfc/rfc9457
description: Errors as RFC 9457 has them, with a code, the request's id, and one entry for each violation.
content_type: application/problem+json
code_style: snake_case
headers: [ietf]
members:
  type: Always about:blank; the code names the error
  title: A short summary of the error
  status: The HTTP status
  detail: What went wrong this time
  code: A name for the error that never changes
  request_id: The request's id, for support
  violated-policies: The limits that were exceeded, by the names that RateLimit-Policy gives them
  errors: What is wrong with each parameter
formats:
  default:
    type: about:blank
    title: $title
    status: $status
    detail: $message
    code: $code
    request_id: $request_id
    violated-policies?: $params.violated_policies
    errors?:
      - { pointer: $violation.pointer, location: $violation.location, rule: $violation.rule, detail: $violation.message }
errors:
  bad_request:
    status: 400
    title: The request is malformed
    on: [request.malformed]
  head_too_large: { status: 431, title: The request header fields are too large, on: [request.head_too_large] }
  uri_too_long: { status: 414, title: The request target is too long, on: [request.uri_too_long] }
  request_timeout: { status: 408, title: The request took too long to arrive, on: [request.timeout] }
  length_required: { status: 411, title: The request needs a Content-Length, on: [request.length_required] }
  expectation_failed: { status: 417, title: The expectation cannot be met, on: [request.expectation_failed] }
  misdirected: { status: 421, title: This host is not served here, on: [request.misdirected] }
  upgrade_required: { status: 426, title: Another protocol is required, on: [request.upgrade_required] }
  not_implemented: { status: 501, title: Not implemented, on: [request.not_implemented] }
  version_not_supported:
    { status: 505, title: The HTTP version is not supported, on: [request.version_not_supported] }
  not_acceptable: { status: 406, title: No acceptable representation, on: [request.not_acceptable] }
  invalid_parameters:
    status: 400
    title: Parameters are missing or invalid
    message: Parameters are missing or invalid
    on: [param]
  # One answer, so that nobody learns from it what a key looks like.
  credential_unknown:
    { status: 401, title: The API key is invalid, on: [credential.malformed, credential.unknown] }
  internal: { status: 500, title: Internal error, on: [internal] }
";

/// Every declared error of problem.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `bad_request`: The request is malformed
    BadRequest(Box<demur_client::ApiError>),
    /// 431 `head_too_large`: The request header fields are too large
    HeadTooLarge(Box<demur_client::ApiError>),
    /// 414 `uri_too_long`: The request target is too long
    UriTooLong(Box<demur_client::ApiError>),
    /// 408 `request_timeout`: The request took too long to arrive
    RequestTimeout(Box<demur_client::ApiError>),
    /// 411 `length_required`: The request needs a Content-Length
    LengthRequired(Box<demur_client::ApiError>),
    /// 417 `expectation_failed`: The expectation cannot be met
    ExpectationFailed(Box<demur_client::ApiError>),
    /// 421 `misdirected`: This host is not served here
    Misdirected(Box<demur_client::ApiError>),
    /// 426 `upgrade_required`: Another protocol is required
    UpgradeRequired(Box<demur_client::ApiError>),
    /// 501 `not_implemented`: Not implemented
    NotImplemented(Box<demur_client::ApiError>),
    /// 505 `version_not_supported`: The HTTP version is not supported
    VersionNotSupported(Box<demur_client::ApiError>),
    /// 406 `not_acceptable`: No acceptable representation
    NotAcceptable(Box<demur_client::ApiError>),
    /// 400 `invalid_parameters`: Parameters are missing or invalid
    InvalidParameters(Box<demur_client::ApiError>),
    /// 401 `credential_unknown`: The API key is invalid
    CredentialUnknown(Box<demur_client::ApiError>),
    /// 500 `internal`: Internal error
    Internal(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("bad_request") => Error::BadRequest(error),
            Some("head_too_large") => Error::HeadTooLarge(error),
            Some("uri_too_long") => Error::UriTooLong(error),
            Some("request_timeout") => Error::RequestTimeout(error),
            Some("length_required") => Error::LengthRequired(error),
            Some("expectation_failed") => Error::ExpectationFailed(error),
            Some("misdirected") => Error::Misdirected(error),
            Some("upgrade_required") => Error::UpgradeRequired(error),
            Some("not_implemented") => Error::NotImplemented(error),
            Some("version_not_supported") => Error::VersionNotSupported(error),
            Some("not_acceptable") => Error::NotAcceptable(error),
            Some("invalid_parameters") => Error::InvalidParameters(error),
            Some("credential_unknown") => Error::CredentialUnknown(error),
            Some("internal") => Error::Internal(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::BadRequest(error) => error,
            Error::HeadTooLarge(error) => error,
            Error::UriTooLong(error) => error,
            Error::RequestTimeout(error) => error,
            Error::LengthRequired(error) => error,
            Error::ExpectationFailed(error) => error,
            Error::Misdirected(error) => error,
            Error::UpgradeRequired(error) => error,
            Error::NotImplemented(error) => error,
            Error::VersionNotSupported(error) => error,
            Error::NotAcceptable(error) => error,
            Error::InvalidParameters(error) => error,
            Error::CredentialUnknown(error) => error,
            Error::Internal(error) => error,
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
