// The errors of Trackyard API, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `invalid_parameters`: The parameters are invalid
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidParameters;

impl From<InvalidParameters> for demur_tower::Raise {
    fn from(_: InvalidParameters) -> Self {
        demur_tower::Raise::error("invalid_parameters")
    }
}

/// 400 `invalid_parameters`: The request body is not valid JSON
#[derive(Debug, Clone, PartialEq)]
pub struct MalformedJson;

impl From<MalformedJson> for demur_tower::Raise {
    fn from(_: MalformedJson) -> Self {
        demur_tower::Raise::error("malformed_json")
    }
}

/// 400 `invalid_parameters`: The request is invalid
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRequest;

impl From<InvalidRequest> for demur_tower::Raise {
    fn from(_: InvalidRequest) -> Self {
        demur_tower::Raise::error("invalid_request")
    }
}

/// 401 `unauthorized`: Invalid API key
#[derive(Debug, Clone, PartialEq)]
pub struct Unauthorized;

impl From<Unauthorized> for demur_tower::Raise {
    fn from(_: Unauthorized) -> Self {
        demur_tower::Raise::error("unauthorized")
    }
}

/// 402 `out_of_credits`: Please top up or upgrade your plan
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfCredits;

impl From<OutOfCredits> for demur_tower::Raise {
    fn from(_: OutOfCredits) -> Self {
        demur_tower::Raise::error("out_of_credits")
    }
}

/// 403 `forbidden`: This feature requires a paid plan
#[derive(Debug, Clone, PartialEq)]
pub struct Forbidden;

impl From<Forbidden> for demur_tower::Raise {
    fn from(_: Forbidden) -> Self {
        demur_tower::Raise::error("forbidden")
    }
}

/// 403 `forbidden_admin`: This action requires admin rights
#[derive(Debug, Clone, PartialEq)]
pub struct ForbiddenAdmin;

impl From<ForbiddenAdmin> for demur_tower::Raise {
    fn from(_: ForbiddenAdmin) -> Self {
        demur_tower::Raise::error("forbidden_admin")
    }
}

/// 404 `track_not_found`: Track not found
#[derive(Debug, Clone, PartialEq)]
pub struct TrackNotFound;

impl From<TrackNotFound> for demur_tower::Raise {
    fn from(_: TrackNotFound) -> Self {
        demur_tower::Raise::error("track_not_found")
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

/// 429 `too_many_requests`: Rate limit exceeded
#[derive(Debug, Clone, PartialEq)]
pub struct TooManyRequests;

impl From<TooManyRequests> for demur_tower::Raise {
    fn from(_: TooManyRequests) -> Self {
        demur_tower::Raise::error("too_many_requests")
    }
}

/// 500 `internal_server_error`: An unexpected error occurred
#[derive(Debug, Clone, PartialEq)]
pub struct InternalServerError;

impl From<InternalServerError> for demur_tower::Raise {
    fn from(_: InternalServerError) -> Self {
        demur_tower::Raise::error("internal_server_error")
    }
}
