//! Small checks on a request's head that need neither its document nor its key.

use demur_contract::Condition;
use demur_validation::Operation;
use http::header::{ACCEPT, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::rejection::Rejection;
use crate::request_body::BodyError;

/// The client's own name for an operation that it may send more than once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request's host, with its port. Of two the URI's is the one that counts (RFC 9112, section 3.2.2).
pub(crate) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

pub(crate) fn method_not_allowed(allow: &str, method: &str) -> Rejection {
    let refused = Rejection::from(Condition::ResourceMethodNotAllowed).with("allow", allow);
    let refused = refused.with("method", method);
    match HeaderValue::from_str(allow) {
        Ok(value) => refused.field(ALLOW, value),
        Err(_) => refused,
    }
}

pub(crate) fn unclear_resource() -> Rejection {
    Rejection::from(Condition::PermissionResource)
        .with_cause("the parameter that names the resource stands in the query not at all, or more than once")
}

/// Fields of which a second one would make the gateway and the upstream read different requests.
pub(crate) fn refuse_doubled(parts: &Parts) -> Result<(), Rejection> {
    // Nearly always no field stands there twice, which is known without looking for any.
    if parts.headers.len() == parts.headers.keys_len() {
        return Ok(());
    }
    for name in [CONTENT_TYPE, CONTENT_ENCODING, IDEMPOTENCY_KEY] {
        if parts.headers.get_all(&name).iter().nth(1).is_some() {
            let cause = format!("the field {name} stands there more than once");
            return Err(Rejection::from(Condition::RequestMalformed).with_cause(cause));
        }
    }
    Ok(())
}

/// A caller who takes none of the media types that the operation answers in.
pub(crate) fn refuse_unacceptable(parts: &Parts, operation: &Operation) -> Result<(), Rejection> {
    let lines: Vec<&str> =
        parts.headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.is_empty() || operation.is_acceptable(&lines.join(",")) {
        return Ok(());
    }
    Err(Rejection::from(Condition::RequestNotAcceptable)
        .with_cause("Accept takes none of the declared media types"))
}

/// Content that says that it is too large is not read at all.
pub(crate) fn refuse_announced_excess(parts: &Parts, bound: u64) -> Result<(), Rejection> {
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bound) {
        let max = i64::try_from(bound).unwrap_or(i64::MAX);
        return Err(Rejection::from(BodyError::TooLarge).with("max_bytes", max));
    }
    Ok(())
}
