//! One line of the access log, as JSON or as text.

use std::borrow::Cow;
use std::fmt::Write as _;

use demur_contract::visible;
use demur_contract::{Condition, ErrorOrigin};
use demur_engine::{RequestRecord, TraceContext, ViolationRecord, WouldReject};
use serde::Serialize;

use super::entry::{LogEntry, ResponseEnd};
use super::settings::LogFormat;

/// The fields of a line, in this order. Unknown ones are left out.
#[derive(Serialize)]
struct LogLine<'e> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'e str>,
    status: u16,
    bytes: u64,
    /// Bytes from the client on a connection that was upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    received_bytes: Option<u64>,
    duration_ms: f64,
    /// The protocol that the connection was upgraded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    upgraded: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<LoggedViolation<'e>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_reject: Vec<Unenforced<'e>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'e [String],
    /// The number of parts of the document that the request was not checked against.
    #[serde(skip_serializing_if = "is_zero")]
    unsupported: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_error: Option<&'e str>,
}

/// A violation, without the value.
#[derive(Serialize)]
struct LoggedViolation<'e> {
    param: &'e str,
    location: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pointer: &'e str,
    rule: &'static str,
}

/// Zero is left out.
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A rejection that was not enforced.
#[derive(Serialize)]
struct Unenforced<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
    error: &'e str,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    cause: &'e str,
}

/// Appends a request's line.
pub(crate) fn write(entry: &LogEntry, format: LogFormat, lines: &mut Vec<u8>) {
    let line = LogLine::of(entry);
    let written = match format {
        LogFormat::Json => write_json(&line, lines),
        LogFormat::Text => write_text(&line, lines),
    };
    // Writing to memory cannot fail.
    if written {
        lines.push(b'\n');
    }
}

impl<'e> LogLine<'e> {
    fn of(entry: &'e LogEntry) -> Self {
        let record = &entry.record;
        let rejection = record.rejection();
        let Outcome { level, message, condition, cause } = outcome(entry);
        Self {
            timestamp: format!("{:.3}", entry.at),
            level,
            message,
            request_id: record.request_id(),
            client: entry.client,
            method: entry.method.as_deref(),
            path: entry.path.as_deref(),
            status: entry.status,
            bytes: entry.body_bytes,
            received_bytes: entry.received_bytes,
            duration_ms: (entry.duration.as_secs_f64() * 1e6).round() / 1e3,
            upgraded: record.upgraded(),
            trace_id: record.trace().map(TraceContext::trace_id_text),
            api: record.api(),
            operation: record.operation(),
            account: record.account(),
            key: record.key(),
            condition,
            error: rejection.map(|rejection| rejection.error()),
            code: rejection.map(|rejection| rejection.code()),
            origin: rejection.map(|rejection| rejection.origin.as_str()),
            contract: rejection.map(|rejection| rejection.contract().name()),
            cause,
            violations: rejection.map_or(Vec::new(), |rejection| {
                rejection.violations.iter().map(LoggedViolation::of).collect()
            }),
            would_reject: record.would_reject().iter().map(Unenforced::of).collect(),
            notes: record.notes(),
            unsupported: record.unsupported(),
            stream_error: record.stream_error(),
        }
    }
}

impl<'e> LoggedViolation<'e> {
    fn of(violation: &'e ViolationRecord) -> Self {
        let ViolationRecord { rule, param, location, pointer } = violation;
        Self { param, location, pointer, rule: rule.name() }
    }
}

impl<'e> Unenforced<'e> {
    fn of(would_reject: &'e WouldReject) -> Self {
        let WouldReject { condition, error, status, cause } = would_reject;
        let condition = condition.map(Condition::name);
        Self { condition, error, status: *status, cause }
    }
}

/// How a request ended, in words.
pub(super) struct Outcome<'e> {
    pub(super) level: &'static str,
    /// The event.
    pub(super) message: &'static str,
    pub(super) condition: Option<&'e str>,
    pub(super) cause: Option<&'e str>,
}

pub(super) fn outcome(entry: &LogEntry) -> Outcome<'_> {
    let record = &entry.record;
    let rejection = record.rejection();
    let (end_condition, end_cause) = match &entry.end {
        ResponseEnd::Complete => (None, None),
        ResponseEnd::ClientGone => (Some(Condition::ClientGone), None),
        ResponseEnd::Failed(condition, cause) => (Some(*condition), Some(cause.as_str())),
        ResponseEnd::Shutdown => (None, Some("shutdown timeout elapsed")),
        ResponseEnd::Closed(condition, cause) => (*condition, Some(cause.as_str())),
    };
    let condition = match rejection {
        Some(rejection) => Some(rejection.condition_name()),
        None => end_condition.map(Condition::name),
    };
    let cause = rejection.map(|rejection| rejection.cause.as_str()).or(end_cause);
    let (level, message) = event(record, &entry.end);
    Outcome { level, message, condition, cause: cause.filter(|cause| !cause.is_empty()) }
}

/// Level and event. Failures of the gateway or the upstream are warnings.
fn event(record: &RequestRecord, end: &ResponseEnd) -> (&'static str, &'static str) {
    match record.rejection() {
        Some(rejection) if rejection.origin == ErrorOrigin::Client => ("INFO", "request rejected"),
        Some(_) => ("WARN", "request failed"),
        None if matches!(end, ResponseEnd::Failed(..)) => ("WARN", "request failed"),
        None if *end != ResponseEnd::Complete => ("INFO", "request aborted"),
        None if !record.would_reject().is_empty() => ("INFO", "request would be rejected"),
        None if !record.notes().is_empty() || record.stream_error().is_some() => {
            ("WARN", "request completed")
        }
        None => ("INFO", "request completed"),
    }
}

/// The same as `name=value`, in the same order. Made of the JSON, so that both have the same fields.
fn write_text(line: &LogLine<'_>, lines: &mut Vec<u8>) -> bool {
    let Ok(serde_json::Value::Object(members)) = serde_json::to_value(line) else { return false };
    let mut text = String::new();
    for (name, value) in &members {
        let plain = value.as_str().filter(|text| is_plain(text));
        let _ = match (name.as_str(), plain) {
            ("timestamp" | "level" | "message", _) => write!(text, "{} ", value.as_str().unwrap_or_default()),
            (_, Some(plain)) => write!(text, "{name}={plain} "),
            (_, None) => write!(text, "{name}={value} "),
        };
    }
    lines.extend_from_slice(visible(text.trim_end(), &[]).as_bytes());
    true
}

/// JSON does not escape all characters that can control a terminal.
fn write_json(line: &LogLine<'_>, lines: &mut Vec<u8>) -> bool {
    let start = lines.len();
    if serde_json::to_writer(&mut *lines, line).is_err() {
        return false;
    }
    let written = std::str::from_utf8(lines.get(start..).unwrap_or_default());
    if let Ok(Cow::Owned(shown)) = written.map(|text| visible(text, &[])) {
        lines.truncate(start);
        lines.extend_from_slice(shown.as_bytes());
    }
    true
}

/// Whether a text needs no quotes, and cannot control a terminal.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}
