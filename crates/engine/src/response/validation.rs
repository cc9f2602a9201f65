//! Validates an upstream's success against the API's document, where the configuration asks for it.
//!
//! Only uncompressed JSON within the API's maximum body size is validated. Larger bodies pass, with a note in the record.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_contract::Condition;
use demur_validation::{Operation, ResponseCheck};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body_budget::{BodyBuffer, BodyReservation, BudgetExceeded, OVERHEAD};
use crate::concurrency_limit::Permit;
use crate::settings::{ApiSettings, ResponseMode};

const LARGE: &str = "body too large";
/// The largest chunk in which bodies usually come.
const CHUNK: usize = 64 * 1024;

/// Why a response is not valid, or not known to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResponseFaultKind {
    /// It does not match the document.
    Mismatch(String),
    /// It was not validated, and why.
    Unchecked(&'static str),
    /// There is no memory left for buffered bodies, so it was not validated.
    OverBudget,
}

impl ResponseFaultKind {
    /// Responses that are too large to be validated pass. Those that exceed the memory budget do not: clients that exhaust
    /// the memory could disable validation otherwise.
    pub(crate) fn is_rejected(&self, mode: ResponseMode) -> bool {
        mode == ResponseMode::Refuse
            && matches!(self, ResponseFaultKind::Mismatch(_) | ResponseFaultKind::OverBudget)
    }

    /// The condition of its rejection.
    pub(crate) fn condition(&self) -> Condition {
        match self {
            ResponseFaultKind::Mismatch(_) | ResponseFaultKind::Unchecked(_) => {
                Condition::UpstreamInvalidResponse
            }
            // Not `overloaded`: clients may repeat a request that was rejected with it, and this one was processed.
            ResponseFaultKind::OverBudget => Condition::UpstreamUnavailable,
        }
    }
}

impl std::fmt::Display for ResponseFaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResponseFaultKind::Mismatch(cause) => write!(f, "response does not match the document: {cause}"),
            ResponseFaultKind::OverBudget => {
                f.write_str("response not validated: memory for buffered bodies exhausted")
            }
            ResponseFaultKind::Unchecked(why) => write!(f, "response not validated: {why}"),
        }
    }
}

/// A body whose beginning may have been read already. Holds the upstream's permit until it ends.
#[derive(Debug)]
pub struct PeekedBody<R> {
    /// Boxed: few responses have one.
    first: Option<Box<Beginning>>,
    rest: R,
    permit: Option<Permit>,
}

/// What was read already and is still to be passed on.
#[derive(Debug, Default)]
struct Beginning {
    data: Bytes,
    /// A chunk that did not fit into `data`.
    more: Bytes,
    trailers: Option<HeaderMap>,
}

impl<R> PeekedBody<R> {
    pub(crate) fn nothing(rest: R) -> Self {
        Self { first: None, rest, permit: None }
    }

    fn read(data: Bytes, trailers: Option<HeaderMap>, rest: R) -> Self {
        let is_any = !data.is_empty() || trailers.is_some();
        let first = is_any.then(|| Box::new(Beginning { data, more: Bytes::new(), trailers }));
        Self { first, rest, permit: None }
    }

    /// Holds a permit until the body ends.
    pub(crate) fn holding(mut self, permit: Option<Permit>) -> Self
    where
        R: Body,
    {
        // An empty body is never polled.
        let has_ended = self.first.is_none() && self.rest.is_end_stream();
        self.permit = permit.filter(|_| !has_ended);
        self
    }

    /// Appends a chunk to what was read.
    fn with_more(mut self, more: Bytes) -> Self {
        self.first.get_or_insert_default().more = more;
        self
    }

    /// Reads at least `length` bytes, or the whole body, and keeps them. `Err` if the body broke off.
    ///
    /// Reads nothing if there is no memory left for buffered bodies.
    pub(crate) async fn into_beginning(
        mut rest: R,
        length: usize,
        mut reservation: BodyReservation,
    ) -> Result<(Self, Bytes), ()>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        // One more chunk than requested may be read.
        if reservation.grow(length.saturating_add(CHUNK)).is_err() {
            return Ok((Self::nothing(rest), Bytes::new()));
        }
        let (mut read, mut trailers) = (Vec::new(), None);
        while read.len() < length
            && let Some(frame) = rest.frame().await
        {
            match frame.map_err(drop)?.into_data() {
                Ok(data) => read.extend_from_slice(&data),
                Err(other) => trailers = other.into_trailers().ok(),
            }
        }
        let read = reservation.attach(read.into());
        Ok((Self::read(read.clone(), trailers, rest), read))
    }
}

