//! The formats of JSON bodies.

use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value as Json};

use super::found::{HeuristicMatch, MAX_VIOLATIONS, first_text, text};
use super::violations::{self, by_field, path_of};
use crate::error::FieldViolation;
use crate::retry_after::seconds;

type Object = Map<String, Json>;

/// The first format that an object has.
pub(super) fn object(headers: &HeaderMap, object: &Object) -> HeuristicMatch {
    let mut found = problem_document(headers, object)
        .or_else(|| kubernetes(object))
        .or_else(|| nested(object))
        .or_else(|| titled(object))
        .or_else(|| graphql(object))
        .or_else(|| aws(object))
        .or_else(|| detailed(object))
        .or_else(|| flat(object))
        .or_else(|| json_api(object))
        .or_else(|| keyed(object))
        .unwrap_or_default();
    const IDS: [&str; 6] = ["request_id", "requestId", "RequestId", "requestID", "RequestID", "trace_id"];
    found.request_id = found.request_id.or_else(|| first_text(object, &IDS));
    found.retry_after = found.retry_after.or_else(|| delay(object));
    found
}

/// Salesforce: `[{message, errorCode, fields}]`; also a list whose first item has one of the other formats, or of texts.
pub(super) fn list(headers: &HeaderMap, items: &[Json]) -> Option<HeuristicMatch> {
    if let Some(text) = items.first().and_then(Json::as_str) {
        return Some(HeuristicMatch { message: text.to_owned(), ..HeuristicMatch::default() });
    }
    let first = items.first()?.as_object()?;
    let Some(code) = text(first, "errorCode") else { return Some(object(headers, first)) };
    let violations = items.iter().filter_map(Json::as_object).flat_map(|item| {
        let fields = item.get("fields").and_then(Json::as_array).into_iter().flatten();
        let message = text(item, "message");
        fields
            .filter_map(Json::as_str)
            .map(move |field| FieldViolation { field: Some(field.to_owned()), message: message.clone() })
    });
    Some(HeuristicMatch {
        code: Some(code),
        message: text(first, "message").unwrap_or_default(),
        violations: violations.take(MAX_VIOLATIONS).collect(),
        ..HeuristicMatch::default()
    })
}

/// RFC 9457.
fn problem_document(headers: &HeaderMap, object: &Object) -> Option<HeuristicMatch> {
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
        message: first_text(object, &["detail", "title"]).unwrap_or_default(),
        violations: violations::of(object),
        // ASP.NET names the request here.
        request_id: first_text(object, &["traceId", "instance"]).filter(|id| !id.contains('/')),
        ..HeuristicMatch::default()
    })
}

/// Kubernetes: `{kind: Status, status: Failure, reason, message, details: {causes}}`
fn kubernetes(object: &Object) -> Option<HeuristicMatch> {
    if object.get("kind")? != "Status" || !object.contains_key("apiVersion") {
        return None;
    }
    let details = object.get("details").and_then(Json::as_object);
    let causes = details.and_then(|details| details.get("causes")).and_then(Json::as_array);
    let retry = details.and_then(|details| text(details, "retryAfterSeconds"));
    Some(HeuristicMatch {
        code: text(object, "reason"),
        message: text(object, "message").unwrap_or_default(),
        violations: causes.map(|causes| violations::items(causes)).unwrap_or_default(),
        retry_after: retry.and_then(|text| seconds(&text, 1.0)),
        ..HeuristicMatch::default()
    })
}

/// `{error: {type | status, code, message}}`, as OpenAI, Stripe, Google, OData and Azure, and many more have it.
fn nested(object: &Object) -> Option<HeuristicMatch> {
    let Json::Object(error) = object.get("error").or_else(|| object.get("odata.error"))? else { return None };
    // OData 3 has its message in a language: `{lang, value}`.
    let in_language = || text(error.get("message")?.as_object()?, "value");
    // Google's canonical code, which is in capitals; others have a number or a word here.
    let canonical = text(error, "status").filter(|status| is_constant(status));
    let details = error.get("details").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let google = google_details(details);
    let inner = ["innererror", "innerError"].iter().find_map(|name| error.get(*name)?.as_object());
    let legacy = || {
        let first = error.get("errors")?.as_array()?.first()?.as_object()?;
        text(first, "reason")
    };
    let code = match &canonical {
        Some(status) => google.reason.or_else(legacy).or_else(|| Some(status.clone())),
        None => text(error, "code")
            .filter(|code| !is_status(code))
            .or_else(legacy)
            .or_else(|| text(error, "code")),
    };
    let violations = match google.violations.is_empty() {
        // Google's older `errors` and its other details are no violations, unless they name a location.
        true if canonical.is_some() => {
            violations::of(error).into_iter().filter(|violation| violation.field.is_some()).collect()
        }
        true => violations::of(error),
        false => google.violations,
    };
    Some(HeuristicMatch {
        kind: canonical.or_else(|| text(error, "type")),
        code,
        message: first_text(error, &["message", "detail", "reason", "description"])
            .or_else(in_language)
            .or_else(|| text(object, "message"))
            .unwrap_or_default(),
        param: first_text(error, &["param", "target", "field"]),
        violations,
        request_id: google
            .request_id
            .or_else(|| first_text(error, &["request_id", "requestId", "fbtrace_id"]))
            .or_else(|| first_text(inner?, &["request-id", "requestId", "client-request-id"])),
        retry_after: google.retry_after.or_else(|| delay(error)),
    })
}

