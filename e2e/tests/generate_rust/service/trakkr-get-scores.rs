// The errors of Trakkr get-scores, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `missing_parameter`: {param} parameter is required
#[derive(Debug, Clone, PartialEq)]
pub struct MissingParameter {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<MissingParameter> for demur_tower::Raise {
    fn from(error: MissingParameter) -> Self {
        demur_tower::Raise::error("missing_parameter")
            .with("param", error.param)
    }
}

/// 400 `invalid_format`: {param} must be a valid JSON array
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidFormat {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<InvalidFormat> for demur_tower::Raise {
    fn from(error: InvalidFormat) -> Self {
        demur_tower::Raise::error("invalid_format")
            .with("param", error.param)
    }
}

/// 400 `invalid_values`: Invalid {param} values: {values|quoted}. Valid values are: {allowed|quoted}
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidValues {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
    /// `{values}` in the message.
    pub values: demur_tower::Value,
    /// `{allowed}` in the message.
    pub allowed: demur_tower::Value,
}

impl From<InvalidValues> for demur_tower::Raise {
    fn from(error: InvalidValues) -> Self {
        demur_tower::Raise::error("invalid_values")
            .with("param", error.param)
            .with("values", error.values)
            .with("allowed", error.allowed)
    }
}

/// 400 `invalid_date`: {param} must be in YYYY-MM-DD format
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidDate {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<InvalidDate> for demur_tower::Raise {
    fn from(error: InvalidDate) -> Self {
        demur_tower::Raise::error("invalid_date")
            .with("param", error.param)
    }
}

/// 400 `invalid_parameter`: {param} is not valid
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidParameter {
    /// `{param}` in the message.
    pub param: demur_tower::Value,
}

impl From<InvalidParameter> for demur_tower::Raise {
    fn from(error: InvalidParameter) -> Self {
        demur_tower::Raise::error("invalid_parameter")
            .with("param", error.param)
    }
}

/// 400 `date_range_too_large`: The total date range cannot exceed 90 days
#[derive(Debug, Clone, PartialEq)]
pub struct DateRangeTooLarge;

impl From<DateRangeTooLarge> for demur_tower::Raise {
    fn from(_: DateRangeTooLarge) -> Self {
        demur_tower::Raise::error("date_range_too_large")
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

/// 401 `missing_api_key`: API key must be provided in the Authorization header as 'Bearer \<api_key>'
#[derive(Debug, Clone, PartialEq)]
pub struct MissingApiKey;

impl From<MissingApiKey> for demur_tower::Raise {
    fn from(_: MissingApiKey) -> Self {
        demur_tower::Raise::error("missing_api_key")
    }
}

/// 403 `invalid_api_key`: No accounts found for this API key
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidApiKey;

impl From<InvalidApiKey> for demur_tower::Raise {
    fn from(_: InvalidApiKey) -> Self {
        demur_tower::Raise::error("invalid_api_key")
    }
}

/// 403 `brand_access_denied`: You do not have access to this brand
#[derive(Debug, Clone, PartialEq)]
pub struct BrandAccessDenied;

impl From<BrandAccessDenied> for demur_tower::Raise {
    fn from(_: BrandAccessDenied) -> Self {
        demur_tower::Raise::error("brand_access_denied")
    }
}

/// 403 `forbidden`: Valid API key but insufficient permissions
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("forbidden")
    }
}

/// 500 `authentication_error`: Could not validate API key against database
#[derive(Debug, Clone, PartialEq)]
pub struct AuthenticationError;

impl From<AuthenticationError> for demur_tower::Raise {
    fn from(_: AuthenticationError) -> Self {
        demur_tower::Raise::error("authentication_error")
    }
}

/// 500 `date_range_validation_error`: Could not validate date range: invalid date format
#[derive(Debug, Clone, PartialEq)]
pub struct DateRangeValidationError;

impl From<DateRangeValidationError> for demur_tower::Raise {
    fn from(_: DateRangeValidationError) -> Self {
        demur_tower::Raise::error("date_range_validation_error")
    }
}

/// 500 `internal_server_error`: An unexpected error occurred: {request_id}
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
