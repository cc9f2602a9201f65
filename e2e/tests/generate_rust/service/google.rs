// The errors of google.rpc.Status, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 401 `API_KEY_INVALID`: The API key is not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyInvalid;

impl From<ApiKeyInvalid> for demur_tower::Raise {
    fn from(_: ApiKeyInvalid) -> Self {
        demur_tower::Raise::error("API_KEY_INVALID")
    }
}

impl ApiKeyInvalid {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 401 `CREDENTIALS_MISSING`: The request has no credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialsMissing;

impl From<CredentialsMissing> for demur_tower::Raise {
    fn from(_: CredentialsMissing) -> Self {
        demur_tower::Raise::error("CREDENTIALS_MISSING")
    }
}

impl CredentialsMissing {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 403 `ACCESS_DENIED`: The caller does not have permission.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessDenied;

impl From<AccessDenied> for demur_tower::Raise {
    fn from(_: AccessDenied) -> Self {
        demur_tower::Raise::error("ACCESS_DENIED")
    }
}

impl AccessDenied {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `INVALID_PARAMETERS`: The request has invalid arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidParameters;

impl From<InvalidParameters> for demur_tower::Raise {
    fn from(_: InvalidParameters) -> Self {
        demur_tower::Raise::error("INVALID_PARAMETERS")
    }
}

impl InvalidParameters {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `INVALID_REQUEST`: The request cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRequest;

impl From<InvalidRequest> for demur_tower::Raise {
    fn from(_: InvalidRequest) -> Self {
        demur_tower::Raise::error("INVALID_REQUEST")
    }
}

impl InvalidRequest {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 404 `RESOURCE_NOT_FOUND`: The resource was not found.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceNotFound;

impl From<ResourceNotFound> for demur_tower::Raise {
    fn from(_: ResourceNotFound) -> Self {
        demur_tower::Raise::error("RESOURCE_NOT_FOUND")
    }
}

impl ResourceNotFound {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 501 `METHOD_NOT_FOUND`: The method is not implemented.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodNotFound;

impl From<MethodNotFound> for demur_tower::Raise {
    fn from(_: MethodNotFound) -> Self {
        demur_tower::Raise::error("METHOD_NOT_FOUND")
    }
}

/// 409 `RESOURCE_EXISTS`: The resource exists already.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceExists;

impl From<ResourceExists> for demur_tower::Raise {
    fn from(_: ResourceExists) -> Self {
        demur_tower::Raise::error("RESOURCE_EXISTS")
    }
}

impl ResourceExists {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 409 `OPERATION_CONFLICT`: The operation conflicts with another one.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationConflict;

impl From<OperationConflict> for demur_tower::Raise {
    fn from(_: OperationConflict) -> Self {
        demur_tower::Raise::error("OPERATION_CONFLICT")
    }
}

impl OperationConflict {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `PRECONDITION_FAILED`: A precondition does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct PreconditionFailed;

impl From<PreconditionFailed> for demur_tower::Raise {
    fn from(_: PreconditionFailed) -> Self {
        demur_tower::Raise::error("PRECONDITION_FAILED")
    }
}

impl PreconditionFailed {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `RATE_LIMIT_EXCEEDED`: There are more requests than the rate allows.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitExceeded;

impl From<RateLimitExceeded> for demur_tower::Raise {
    fn from(_: RateLimitExceeded) -> Self {
        demur_tower::Raise::error("RATE_LIMIT_EXCEEDED")
    }
}

impl RateLimitExceeded {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `QUOTA_EXCEEDED`: The quota is used up.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaExceeded;

impl From<QuotaExceeded> for demur_tower::Raise {
    fn from(_: QuotaExceeded) -> Self {
        demur_tower::Raise::error("QUOTA_EXCEEDED")
    }
}

impl QuotaExceeded {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 504 `DEADLINE_EXCEEDED`: The service took too long.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadlineExceeded;

impl From<DeadlineExceeded> for demur_tower::Raise {
    fn from(_: DeadlineExceeded) -> Self {
        demur_tower::Raise::error("DEADLINE_EXCEEDED")
    }
}

/// 503 `SERVICE_UNAVAILABLE`: The service is not available at the moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceUnavailable;

impl From<ServiceUnavailable> for demur_tower::Raise {
    fn from(_: ServiceUnavailable) -> Self {
        demur_tower::Raise::error("SERVICE_UNAVAILABLE")
    }
}

/// 500 `INTERNAL_ERROR`: Something is broken on the server's side.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalError;

impl From<InternalError> for demur_tower::Raise {
    fn from(_: InternalError) -> Self {
        demur_tower::Raise::error("INTERNAL_ERROR")
    }
}
