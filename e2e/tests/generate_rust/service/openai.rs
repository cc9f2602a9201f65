// The errors of OpenAI-shaped errors, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 401 `invalid_api_key`: Incorrect API key provided.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidApiKey;

impl From<InvalidApiKey> for demur_tower::Raise {
    fn from(_: InvalidApiKey) -> Self {
        demur_tower::Raise::error("invalid_api_key")
    }
}

impl InvalidApiKey {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 401 `missing_api_key`: You didn't provide an API key. Send it in an Authorization header, as Bearer and the key.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingApiKey;

impl From<MissingApiKey> for demur_tower::Raise {
    fn from(_: MissingApiKey) -> Self {
        demur_tower::Raise::error("missing_api_key")
    }
}

impl MissingApiKey {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 403 `permission_denied`: The key does not have access to this.
#[derive(Debug, Clone, PartialEq)]
pub struct PermissionDenied;

impl From<PermissionDenied> for demur_tower::Raise {
    fn from(_: PermissionDenied) -> Self {
        demur_tower::Raise::error("permission_denied")
    }
}

impl PermissionDenied {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `missing_required_parameter`: A required parameter is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingRequiredParameter;

impl From<MissingRequiredParameter> for demur_tower::Raise {
    fn from(_: MissingRequiredParameter) -> Self {
        demur_tower::Raise::error("missing_required_parameter")
    }
}

impl MissingRequiredParameter {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `invalid_type`: A parameter has the wrong type.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidType;

impl From<InvalidType> for demur_tower::Raise {
    fn from(_: InvalidType) -> Self {
        demur_tower::Raise::error("invalid_type")
    }
}

impl InvalidType {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `invalid_value`: A parameter has a value that is not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidValue;

impl From<InvalidValue> for demur_tower::Raise {
    fn from(_: InvalidValue) -> Self {
        demur_tower::Raise::error("invalid_value")
    }
}

impl InvalidValue {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `unknown_parameter`: A parameter is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct UnknownParameter;

impl From<UnknownParameter> for demur_tower::Raise {
    fn from(_: UnknownParameter) -> Self {
        demur_tower::Raise::error("unknown_parameter")
    }
}

impl UnknownParameter {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `bad_request`: The request could not be understood.
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

/// 404 `not_found`: Not found.
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

/// 409 `conflict`: The request conflicts with another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict;

impl From<Conflict> for demur_tower::Raise {
    fn from(_: Conflict) -> Self {
        demur_tower::Raise::error("conflict")
    }
}

impl Conflict {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `rate_limit_exceeded`: Rate limit reached. Wait before you try again.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitExceeded;

impl From<RateLimitExceeded> for demur_tower::Raise {
    fn from(_: RateLimitExceeded) -> Self {
        demur_tower::Raise::error("rate_limit_exceeded")
    }
}

impl RateLimitExceeded {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `insufficient_quota`: You exceeded your current quota. Check your plan and billing details.
#[derive(Debug, Clone, PartialEq)]
pub struct InsufficientQuota;

impl From<InsufficientQuota> for demur_tower::Raise {
    fn from(_: InsufficientQuota) -> Self {
        demur_tower::Raise::error("insufficient_quota")
    }
}

impl InsufficientQuota {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 500 `server_error`: The server had an error while processing your request.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerError;

impl From<ServerError> for demur_tower::Raise {
    fn from(_: ServerError) -> Self {
        demur_tower::Raise::error("server_error")
    }
}

/// 503 `service_unavailable`: The service is overloaded or not available. Try again later.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceUnavailable;

impl From<ServiceUnavailable> for demur_tower::Raise {
    fn from(_: ServiceUnavailable) -> Self {
        demur_tower::Raise::error("service_unavailable")
    }
}
