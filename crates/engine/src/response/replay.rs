//! Stores the responses of operations with an idempotency key, and replays them.
//!
//! Stored are the status, the body and the headers, except those of a single exchange: the request ID, limits, cookies, the
//! date. Hop-by-hop headers have been removed before. A replay is marked as one and names the original request; all other
//! headers are set as for any response.

use bytes::Bytes;
use demur_admission::{MAX_RESPONSE, StoredResponse};
use demur_contract::Condition;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, AGE, CONTENT_TYPE, DATE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::record::Check;
use crate::reject::rejection::Rejection;
use crate::reject::responder::{ErrorResponder, LimitHeaderScheme};
use crate::request::context::RequestContext;

/// Marks a replay, with Stripe's name.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The ID of the request that the response was made for.
pub(crate) const ORIGINAL: HeaderName = HeaderName::from_static("original-request");

/// The largest body that is stored, in bytes.
const MAX_BODY: usize = 64 * 1024;
const VERSION: u8 = 1;

/// A copy of a response, made while it is sent to the client.
#[derive(Debug)]
pub(crate) struct ResponseCopy {
    written: Vec<u8>,
    /// Where the body begins.
    body_at: usize,
}

impl ResponseCopy {
    /// Copies a head. `None` if the response is not stored: it streams, or is known to be too large.
    pub(crate) fn begin(
        context: &RequestContext,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Option<Box<Self>> {
        if streams(headers) || length.is_some_and(|length| length > MAX_BODY as u64) {
            return None;
        }
        let responder = context.responder();
        let kept = || headers.iter().filter(|(name, _)| is_kept(name, responder));
        let mut written = vec![VERSION];
        written.extend(status.as_u16().to_be_bytes());
        put(&mut written, context.request_id().as_bytes())?;
        written.extend(u16::try_from(kept().count()).ok()?.to_be_bytes());
        for (name, value) in kept() {
            put(&mut written, name.as_str().as_bytes())?;
            put(&mut written, value.as_bytes())?;
        }
        let body_at = written.len();
        // Leaves room for the largest body, whatever the size of the head.
        (body_at + MAX_BODY <= MAX_RESPONSE).then(|| Box::new(Self { written, body_at }))
    }

    /// Appends to the body. `false` if it is too large.
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

/// The stored response to an earlier request. Limits count a replay as a request that executed nothing.
pub(crate) fn response_from(
    context: &mut RequestContext,
    stored: &StoredResponse,
) -> Result<Response<Option<Bytes>>, Rejection> {
    let Some((response, original)) = replayed(stored) else {
        let rejection = Rejection::from(Condition::IdempotencyCompleted);
        let rejection = rejection.with_cause("stored response cannot be read");
        return Err(context.rejected(Check::Credits, rejection));
    };
    if let Some(mut permit) = context.limit_permit.take() {
        permit.mark_failed();
    }
    let original = original.to_str().unwrap_or_default();
    context.record.add_note(format!("replayed the response to request {original}"));
    Ok(response)
}

/// The response as it was, marked as a replay. `None` if it cannot be read: an earlier version stored it in another form.
fn replayed(stored: &StoredResponse) -> Option<(Response<Option<Bytes>>, HeaderValue)> {
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

/// Lets scripts of another origin read the headers of a replay, if they may read any.
pub(crate) fn expose(headers: &mut HeaderMap) {
    if headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
        let both = HeaderValue::from_static("idempotent-replayed, original-request");
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, both);
    }
}

/// Whether clients read the body as it arrives: a replay cannot reproduce that.
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

/// Whether a header belongs to the response and not to a single exchange.
fn is_kept(name: &HeaderName, responder: &ErrorResponder) -> bool {
    const EXCHANGE: [HeaderName; 6] =
        [SET_COOKIE, HeaderName::from_static("set-cookie2"), DATE, AGE, REPLAYED, ORIGINAL];
    !EXCHANGE.contains(name) && name != responder.id_header() && !is_about_limits(name, responder)
}

fn is_about_limits(name: &HeaderName, responder: &ErrorResponder) -> bool {
    let is_of = |family: &LimitHeaderScheme| match family {
        LimitHeaderScheme::Limits { limit, remaining, reset, .. } => {
            [limit, remaining, reset].into_iter().flatten().any(|field| field == name)
        }
        LimitHeaderScheme::ShouldRetry(field)
        | LimitHeaderScheme::ShouldRetryAtOnce(field)
        | LimitHeaderScheme::RetryAfterMillis(field) => field == name,
        LimitHeaderScheme::Ietf => false,
    };
    let text = name.as_str();
    let is_standard = text.starts_with("ratelimit") || text.starts_with("x-ratelimit-");
    is_standard || responder.families().iter().any(is_of)
}

/// Writes bytes with their length; `None` if they are too long.
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
