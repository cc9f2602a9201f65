// The errors of ASP.NET Core problem details, to be raised by handlers.
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

/// 400 `validation`: One or more validation errors occurred.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation;

impl From<Validation> for demur_tower::Raise {
    fn from(_: Validation) -> Self {
        demur_tower::Raise::error("validation")
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

/// 405 `method_not_allowed`: Method Not Allowed
#[derive(Debug, Clone, PartialEq)]
pub struct MethodNotAllowed;

impl From<MethodNotAllowed> for demur_tower::Raise {
    fn from(_: MethodNotAllowed) -> Self {
        demur_tower::Raise::error("method_not_allowed")
    }
}

/// 409 `conflict`: Conflict
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict;

impl From<Conflict> for demur_tower::Raise {
    fn from(_: Conflict) -> Self {
        demur_tower::Raise::error("conflict")
    }
}

/// 415 `unsupported_media_type`: Unsupported Media Type
#[derive(Debug, Clone, PartialEq)]
pub struct UnsupportedMediaType;

impl From<UnsupportedMediaType> for demur_tower::Raise {
    fn from(_: UnsupportedMediaType) -> Self {
        demur_tower::Raise::error("unsupported_media_type")
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

/// 500 `internal_server_error`: An error occurred while processing your request.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
