//! One line: a request in JSON, or in words for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use demur_contract::visible;
use demur_contract::{Condition, ErrorOrigin};
use demur_engine::{RequestRecord, WouldReject};
use serde::Serialize;

use super::{LogEntry, LogFormat};

/// What stands in a line, in this order. What is not known is left out.
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
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'static str>,
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
    observed: Vec<Observed<'e>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remarks: &'e [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_error: Option<String>,
}

/// What the request would have been refused for.
#[derive(Serialize)]
struct Observed<'e> {
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
    // Writing to memory does not fail.
    if written {
        lines.push(b'\n');
    }
}

impl<'e> LogLine<'e> {
    fn of(entry: &'e LogEntry) -> Self {
        let record = &entry.record;
        let refusal = record.rejection();
        let is_gone = refusal.is_none() && !entry.is_whole;
        let condition = match refusal {
            Some(refusal) => refusal.condition,
            None => is_gone.then_some(Condition::ClientGone),
        };
        let (level, message) = told(record, is_gone);
        Self {
            timestamp: format!("{:.3}", entry.at),
            level,
            message,
            request_id: record.request_id(),
            client: entry.client,
            method: entry.method.as_deref(),
            path: entry.path.as_deref(),
            status: entry.status,
            bytes: entry.content_bytes,
            duration_ms: (entry.duration.as_secs_f64() * 1e6).round() / 1e3,
            api: record.api(),
            operation: record.operation(),
            account: record.account(),
            key: record.key(),
            condition: condition.map(Condition::name),
            error: refusal.map(|refusal| refusal.error()),
            code: refusal.map(|refusal| refusal.code()),
            origin: refusal.map(|refusal| refusal.origin.as_str()),
            contract: refusal.map(|refusal| refusal.contract().name()),
            cause: refusal.map(|refusal| refusal.cause.as_str()).filter(|cause| !cause.is_empty()),
            observed: record.would_reject().iter().map(Observed::of).collect(),
            remarks: record.notes(),
            stream_error: record.stream_error().map(|said| record.redacted(said.to_owned())),
        }
    }
}

impl<'e> Observed<'e> {
    fn of(observation: &'e WouldReject) -> Self {
        let WouldReject { condition, error, status, cause } = observation;
        let condition = condition.map(Condition::name);
        Self { condition, error, status: *status, cause }
    }
}

/// What happened. What a caller did is news; what we or the upstream did is trouble.
fn told(record: &RequestRecord, is_gone: bool) -> (&'static str, &'static str) {
    match record.rejection() {
        Some(refusal) if refusal.origin == ErrorOrigin::Client => ("INFO", "refused"),
        Some(_) => ("WARN", "failed"),
        None if is_gone => ("INFO", "not taken to its end"),
        None if !record.would_reject().is_empty() => ("INFO", "would have been refused"),
        None if !record.notes().is_empty() || record.stream_error().is_some() => ("WARN", "answered"),
        None => ("INFO", "answered"),
    }
}

/// The same as `name=value`, in the same order: made of the JSON, so that neither has what the other lacks.
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

/// JSON escapes few of the characters that can steer a terminal or break a line.
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

/// Whether a text needs no quotes to be told from what follows, and cannot steer a terminal.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}
