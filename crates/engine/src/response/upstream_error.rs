//! Converts failures and error responses of the upstream to the contract.
//!
//! An upstream raises a declared error by name ([`DEMUR_ERROR`]), or with a problem document whose `type` or `code` names
//! it, or in the contract's own format. Rules of the configuration translate other formats (`translation.rs`). Other error
//! responses are mapped by their status, and their text is only logged. An upstream's 401, 402 or 407 is about the gateway's
//! account there, not about the caller, unless the gateway does not authenticate the caller.

use std::borrow::Cow;
use std::fmt;

use demur_contract::{Condition, Contract, ParseResult, RejectedStatus, ResponseView, Value};
use demur_validation::{ApiDocument, Operation};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::panics::Panic;
use crate::redact::quoted;
use crate::reject::rejection::Rejection;
use crate::reject::render::error_of;
use crate::request::body::BodyError;
use crate::request::upstream_headers::DEMUR_ERROR;
use crate::response::translation::{self, translate};
use crate::response::{retry_after, status_headers};
use crate::settings::{UpstreamErrorMode, UpstreamErrors};

/// Why there is no response from the upstream. The texts are for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFault {
    /// The connection failed.
    Unreachable(String),
    /// It is known to be unavailable, and the request was not sent.
    Unavailable(String),
    /// It has no healthy endpoint, and the request was not sent.
    Unhealthy(String),
    /// No response within the timeout.
    Timeout(String),
    /// The response is not valid HTTP, or incomplete.
    Invalid(String),
    /// The request's own body failed while it was sent.
    Body(BodyError),
    /// The handler panicked.
    Panicked(Panic),
    /// The client has closed its connection, and nobody waits for a response any more.
    ClientGone,
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamFault::Unreachable(cause) => write!(f, "unreachable: {cause}"),
            UpstreamFault::Unavailable(cause) => write!(f, "unavailable: {cause}"),
            UpstreamFault::Unhealthy(cause) => write!(f, "unhealthy: {cause}"),
            UpstreamFault::Timeout(cause) => write!(f, "timed out: {cause}"),
            UpstreamFault::Invalid(cause) => write!(f, "invalid response: {cause}"),
            UpstreamFault::Body(fault) => fault.fmt(f),
            UpstreamFault::Panicked(Panic(cause)) => f.write_str(cause),
            UpstreamFault::ClientGone => f.write_str("the client closed the connection"),
        }
    }
}

impl std::error::Error for UpstreamFault {}

impl From<Panic> for UpstreamFault {
    fn from(panicked: Panic) -> Self {
        UpstreamFault::Panicked(panicked)
    }
}

impl UpstreamFault {
    /// The condition of this fault.
    pub fn condition(&self) -> Condition {
        match self {
            UpstreamFault::Unreachable(_) => Condition::UpstreamUnreachable,
            UpstreamFault::Unavailable(_) => Condition::UpstreamUnavailable,
            UpstreamFault::Unhealthy(_) => Condition::UpstreamUnhealthy,
            UpstreamFault::Timeout(_) => Condition::UpstreamTimeout,
            UpstreamFault::Invalid(_) => Condition::UpstreamInvalidResponse,
            UpstreamFault::Body(fault) => fault.condition(),
            UpstreamFault::Panicked(_) => Condition::Internal,
            UpstreamFault::ClientGone => Condition::ClientGone,
        }
    }
}

impl From<UpstreamFault> for Rejection {
    fn from(fault: UpstreamFault) -> Self {
        let condition = match &fault {
            UpstreamFault::Body(fault) => return fault.clone().into(),
            UpstreamFault::Panicked(panicked) => return panicked.clone().into(),
            // It is answered before: nothing can be sent.
            UpstreamFault::ClientGone => Condition::Internal,
            fault => fault.condition(),
        };
        Rejection::from(condition).with_cause(fault.to_string())
    }
}

/// Whether a status is a client or server error, which is converted to the contract.
pub fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Why a response cannot be passed on, whatever its body; `None` if it can.
pub(crate) fn unusable(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    // An upgrade that was requested is accepted before.
    if status == StatusCode::SWITCHING_PROTOCOLS || status.as_u16() > 599 {
        return Some(format!("invalid response status {}", status.as_u16()));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Some("unsupported Transfer-Encoding".to_owned());
    }
    // RFC 9112, section 6.3: an attack or a defect.
    let has_both = headers.contains_key(CONTENT_LENGTH);
    has_both.then(|| "Content-Length together with Transfer-Encoding".to_owned())
}

