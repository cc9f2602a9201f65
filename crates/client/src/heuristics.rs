//! Reads the common error formats, for responses that no contract matches.
//!
//! In this order: RFC 9457, `{error: {…}}`, `{error, errors}`, `{error, message}`, `{status, code, message,
//! violations}`, JSON:API, text. Only the structure counts, never the wording.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value as Json};

use crate::error::FieldViolation;

/// The parts of an error, as far as its format shows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HeuristicMatch {
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) violations: Vec<FieldViolation>,
    pub(crate) request_id: Option<String>,
}

/// Maximum characters of a message taken from a text body.
const MAX_TEXT_CHARS: usize = 512;
/// Maximum number of violations.
const MAX_VIOLATIONS: usize = 100;

pub(crate) fn recognize(headers: &HeaderMap, body: &[u8]) -> HeuristicMatch {
    let Ok(Json::Object(object)) = serde_json::from_slice::<Json>(body) else {
        return plain(headers, body);
    };
    let mut found = problem_document(headers, &object)
        .or_else(|| nested(&object))
        .or_else(|| titled(&object))
        .or_else(|| flat(&object))
        .or_else(|| json_api(&object))
        .unwrap_or_default();
    found.request_id = found.request_id.or_else(|| text(&object, "request_id"));
    found
}

fn text(object: &Map<String, Json>, name: &str) -> Option<String> {
    match object.get(name)? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// RFC 9457.
fn problem_document(headers: &HeaderMap, object: &Map<String, Json>) -> Option<HeuristicMatch> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_named = media_type.to_ascii_lowercase().starts_with("application/problem+json");
    let has_members =
        object.contains_key("title") && (object.contains_key("type") || object.contains_key("detail"));
    if !is_named && (!has_members || object.contains_key("error")) {
        return None;
    }
    let kind = text(object, "type").filter(|kind| kind != "about:blank");
    Some(HeuristicMatch {
        code: text(object, "code").or_else(|| {
            let kind = kind.as_deref()?;
            kind.rsplit(['/', '#', ':']).next().filter(|name| !name.is_empty()).map(str::to_owned)
        }),
        kind,
        message: text(object, "detail").or_else(|| text(object, "title")).unwrap_or_default(),
        violations: violations(object),
        ..HeuristicMatch::default()
    })
}

/// `{error: {type | status, code, message}}`
fn nested(object: &Map<String, Json>) -> Option<HeuristicMatch> {
    let Json::Object(error) = object.get("error")? else { return None };
    Some(HeuristicMatch {
        kind: text(error, "type"),
        code: text(error, "code"),
        message: text(error, "message").or_else(|| text(error, "detail")).unwrap_or_default(),
        param: text(error, "param"),
        violations: violations(error),
        request_id: text(error, "request_id"),
    })
}

/// `{error, errors}` and `{error, message}`
fn titled(object: &Map<String, Json>) -> Option<HeuristicMatch> {
    let Json::String(title) = object.get("error")? else { return None };
    let mut found = HeuristicMatch { code: text(object, "code"), ..HeuristicMatch::default() };
    match object.get("errors") {
        Some(Json::Array(items)) => {
            let texts: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            found.violations = if texts.is_empty() { violations(object) } else { Vec::new() };
            found.message = texts.first().copied().unwrap_or(title).to_owned();
        }
        _ => found.message = text(object, "message").unwrap_or_else(|| title.clone()),
    }
    // A title that is one word is a code: `{"error": "unauthorized", "message": "…"}`.
    let is_word = title.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if found.code.is_none() && is_word && found.message != *title {
        found.code = Some(title.clone());
    }
    Some(found)
}

/// `{status, code, message, violations}`
fn flat(object: &Map<String, Json>) -> Option<HeuristicMatch> {
    let message = text(object, "message")?;
    Some(HeuristicMatch {
        kind: text(object, "type"),
        code: text(object, "code"),
        message,
        param: text(object, "param"),
        violations: violations(object),
        ..HeuristicMatch::default()
    })
}

/// JSON:API: `{errors: [{status, code, title, detail, source: {pointer, parameter}}]}`
fn json_api(object: &Map<String, Json>) -> Option<HeuristicMatch> {
    let Json::Array(errors) = object.get("errors")? else { return None };
    let first = errors.iter().find_map(Json::as_object)?;
    let message = |error: &Map<String, Json>| text(error, "detail").or_else(|| text(error, "title"));
    let all = errors.iter().filter_map(Json::as_object).take(MAX_VIOLATIONS).filter_map(|error| {
        let source = error.get("source")?.as_object()?;
        let field = text(source, "pointer").or_else(|| text(source, "parameter"));
        Some(FieldViolation { field, message: message(error) })
    });
    Some(HeuristicMatch {
        code: text(first, "code"),
        message: message(first).unwrap_or_default(),
        violations: all.collect(),
        request_id: text(first, "id"),
        ..HeuristicMatch::default()
    })
}

