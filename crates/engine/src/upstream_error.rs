//! What became of a forwarded request: a success passes, everything else is brought into the contract.
//!
//! An upstream raises a declared error by name ([`DEMUR_ERROR`]), or with a problem document whose `type` or
//! `code` names it, or by answering in the contract's own format. What is left is mapped by its status, and
//! its text goes to the journal only. An upstream's 401, 402 or 407 is about the gateway's account there,
//! not about the caller.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use demur_contract::{Condition, Contract, ErrorId, ParseResult, RejectedStatus, ResponseView, Value};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value as Json;

use crate::panics::Panic;
use crate::rejection::Rejection;
use crate::request_body::BodyError;
use crate::upstream_headers::DEMUR_ERROR;

/// Why there is no answer from the upstream. The texts are for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFault {
    /// No connection could be made.
    Unreachable(String),
    /// It is known to be of no use at the moment, and was not asked.
    Unavailable(String),
    /// No answer came in time.
    Timeout(String),
    /// What came is no HTTP, or ended too early.
    Invalid(String),
    /// The request's own content failed while it was sent.
    Content(BodyError),
    /// Whoever was to answer panicked.
    Panicked(Panic),
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamFault::Unreachable(cause) => write!(f, "unreachable: {cause}"),
            UpstreamFault::Unavailable(cause) => write!(f, "unavailable: {cause}"),
            UpstreamFault::Timeout(cause) => write!(f, "timed out: {cause}"),
            UpstreamFault::Invalid(cause) => write!(f, "invalid response: {cause}"),
            UpstreamFault::Content(fault) => fault.fmt(f),
            UpstreamFault::Panicked(Panic(cause)) => f.write_str(cause),
        }
    }
}

impl std::error::Error for UpstreamFault {}

impl From<Panic> for UpstreamFault {
    fn from(panicked: Panic) -> Self {
        UpstreamFault::Panicked(panicked)
    }
}

impl From<UpstreamFault> for Rejection {
    fn from(fault: UpstreamFault) -> Self {
        let condition = match &fault {
            UpstreamFault::Unreachable(_) => Condition::UpstreamUnreachable,
            UpstreamFault::Unavailable(_) => Condition::UpstreamUnavailable,
            UpstreamFault::Timeout(_) => Condition::UpstreamTimeout,
            UpstreamFault::Invalid(_) => Condition::UpstreamInvalidResponse,
            UpstreamFault::Content(fault) => return fault.clone().into(),
            UpstreamFault::Panicked(panicked) => return panicked.clone().into(),
        };
        Rejection::from(condition).with_cause(fault.to_string())
    }
}

/// Why an answer cannot be passed on, whatever it says; `None` for one that can.
pub(crate) fn unusable(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    // No upgrade was asked for, so none can be accepted: nothing may pass unread after it.
    if status == StatusCode::SWITCHING_PROTOCOLS || status.as_u16() > 599 {
        return Some(format!("the status {} is no answer", status.as_u16()));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Some("the content has a transfer coding other than chunked".to_owned());
    }
    // RFC 9112, section 6.3: two ways to tell where it ends are an attack or a defect.
    let doubled = headers.contains_key(CONTENT_LENGTH);
    doubled.then(|| "it has Content-Length and Transfer-Encoding".to_owned())
}

/// Makes what an answer says of its length one canonical number: `Err` with the reason where that is not what it says.
/// Equal values are one (RFC 9110, section 8.6). Everything else is read differently by different recipients.
pub(crate) fn canonical_length(headers: &mut HeaderMap) -> Result<(), String> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return Ok(()) };
    if values.next().is_none() && is_canonical(first.as_bytes()) {
        return Ok(());
    }
    let lines = headers.get_all(CONTENT_LENGTH);
    let mut numbers = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let number = numbers.next().unwrap_or_default().trim_ascii();
    if !is_canonical(number) || !numbers.all(|other| other.trim_ascii() == number) {
        return Err("its Content-Length is not one number in its usual form".to_owned());
    }
    let number = HeaderValue::from_bytes(number).map_err(|error| error.to_string())?;
    headers.insert(CONTENT_LENGTH, number);
    Ok(())
}

