//! Small checks of one request, which need no state.

use demur_admission::Denial;
use demur_contract::{Condition, Violation};
use demur_validation::{CheckedBody, Operation, RouteMatch};
use http::header::{ACCEPT, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::Value as Json;

use crate::record::Check;
use crate::reject::rejection::Rejection;
use crate::request::body::BodyError;
use crate::request::decompress;
use crate::settings::ApiSettings;

/// The client's identifier of an operation that it may send more than once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The media types that a QUERY request may have (RFC 10008).
const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");

/// The request's host, with its port. The host of the URI takes precedence (RFC 9112, section 3.2.2).
pub(crate) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

pub(crate) fn method_not_allowed(allow: &str, method: &str) -> Rejection {
    let rejection = Rejection::from(Condition::ResourceMethodNotAllowed).with("allow", allow);
    let rejection = rejection.with("method", method);
    match HeaderValue::from_str(allow) {
        Ok(value) => rejection.header(ALLOW, value),
        Err(_) => rejection,
    }
}

pub(crate) fn unclear_resource() -> Rejection {
    Rejection::from(Condition::PermissionResource)
        .with_cause("the query parameter that names the resource is missing or repeated")
}

/// Rejects duplicate headers that the gateway and the upstream could read differently.
pub(crate) fn reject_duplicates(parts: &Parts) -> Result<(), Rejection> {
    // Nearly no request has a duplicate header.
    if parts.headers.len() == parts.headers.keys_len() {
        return Ok(());
    }
    for name in [CONTENT_TYPE, CONTENT_ENCODING, IDEMPOTENCY_KEY] {
        if parts.headers.get_all(&name).iter().nth(1).is_some() {
            let cause = format!("duplicate header {name}");
            return Err(Rejection::from(Condition::RequestMalformed).with_cause(cause));
        }
    }
    Ok(())
}

/// Rejects an `Accept` that none of the operation's media types satisfies. A malformed line accepts everything.
pub(crate) fn reject_unacceptable(parts: &Parts, operation: &Operation) -> Result<(), Rejection> {
    let lines = parts.headers.get_all(ACCEPT).iter().map(HeaderValue::to_str);
    let Ok(lines) = lines.collect::<Result<Vec<&str>, _>>() else { return Ok(()) };
    if lines.is_empty() || operation.is_acceptable(&lines.join(",")) {
        return Ok(());
    }
    Err(Rejection::from(Condition::RequestNotAcceptable)
        .with_cause("Accept does not match a declared media type"))
}

/// Rejects a body whose Content-Length is too large, before it is read.
pub(crate) fn reject_excess_length(parts: &Parts, max_length: u64) -> Result<(), Rejection> {
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max_length) {
        return Err(too_large(max_length));
    }
    Ok(())
}

pub(crate) fn too_large(max_length: u64) -> Rejection {
    let max = i64::try_from(max_length).unwrap_or(i64::MAX);
    Rejection::from(BodyError::TooLarge).with("max_bytes", max)
}

/// Validates a buffered body: its JSON value, and its violations. A valid body has no value, unless rules read it.
pub(crate) fn check_body(
    settings: &ApiSettings,
    found: &RouteMatch<'_, '_>,
    parts: &Parts,
    bytes: &[u8],
    rules_read_it: bool,
) -> Result<(Option<Json>, Vec<Violation>), Rejection> {
    if !bytes.is_empty() {
        let is_decoded = settings.validation.decodes_bodies && !settings.monitor;
        if decompress::coding(&parts.headers, is_decoded)?.is_some() {
            let rejection = Rejection::from(Condition::BodyUnsupportedMediaType);
            return Err(rejection.with_cause("a compressed body cannot be validated"));
        }
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map(|value| value.to_str()).transpose();
    if content_type.is_err() && found.operation.takes_body() {
        // Some servers read the ASCII part of it.
        let rejection = Rejection::from(Condition::BodyUnsupportedMediaType);
        return Err(rejection.with_cause("Content-Type is not ASCII"));
    }
    let content_type = content_type.unwrap_or_default();
    if parts.method == Method::QUERY && content_type.is_none() && !bytes.is_empty() {
        // RFC 10008: the content of this method has no meaning without its type, so none is assumed.
        let rejection = Rejection::from(Condition::RequestMalformed);
        return Err(rejection.with_cause("a QUERY request needs a Content-Type"));
    }
    if !rules_read_it && settings.document.accepts_body(found.operation, content_type, bytes) {
        return Ok((None, Vec::new()));
    }
    match settings.document.check_body(found.operation, content_type, bytes) {
        CheckedBody::Checked { value, violations } => Ok((value, violations)),
        CheckedBody::Rejected(problem) => {
            let rejection = Rejection::from(problem.condition).with_cause(problem.cause);
            let is_media_type = problem.condition == Condition::BodyUnsupportedMediaType;
            Err(if is_media_type {
                with_accepted(rejection, found.operation, &parts.method)
            } else {
                rejection
            })
        }
    }
}

/// Adds the media types that the operation takes (RFC 9110, section 15.5.16, and `Accept-Query` of RFC 10008).
fn with_accepted(rejection: Rejection, operation: &Operation, method: &Method) -> Rejection {
    let media_types: Vec<&str> = operation.media_types().collect();
    let Ok(value) = HeaderValue::from_str(&media_types.join(", ")) else { return rejection };
    if value.is_empty() {
        return rejection;
    }
    let rejection = rejection.header(ACCEPT, value.clone());
    if *method == Method::QUERY { rejection.header(ACCEPT_QUERY, value) } else { rejection }
}

/// The check that a denial of the limits belongs to.
pub(crate) fn check_of(denial: &Denial) -> Check {
    if matches!(denial, Denial::QuotaExceeded { .. }) { Check::Quota } else { Check::Rate }
}
