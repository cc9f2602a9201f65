// The errors of tea, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"demur: 1
name: tea
request_id: { field: X-Request-Id, prefix: req_ }
formats:
  default:
    error: { code: $code, message: $message, param?: $param, request_id: $request_id }
errors:
  invalid_request:
    status: 400
    message: The request is invalid.
    on: [request, body]
  invalid_param:
    status: 400
    message: "{param} is missing or invalid."
    on: [param]
  invalid_key:
    status: 401
    message: Send a valid key.
    on: [credential]
  not_found:
    status: 404
    message: There is no such tea.
    on: [resource]
  out_of_stock:
    status: 409
    message: "{tea} is sold out; more comes on {day}."
    params: [tea, day]
  too_many_requests:
    status: 429
    message: Too many requests.
    on: [rate, credential.throttled]
  internal_error:
    status: 500
    message: Something went wrong on our side.
    on: [internal]
"#;

/// Every declared error of tea.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `invalid_request`: The request is invalid.
    InvalidRequest(Box<demur_client::ApiError>),
    /// 400 `invalid_param`: {param} is missing or invalid.
    InvalidParam(Box<demur_client::ApiError>),
    /// 401 `invalid_key`: Send a valid key.
    InvalidKey(Box<demur_client::ApiError>),
    /// 404 `not_found`: There is no such tea.
    NotFound(Box<demur_client::ApiError>),
    /// 409 `out_of_stock`: {tea} is sold out; more comes on {day}.
    OutOfStock {
        /// `{tea}`, where the answer shows it.
        tea: Option<String>,
        /// `{day}`, where the answer shows it.
        day: Option<String>,
        /// All of it.
        error: Box<demur_client::ApiError>,
    },
    /// 429 `too_many_requests`: Too many requests.
    TooManyRequests(Box<demur_client::ApiError>),
    /// 500 `internal_error`: Something went wrong on our side.
    InternalError(Box<demur_client::ApiError>),
    /// None of them, or one of several that the answer does not part.
    Unrecognized(Box<demur_client::ApiError>),
}

impl From<Box<demur_client::ApiError>> for Error {
    fn from(error: Box<demur_client::ApiError>) -> Self {
        match error.name() {
            Some("invalid_request") => Error::InvalidRequest(error),
            Some("invalid_param") => Error::InvalidParam(error),
            Some("invalid_key") => Error::InvalidKey(error),
            Some("not_found") => Error::NotFound(error),
            Some("out_of_stock") => Error::OutOfStock {
                tea: error.param_named("tea").map(str::to_owned),
                day: error.param_named("day").map(str::to_owned),
                error,
            },
            Some("too_many_requests") => Error::TooManyRequests(error),
            Some("internal_error") => Error::InternalError(error),
            _ => Error::Unrecognized(error),
        }
    }
}

impl Error {
    /// What all errors have: status, message, request id, advice.
    pub fn details(&self) -> &demur_client::ApiError {
        match self {
            Error::InvalidRequest(error) => error,
            Error::InvalidParam(error) => error,
            Error::InvalidKey(error) => error,
            Error::NotFound(error) => error,
            Error::OutOfStock { error, .. } => error,
            Error::TooManyRequests(error) => error,
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