/// Digits without a leading zero, of a number that everyone can represent.
fn is_canonical(number: &[u8]) -> bool {
    let is_number = (1..=18).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    is_number && (number.len() == 1 || number.first() != Some(&b'0'))
}

/// The most of a failed answer that is looked at.
pub(crate) const MAX_FAILURE_BYTES: usize = 64 * 1024;
/// The most of it that a cause quotes.
const MAX_QUOTED_CHARS: usize = 512;

/// Brings an upstream's error answer into the contract.
pub(crate) fn refuse(
    contract: &Contract,
    status: StatusCode,
    headers: &HeaderMap,
    content: &[u8],
) -> Rejection {
    let raised = raised(contract, headers, content)
        .or_else(|| problem_document(contract, headers, content))
        .or_else(|| own_format(contract, status, content))
        .unwrap_or_else(|| by_status(status));
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map(Duration::from_secs).or(raised.detail.retry_after);
    let said =
        if raised.detail.cause.is_empty() { String::new() } else { format!("{}; ", raised.detail.cause) };
    raised.retry_after(after).with_cause(format!("{said}upstream answered {status}: {}", quoted(content)))
}

/// `Demur-Error: NAME`, with parameters as a JSON object in the content.
fn raised(contract: &Contract, headers: &HeaderMap, content: &[u8]) -> Option<Rejection> {
    let name = headers.get(DEMUR_ERROR)?.to_str().unwrap_or_default().trim();
    let Some(refused) = named(contract, name) else {
        let cause = format!("`{name}` was raised, which an upstream cannot raise in this contract");
        return Some(Rejection::from(Condition::UpstreamInvalidResponse).with_cause(cause));
    };
    let parameters = match serde_json::from_slice(content) {
        Ok(Json::Object(parameters)) => parameters,
        _ => serde_json::Map::new(),
    };
    Some(with_parameters(refused, &parameters))
}

/// A condition or an error that an upstream may raise.
fn named(contract: &Contract, name: &str) -> Option<Rejection> {
    if let Some(error) = contract.named(name).filter(|error| contract.entry(*error).upstream_may_raise) {
        return Some(Rejection::error(error));
    }
    Condition::from_name(name).filter(|condition| condition.upstream_may_raise()).map(Rejection::from)
}

fn with_parameters(mut refused: Rejection, parameters: &serde_json::Map<String, Json>) -> Rejection {
    for (name, value) in parameters {
        let value = match value {
            Json::Null => continue,
            Json::String(text) if name == "message" => {
                refused.detail.message = Some(text.clone());
                continue;
            }
            Json::String(text) => Value::Text(text.clone()),
            Json::Number(number) if number.is_i64() => Value::Int(number.as_i64().unwrap_or_default()),
            Json::Array(items) => Value::List(items.iter().map(shown).collect()),
            other => Value::Text(other.to_string()),
        };
        refused.detail.params.push((Cow::Owned(name.clone()), value));
    }
    refused
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `application/problem+json` (RFC 9457) whose `code`, or the last segment of whose `type`, is a name of the
/// contract.
fn problem_document(contract: &Contract, headers: &HeaderMap, content: &[u8]) -> Option<Rejection> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    if !media_type.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    let Ok(Json::Object(mut problem)) = serde_json::from_slice(content) else { return None };
    let text = |name: &str| problem.get(name).and_then(Json::as_str);
    let by_type = text("type").and_then(|kind| kind.rsplit(['/', '#', ':']).next());
    let refused = [text("code"), by_type].into_iter().flatten().find_map(|name| named(contract, name))?;
    let detail = text("detail").map(str::to_owned);
    for member in ["type", "title", "status", "detail", "instance", "code"] {
        problem.remove(member);
    }
    let mut refused = with_parameters(refused, &problem);
    refused.detail.message = detail;
    Some(refused)
}

