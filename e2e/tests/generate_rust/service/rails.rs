// The errors of Rails-shaped errors, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `bad_request`: Bad Request
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("bad_request")
    }
}

/// 401 `unauthorized`: Unauthorized
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("unauthorized")
    }
}

/// 403 `forbidden`: Forbidden
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("forbidden")
    }
}

/// 404 `not_found`: Not Found
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 422 `unprocessable_entity`: Unprocessable Content
#[derive(Debug, Clone, PartialEq)]
pub struct UnprocessableEntity;

impl From<UnprocessableEntity> for demur_tower::Raise {
    fn from(_: UnprocessableEntity) -> Self {
        demur_tower::Raise::error("unprocessable_entity")
    }
}

/// 429 `too_many_requests`: Too Many Requests
#[derive(Debug, Clone, PartialEq)]
pub struct TooManyRequests;

impl From<TooManyRequests> for demur_tower::Raise {
    fn from(_: TooManyRequests) -> Self {
        demur_tower::Raise::error("too_many_requests")
    }
}

/// 500 `internal_server_error`: Internal Server Error
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
