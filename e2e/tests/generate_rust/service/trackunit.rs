// The errors of Trackunit APIs, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `constraint_violation`: Constraint violation
#[derive(Debug, Clone, PartialEq)]
pub struct ConstraintViolation;

impl From<ConstraintViolation> for demur_tower::Raise {
    fn from(_: ConstraintViolation) -> Self {
        demur_tower::Raise::error("constraint_violation")
    }
}

/// 400 `exactly_one_telematics_device_is_required`: Exactly one telematics device is required to onboard an asset. The request was missing a telematics device or had more then one telematics device.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactlyOneTelematicsDeviceIsRequired;

impl From<ExactlyOneTelematicsDeviceIsRequired> for demur_tower::Raise {
    fn from(_: ExactlyOneTelematicsDeviceIsRequired) -> Self {
        demur_tower::Raise::error("exactly_one_telematics_device_is_required")
    }
}

/// 400 `telematics_device_already_onboarded`: The telematics device was already onboarded on Trackunit platform
#[derive(Debug, Clone, PartialEq)]
pub struct TelematicsDeviceAlreadyOnboarded;

impl From<TelematicsDeviceAlreadyOnboarded> for demur_tower::Raise {
    fn from(_: TelematicsDeviceAlreadyOnboarded) -> Self {
        demur_tower::Raise::error("telematics_device_already_onboarded")
    }
}

/// 400 `bad_request`: The request was invalid
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("bad_request")
    }
}

/// 401 `unauthorized`: Valid authentication credentials were missing in the request
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("unauthorized")
    }
}

/// 403 `forbidden`: Provided credentials were insufficient to access a requested resource or perform a requested operation
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("forbidden")
    }
}

/// 404 `not_found`: The requested resource was not found
#[derive(Debug, Clone, PartialEq)]
pub struct NotFound;

impl From<NotFound> for demur_tower::Raise {
    fn from(_: NotFound) -> Self {
        demur_tower::Raise::error("not_found")
    }
}

/// 500 `internal_server_error`: An unexpected error occurred in the API. This might be due to a bug or temporary infrastructure problems.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