/// The contract's own format: read and rendered again, so that the answer carries the one id.
fn own_format(contract: &Contract, status: StatusCode, content: &[u8]) -> Option<Rejection> {
    let answer = ResponseView::new(status.as_u16(), content);
    let ParseResult::Exact(read) = contract.parse(&answer) else { return None };
    let error = read.problem.error;
    let may_raise = read.is_declared(contract) && contract.entry(error).upstream_may_raise;
    if !may_raise {
        return None;
    }
    let mut refused = Rejection::error(error);
    refused.detail.message = read.problem.message.map(Cow::into_owned);
    if !read.violations.is_empty() {
        // A format does not carry all of a violation, so these could not be rendered again without loss.
        // Their content stands, written anew, unless it has a member that the format has not, or a place for
        // the id, which would then be another one.
        if contract.shows_request_id(error) || !read.unknown_members.is_empty() {
            return None;
        }
        let json: Json = serde_json::from_slice(content).ok()?;
        refused.detail.verbatim = Some(json.to_string().into_bytes());
    }
    let own = |(name, value): (Cow<'_, str>, Value)| (Cow::Owned(name.into_owned()), value);
    refused.detail.params = read.problem.params.into_iter().map(own).collect();
    Some(refused)
}

fn by_status(status: StatusCode) -> Rejection {
    match status.as_u16() {
        401 | 402 | 407 => Rejection::from(Condition::UpstreamFailed)
            .with_cause("the upstream does not accept the gateway's own credentials or account"),
        503 => Condition::UpstreamUnavailable.into(),
        status => match RejectedStatus::new(status) {
            Some(refused) => refused.into(),
            None => Condition::UpstreamFailed.into(),
        },
    }
}

/// The beginning of what was said, made safe for a log line.
pub(crate) fn quoted(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(&content[..content.len().min(4 * MAX_QUOTED_CHARS)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED_CHARS).collect()
}

/// The error that an answer is, where the contract has a place for it: for logs.
pub(crate) fn error_code(contract: &Contract, error: ErrorId) -> &str {
    let entry = contract.entry(error);
    entry.code.as_deref().unwrap_or(&entry.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_one_canonical_number_or_none() {
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["0"], Ok(Some("0"))),
            (&["10"], Ok(Some("10"))),
            (&["2, 2"], Ok(Some("2"))),
            (&["2", "2"], Ok(Some("2"))),
            (&["2,2", "2 ,\t2"], Ok(Some("2"))),
            (&["2, 3"], Err(())),
            (&["2", "3"], Err(())),
            (&["010"], Err(())),
            (&["00"], Err(())),
            (&["10", "010"], Err(())),
            (&["+2"], Err(())),
            (&["-2"], Err(())),
            (&["0x2"], Err(())),
            (&["2.0"], Err(())),
            (&["2e0"], Err(())),
            (&["2 0"], Err(())),
            (&["2_0"], Err(())),
            (&["\"2\""], Err(())),
            (&[""], Err(())),
            (&["2,"], Err(())),
            (&[",2"], Err(())),
            (&["", "2"], Err(())),
            (&["2;a"], Err(())),
            (&["9999999999999999999"], Err(())),
            (&["18446744073709551618"], Err(())),
            (&["\u{662}"], Err(())),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_LENGTH, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let read = canonical_length(&mut headers).map_err(drop);
            let left: Vec<_> =
                headers.get_all(CONTENT_LENGTH).iter().map(|it| it.to_str().unwrap_or("")).collect();
            assert_eq!(read.map(|()| left.first().copied()), expected, "{lines:?}");
            assert!(read.is_err() || left.len() <= 1, "{lines:?}");
        }
    }
}
