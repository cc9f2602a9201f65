// The errors of The "Tea" Shop, to be raised by handlers.
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

/// 400 `missing_param`: {param} is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingParam {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<MissingParam> for demur_tower::Raise {
    fn from(error: MissingParam) -> Self {
        demur_tower::Raise::error("missing_param")
            .with("param", error.param)
    }
}

/// 404 `not_found`: There is no such thing.
///
/// See \[the list\] of \<things>.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 409 `out_of_stock`: {item} is sold out.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfStock {
    /// `{item}` in the message.
    pub item: demur_tower::Value,
    /// `{left}` in the message.
    pub left: demur_tower::Value,
}

impl From<OutOfStock> for demur_tower::Raise {
    fn from(error: OutOfStock) -> Self {
        demur_tower::Raise::error("out_of_stock")
            .with("item", error.item)
            .with("left", error.left)
    }
}

/// 409 `shop-closed`: The shop is closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed;

impl From<Closed> for demur_tower::Raise {
    fn from(_: Closed) -> Self {
        demur_tower::Raise::error("closed")
    }
}

impl Closed {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
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
