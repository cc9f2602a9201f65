//! Responses that are kept to be replayed: what of a response is stored, in which bytes, and how it is answered again.
//!
//! Stored are the status, the body and the headers, but for those that concern one exchange: the request ID, limits,
//! cookies, the date. What concerns one connection has been removed before. A replay says that it is one, and to which
//! request the response was made; all else it gets like any response.

use bytes::Bytes;
use demur_admission::{MAX_RESPONSE, StoredResponse};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, AGE, CONTENT_TYPE, DATE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::exchange::Exchange;
use crate::responder::{ErrorResponder, LimitHeaderScheme};

/// Marks a replay, as Stripe does.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The ID of the request to which the response was made.
pub(crate) const ORIGINAL: HeaderName = HeaderName::from_static("original-request");

/// The largest body that is stored, in bytes.
const MAX_BODY: usize = 64 * 1024;
const VERSION: u8 = 1;

/// A copy of a response, taken while it goes to the client.
#[derive(Debug)]
pub(crate) struct ResponseCopy {
    written: Vec<u8>,
    /// Where the body begins.
    body_at: usize,
}

impl ResponseCopy {
    /// A copy of a head. `None` where the response is not to be kept: it streams, or is known to be too large.
    pub(crate) fn begin(
        exchange: &Exchange,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Option<Box<Self>> {
        if streams(headers) || length.is_some_and(|length| length > MAX_BODY as u64) {
            return None;
        }
        let speaker = exchange.speaker();
        let kept = || headers.iter().filter(|(name, _)| is_kept(name, speaker));
        let mut written = vec![VERSION];
        written.extend(status.as_u16().to_be_bytes());
        put(&mut written, exchange.request_id().as_bytes())?;
        written.extend(u16::try_from(kept().count()).ok()?.to_be_bytes());
        for (name, value) in kept() {
            put(&mut written, name.as_str().as_bytes())?;
            put(&mut written, value.as_bytes())?;
        }
        let body_at = written.len();
        // So that a body of the largest size fits, whatever its head is.
        (body_at + MAX_BODY <= MAX_RESPONSE).then(|| Box::new(Self { written, body_at }))
    }

    /// More of the body. `false` where it has become too large.
    pub(crate) fn push(&mut self, data: &[u8]) -> bool {
        let fits = self.written.len() - self.body_at + data.len() <= MAX_BODY;
        if fits {
            self.written.extend_from_slice(data);
        }
        fits
    }

    /// The body is complete.
    pub(crate) fn finish(self) -> Option<StoredResponse> {
        StoredResponse::new(self.written)
    }
}

/// The response as it was, marked as a replay. `None` where it cannot be read: an earlier version wrote it otherwise.
pub(crate) fn replayed(stored: &StoredResponse) -> Option<(Response<Option<Bytes>>, HeaderValue)> {
    let mut left = stored.as_bytes();
    if take(&mut left, 1)? != [VERSION] {
        return None;
    }
    let status = StatusCode::from_u16(number(&mut left)?).ok()?;
    let original = HeaderValue::from_bytes(text(&mut left)?).ok()?;
    let mut headers = HeaderMap::new();
    for _ in 0..number(&mut left)? {
        let name = HeaderName::from_bytes(text(&mut left)?).ok()?;
        headers.append(name, HeaderValue::from_bytes(text(&mut left)?).ok()?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    headers.insert(ORIGINAL, original.clone());
    let mut response = Response::new((!left.is_empty()).then(|| Bytes::copy_from_slice(left)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Some((response, original))
}

/// Lets scripts of another origin read that it is a replay, where they may read anything.
pub(crate) fn expose(headers: &mut HeaderMap) {
    if headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
        let both = HeaderValue::from_static("idempotent-replayed, original-request");
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, both);
    }
}

/// Whether it has no end by itself, or is read piece by piece as it comes: a replay would be another thing.
fn streams(headers: &HeaderMap) -> bool {
    const STREAMS: [&str; 8] = [
        "text/event-stream",
        "multipart/x-mixed-replace",
        "application/grpc",
        "application/json-seq",
        "application/jsonl",
        "application/ndjson",
        "application/stream+json",
        "application/x-ndjson",
    ];
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    STREAMS.iter().any(|stream| essence.eq_ignore_ascii_case(stream))
}

/// Whether a header belongs to the response, and not to the exchange in which it was made.
fn is_kept(name: &HeaderName, speaker: &ErrorResponder) -> bool {
    const EXCHANGE: [HeaderName; 6] =
        [SET_COOKIE, HeaderName::from_static("set-cookie2"), DATE, AGE, REPLAYED, ORIGINAL];
    !EXCHANGE.contains(name) && name != speaker.id_field() && !is_about_limits(name, speaker)
}

fn is_about_limits(name: &HeaderName, speaker: &ErrorResponder) -> bool {
    let is_of = |family: &LimitHeaderScheme| match family {
        LimitHeaderScheme::Limits { limit, remaining, reset, .. } => {
            [limit, remaining, reset].into_iter().flatten().any(|field| field == name)
        }
        LimitHeaderScheme::ShouldRetry(field) | LimitHeaderScheme::RetryAfterMillis(field) => field == name,
        LimitHeaderScheme::Ietf => false,
    };
    let spelt = name.as_str();
    let is_usual = spelt.starts_with("ratelimit") || spelt.starts_with("x-ratelimit-");
    is_usual || speaker.families().iter().any(is_of)
}

/// Bytes with their length before them; `None` where they are too many.
fn put(written: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    written.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
    written.extend_from_slice(bytes);
    Some(())
}

fn take<'b>(left: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(taken)
}

fn number(left: &mut &[u8]) -> Option<u16> {
    take(left, 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn text<'b>(left: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(left)?;
    take(left, length.into())
}
