// The errors of Trakkr API, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 401 `missing_authorization`: No Authorization header provided
#[derive(Debug, Clone, PartialEq)]
pub struct MissingAuthorization;

impl From<MissingAuthorization> for demur_tower::Raise {
    fn from(_: MissingAuthorization) -> Self {
        demur_tower::Raise::error("missing_authorization")
    }
}

/// 401 `invalid_api_key`: The API key is invalid or malformed
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidApiKey;

impl From<InvalidApiKey> for demur_tower::Raise {
    fn from(_: InvalidApiKey) -> Self {
        demur_tower::Raise::error("invalid_api_key")
    }
}

/// 401 `api_key_revoked`: The API key has been revoked
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyRevoked;

impl From<ApiKeyRevoked> for demur_tower::Raise {
    fn from(_: ApiKeyRevoked) -> Self {
        demur_tower::Raise::error("api_key_revoked")
    }
}

/// 401 `api_key_expired`: The API key has expired
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyExpired;

impl From<ApiKeyExpired> for demur_tower::Raise {
    fn from(_: ApiKeyExpired) -> Self {
        demur_tower::Raise::error("api_key_expired")
    }
}

/// 403 `permission_denied`: No permission to access resource
#[derive(Debug, Clone, PartialEq)]
pub struct PermissionDenied;

impl From<PermissionDenied> for demur_tower::Raise {
    fn from(_: PermissionDenied) -> Self {
        demur_tower::Raise::error("permission_denied")
    }
}

/// 400 `missing_param`: A required parameter is missing: {param}
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

/// 400 `invalid_param`: A request parameter is invalid: {param}
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

/// 400 `invalid_json`: Request body is not valid JSON
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidJson;

impl From<InvalidJson> for demur_tower::Raise {
    fn from(_: InvalidJson) -> Self {
        demur_tower::Raise::error("invalid_json")
    }
}

/// 400 `invalid_request`: The request is invalid
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRequest;

impl From<InvalidRequest> for demur_tower::Raise {
    fn from(_: InvalidRequest) -> Self {
        demur_tower::Raise::error("invalid_request")
    }
}

/// 404 `not_found`: The requested resource does not exist
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 429 `rate_limit_exceeded`: Request rate limit exceeded
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitExceeded;

impl From<RateLimitExceeded> for demur_tower::Raise {
    fn from(_: RateLimitExceeded) -> Self {
        demur_tower::Raise::error("rate_limit_exceeded")
    }
}

/// 429 `daily_limit_exceeded`: Daily request quota exceeded
#[derive(Debug, Clone, PartialEq)]
pub struct DailyLimitExceeded;

impl From<DailyLimitExceeded> for demur_tower::Raise {
    fn from(_: DailyLimitExceeded) -> Self {
        demur_tower::Raise::error("daily_limit_exceeded")
    }
}

/// 500 `internal_error`: Internal server error
#[derive(Debug, Clone, PartialEq)]
pub struct InternalError;

impl From<InternalError> for demur_tower::Raise {
    fn from(_: InternalError) -> Self {
        demur_tower::Raise::error("internal_error")
    }
}

/// 503 `service_unavailable`: Service temporarily unavailable
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceUnavailable;

impl From<ServiceUnavailable> for demur_tower::Raise {
    fn from(_: ServiceUnavailable) -> Self {
        demur_tower::Raise::error("service_unavailable")
    }
}

/// 500 `timeout`: Request timed out
#[derive(Debug, Clone, PartialEq)]
pub struct Timeout;

impl From<Timeout> for demur_tower::Raise {
    fn from(_: Timeout) -> Self {
        demur_tower::Raise::error("timeout")
    }
}