/// Normalizes a response's Content-Length to one canonical number: `Err` with the reason if it is none. Equal values are
/// one (RFC 9110, section 8.6). Recipients read anything else differently.
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
        return Err("Content-Length is not one canonical number".to_owned());
    }
    let number = HeaderValue::from_bytes(number).map_err(|error| error.to_string())?;
    headers.insert(CONTENT_LENGTH, number);
    Ok(())
}

/// Digits without a leading zero, of a number that fits into 63 bits.
fn is_canonical(number: &[u8]) -> bool {
    let is_number = (1..=18).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    is_number && (number.len() == 1 || number.first() != Some(&b'0'))
}

/// How much of an error response's body is read.
pub(crate) const MAX_FAILURE_BYTES: usize = 64 * 1024;

/// An error response of an upstream, as far as it was read.
#[derive(Clone, Copy)]
pub(crate) struct ErrorResponse<'r> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
}

/// How an upstream's error responses are converted.
#[derive(Clone, Copy)]
pub(crate) struct Conversion<'c> {
    pub(crate) contract: &'c Contract,
    pub(crate) settings: &'c UpstreamErrors,
    /// Whether the gateway authenticates the clients of the operation.
    pub(crate) authenticates: bool,
    pub(crate) operation: Option<(&'c ApiDocument, &'c Operation)>,
    pub(crate) now: Timestamp,
}

impl Conversion<'_> {
    /// Converts an error response to the contract; `None` if it is passed on as it is.
    pub(crate) fn rejection_of(self, response: ErrorResponse<'_>) -> Option<Rejection> {
        let ErrorResponse { status, headers, body } = response;
        let Self { contract, settings, authenticates, now, .. } = self;
        let is_believed = settings.mode == UpstreamErrorMode::Contract;
        let rejection = is_believed
            .then(|| raised(contract, headers, body))
            .flatten()
            .or_else(|| translate(&settings.rules, contract, status, body));
        let rejection = match (rejection, settings.mode) {
            (Some(rejection), _) => rejection,
            (None, UpstreamErrorMode::Passthrough) => return None,
            (None, UpstreamErrorMode::GatewayOnly) => self.by_status(status),
            (None, UpstreamErrorMode::Contract) => problem_document(contract, headers, body)
                .or_else(|| own_format(contract, status, body))
                .unwrap_or_else(|| self.by_status(status)),
        };
        let advised = retry_after::delay(headers, now);
        let after = advised.or(rejection.detail.retry_after);
        let cause = match rejection.detail.cause.as_str() {
            "" => String::new(),
            cause => format!("{cause}; "),
        };
        let said = quoted(body);
        // A cause does not end in an empty quotation.
        let said = match said.trim() {
            "" if body.is_empty() => " without a body".to_owned(),
            "" => " with a blank body".to_owned(),
            said => format!(": {said}"),
        };
        let cause = format!("{cause}upstream responded with {status}{said}");
        let mut rejection = rejection.retry_after(after).with_cause(cause);
        let answered = contract.entry(error_of(contract, &rejection)).status.as_u16();
        rejection.detail.headers.extend(status_headers::asked_for(answered, headers, authenticates));
        if answered == 405 {
            self.name_methods(&mut rejection);
        }
        // These statuses are about waiting, whatever the contract says of the error in general.
        rejection.detail.waits =
            advised.is_some() && answered == status.as_u16() && matches!(answered, 413 | 429 | 503);
        Some(rejection)
    }

    /// Names the allowed methods: those of the upstream's `Allow`, or the other methods that the document has for the path.
    fn name_methods(self, rejection: &mut Rejection) {
        let Some((document, operation)) = self.operation else { return };
        let sent = rejection.detail.headers.iter().filter(|(name, _)| *name == ALLOW);
        let sent: Vec<&str> = sent.filter_map(|(_, value)| value.to_str().ok()).collect();
        let allow = match sent.is_empty() {
            false => sent.join(", "),
            true => {
                let of_path = document.operations().iter().filter(|other| other.path() == operation.path());
                let methods = of_path.map(|other| other.method().as_str());
                let allow = methods.filter(|method| *method != operation.method().as_str());
                let allow = allow.collect::<Vec<_>>().join(", ");
                if let Ok(value) = HeaderValue::from_str(&allow) {
                    rejection.detail.headers.push((ALLOW, value));
                }
                allow
            }
        };
        for (name, value) in [("allow", allow.as_str()), ("method", operation.method().as_str())] {
            if !rejection.detail.params.iter().any(|(known, _)| known == name) {
                rejection.detail.params.push((Cow::Borrowed(name), Value::Text(value.to_owned())));
            }
        }
    }

    fn by_status(self, status: StatusCode) -> Rejection {
        let status = status.as_u16();
        // Nobody but the service authenticates, so its challenge and its bill are the client's.
        let of_client = match (status, RejectedStatus::new(status)) {
            (401 | 402, Some(refused)) if !self.authenticates => Some(refused),
            _ => None,
        };
        let condition = match of_client {
            Some(refused) => Condition::UpstreamRefused(refused),
            None => self.contract.upstream_condition(status),
        };
        match condition {
            Condition::UpstreamRefused(refused) => refused.into(),
            condition if matches!(status, 401 | 402 | 407) => Rejection::from(condition)
                .with_cause("upstream does not accept the credentials or account of the gateway"),
            condition => condition.into(),
        }
    }
}

