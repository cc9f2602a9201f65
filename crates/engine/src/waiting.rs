//! A request's way behind a wait: what was asked for comes, and the next stage goes on from there.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;

use crate::arrival::Peer;
use crate::content::{Content, ContentFault, collect};
use crate::panics::caught_async;
use crate::refused::Refused;
use crate::way::{Received, Step, Wait, Way};

/// A request that waits on its way: for a store, or for its own content.
pub struct Waiting<B> {
    pub(crate) way: Way<B>,
    pub(crate) wait: Wait<B>,
    pub(crate) peer: Option<Peer>,
}

impl<B> Waiting<B>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    /// Waits, and goes on from there: perhaps to where it must wait again.
    pub async fn go_on(self) -> Received<B> {
        let Self { mut way, wait, peer } = self;
        let step = {
            let after = async {
                let step = after(&mut way, wait).await;
                way.dressed(step, peer.as_ref())
            };
            caught_async(pin!(after)).await
        };
        way.follow(step, peer.as_ref())
    }
}

/// What comes of what was waited for.
async fn after<B>(way: &mut Way<B>, wait: Wait<B>) -> Result<Step<B>, Refused>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    let engine = Arc::clone(way.exchange.engine());
    match wait {
        Wait::Key(asked) => {
            let known = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.tried(&target, known)
        }
        Wait::Limits(asked) => {
            let taken = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.limited(&target, taken)
        }
        Wait::Content(bound) => {
            let content = match way.body.take() {
                Some(body) => collect(body, bound, way.exchange.reservation()).await?,
                None => Bytes::new(),
            };
            let content = Content::Collected((!content.is_empty()).then_some(content));
            let (stage, target) = way.stage_again(&engine)?;
            stage.read(&target, content)
        }
        Wait::Credits(content, asked) => {
            let booked = asked.await;
            let (stage, target) = way.stage_again(&engine)?;
            stage.booked(&target, content, booked)
        }
    }
}