/// What the typed details of a `google.rpc.Status` say.
#[derive(Default)]
struct GoogleDetails {
    reason: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    violations: Vec<FieldViolation>,
}

fn google_details(details: &[Json]) -> GoogleDetails {
    let mut read = GoogleDetails::default();
    for detail in details.iter().take(MAX_VIOLATIONS).filter_map(Json::as_object) {
        let kind = text(detail, "@type").unwrap_or_default();
        match kind.rsplit('.').next().unwrap_or_default() {
            "ErrorInfo" => read.reason = read.reason.take().or_else(|| text(detail, "reason")),
            "RequestInfo" => read.request_id = text(detail, "requestId"),
            "RetryInfo" => {
                let delay = text(detail, "retryDelay");
                read.retry_after = delay.and_then(|delay| seconds(delay.strip_suffix('s')?, 1.0));
            }
            "BadRequest" => {
                let items = detail.get("fieldViolations").and_then(Json::as_array);
                read.violations = items.map(|items| violations::items(items)).unwrap_or_default();
            }
            "QuotaFailure" | "PreconditionFailure" if read.violations.is_empty() => {
                let items = detail.get("violations").and_then(Json::as_array);
                read.violations = items.map(|items| violations::items(items)).unwrap_or_default();
            }
            _ => {}
        }
    }
    read
}

/// `{error, errors}`, `{error, message}`, and OAuth's `{error, error_description}` (RFC 6749, section 5.2).
fn titled(object: &Object) -> Option<HeuristicMatch> {
    let Json::String(title) = object.get("error")? else { return None };
    let mut found = HeuristicMatch { code: text(object, "code"), ..HeuristicMatch::default() };
    match object.get("errors") {
        Some(Json::Array(items)) => {
            let texts: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            found.violations = if texts.is_empty() { violations::of(object) } else { Vec::new() };
            found.message = texts.first().copied().unwrap_or(title).to_owned();
        }
        _ => {
            const NAMES: [&str; 5] = ["message", "error_description", "reason", "detail", "details"];
            found.message = first_text(object, &NAMES).unwrap_or_else(|| title.clone());
            found.violations = violations::of(object);
        }
    }
    // A title that is one word is a code: `{"error": "unauthorized", "message": "…"}`.
    let is_word = title.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if found.code.is_none() && is_word && (found.message != *title || title.contains('_')) {
        found.code = Some(title.clone());
    }
    Some(found)
}

/// GraphQL: `{errors: [{message, path, extensions: {code}}]}`
fn graphql(object: &Object) -> Option<HeuristicMatch> {
    let errors = object.get("errors")?.as_array()?;
    let first = errors.iter().find_map(Json::as_object)?;
    let is_graphql = ["extensions", "locations", "path"].iter().any(|name| first.contains_key(*name));
    if !is_graphql || !first.contains_key("message") {
        return None;
    }
    let extensions = first.get("extensions").and_then(Json::as_object);
    let violation = |error: &Object| {
        let path = error.get("path")?.as_array()?;
        Some(FieldViolation { field: Some(path_of(path)), message: text(error, "message") })
    };
    Some(HeuristicMatch {
        kind: extensions.and_then(|extensions| first_text(extensions, &["classification", "type"])),
        code: extensions.and_then(|extensions| text(extensions, "code")),
        message: text(first, "message").unwrap_or_default(),
        violations: errors
            .iter()
            .take(MAX_VIOLATIONS)
            .filter_map(|error| violation(error.as_object()?))
            .collect(),
        request_id: extensions.and_then(|extensions| first_text(extensions, &["request_id", "requestId"])),
        ..HeuristicMatch::default()
    })
}

/// AWS: `{__type: "prefix#NAME", message}`
fn aws(object: &Object) -> Option<HeuristicMatch> {
    let kind = first_text(object, &["__type", "__Type"])?;
    Some(HeuristicMatch {
        code: Some(aws_name(&kind).to_owned()),
        message: first_text(object, &["message", "Message", "errorMessage"]).unwrap_or_default(),
        violations: violations::of(object),
        ..HeuristicMatch::default()
    })
}

/// The name of an error: `com.amazonaws.x#ValidationException:http://…` is `ValidationException`.
pub(super) fn aws_name(kind: &str) -> &str {
    let name = kind.rsplit('#').next().unwrap_or(kind);
    name.split(':').next().unwrap_or(name).trim()
}

