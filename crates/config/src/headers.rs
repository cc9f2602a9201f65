//! `headers:` of an API or an operation: what is set and removed on the way to the upstream, and on the way back.

use demur_engine::settings::{HeaderChanges, HeaderSettings};
use demur_source::{Fields, Node, Span};
use http::{HeaderName, HeaderValue};

use crate::reader::ConfigReader;
use crate::secret::read_secret;

/// The two directions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// Headers that concern one connection, or that frame a body. The gateway sets them itself.
const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of requests that were validated together with the body, or that decide what a repeat is.
const CHECKED: &[&str] = &["content-type", "content-encoding", "idempotency-key"];

/// Headers of responses that are removed unless the configuration keeps them.
const REMOVED_BY_DEFAULT: &[&str] = &["server"];

/// Headers that have another meaning in HTTP, so that they cannot carry a key or a token.
pub(crate) fn is_taken(name: &HeaderName) -> bool {
    use http::header::{
        ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE,
    };
    let taken =
        [ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE];
    taken.contains(name)
}

pub(crate) fn read_headers(node: &Node, reader: &mut ConfigReader<'_>) -> HeaderSettings {
    let mut settings = HeaderSettings::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`headers`", reader.found) else {
        return settings;
    };
    if let Some(node) = fields.node("request") {
        settings.request = read_changes(node, Direction::Request, reader);
    }
    if let Some(node) = fields.node("response") {
        settings.response = read_changes(node, Direction::Response, reader);
    }
    fields.finish(reader.found);
    settings
}

fn read_changes(node: &Node, direction: Direction, reader: &mut ConfigReader<'_>) -> HeaderChanges {
    let mut changes = HeaderChanges::default();
    let what = if direction == Direction::Request { "`request`" } else { "`response`" };
    let Some(mut fields) = Fields::of(node, reader.source, what, reader.found) else { return changes };
    for (key, node) in fields.map("set", reader.found) {
        let name = read_name(&key.name, key.span, direction, reader);
        let value = read_value(&key.name, node, reader);
        changes.set.extend(name.zip(value));
    }
    for (name, span) in fields.texts("remove", reader.found) {
        let Some(name) = read_name(&name, span, direction, reader) else { continue };
        if changes.set.iter().any(|(set, _)| *set == name) {
            let message = format!("`{name}` is set and removed");
            let help = "remove it from `remove`: setting a header replaces it".to_owned();
            reader.warning(span, "header-change", message, help);
        }
        changes.remove.push(name);
    }
    if direction == Direction::Response {
        for (name, span) in fields.texts("keep", reader.found) {
            let Some(name) = reader.header_name(&name, span) else { continue };
            if !REMOVED_BY_DEFAULT.contains(&name.as_str()) {
                let message = format!("`keep` has no effect on `{name}`");
                let help =
                    format!("remove it: only `{}` is removed by default", REMOVED_BY_DEFAULT.join("`, `"));
                reader.error(span, "header-change", message, help);
            }
            changes.keep.push(name);
        }
    }
    fields.finish(reader.found);
    changes
}

fn read_name(
    name: &str,
    span: Span,
    direction: Direction,
    reader: &mut ConfigReader<'_>,
) -> Option<HeaderName> {
    let name = reader.header_name(name, span)?;
    let text = name.as_str();
    let why = if OF_CONNECTION.contains(&text) {
        "it belongs to one connection, and the gateway sets it itself"
    } else if text.starts_with("demur-") {
        "the gateway sets it itself"
    } else if direction == Direction::Request && CHECKED.contains(&text) {
        "the request was checked with it, and is forwarded as it was checked"
    } else {
        return Some(name);
    };
    reader.error(span, "header-change", format!("`{text}` cannot be changed: {why}"), "remove it".to_owned());
    None
}

/// Whether a header of this name carries a credential.
pub fn is_credential(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    let words = ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];
    words.iter().any(|word| name.contains(word))
}

fn read_value(name: &str, node: &Node, reader: &mut ConfigReader<'_>) -> Option<HeaderValue> {
    let is_secret = node.as_map().is_some();
    let text = if is_secret { Some(read_secret(node, reader)?) } else { node.scalar_text() };
    let value = text.and_then(|text| {
        let is_padded = text.trim_matches([' ', '\t']) != text;
        let mut value = HeaderValue::from_str(&text).ok().filter(|_| !is_padded)?;
        value.set_sensitive(is_secret);
        Some(value)
    });
    if value.is_some() && !is_secret && is_credential(name) {
        let message = format!("the value of `{name}` is a secret in clear text");
        let help = format!("write `{name}: {{ file: PATH }}` or `{name}: {{ env: NAME }}`");
        reader.warning(node.span, "plain-secret", message, help);
    }
    if value.is_none() {
        let message = format!("the value of `{name}` is not a valid header value");
        let help =
            "write a text of visible ASCII characters in one line, without spaces around it".to_owned();
        reader.error(node.span, "header-value", message, help);
    }
    value
}
