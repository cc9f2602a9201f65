//! Maps the error responses of the framework to conditions: unknown paths and methods, extractor rejections, timeouts of
//! other layers.
//!
//! Only inspects responses without a body or with plain text: JSON may be an error of the service itself, which the engine
//! parses. The texts are those of axum's extractors; the tests of this crate compare them with the real ones.

use bytes::{Bytes, BytesMut};
use demur_contract::{Condition, Location, Violation};
use demur_engine::{Raised, read_at_most};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use crate::body::ServiceBody;

/// Maximum bytes of a response that are inspected.
const MAX_BYTES: usize = 16 * 1024;

/// Adds the condition of an error response, if it has one.
pub(crate) async fn classify<R>(response: Response<R>) -> Response<ServiceBody<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let is_ours = response.extensions().get::<Raised>().is_some();
    if is_ours || !is_plain(response.headers()) {
        return response.map(ServiceBody::service);
    }
    let (mut head, body) = response.into_parts();
    let body = read_start(body).await;
    let text = String::from_utf8_lossy(&body);
    if let Some(raised) = raised(head.status, &head.headers, &text) {
        let cause = format!("the service responded {}: {}", head.status, text.escape_debug());
        head.extensions.insert(raised.with_cause(cause));
    }
    Response::from_parts(head, ServiceBody::buffered(body))
}

fn is_plain(headers: &HeaderMap) -> bool {
    if headers.contains_key("demur-error") {
        return false;
    }
    match headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default()) {
        None => true,
        Some(media_type) => media_type.split(';').next().unwrap_or_default().trim() == "text/plain",
    }
}

/// Reads up to [`MAX_BYTES`] of a body.
async fn read_start<R: Body<Data = Bytes> + Unpin>(body: R) -> Bytes {
    let mut content = BytesMut::new();
    let push = |data: &[u8]| {
        content.extend_from_slice(data);
        true
    };
    read_at_most(body, MAX_BYTES, push).await;
    content.freeze()
}

fn raised(status: StatusCode, headers: &HeaderMap, text: &str) -> Option<Raised> {
    let condition = match status.as_u16() {
        400 | 422 => return Some(extractor_rejection(status, text)),
        404 => Condition::ResourceNotFound,
        405 => return Some(method_not_allowed(headers)),
        406 => Condition::RequestNotAcceptable,
        // The gateway handles slow request bodies; inside a service, a timeout is the one of the service.
        408 | 504 => Condition::UpstreamTimeout,
        410 => Condition::ResourceGone,
        411 => Condition::RequestLengthRequired,
        412 => Condition::PreconditionFailed,
        413 => Condition::BodyTooLarge,
        414 => Condition::RequestUriTooLong,
        415 => Condition::BodyUnsupportedMediaType,
        417 => Condition::RequestExpectationFailed,
        426 => Condition::RequestUpgradeRequired,
        431 => Condition::RequestHeadTooLarge,
        _ => return None,
    };
    Some(Raised::condition(condition))
}

fn method_not_allowed(headers: &HeaderMap) -> Raised {
    let raised = Raised::condition(Condition::ResourceMethodNotAllowed);
    match headers.get(ALLOW) {
        Some(allow) => {
            let methods = allow.to_str().unwrap_or_default().to_owned();
            raised.with("allow", methods).field(ALLOW, allow.clone())
        }
        None => raised,
    }
}

/// The rejection of an axum extractor.
fn extractor_rejection(status: StatusCode, text: &str) -> Raised {
    const DESERIALIZING: [(&str, Location); 5] = [
        ("Failed to deserialize the JSON body into the target type: ", Location::Body),
        ("Failed to deserialize form body: ", Location::Body),
        ("Failed to deserialize form: ", Location::Query),
        ("Failed to deserialize query string: ", Location::Query),
        ("Invalid URL: ", Location::Path),
    ];
    for (prefix, location) in DESERIALIZING {
        if let Some(message) = text.strip_prefix(prefix) {
            return Raised::violations(vec![violation(location, message)]);
        }
    }
    if text.starts_with("Failed to parse the request body as JSON") {
        return Raised::condition(Condition::BodyInvalidJson);
    }
    if text.starts_with("Failed to buffer the request body") || text.contains("valid UTF-8") {
        return Raised::condition(Condition::BodyUnreadable);
    }
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return Raised::violations(vec![violation(Location::Body, text)]);
    }
    Raised::condition(Condition::RequestMalformed)
}

/// The violation in a message of serde or axum, with the parameter if they name it.
fn violation(location: Location, message: &str) -> Violation {
    let (path, message) = match message.split_once(": ") {
        Some((path, rest)) if is_path(path) => (path, rest),
        _ => ("", message),
    };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let named = message.strip_prefix("Cannot parse `").and_then(|rest| {
        let (name, rest) = rest.split_once('`')?;
        rest.starts_with(" with value ").then_some(name)
    });
    let mut tokens: Vec<&str> = path.split(['.', '[', ']']).filter(|token| !token.is_empty()).collect();
    tokens.extend(missing.or(named));
    let condition = if missing.is_some() { Condition::ParamMissing } else { Condition::ParamSchema };
    let pointer = tokens.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1")));
    Violation {
        condition,
        location,
        param: tokens.first().copied().unwrap_or_default().to_owned(),
        pointer: pointer.collect(),
        value: None,
        limit: None,
        allowed: Vec::new(),
    }
}

/// `items[0].name`: the path format of `serde_path_to_error`, as opposed to the start of a sentence.
fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_named_parameter() {
        for (message, condition, param, pointer) in [
            ("missing field `name` at line 1 column 2", Condition::ParamMissing, "name", "/name"),
            ("items[0].price: invalid type: string", Condition::ParamSchema, "items", "/items/0/price"),
            ("items[0]: missing field `price`", Condition::ParamMissing, "items", "/items/0/price"),
            ("Cannot parse `id` with value `x` to a `u32`", Condition::ParamSchema, "id", "/id"),
            ("Cannot parse `x` to a `u32`", Condition::ParamSchema, "", ""),
            ("limit: invalid digit found in string", Condition::ParamSchema, "limit", "/limit"),
        ] {
            let found = violation(Location::Body, message);
            assert_eq!(
                (found.condition, &*found.param, &*found.pointer),
                (condition, param, pointer),
                "{message}"
            );
        }
    }
}
