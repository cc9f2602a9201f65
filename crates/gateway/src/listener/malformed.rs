//! Requests that are rejected before the engine sees them: those that the guard could not parse, and those that are shed
//! because of load.

use demur_contract::Condition;
use demur_engine::MalformedRequest;
use demur_guard::{ErrorKind, RejectedRequest};
use http::Request;
use http::header::HOST;

/// A request that the guard has rejected.
pub(crate) fn from_guard(rejected: RejectedRequest) -> MalformedRequest {
    MalformedRequest {
        condition: condition(rejected.kind()),
        cause: rejected.cause().to_owned(),
        host: rejected.host,
        path: rejected.target,
    }
}

/// A request that is not admitted because of load, whatever it asks for.
pub(crate) fn overloaded<B>(request: &Request<B>, cause: &str) -> MalformedRequest {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    MalformedRequest {
        condition: Condition::Overloaded,
        cause: cause.to_owned(),
        host: request.uri().authority().map(|host| host.as_str()).or(header).map(str::to_owned),
        path: Some(request.uri().path().to_owned()),
    }
}

fn condition(kind: ErrorKind) -> Condition {
    match kind {
        ErrorKind::Malformed => Condition::RequestMalformed,
        ErrorKind::Timeout => Condition::RequestTimeout,
        ErrorKind::UriTooLong => Condition::RequestUriTooLong,
        ErrorKind::ExpectationFailed => Condition::RequestExpectationFailed,
        ErrorKind::Misdirected => Condition::RequestMisdirected,
        ErrorKind::HeadTooLarge => Condition::RequestHeadTooLarge,
        ErrorKind::NotImplemented => Condition::RequestNotImplemented,
        ErrorKind::VersionNotSupported => Condition::RequestVersionNotSupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_the_status_of_the_parse_error() {
        for kind in ErrorKind::ALL {
            assert_eq!(condition(kind).defaults().status, kind.status(), "{kind:?}");
        }
    }
}
