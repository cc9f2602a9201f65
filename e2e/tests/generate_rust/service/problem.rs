// The errors of Problem Details, to be raised by handlers.
//
// Made by `demur generate rust` from the contract. Do not edit: make it anew.

/// 400 `bad_request`: The request is malformed
#[derive(Debug, Clone, PartialEq)]
pub struct BadRequest;

impl From<BadRequest> for demur_tower::Raise {
    fn from(_: BadRequest) -> Self {
        demur_tower::Raise::error("bad_request")
    }
}

/// 431 `head_too_large`: The request header fields are too large
#[derive(Debug, Clone, PartialEq)]
pub struct HeadTooLarge;

impl From<HeadTooLarge> for demur_tower::Raise {
    fn from(_: HeadTooLarge) -> Self {
        demur_tower::Raise::error("head_too_large")
    }
}

/// 414 `uri_too_long`: The request target is too long
#[derive(Debug, Clone, PartialEq)]
pub struct UriTooLong;

impl From<UriTooLong> for demur_tower::Raise {
    fn from(_: UriTooLong) -> Self {
        demur_tower::Raise::error("uri_too_long")
    }
}

/// 408 `request_timeout`: The request took too long to arrive
#[derive(Debug, Clone, PartialEq)]
pub struct RequestTimeout;

impl From<RequestTimeout> for demur_tower::Raise {
    fn from(_: RequestTimeout) -> Self {
        demur_tower::Raise::error("request_timeout")
    }
}

/// 411 `length_required`: The request needs a Content-Length
#[derive(Debug, Clone, PartialEq)]
pub struct LengthRequired;

impl From<LengthRequired> for demur_tower::Raise {
    fn from(_: LengthRequired) -> Self {
        demur_tower::Raise::error("length_required")
    }
}

/// 417 `expectation_failed`: The expectation cannot be met
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectationFailed;

impl From<ExpectationFailed> for demur_tower::Raise {
    fn from(_: ExpectationFailed) -> Self {
        demur_tower::Raise::error("expectation_failed")
    }
}

/// 421 `misdirected`: This host is not served here
#[derive(Debug, Clone, PartialEq)]
pub struct Misdirected;

impl From<Misdirected> for demur_tower::Raise {
    fn from(_: Misdirected) -> Self {
        demur_tower::Raise::error("misdirected")
    }
}

/// 426 `upgrade_required`: Another protocol is required
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeRequired;

impl From<UpgradeRequired> for demur_tower::Raise {
    fn from(_: UpgradeRequired) -> Self {
        demur_tower::Raise::error("upgrade_required")
    }
}

/// 501 `not_implemented`: Not implemented
#[derive(Debug, Clone, PartialEq)]
pub struct NotImplemented;

impl From<NotImplemented> for demur_tower::Raise {
    fn from(_: NotImplemented) -> Self {
        demur_tower::Raise::error("not_implemented")
    }
}

/// 505 `version_not_supported`: The HTTP version is not supported
#[derive(Debug, Clone, PartialEq)]
pub struct VersionNotSupported;

impl From<VersionNotSupported> for demur_tower::Raise {
    fn from(_: VersionNotSupported) -> Self {
        demur_tower::Raise::error("version_not_supported")
    }
}

/// 406 `not_acceptable`: No acceptable representation
#[derive(Debug, Clone, PartialEq)]
pub struct NotAcceptable;

impl From<NotAcceptable> for demur_tower::Raise {
    fn from(_: NotAcceptable) -> Self {
        demur_tower::Raise::error("not_acceptable")
    }
}

/// 400 `invalid_parameters`: Parameters are missing or invalid
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidParameters;

impl From<InvalidParameters> for demur_tower::Raise {
    fn from(_: InvalidParameters) -> Self {
        demur_tower::Raise::error("invalid_parameters")
    }
}

/// 401 `credential_unknown`: The API key is invalid
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialUnknown;

impl From<CredentialUnknown> for demur_tower::Raise {
    fn from(_: CredentialUnknown) -> Self {
        demur_tower::Raise::error("credential_unknown")
    }
}

/// 500 `internal`: Internal error
#[derive(Debug, Clone, PartialEq)]
pub struct Internal;

impl From<Internal> for demur_tower::Raise {
    fn from(_: Internal) -> Self {
        demur_tower::Raise::error("internal")
    }
}
