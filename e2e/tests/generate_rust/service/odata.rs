// The errors of OData and Azure errors, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `BadRequest`: The request cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("BadRequest")
    }
}

impl BadRequest {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `InvalidArgument`: Some arguments are not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidArgument;

impl From<InvalidArgument> for demur_tower::Raise {
    fn from(_: InvalidArgument) -> Self {
        demur_tower::Raise::error("InvalidArgument")
    }
}

impl InvalidArgument {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 401 `Unauthorized`: The credentials are missing or not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("Unauthorized")
    }
}

impl Unauthorized {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 403 `Forbidden`: The caller may not do this.
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("Forbidden")
    }
}

impl Forbidden {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 404 `ResourceNotFound`: There is no such resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceNotFound;

impl From<ResourceNotFound> for demur_tower::Raise {
    fn from(_: ResourceNotFound) -> Self {
        demur_tower::Raise::error("ResourceNotFound")
    }
}

impl ResourceNotFound {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 409 `ResourceAlreadyExists`: There is such a resource already.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceAlreadyExists;

impl From<ResourceAlreadyExists> for demur_tower::Raise {
    fn from(_: ResourceAlreadyExists) -> Self {
        demur_tower::Raise::error("ResourceAlreadyExists")
    }
}

impl ResourceAlreadyExists {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 412 `PreconditionFailed`: A precondition does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct PreconditionFailed;

impl From<PreconditionFailed> for demur_tower::Raise {
    fn from(_: PreconditionFailed) -> Self {
        demur_tower::Raise::error("PreconditionFailed")
    }
}

impl PreconditionFailed {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `TooManyRequests`: Wait before the next request.
#[derive(Debug, Clone, PartialEq)]
pub struct TooManyRequests;

impl From<TooManyRequests> for demur_tower::Raise {
    fn from(_: TooManyRequests) -> Self {
        demur_tower::Raise::error("TooManyRequests")
    }
}

impl TooManyRequests {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `QuotaExceeded`: The quota is used up.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaExceeded;

impl From<QuotaExceeded> for demur_tower::Raise {
    fn from(_: QuotaExceeded) -> Self {
        demur_tower::Raise::error("QuotaExceeded")
    }
}

impl QuotaExceeded {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 500 `InternalServerError`: Something went wrong on the server's side.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("InternalServerError")
    }
}

/// 503 `ServiceUnavailable`: The service is not available at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceUnavailable;

impl From<ServiceUnavailable> for demur_tower::Raise {
    fn from(_: ServiceUnavailable) -> Self {
        demur_tower::Raise::error("ServiceUnavailable")
    }
}
