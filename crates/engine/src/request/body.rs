//! Request bodies: limited while they stream, buffered only if they have to be validated.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_contract::Condition;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body_budget::{BodyBuffer, BodyReservation, BudgetExceeded, OVERHEAD};
use crate::reject::rejection::Rejection;

/// Why a request's body could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It arrived too slowly.
    Slow,
    /// It is larger than allowed.
    TooLarge,
    /// There is no memory left for buffered bodies.
    OverBudget,
    /// Its framing is broken, or the connection was.
    Broken(String),
    /// It was sent before the connection was upgraded.
    BeforeUpgrade,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Slow => f.write_str("request body too slow"),
            BodyError::TooLarge => f.write_str("request body too large"),
            BodyError::OverBudget => f.write_str("memory for buffered bodies exhausted"),
            BodyError::Broken(cause) => write!(f, "request body broken: {cause}"),
            BodyError::BeforeUpgrade => f.write_str("bytes of the client before the 101 response"),
        }
    }
}

impl std::error::Error for BodyError {}

impl BodyError {
    /// The condition of this error.
    pub fn condition(&self) -> Condition {
        match self {
            BodyError::Slow => Condition::RequestTimeout,
            BodyError::TooLarge => Condition::BodyTooLarge,
            BodyError::OverBudget => Condition::Overloaded,
            BodyError::Broken(_) => Condition::BodyUnreadable,
            BodyError::BeforeUpgrade => Condition::RequestUpgradeRejected,
        }
    }
}

impl From<BodyError> for Rejection {
    fn from(fault: BodyError) -> Self {
        let rejection = Rejection::from(fault.condition()).with_cause(fault.to_string());
        match fault {
            BodyError::BeforeUpgrade => rejection.with("protocol", "websocket"),
            _ => rejection,
        }
    }
}

/// The body of a forwarded request: buffered, or streaming up to a maximum length.
#[derive(Debug)]
pub enum RequestBody<B> {
    /// Buffered, for validation.
    Collected(Option<Bytes>),
    /// Streaming.
    Streaming {
        /// The rest.
        body: B,
        /// How many bytes are still allowed.
        left: u64,
        /// Where an error is recorded.
        faulted: BodyErrorSlot,
    },
}

/// The error of a request's body while its upstream reads it. Empty for a request without a body.
#[derive(Debug, Clone, Default)]
pub struct BodyErrorSlot(Option<Arc<OnceLock<BodyError>>>);

impl BodyErrorSlot {
    /// The first error, if there was one so far.
    pub fn fault(&self) -> Option<BodyError> {
        self.0.as_ref()?.get().cloned()
    }

    fn note(&self, fault: &BodyError) {
        if let Some(noted) = &self.0 {
            // Of several errors the first one counts.
            let _ = noted.set(fault.clone());
        }
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn streaming(body: B, max_length: u64) -> Self {
        Self::Streaming { body, left: max_length, faulted: BodyErrorSlot::default() }
    }

    /// The buffered bytes; empty if it streams.
    pub(crate) fn collected(&self) -> Bytes {
        match self {
            RequestBody::Collected(Some(bytes)) => bytes.clone(),
            RequestBody::Collected(None) | RequestBody::Streaming { .. } => Bytes::new(),
        }
    }
}

impl<B: Body> RequestBody<B> {
    /// Records errors from here on.
    pub fn track_errors(&mut self) -> BodyErrorSlot {
        match self {
            RequestBody::Streaming { body, faulted, .. } if !body.is_end_stream() => {
                faulted.0.get_or_insert_default();
                faulted.clone()
            }
            RequestBody::Collected(_) | RequestBody::Streaming { .. } => BodyErrorSlot::default(),
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            RequestBody::Collected(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            RequestBody::Streaming { body, left, faulted } => {
                let mut frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(data)) = &frame {
                    let length = data.data_ref().map_or(0, |data| data.len() as u64);
                    match left.checked_sub(length) {
                        Some(rest) => *left = rest,
                        None => frame = Some(Err(BodyError::TooLarge)),
                    }
                }
                if let Some(Err(fault)) = &frame {
                    faulted.note(fault);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Collected(bytes) => bytes.is_none(),
            RequestBody::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Collected(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            RequestBody::Streaming { body, .. } => body.size_hint(),
        }
    }
}

impl From<BudgetExceeded> for BodyError {
    fn from(BudgetExceeded: BudgetExceeded) -> Self {
        BodyError::OverBudget
    }
}

/// Reads a body to its end, up to a maximum length and within the memory for buffered bodies.
pub(crate) async fn collect<B>(
    mut body: B,
    max_length: u64,
    mut reservation: BodyReservation,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    reservation.grow(OVERHEAD)?;
    let most = body.size_hint().upper().map_or(max_length, |upper| upper.min(max_length));
    let Some(first) = next_data(&mut body, max_length).await? else { return Ok(Bytes::new()) };
    // Small bodies come in one chunk, which needs no copy.
    if body.is_end_stream() {
        reservation.grow(first.len())?;
        return Ok(reservation.attach(first));
    }
    let mut buffer = BodyBuffer::new(reservation, most);
    buffer.push(&first)?;
    drop(first);
    while let Some(data) = next_data(&mut body, max_length.saturating_sub(buffer.len() as u64)).await? {
        buffer.push(&data)?;
    }
    Ok(buffer.into_bytes())
}

/// The next chunk that is not empty. Trailers are ignored: the gateway forwards none.
async fn next_data<B>(body: &mut B, left: u64) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() as u64 > left {
            return Err(BodyError::TooLarge);
        }
        if !data.is_empty() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
