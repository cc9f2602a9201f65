//! A request's way behind a wait: what was asked for comes, and the next stage goes on from there.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;

use crate::panics::catch_panic_async;
use crate::rejection::Rejection;
use crate::request_body::{BodyError, RequestBody, collect};
use crate::request_info::Peer;
use crate::request_state::{PendingRequest, RequestOutcome, StageResult, SuspendReason};

/// A request that waits on its way: for a store, or for its own content.
pub struct Suspended<B> {
    pub(crate) way: PendingRequest<B>,
    pub(crate) wait: SuspendReason<B>,
    pub(crate) peer: Option<Peer>,
}

impl<B> Suspended<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Waits, and goes on from there: perhaps to where it must wait again.
    pub async fn resume(self) -> RequestOutcome<B> {
        let Self { mut way, wait, peer } = self;
        let step = {
            let after = async {
                let step = resume_from(&mut way, wait).await;
                way.prepare_upstream(step, peer.as_ref())
            };
            catch_panic_async(pin!(after)).await
        };
        way.apply(step, peer.as_ref())
    }
}

/// What comes of what was waited for.
async fn resume_from<B>(
    way: &mut PendingRequest<B>,
    wait: SuspendReason<B>,
) -> Result<StageResult<B>, Rejection>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let engine = Arc::clone(way.exchange.engine());
    match wait {
        SuspendReason::Key(asked) => {
            let known = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.on_auth_result(&target, known)
        }
        SuspendReason::Limits(asked) => {
            let taken = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.on_limits(&target, taken)
        }
        SuspendReason::Content(bound) => {
            let content = match way.body.take() {
                Some(body) => collect(body, bound, way.exchange.reservation()).await?,
                None => Bytes::new(),
            };
            let content = RequestBody::Collected((!content.is_empty()).then_some(content));
            let (stage, target) = way.stage_again(&engine)?;
            stage.buffer_body(&target, content)
        }
        SuspendReason::Credits(content, asked) => {
            let booked = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.on_credits_held(&target, content, booked)
        }
    }
}
