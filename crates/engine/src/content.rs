//! Content on its way in: bounded while it streams, collected only where somebody has to look into it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_contract::Condition;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body_budget::{BodyBuffer, BudgetExceeded, OVERHEAD, Reservation};
use crate::refused::Refused;

/// Why content could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentFault {
    /// It came too slowly.
    Slow,
    /// It is larger than allowed.
    TooLarge,
    /// There is no memory left for it in the budget for collected bodies.
    OverBudget,
    /// Its framing is broken, or the connection was.
    Broken(String),
}

impl fmt::Display for ContentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentFault::Slow => f.write_str("the content came too slowly"),
            ContentFault::TooLarge => f.write_str("the content is larger than allowed"),
            ContentFault::OverBudget => f.write_str("the memory for collected bodies is used up"),
            ContentFault::Broken(cause) => write!(f, "the content is broken: {cause}"),
        }
    }
}

impl std::error::Error for ContentFault {}

impl From<ContentFault> for Refused {
    fn from(fault: ContentFault) -> Self {
        let condition = match fault {
            ContentFault::Slow => Condition::RequestTimeout,
            ContentFault::TooLarge => Condition::BodyTooLarge,
            ContentFault::OverBudget => Condition::Overloaded,
            ContentFault::Broken(_) => Condition::BodyUnreadable,
        };
        Refused::from(condition).because(fault.to_string())
    }
}

/// What is forwarded: what was collected, or what still streams, within its bound.
#[derive(Debug)]
pub enum Content<B> {
    /// Collected, for validation.
    Collected(Option<Bytes>),
    /// Streaming, with so many bytes still allowed.
    Streaming {
        /// The rest.
        body: B,
        /// The bound.
        left: u64,
        /// Where a fault is noted.
        faulted: Faulted,
    },
}

/// What goes wrong with a request's content while its upstream reads it, for whoever wants to know. Nothing is kept of
/// content that has none.
#[derive(Debug, Clone, Default)]
pub struct Faulted(Option<Arc<OnceLock<ContentFault>>>);

impl Faulted {
    /// The first fault, if there was one by now.
    pub fn fault(&self) -> Option<ContentFault> {
        self.0.as_ref()?.get().cloned()
    }

    fn note(&self, fault: &ContentFault) {
        if let Some(noted) = &self.0 {
            // Of several the first one counts.
            let _ = noted.set(fault.clone());
        }
    }
}

impl<B> Content<B> {
    pub(crate) fn streaming(body: B, bound: u64) -> Self {
        Self::Streaming { body, left: bound, faulted: Faulted::default() }
    }

    /// What was collected; empty where it streams.
    pub(crate) fn collected(&self) -> Bytes {
        match self {
            Content::Collected(Some(bytes)) => bytes.clone(),
            Content::Collected(None) | Content::Streaming { .. } => Bytes::new(),
        }
    }
}

impl<B: Body> Content<B> {
    /// Has faults noted from here on.
    pub fn noted(&mut self) -> Faulted {
        match self {
            Content::Streaming { body, faulted, .. } if !body.is_end_stream() => {
                faulted.0.get_or_insert_default();
                faulted.clone()
            }
            Content::Collected(_) | Content::Streaming { .. } => Faulted::default(),
        }
    }
}

impl<B> Body for Content<B>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    type Data = Bytes;
    type Error = ContentFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentFault>>> {
        match &mut *self {
            Content::Collected(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Streaming { body, left, faulted } => {
                let mut frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(data)) = &frame {
                    let length = data.data_ref().map_or(0, |data| data.len() as u64);
                    match left.checked_sub(length) {
                        Some(rest) => *left = rest,
                        None => frame = Some(Err(ContentFault::TooLarge)),
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
            Content::Collected(bytes) => bytes.is_none(),
            Content::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Collected(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Streaming { body, .. } => body.size_hint(),
        }
    }
}

impl From<BudgetExceeded> for ContentFault {
    fn from(BudgetExceeded: BudgetExceeded) -> Self {
        ContentFault::OverBudget
    }
}

/// Reads content to its end, within a bound and within the budget for collected bodies.
pub(crate) async fn collect<B>(
    mut body: B,
    bound: u64,
    mut reservation: Reservation,
) -> Result<Bytes, ContentFault>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
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
async fn next_data<B>(body: &mut B, left: u64) -> Result<Option<Bytes>, ContentFault>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() as u64 > left {
            return Err(ContentFault::TooLarge);
        }
        if !data.is_empty() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
