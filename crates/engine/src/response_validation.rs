//! An upstream's success, held against the API's own document where the configuration asks for it.
//!
//! Only what is read anyway is judged: JSON within the API's bound of content, not compressed. What is larger
//! passes, and the operators are told that nobody looked.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use demur_contract::Condition;
use demur_validation::{Operation, ResponseCheck};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body_budget::{BodyBuffer, BodyReservation, BudgetExceeded, OVERHEAD};
use crate::settings::{ApiSettings, ResponseMode};

const LARGE: &str = "larger than the bound";
const OVER_BUDGET: &str = "more than the memory for collected bodies has room for";
/// The largest piece in which content usually comes.
const PIECE: usize = 64 * 1024;

/// What is to be said of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResponseFaultKind {
    /// It breaks the document.
    Mismatch(String),
    /// Nobody looked, and why.
    Unchecked(&'static str),
    /// The memory for collected bodies is used up, so it was not read.
    OverBudget,
}

impl ResponseFaultKind {
    /// What nobody has looked into because of its size is no reason to refuse. What could not be looked into for want
    /// of memory is: otherwise whoever fills the memory decides what is checked.
    pub(crate) fn is_refused(&self, answers: ResponseMode) -> bool {
        answers == ResponseMode::Refuse
            && matches!(self, ResponseFaultKind::Mismatch(_) | ResponseFaultKind::OverBudget)
    }

    /// What it is answered with.
    pub(crate) fn condition(&self) -> Condition {
        match self {
            ResponseFaultKind::Mismatch(_) | ResponseFaultKind::Unchecked(_) => {
                Condition::UpstreamInvalidResponse
            }
            ResponseFaultKind::OverBudget => Condition::Overloaded,
        }
    }
}

impl std::fmt::Display for ResponseFaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResponseFaultKind::Mismatch(cause) => write!(f, "the answer breaks the document: {cause}"),
            ResponseFaultKind::OverBudget => write!(f, "the answer was not looked into: it is {OVER_BUDGET}"),
            ResponseFaultKind::Unchecked(why) => write!(f, "the answer was not looked into: it is {why}"),
        }
    }
}

/// Content of which the beginning may have been read already.
#[derive(Debug)]
pub struct PeekedBody<R> {
    /// Boxed: nearly no answer has one, and every answer carries the place for it.
    first: Option<Box<First>>,
    rest: R,
}

/// What has been read already, and is still to be passed on.
#[derive(Debug, Default)]
struct First {
    data: Bytes,
    /// What was read behind it and found no room there.
    more: Bytes,
    trailers: Option<HeaderMap>,
}

impl<R> PeekedBody<R> {
    pub(crate) fn nothing(rest: R) -> Self {
        Self { first: None, rest }
    }

    fn read(data: Bytes, trailers: Option<HeaderMap>, rest: R) -> Self {
        let is_any = !data.is_empty() || trailers.is_some();
        Self { first: is_any.then(|| Box::new(First { data, more: Bytes::new(), trailers })), rest }
    }

    /// The same with one more piece behind what has been read.
    fn behind(mut self, more: Bytes) -> Self {
        self.first.get_or_insert_default().more = more;
        self
    }

    /// Reads at least so many bytes of the content, or all of it, and still has them. `Err` where it broke off.
    ///
    /// Where the memory for collected bodies is used up, less than that is read.
    pub(crate) async fn into_beginning(
        mut rest: R,
        length: usize,
        mut reservation: BodyReservation,
    ) -> Result<(Self, Bytes), ()>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        // One more piece than is asked for may be read.
        if reservation.grow(length.saturating_add(PIECE)).is_err() {
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

/// Reads the content as far as it must be, and says what is wrong with the answer.
///
/// `Err` where the upstream's content broke off.
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
    let judge = |bytes: &[u8]| match document.check_response(operation, head.status, content_type, bytes) {
        None | Some(ResponseCheck::Valid) => None,
        Some(ResponseCheck::Invalid(fault)) => Some(ResponseFaultKind::Mismatch(fault.to_string())),
    };
    let announced =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_empty = body.is_end_stream() || announced == Some(0);
    if is_empty || !document.needs_response_body(operation, head.status) {
        // The status and the type can be judged without the content.
        return Ok((PeekedBody::nothing(body), judge(&[])));
    }
    let is_large = announced.is_some_and(|length| length > settings.max_content);
    if is_large || head.headers.contains_key(CONTENT_ENCODING) {
        let why = if is_large { LARGE } else { "compressed" };
        return Ok((PeekedBody::nothing(body), Some(ResponseFaultKind::Unchecked(why))));
    }
    if let Err(BudgetExceeded) = reservation.grow(OVERHEAD) {
        return Ok((PeekedBody::nothing(body), Some(ResponseFaultKind::OverBudget)));
    }
    // One piece more than the bound may be read.
    let most = announced.unwrap_or_else(|| settings.max_content.saturating_add(PIECE as u64));
    let (mut read, mut trailers) = (BodyBuffer::new(reservation, most), None);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err("the content of the answer broke off".to_owned()) };
        match frame.into_data() {
            Ok(data) => {
                if let Err(BudgetExceeded) = read.push(&data) {
                    let looked = PeekedBody::read(read.into_bytes(), trailers, body).behind(data);
                    return Ok((looked, Some(ResponseFaultKind::OverBudget)));
                }
            }
            Err(other) => trailers = other.into_trailers().ok(),
        }
        if read.len() as u64 > settings.max_content {
            return Ok((
                PeekedBody::read(read.into_bytes(), trailers, body),
                Some(ResponseFaultKind::Unchecked(LARGE)),
            ));
        }
    }
    let fault = judge(read.as_slice());
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
        let Some(first) = &mut self.first else { return Pin::new(&mut self.rest).poll_frame(cx) };
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