/// FastAPI: `{detail}` as a text, or as a list of `{loc, msg, type}`. Django REST and SCIM have the text too.
fn detailed(object: &Object) -> Option<HeuristicMatch> {
    match object.get("detail")? {
        Json::String(detail) => Some(HeuristicMatch {
            code: first_text(object, &["code", "scimType"]),
            message: detail.clone(),
            violations: violations::of(object),
            ..HeuristicMatch::default()
        }),
        Json::Array(items) => {
            let violations = violations::items(items);
            let message = violations.first().and_then(|first| first.message.clone()).unwrap_or_default();
            Some(HeuristicMatch { message, violations, ..HeuristicMatch::default() })
        }
        // An application's own object.
        Json::Object(detail) => Some(HeuristicMatch {
            code: first_text(detail, &["code", "error"]),
            kind: text(detail, "type"),
            message: first_text(detail, &["message", "msg", "detail"]).unwrap_or_default(),
            violations: violations::of(detail),
            ..HeuristicMatch::default()
        }),
        _ => None,
    }
}

/// `{status, code, message, violations}`
fn flat(object: &Object) -> Option<HeuristicMatch> {
    let message = first_text(object, &["message", "Message", "errorMessage", "error_message", "msg"])?;
    Some(HeuristicMatch {
        kind: text(object, "type"),
        code: first_text(object, &["code", "Code", "errorCode", "error_code", "statusCode"])
            .filter(|code| !object.contains_key("statusCode") || !is_status(code)),
        message,
        param: text(object, "param"),
        violations: violations::of(object),
        ..HeuristicMatch::default()
    })
}

/// JSON:API: `{errors: [{status, code, title, detail, source: {pointer, parameter}}]}`
fn json_api(object: &Object) -> Option<HeuristicMatch> {
    let Json::Array(errors) = object.get("errors")? else { return None };
    let Some(first) = errors.iter().find_map(Json::as_object) else {
        let message = errors.iter().find_map(Json::as_str)?.to_owned();
        return Some(HeuristicMatch { message, ..HeuristicMatch::default() });
    };
    let message = |error: &Object| first_text(error, &["detail", "title", "message", "msg"]);
    let all = errors.iter().filter_map(Json::as_object).take(MAX_VIOLATIONS).filter_map(|error| {
        let field = match error.get("source").and_then(Json::as_object) {
            Some(source) => first_text(source, &["pointer", "parameter", "header"])?,
            None => first_text(error, &["field", "param", "path"])?,
        };
        Some(FieldViolation { field: Some(field), message: message(error) })
    });
    Some(HeuristicMatch {
        code: text(first, "code"),
        message: message(first).unwrap_or_default(),
        violations: all.collect(),
        request_id: text(first, "id"),
        ..HeuristicMatch::default()
    })
}

/// Errors by field: Rails's `{errors: {name: […]}}` and Django REST's `{name: […], non_field_errors: […]}`.
fn keyed(object: &Object) -> Option<HeuristicMatch> {
    let messages = object.get("errorMessages").and_then(Json::as_array);
    let message = messages.and_then(|messages| messages.iter().find_map(Json::as_str)).map(str::to_owned);
    let violations = match object.get("errors") {
        Some(Json::Object(fields)) => by_field(fields),
        Some(Json::String(text)) => {
            return Some(HeuristicMatch { message: text.clone(), ..HeuristicMatch::default() });
        }
        Some(_) => Vec::new(),
        None if object.values().all(is_messages) => by_field(object),
        None => Vec::new(),
    };
    if violations.is_empty() && message.is_none() {
        return None;
    }
    let first = violations.first().and_then(|first| first.message.clone());
    Some(HeuristicMatch {
        message: message.or(first).unwrap_or_default(),
        violations,
        ..HeuristicMatch::default()
    })
}

/// A list of texts, or such lists by field.
fn is_messages(value: &Json) -> bool {
    match value {
        Json::Array(items) => {
            !items.is_empty() && items.iter().all(|item| item.is_string() || item.is_object())
        }
        Json::Object(fields) => !fields.is_empty() && fields.values().all(|value| value.is_array()),
        _ => false,
    }
}

/// A delay in seconds in the body: `retry_after`, at the top or in `parameters`.
fn delay(object: &Object) -> Option<Duration> {
    let named = |object: &Object| {
        let text =
            first_text(object, &["retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds"])?;
        seconds(&text, 1.0)
    };
    named(object).or_else(|| named(object.get("parameters")?.as_object()?))
}

/// Whether a text is a constant such as `INVALID_ARGUMENT`.
fn is_constant(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && text.len() > 1
}

/// Whether a code only repeats an HTTP status.
fn is_status(code: &str) -> bool {
    code.len() == 3 && code.parse::<u16>().is_ok_and(|code| (400..600).contains(&code))
}
