//! Requests that are rejected before the engine sees them: those whose head is invalid, and those that are shed because of
//! load.

use demur_contract::Condition;
use demur_engine::MalformedRequest;
use demur_http1::{BadRequest, ErrorKind};
use http::header::HOST;
use http::{Method, Request};

use super::request_body::ClientBody;

/// A request in place of one whose head is invalid, and why it is rejected.
pub(crate) fn from_bad(bad: BadRequest) -> (Request<ClientBody>, MalformedRequest) {
    let mut request = Request::new(ClientBody::none());
    if bad.method.as_deref() == Some("HEAD") {
        *request.method_mut() = Method::HEAD;
    }
    let malformed = MalformedRequest {
        condition: condition(bad.error.kind()),
        cause: bad.error.cause().to_owned(),
        host: bad.host,
        path: bad.path,
    };
    (request, malformed)
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

/// A request without TLS on a port that requires it.
pub(crate) fn lacks_tls<B>(request: &Request<B>) -> MalformedRequest {
    let cause = "plain HTTP request on a TLS port: the URL must begin with `https://`";
    MalformedRequest { condition: Condition::RequestMalformed, ..overloaded(request, cause) }
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
        _ => Condition::RequestMalformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_the_status_of_the_parse_error() {
        for kind in ErrorKind::ALL.iter().copied() {
            assert_eq!(condition(kind).defaults().status, kind.status(), "{kind:?}");
        }
    }
}
