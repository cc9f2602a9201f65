// The errors of JSON:API errors, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `bad_request`: The request cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("bad_request")
    }
}

impl BadRequest {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 401 `unauthorized`: Valid credentials are needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("unauthorized")
    }
}

impl Unauthorized {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 403 `forbidden`: The key does not cover this.
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("forbidden")
    }
}

impl Forbidden {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 404 `not_found`: There is no such resource.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

impl NotFound {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 415 `unsupported_media_type`: Send application/vnd.api+json.
#[derive(Debug, Clone, PartialEq)]
pub struct UnsupportedMediaType;

impl From<UnsupportedMediaType> for demur_tower::Raise {
    fn from(_: UnsupportedMediaType) -> Self {
        demur_tower::Raise::error("unsupported_media_type")
    }
}

impl UnsupportedMediaType {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 422 `validation_failed`: Some attributes are not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationFailed;

impl From<ValidationFailed> for demur_tower::Raise {
    fn from(_: ValidationFailed) -> Self {
        demur_tower::Raise::error("validation_failed")
    }
}

impl ValidationFailed {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `rate_limited`: Wait before the next request.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimited;

impl From<RateLimited> for demur_tower::Raise {
    fn from(_: RateLimited) -> Self {
        demur_tower::Raise::error("rate_limited")
    }
}

impl RateLimited {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 500 `internal_server_error`: Something went wrong on the server's side.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
