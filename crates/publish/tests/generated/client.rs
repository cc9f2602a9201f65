// The errors of The "Tea" Shop, as a caller sees them.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// The contract, for `demur_client::Builder::contract_text`.
pub const CONTRACT: &str = r#"# The contract of the generator's tests: names and texts that a generator can stumble over.
demur: 1
name: shop
title: The "Tea" Shop
formats:
  default: { error: { code: $code, message: $message, left?: $params.left } }
errors:
  invalid_request: { status: 400, message: The request is invalid., on: [request, body] }
  missing_param: { status: 400, message: "{param} is missing.", on: [param] }
  not_found: { status: 404, message: There is no such thing., on: [resource], description: "See [the list] of <things>." }
  out_of_stock: { status: 409, message: "{item} is sold out.", params: [item, left] }
  closed: { status: 409, code: shop-closed, message: { default: The shop is closed., open: true } }
  too_many_requests: { status: 429, message: Too many requests., on: [rate] }
  internal_error: { status: 500, message: Something went wrong on our side., on: [internal] }
"#;

/// Every declared error of shop.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone)]
pub enum Error {
    /// 400 `invalid_request`: The request is invalid.
    InvalidRequest(Box<demur_client::ApiError>),
    /// 400 `missing_param`: {param} is missing.
    MissingParam(Box<demur_client::ApiError>),
    /// 404 `not_found`: There is no such thing.
    ///
    /// See \[the list\] of \<things>.
    NotFound(Box<demur_client::ApiError>),
    /// 409 `out_of_stock`: {item} is sold out.
    OutOfStock {
        /// `{item}`, where the answer shows it.
        item: Option<String>,
        /// `{left}`, where the answer shows it.
        left: Option<String>,
        /// All of it.
        error: Box<demur_client::ApiError>,
    },
    /// 409 `shop-closed`: The shop is closed.
    Closed(Box<demur_client::ApiError>),
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
            Some("missing_param") => Error::MissingParam(error),
            Some("not_found") => Error::NotFound(error),
            Some("out_of_stock") => Error::OutOfStock {
                item: error.param_named("item").map(str::to_owned),
                left: error.param_named("left").map(str::to_owned),
                error,
            },
            Some("closed") => Error::Closed(error),
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
            Error::MissingParam(error) => error,
            Error::NotFound(error) => error,
            Error::OutOfStock { error, .. } => error,
            Error::Closed(error) => error,
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
