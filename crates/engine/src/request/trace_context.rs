//! `traceparent` and `tracestate` (W3C Trace Context, level 1): passed on where they are valid, created where the
//! configuration says so, and removed otherwise.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::request::id::RequestId;
use crate::settings::TraceParent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-` and two IDs and the flags, in hexadecimal digits.
const LENGTH: usize = 55;
/// The most members of `tracestate`.
const MAX_MEMBERS: usize = 32;
/// The longest key and value of a member.
const MAX_CHARS: usize = 256;

/// The trace that a request belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The ID of the whole trace, which is not zero.
    pub trace_id: [u8; 16],
    /// The ID of the request as its sender knows it: of the client, or of Demur where it has created the trace. It is not
    /// zero.
    pub parent_id: [u8; 8],
    /// Flags. The lowest bit says that the sender records the request.
    pub flags: u8,
}

impl TraceContext {
    /// That of the client's `traceparent`. `None` if there is none, or no valid one.
    pub(crate) fn sent(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        Self::parse(line.as_bytes())
    }

    /// A later version may append further fields, and has those of version 00 first.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let [v1, v2, b'-', ids @ ..] = known else { return None };
        let (trace_id, ids) = ids.split_at_checked(32)?;
        let (parent_id, flags) = ids.strip_prefix(b"-")?.split_at_checked(16)?;
        let [version] = bytes(&[*v1, *v2])?;
        let [flags] = bytes(flags.strip_prefix(b"-")?)?;
        let (trace_id, parent_id) = (bytes(trace_id)?, bytes(parent_id)?);
        let is_complete = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let is_known = trace_id != [0; 16] && parent_id != [0; 8];
        (is_complete && is_known).then_some(Self { trace_id, parent_id, flags })
    }

    /// A new trace, whose ID is that of the request: there is one ID to search for.
    fn created(id: RequestId, is_sampled: bool) -> Self {
        let trace_id = id.to_bytes();
        let [.., a, b, c, d, e, f, g, h] = trace_id;
        Self { trace_id, parent_id: [a, b, c, d, e, f, g, h], flags: is_sampled.into() }
    }

    /// Whether the sender records the request.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The trace ID, as logs and `traceparent` have it.
    pub fn trace_id_text(&self) -> String {
        let mut text = String::with_capacity(32);
        push_digits(&mut text, &self.trace_id);
        text
    }

    fn header(&self) -> Option<HeaderValue> {
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        push_digits(&mut text, &self.trace_id);
        text.push('-');
        push_digits(&mut text, &self.parent_id);
        text.push('-');
        push_digits(&mut text, &[self.flags]);
        HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceContext").field("trace_id", &self.trace_id_text()).finish_non_exhaustive()
    }
}

/// Sets the headers of a request that is forwarded. `sent` is the client's valid trace; returned is that of the upstream.
pub(crate) fn forward(
    headers: &mut HeaderMap,
    sent: Option<TraceContext>,
    setting: TraceParent,
    id: RequestId,
) -> Option<TraceContext> {
    if sent.is_some() {
        // A `tracestate` that is not valid does not make the trace invalid.
        if headers.contains_key(TRACESTATE) && !is_valid_state(headers) {
            headers.remove(TRACESTATE);
        }
        return sent;
    }
    // It belongs to a trace that nobody knows.
    headers.remove(TRACESTATE);
    let created = match setting {
        TraceParent::Pass => {
            headers.remove(TRACEPARENT);
            return None;
        }
        TraceParent::Create => TraceContext::created(id, false),
        TraceParent::CreateSampled => TraceContext::created(id, true),
    };
    // Removes the client's lines too.
    headers.insert(TRACEPARENT, created.header()?);
    Some(created)
}

/// Whether the lines of `tracestate` are one valid list.
fn is_valid_state(headers: &HeaderMap) -> bool {
    let mut keys: Vec<&[u8]> = Vec::new();
    let members =
        headers.get_all(TRACESTATE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    for member in members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
        let Some(at) = member.iter().position(|byte| *byte == b'=') else { return false };
        let (key, value) = (member.get(..at).unwrap_or_default(), member.get(at + 1..).unwrap_or_default());
        if !is_state_key(key) || !is_state_value(value) || keys.contains(&key) || keys.len() == MAX_MEMBERS {
            return false;
        }
        keys.push(key);
    }
    true
}

/// `vendor`, or `tenant@vendor`.
fn is_state_key(key: &[u8]) -> bool {
    let is_part = |part: &[u8], max: usize, may_begin_with_digit: bool| {
        let is_first =
            |byte: &u8| byte.is_ascii_lowercase() || (may_begin_with_digit && byte.is_ascii_digit());
        let is_more =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
        part.len() <= max && part.first().is_some_and(is_first) && part.iter().all(is_more)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => is_part(key, MAX_CHARS, false),
        Some(at) => {
            let (tenant, vendor) = key.split_at(at);
            is_part(tenant, 241, true) && is_part(vendor.get(1..).unwrap_or_default(), 14, false)
        }
    }
}

/// Visible ASCII and spaces, without `,` and `=`. Spaces at its end were trimmed.
fn is_state_value(value: &[u8]) -> bool {
    (1..=MAX_CHARS).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'='))
}

/// Bytes in hexadecimal digits of lower case.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut read = [0; N];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in read.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(read)
}

fn push_digits(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(traceparent: &[&str], tracestate: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, lines) in [(TRACEPARENT, traceparent), (TRACESTATE, tracestate)] {
            for line in lines {
                headers.append(&name, line.parse().unwrap());
            }
        }
        headers
    }

    /// The rows of the specification, section 2.2, and of its test suite.
    #[test]
    fn reads_valid_traces_only() {
        for (text, is_valid) in [
            (VALID, true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", true),
            // A later version may have more fields.
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-holds", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what-the-future-holds", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            (".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-001", false),
            ("00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-001", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.0", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", false),
            ("", false),
        ] {
            let sent = TraceContext::sent(&headers(&[text], &[]));
            assert_eq!(sent.is_some(), is_valid, "{text}");
            if let Some(sent) = sent {
                assert_eq!(sent.trace_id_text(), "0af7651916cd43dd8448eb211c80319c");
            }
        }
        assert_eq!(TraceContext::sent(&headers(&[VALID, VALID], &[])), None);
        assert_eq!(TraceContext::sent(&headers(&[], &[])), None);
    }

    #[test]
    fn reads_valid_states_only() {
        let long = |length: usize| "x".repeat(length);
        let many =
            |count: usize| (0..count).map(|number| format!("k{number}=1")).collect::<Vec<_>>().join(",");
        for (lines, is_valid) in [
            (vec!["foo=1,bar=2".to_owned()], true),
            (vec!["foo=1".to_owned(), "bar=2".to_owned()], true),
            (vec!["foo=1 \t , \t bar=2, ,baz=3,".to_owned()], true),
            (vec![String::new()], true),
            (vec!["0tenant@vendor=1,a_b-c*d/e=x y".to_owned()], true),
            (vec![format!("{}=1", long(256))], true),
            (vec![format!("{}=1", long(257))], false),
            (vec![format!("{}@{}=1", long(241), long(14))], true),
            (vec![format!("{}@{}=1", long(242), long(14))], false),
            (vec![format!("{}@{}=1", long(241), long(15))], false),
            (vec![format!("foo={}", long(256))], true),
            (vec![format!("foo={}", long(257))], false),
            (vec![many(32)], true),
            (vec![many(33)], false),
            (vec!["foo".to_owned()], false),
            (vec!["foo=".to_owned()], false),
            (vec!["foo =1".to_owned()], false),
            (vec!["FOO=1".to_owned()], false),
            (vec!["0foo=1".to_owned()], false),
            (vec!["foo@=1,bar=2".to_owned()], false),
            (vec!["@foo=1".to_owned()], false),
            (vec!["foo=bar=baz".to_owned()], false),
            (vec!["foo=1,foo=2".to_owned()], false),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(is_valid_state(&headers(&[], &lines)), is_valid, "{lines:?}");
        }
    }

    #[test]
    fn forwards_what_is_valid_and_creates_what_is_asked_for() {
        let id = RequestId::from_bits(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let created = |flags: &str| format!("00-01900000000070008000000000000001-8000000000000001-{flags}");
        let broken = VALID.to_uppercase();
        for (sent, state, setting, expected) in [
            (Some(VALID), "foo=1", TraceParent::Pass, (Some(VALID.to_owned()), Some("foo=1"))),
            (Some(VALID), "foo=1", TraceParent::CreateSampled, (Some(VALID.to_owned()), Some("foo=1"))),
            (Some(VALID), "FOO", TraceParent::Pass, (Some(VALID.to_owned()), None)),
            (Some(&*broken), "foo=1", TraceParent::Pass, (None, None)),
            (None, "foo=1", TraceParent::Pass, (None, None)),
            (Some(&*broken), "foo=1", TraceParent::Create, (Some(created("00")), None)),
            (None, "", TraceParent::CreateSampled, (Some(created("01")), None)),
        ] {
            let states: &[&str] = if state.is_empty() { &[] } else { &[state] };
            let mut map = headers(sent.as_slice(), states);
            let trace = TraceContext::sent(&map);
            let context = forward(&mut map, trace, setting, id);
            let text = |name: HeaderName| map.get(name).map(|value| value.to_str().unwrap());
            let forwarded = (text(TRACEPARENT).map(str::to_owned), text(TRACESTATE));
            assert_eq!(forwarded, expected, "{sent:?} {state} {setting:?}");
            // The log has what the upstream has.
            assert_eq!(context, TraceContext::sent(&map));
        }
    }
}
