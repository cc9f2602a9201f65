// The errors of tea, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `invalid_request`: The request is invalid.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRequest;

impl From<InvalidRequest> for demur_tower::Raise {
    fn from(_: InvalidRequest) -> Self {
        demur_tower::Raise::error("invalid_request")
    }
}

/// 400 `invalid_param`: {param} is missing or invalid.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidParam {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<InvalidParam> for demur_tower::Raise {
    fn from(error: InvalidParam) -> Self {
        demur_tower::Raise::error("invalid_param")
            .with("param", error.param)
    }
}

/// 401 `invalid_key`: Send a valid key.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidKey;

impl From<InvalidKey> for demur_tower::Raise {
    fn from(_: InvalidKey) -> Self {
        demur_tower::Raise::error("invalid_key")
    }
}

/// 404 `not_found`: There is no such tea.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 409 `out_of_stock`: {tea} is sold out; more comes on {day}.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfStock {
    /// `{tea}` in the message.
    pub tea: demur_tower::Value,
    /// `{day}` in the message.
    pub day: demur_tower::Value,
}

impl From<OutOfStock> for demur_tower::Raise {
    fn from(error: OutOfStock) -> Self {
        demur_tower::Raise::error("out_of_stock")
            .with("tea", error.tea)
            .with("day", error.day)
    }
}

/// 429 `too_many_requests`: Too many requests.
#[derive(Debug, Clone, PartialEq)]
pub struct TooManyRequests;

impl From<TooManyRequests> for demur_tower::Raise {
    fn from(_: TooManyRequests) -> Self {
        demur_tower::Raise::error("too_many_requests")
    }
}

/// 500 `internal_error`: Something went wrong on our side.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalError;

impl From<InternalError> for demur_tower::Raise {
    fn from(_: InternalError) -> Self {
        demur_tower::Raise::error("internal_error")
    }
}