/// `Demur-Error: NAME`, with parameters as a JSON object in the body.
fn raised(contract: &Contract, headers: &HeaderMap, body: &[u8]) -> Option<Rejection> {
    let name = headers.get(DEMUR_ERROR)?.to_str().unwrap_or_default().trim();
    let Some(rejection) = named(contract, name) else {
        let cause = match name {
            "" => "upstream sent `Demur-Error` without a name".to_owned(),
            name => format!("upstream raised `{name}`, which this contract does not let it raise"),
        };
        return Some(Rejection::from(Condition::UpstreamInvalidResponse).with_cause(cause));
    };
    let parameters = match serde_json::from_slice(body) {
        Ok(Json::Object(parameters)) => parameters,
        _ => serde_json::Map::new(),
    };
    Some(with_parameters(rejection, &parameters))
}

/// A condition or an error that an upstream may raise.
fn named(contract: &Contract, name: &str) -> Option<Rejection> {
    if let Some(error) = contract.named(name).filter(|error| contract.entry(*error).upstream_may_raise) {
        return Some(Rejection::named(error, name));
    }
    Condition::from_name(name).filter(|condition| condition.upstream_may_raise()).map(Rejection::from)
}

fn with_parameters(mut rejection: Rejection, parameters: &serde_json::Map<String, Json>) -> Rejection {
    for (name, value) in parameters {
        if let ("message", Json::String(text)) = (name.as_str(), value) {
            rejection.detail.message = Some(text.clone());
        } else if let Some(value) = translation::value(value) {
            rejection.detail.params.push((Cow::Owned(name.clone()), value));
        }
    }
    rejection
}

/// `application/problem+json` (RFC 9457) whose `code`, or the last segment of whose `type`, is a name of the
/// contract.
fn problem_document(contract: &Contract, headers: &HeaderMap, body: &[u8]) -> Option<Rejection> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    if !media_type.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    let Ok(Json::Object(mut problem)) = serde_json::from_slice(body) else { return None };
    let text = |name: &str| problem.get(name).and_then(Json::as_str);
    let by_type = text("type").and_then(|kind| kind.rsplit(['/', '#', ':']).next());
    let rejection = [text("code"), by_type].into_iter().flatten().find_map(|name| named(contract, name))?;
    let detail = text("detail").map(str::to_owned);
    for member in ["type", "title", "status", "detail", "instance", "code"] {
        problem.remove(member);
    }
    let mut rejection = with_parameters(rejection, &problem);
    rejection.detail.message = detail;
    Some(rejection)
}

/// The contract's own format: parsed and rendered again, with the gateway's request ID.
fn own_format(contract: &Contract, status: StatusCode, body: &[u8]) -> Option<Rejection> {
    let response = ResponseView::new(status.as_u16(), body);
    let ParseResult::Exact(read) = contract.parse(&response) else { return None };
    let error = read.problem.error;
    let may_raise = read.is_declared(contract) && contract.entry(error).upstream_may_raise;
    if !may_raise {
        return None;
    }
    let mut rejection = Rejection::error(error);
    rejection.detail.message = read.problem.message.map(Cow::into_owned);
    if !read.violations.is_empty() {
        // A format does not carry all of a violation, so rendering them again would lose information. The body is kept,
        // unless it has a member that the format does not have, or shows a request ID, which would be another one.
        if contract.shows_request_id(error) || !read.unknown_members.is_empty() {
            return None;
        }
        let json: Json = serde_json::from_slice(body).ok()?;
        rejection.detail.verbatim = Some(json.to_string().into_bytes());
    }
    let owned = |(name, value): (Cow<'_, str>, Value)| (Cow::Owned(name.into_owned()), value);
    rejection.detail.params = read.problem.params.into_iter().map(owned).collect();
    Some(rejection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_one_canonical_content_length() {
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