/// Reads the body as far as necessary and validates the response. `Err` if the body broke off.
pub(crate) async fn validate<R>(
    settings: &ApiSettings,
    operation: &Operation,
    head: &Parts,
    mut body: R,
    mut reservation: BodyReservation,
) -> Result<(PeekedBody<R>, Option<ResponseFaultKind>), String>
where
    R: Body<Data = Bytes> + Unpin,
{
    let document = &settings.document;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let check = |bytes: &[u8]| match document.check_response(operation, head.status, content_type, bytes) {
        None | Some(ResponseCheck::Valid) => None,
        Some(ResponseCheck::Invalid(fault)) => Some(ResponseFaultKind::Mismatch(fault.to_string())),
    };
    let announced =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_empty = body.is_end_stream() || announced == Some(0);
    if is_empty || !document.needs_response_body(operation, head.status) {
        // Status and media type are checked without the body.
        return Ok((PeekedBody::nothing(body), check(&[])));
    }
    let is_large = announced.is_some_and(|length| length > settings.max_body_bytes);
    if is_large || head.headers.contains_key(CONTENT_ENCODING) {
        let why = if is_large { LARGE } else { "compressed" };
        return Ok((PeekedBody::nothing(body), Some(ResponseFaultKind::Unchecked(why))));
    }
    if let Err(BudgetExceeded) = reservation.grow(OVERHEAD) {
        return Ok((PeekedBody::nothing(body), Some(ResponseFaultKind::OverBudget)));
    }
    // One chunk more than the maximum may be read.
    let most = announced.unwrap_or_else(|| settings.max_body_bytes.saturating_add(CHUNK as u64));
    let (mut read, mut trailers) = (BodyBuffer::new(reservation, most), None);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err("upstream broke off the response body".to_owned()) };
        match frame.into_data() {
            Ok(data) => {
                if let Err(BudgetExceeded) = read.push(&data) {
                    let peeked = PeekedBody::read(read.into_bytes(), trailers, body).with_more(data);
                    return Ok((peeked, Some(ResponseFaultKind::OverBudget)));
                }
            }
            Err(other) => trailers = other.into_trailers().ok(),
        }
        if read.len() as u64 > settings.max_body_bytes {
            return Ok((
                PeekedBody::read(read.into_bytes(), trailers, body),
                Some(ResponseFaultKind::Unchecked(LARGE)),
            ));
        }
    }
    let fault = check(read.as_slice());
    Ok((PeekedBody::read(read.into_bytes(), trailers, body), fault))
}

impl<R> Body for PeekedBody<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let Some(first) = &mut self.first else {
            let frame = ready!(Pin::new(&mut self.rest).poll_frame(cx));
            if self.rest.is_end_stream() || !matches!(frame, Some(Ok(_))) {
                self.permit = None;
            }
            return Poll::Ready(frame);
        };
        let mut data = std::mem::take(&mut first.data);
        if data.is_empty() {
            data = std::mem::take(&mut first.more);
        }
        let frame = if data.is_empty() {
            first.trailers.take().map(Frame::trailers)
        } else {
            Some(Frame::data(data))
        };
        if first.more.is_empty() && first.trailers.is_none() {
            self.first = None;
            if self.rest.is_end_stream() {
                self.permit = None;
            }
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| (first.data.len() + first.more.len()) as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(first + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint
    }
}

/// Why a success is not what the operation declares: a page of HTML, such as a login or an error page, where the document
/// declares other media types. `None` if it is fine, or the document declares none.
pub(crate) fn html_in_place_of_data(operation: &Operation, headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_html =
        ["text/html", "application/xhtml+xml"].iter().any(|it| essence.eq_ignore_ascii_case(it.as_bytes()));
    if !is_html {
        return None;
    }
    let is_declared =
        operation.is_acceptable("text/html") || operation.is_acceptable("application/xhtml+xml");
    (!is_declared).then(|| "upstream responded with HTML, which the document does not declare".to_owned())
}
