// The errors of Stripe-shaped errors, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 401 `unauthorized`: You did not provide a valid API key.
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

/// 401 `api_key_expired`: The API key has expired.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKeyExpired;

impl From<ApiKeyExpired> for demur_tower::Raise {
    fn from(_: ApiKeyExpired) -> Self {
        demur_tower::Raise::error("api_key_expired")
    }
}

impl ApiKeyExpired {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 402 `insufficient_funds`: The account has no credits left.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentRequired;

impl From<PaymentRequired> for demur_tower::Raise {
    fn from(_: PaymentRequired) -> Self {
        demur_tower::Raise::error("payment_required")
    }
}

impl PaymentRequired {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 403 `forbidden`: The key does not have the permissions for this request.
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

/// 400 `parameter_missing`: A required parameter is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterMissing;

impl From<ParameterMissing> for demur_tower::Raise {
    fn from(_: ParameterMissing) -> Self {
        demur_tower::Raise::error("parameter_missing")
    }
}

impl ParameterMissing {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `parameter_unknown`: A parameter is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterUnknown;

impl From<ParameterUnknown> for demur_tower::Raise {
    fn from(_: ParameterUnknown) -> Self {
        demur_tower::Raise::error("parameter_unknown")
    }
}

impl ParameterUnknown {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `parameter_invalid_empty`: A parameter must not be empty.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInvalidEmpty;

impl From<ParameterInvalidEmpty> for demur_tower::Raise {
    fn from(_: ParameterInvalidEmpty) -> Self {
        demur_tower::Raise::error("parameter_invalid_empty")
    }
}

impl ParameterInvalidEmpty {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `parameter_invalid`: A parameter is not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInvalid;

impl From<ParameterInvalid> for demur_tower::Raise {
    fn from(_: ParameterInvalid) -> Self {
        demur_tower::Raise::error("parameter_invalid")
    }
}

impl ParameterInvalid {
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

/// 404 `resource_missing`: No such resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceMissing;

impl From<ResourceMissing> for demur_tower::Raise {
    fn from(_: ResourceMissing) -> Self {
        demur_tower::Raise::error("resource_missing")
    }
}

impl ResourceMissing {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `resource_already_exists`: There is such a resource already.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceAlreadyExists;

impl From<ResourceAlreadyExists> for demur_tower::Raise {
    fn from(_: ResourceAlreadyExists) -> Self {
        demur_tower::Raise::error("resource_already_exists")
    }
}

impl ResourceAlreadyExists {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 409 `idempotency_key_in_use`: Another request with this Idempotency-Key is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyKeyInUse;

impl From<IdempotencyKeyInUse> for demur_tower::Raise {
    fn from(_: IdempotencyKeyInUse) -> Self {
        demur_tower::Raise::error("idempotency_key_in_use")
    }
}

impl IdempotencyKeyInUse {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `idempotency_mismatch`: The Idempotency-Key was used with other parameters before.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyMismatch;

impl From<IdempotencyMismatch> for demur_tower::Raise {
    fn from(_: IdempotencyMismatch) -> Self {
        demur_tower::Raise::error("idempotency_mismatch")
    }
}

impl IdempotencyMismatch {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 400 `idempotency_completed`: The request with this Idempotency-Key has completed, and its response is not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyCompleted;

impl From<IdempotencyCompleted> for demur_tower::Raise {
    fn from(_: IdempotencyCompleted) -> Self {
        demur_tower::Raise::error("idempotency_completed")
    }
}

impl IdempotencyCompleted {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 429 `rate_limit`: Too many requests. Back off exponentially.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit;

impl From<RateLimit> for demur_tower::Raise {
    fn from(_: RateLimit) -> Self {
        demur_tower::Raise::error("rate_limit")
    }
}

impl RateLimit {
    /// With another message than the catalogue's.
    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {
        demur_tower::Raise::from(self).message(message)
    }
}

/// 500 `api_error`: An error occurred on our side.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError;

impl From<ApiError> for demur_tower::Raise {
    fn from(_: ApiError) -> Self {
        demur_tower::Raise::error("api_error")
    }
}
