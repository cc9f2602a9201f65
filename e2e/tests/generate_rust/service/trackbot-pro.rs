// The errors of TrackBot Pro API, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `validation_failed`: Input parameters validation failed.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationFailed;

impl From<ValidationFailed> for demur_tower::Raise {
    fn from(_: ValidationFailed) -> Self {
        demur_tower::Raise::error("validation_failed")
    }
}

/// 400 `invalid_courier`: The courier slug you specified doesn't exist.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidCourier;

impl From<InvalidCourier> for demur_tower::Raise {
    fn from(_: InvalidCourier) -> Self {
        demur_tower::Raise::error("invalid_courier")
    }
}

/// 400 `shipment_already_exists`: A shipment with the same tracking code and courier already exists.
#[derive(Debug, Clone, PartialEq)]
pub struct ShipmentAlreadyExists;

impl From<ShipmentAlreadyExists> for demur_tower::Raise {
    fn from(_: ShipmentAlreadyExists) -> Self {
        demur_tower::Raise::error("shipment_already_exists")
    }
}

/// 400 `bad_request`: The request is invalid.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("bad_request")
    }
}

/// 401 `unauthorized`: The API token in the request is missing or is invalid.
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("unauthorized")
    }
}

/// 402 `payment_required`: No active plan for the account or plan doesn't allow API/endpoint usage.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentRequired;

impl From<PaymentRequired> for demur_tower::Raise {
    fn from(_: PaymentRequired) -> Self {
        demur_tower::Raise::error("payment_required")
    }
}

/// 404 `not_found`: The requested resource does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 429 `too_many_requests`: The API rate limit has been exceeded.
#[derive(Debug, Clone, PartialEq)]
pub struct TooManyRequests;

impl From<TooManyRequests> for demur_tower::Raise {
    fn from(_: TooManyRequests) -> Self {
        demur_tower::Raise::error("too_many_requests")
    }
}

/// 500 `internal_server_error`: An unexpected internal server error has occurred.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
