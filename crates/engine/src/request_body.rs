//! Content on its way in: bounded while it streams, collected only where somebody has to look into it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_contract::Condition;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body_budget::{BodyBuffer, BodyReservation, BudgetExceeded, OVERHEAD};
use crate::rejection::Rejection;

/// Why content could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It came too slowly.
    Slow,
    /// It is larger than allowed.
    TooLarge,
    /// There is no memory left for it in the budget for collected bodies.
    OverBudget,
    /// Its framing is broken, or the connection was.
    Broken(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Slow => f.write_str("the content came too slowly"),
            BodyError::TooLarge => f.write_str("the content is larger than allowed"),
            BodyError::OverBudget => f.write_str("the memory for collected bodies is used up"),
            BodyError::Broken(cause) => write!(f, "the content is broken: {cause}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for Rejection {
    fn from(fault: BodyError) -> Self {
        let condition = match fault {
            BodyError::Slow => Condition::RequestTimeout,
            BodyError::TooLarge => Condition::BodyTooLarge,
            BodyError::OverBudget => Condition::Overloaded,
            BodyError::Broken(_) => Condition::BodyUnreadable,
        };
        Rejection::from(condition).with_cause(fault.to_string())
    }
}

/// What is forwarded: what was collected, or what still streams, within its bound.
#[derive(Debug)]
pub enum RequestBody<B> {
    /// Collected, for validation.
    Collected(Option<Bytes>),
    /// Streaming, with so many bytes still allowed.
    Streaming {
        /// The rest.
        body: B,
        /// The bound.
        left: u64,
        /// Where a fault is noted.
        faulted: BodyErrorSlot,
    },
}

/// What goes wrong with a request's content while its upstream reads it, for whoever wants to know. Nothing is kept of
/// content that has none.
#[derive(Debug, Clone, Default)]
pub struct BodyErrorSlot(Option<Arc<OnceLock<BodyError>>>);

impl BodyErrorSlot {
    /// The first fault, if there was one by now.
    pub fn fault(&self) -> Option<BodyError> {
        self.0.as_ref()?.get().cloned()
    }

    fn note(&self, fault: &BodyError) {
        if let Some(noted) = &self.0 {
            // Of several the first one counts.
            let _ = noted.set(fault.clone());
        }
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn streaming(body: B, bound: u64) -> Self {
        Self::Streaming { body, left: bound, faulted: BodyErrorSlot::default() }
    }

    /// What was collected; empty where it streams.
    pub(crate) fn collected(&self) -> Bytes {
        match self {
            RequestBody::Collected(Some(bytes)) => bytes.clone(),
            RequestBody::Collected(None) | RequestBody::Streaming { .. } => Bytes::new(),
        }
    }
}

impl<B: Body> RequestBody<B> {
    /// Has faults noted from here on.
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

/// Reads content to its end, within a bound and within the budget for collected bodies.
pub(crate) async fn collect<B>(
    mut body: B,
    bound: u64,
    mut reservation: BodyReservation,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    reservation.grow(OVERHEAD)?;
    let most = body.size_hint().upper().map_or(bound, |upper| upper.min(bound));
    let Some(first) = next_data(&mut body, bound).await? else { return Ok(Bytes::new()) };
    // Small content comes in one piece, which then needs no copy.
    if body.is_end_stream() {
        reservation.grow(first.len())?;
        return Ok(reservation.attach(first));
    }
    let mut buffer = BodyBuffer::new(reservation, most);
    buffer.push(&first)?;
    drop(first);
    while let Some(data) = next_data(&mut body, bound.saturating_sub(buffer.len() as u64)).await? {
        buffer.push(&data)?;
    }
    Ok(buffer.into_bytes())
}

/// The next piece of content that is not empty. Trailers are not content; nothing that the gateway forwards has any.
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