/// A list of objects or texts, or a mapping by field, as in Rails, Laravel, ASP.NET and Django.
fn violations(object: &Map<String, Json>) -> Vec<FieldViolation> {
    let found = ["violations", "errors", "details", "invalid_params", "invalid-params"];
    let Some(value) = found.into_iter().find_map(|name| object.get(name)) else { return Vec::new() };
    let violation = |item: &Json| match item {
        Json::String(message) => Some(FieldViolation { field: None, message: Some(message.clone()) }),
        Json::Object(item) => {
            let named = |names: &[&str]| names.iter().find_map(|name| text(item, name));
            Some(FieldViolation {
                field: named(&["field", "path", "propertyPath", "name", "param", "pointer"]),
                message: named(&["message", "reason", "detail", "error"]),
            })
        }
        _ => None,
    };
    match value {
        Json::Array(items) => items.iter().take(MAX_VIOLATIONS).filter_map(violation).collect(),
        Json::Object(fields) => {
            let by_field = fields.iter().take(MAX_VIOLATIONS).flat_map(|(field, messages)| {
                let messages = match messages {
                    Json::Array(items) => items.as_slice(),
                    text => std::slice::from_ref(text),
                };
                // Lazily: a field may have very many messages, and only the first few are kept.
                messages.iter().filter_map(Json::as_str).map(|message| FieldViolation {
                    field: Some(field.clone()),
                    message: Some(message.to_owned()),
                })
            });
            by_field.take(MAX_VIOLATIONS).collect()
        }
        _ => Vec::new(),
    }
}

/// A text body, truncated. HTML is never a message.
fn plain(headers: &HeaderMap, body: &[u8]) -> HeuristicMatch {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_TEXT_CHARS)]);
    let text = text.trim();
    if media_type.contains("html") || text.starts_with('<') {
        return HeuristicMatch::default();
    }
    let message = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT_CHARS).collect();
    HeuristicMatch { message, ..HeuristicMatch::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, code, message, and parameter or field.
    #[test]
    fn reads_common_formats() {
        let rows = [
            (
                r#"{"type":"https://a.example/e/out-of-credit","title":"No credit","detail":"Balance is 30."}"#,
                ["https://a.example/e/out-of-credit", "out-of-credit", "Balance is 30.", ""],
            ),
            (r#"{"type":"about:blank","title":"Not Found","status":404}"#, ["", "", "Not Found", ""]),
            (
                r#"{"error":{"type":"invalid_request_error","code":"missing","message":"m","param":"p"}}"#,
                ["invalid_request_error", "missing", "m", "p"],
            ),
            (r#"{"error":{"status":"INVALID_ARGUMENT","code":400,"message":"m"}}"#, ["", "400", "m", ""]),
            (
                r#"{"error":"Missing brand","errors":["brand is required"]}"#,
                ["", "", "brand is required", ""],
            ),
            (r#"{"error":"unauthorized","message":"No key."}"#, ["", "unauthorized", "No key.", ""]),
            (
                r#"{"status":400,"code":"x","message":"m","violations":[{"field":"f","message":"n"}]}"#,
                ["", "x", "m", "f"],
            ),
            (
                r#"{"message":"The given data was invalid.","errors":{"name":["must not be empty"]}}"#,
                ["", "", "The given data was invalid.", "name"],
            ),
            (
                r#"{"errors":[{"code":"c","title":"t","detail":"d","source":{"pointer":"/data/name"}}]}"#,
                ["", "c", "d", "/data/name"],
            ),
            ("too many requests\n", ["", "", "too many requests", ""]),
            ("<html><body>502</body></html>", ["", "", "", ""]),
            ("", ["", "", "", ""]),
            ("[1]", ["", "", "[1]", ""]),
            (r#"{"error":{}}"#, ["", "", "", ""]),
            (r#"{"error":null}"#, ["", "", "", ""]),
        ];
        for (body, [kind, code, message, field]) in rows {
            let found = recognize(&HeaderMap::new(), body.as_bytes());
            let location =
                found.param.or_else(|| found.violations.first().and_then(|first| first.field.clone()));
            let parts = [
                found.kind.unwrap_or_default(),
                found.code.unwrap_or_default(),
                found.message,
                location.unwrap_or_default(),
            ];
            assert_eq!(parts, [kind, code, message, field], "{body}");
        }
    }

    #[test]
    fn messages_and_violations_are_limited() {
        let long = "x".repeat(1_000_000);
        assert_eq!(recognize(&HeaderMap::new(), long.as_bytes()).message.chars().count(), MAX_TEXT_CHARS);
        let many =
            format!(r#"{{"message":"m","violations":[{}]}}"#, vec![r#"{"field":"f"}"#; 5000].join(","));
        assert_eq!(recognize(&HeaderMap::new(), many.as_bytes()).violations.len(), MAX_VIOLATIONS);
    }
}
