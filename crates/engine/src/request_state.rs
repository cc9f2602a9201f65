//! A request on its way: what a stage of `pipeline.rs` comes to, and what is done with it then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Balance, Denial, Hold, LimitPermit, Principal};
use demur_contract::Condition;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use crate::exchange::Exchange;
use crate::in_flight::InFlight;
use crate::panics::Panic;
use crate::pipeline::{Engine, ResolvedOperation, Stages};
use crate::record::RequestRecord;
use crate::rejection::Rejection;
use crate::replay;
use crate::request_body::{BodyError, RequestBody};
use crate::request_info::{Peer, UpstreamTimeout};
use crate::reservation::ReserveOutcome;
use crate::settings::OnAbort;
use crate::suspended::Suspended;
use crate::upstream_request::{rewrite_headers, set_uri};

/// What becomes of a request, as far as the engine can say by itself.
pub enum RequestOutcome<B> {
    /// It passes. It is to be sent to the API's upstream, and what comes of that to be told to the passage.
    Forward(Request<RequestBody<B>>, InFlight),
    /// It is answered here.
    Answered(Response<Option<Bytes>>, RequestRecord),
    /// It is not known yet: a store must be asked, or the request's content read.
    Waiting(Box<Suspended<B>>),
}

/// A request on its way to the upstream.
pub(crate) struct PendingRequest<B> {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) parts: Parts,
    /// Until it has been read, or goes on.
    pub(crate) body: Option<B>,
    pub(crate) lag: Duration,
}

/// What a stage comes to.
pub(crate) enum StageResult<B> {
    /// The request may pass.
    Pass(ForwardPlan<B>),
    /// A browser asks whether it may ask.
    Preflight(Response<()>),
    /// The request was executed before: this was the response. Boxed: hardly any request comes again.
    Replay(Box<Response<Option<Bytes>>>),
    /// Something must be waited for.
    Suspend(SuspendReason<B>),
}

pub(crate) type StageOutcome<B> = Result<StageResult<B>, Rejection>;

/// How a request passes.
pub(crate) struct ForwardPlan<B> {
    /// The API's place among the engine's.
    pub(crate) api: usize,
    pub(crate) content: RequestBody<B>,
    pub(crate) hold: Hold,
    /// Boxed: most requests cost nothing.
    pub(crate) balance: Option<Box<Balance>>,
    /// Another target than the client asked for.
    pub(crate) target: Option<String>,
    pub(crate) timeout: Option<Duration>,
}

/// What a request waits for.
pub(crate) enum SuspendReason<B> {
    /// Whose key it is.
    Key(BoxFuture<Result<Arc<Principal>, Denial>>),
    /// What its limits say.
    Limits(BoxFuture<Result<LimitPermit, Denial>>),
    /// Its own content, of so many bytes at the most.
    Content(u64),
    /// What the ledger says. Its content has been looked into by then.
    Credits(RequestBody<B>, BoxFuture<ReserveOutcome>),
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<B> PendingRequest<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// What the stages work on.
    pub(crate) fn stage<'w>(&'w mut self, engine: &'w Engine) -> Stages<'w, B> {
        Stages { engine, exchange: &mut self.exchange, parts: &self.parts, body: &mut self.body }
    }

    /// The same behind a wait, with what is asked for: what is found in a request cannot wait with it, and is found
    /// again.
    pub(crate) fn stage_again<'w>(
        &'w mut self,
        engine: &'w Engine,
    ) -> Result<(Stages<'w, B>, ResolvedOperation<'w>), Rejection> {
        let stage = self.stage(engine);
        let target = ResolvedOperation::again(engine, stage.parts);
        let lost = || Rejection::from(Condition::Internal).with_cause("what was found is not there any more");
        Ok((stage, target.ok_or_else(lost)?))
    }

    /// Does what a stage came to. Inlined, and what it calls is lent the request: to be handed on it would be copied
    /// each time.
    #[inline(always)]
    pub(crate) fn apply(
        mut self,
        step: Result<StageOutcome<B>, Panic>,
        peer: Option<&Peer>,
    ) -> RequestOutcome<B> {
        match step.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(StageResult::Pass(ForwardPlan { api, content, hold, .. })) => {
                let Self { exchange, parts, lag, .. } = self;
                let passage = InFlight::new(exchange, api, hold, lag);
                RequestOutcome::Forward(Request::from_parts(parts, content), passage)
            }
            Ok(StageResult::Suspend(wait)) => {
                RequestOutcome::Waiting(Box::new(Suspended { way: self, wait, peer: peer.cloned() }))
            }
            Ok(StageResult::Preflight(answer)) => {
                let mut response = answer.map(|()| None);
                let record = self.exchange.finalize(response.headers_mut());
                RequestOutcome::Answered(response, record)
            }
            Ok(StageResult::Replay(mut response)) => {
                self.exchange.capture_credentials(&mut self.parts.headers);
                let record = self.exchange.finalize(response.headers_mut());
                replay::expose(response.headers_mut());
                RequestOutcome::Answered(*response, record)
            }
            Err(refused) => {
                self.exchange.capture_credentials(&mut self.parts.headers);
                let (response, record) = self.exchange.into_error_response(refused);
                RequestOutcome::Answered(response, record)
            }
        }
    }

    /// A request that passes, as the upstream should see it.
    pub(crate) fn prepare_upstream(
        &mut self,
        mut step: StageOutcome<B>,
        peer: Option<&Peer>,
    ) -> StageOutcome<B> {
        if let Ok(StageResult::Pass(pass)) = &mut step {
            self.prepare_forward(pass, peer)?;
        }
        step
    }

    fn prepare_forward(&mut self, pass: &mut ForwardPlan<B>, peer: Option<&Peer>) -> Result<(), Rejection> {
        if let Some(target) = pass.target.take() {
            set_uri(&mut self.parts, target)?;
        }
        let mut presented = std::mem::take(&mut self.exchange.presented);
        let mut remarks = std::mem::take(&mut self.exchange.remarks);
        let keep = |key| presented.push(key);
        let (headers, balance) = (&mut self.parts.headers, pass.balance.as_deref());
        rewrite_headers(&self.exchange, &mut remarks, headers, peer, balance, keep);
        (self.exchange.presented, self.exchange.remarks) = (presented, remarks);
        if let Some(time) = pass.timeout {
            self.parts.extensions.insert(UpstreamTimeout(time));
        }
        // From here to the answer's head it is nobody's fault but the client's if it all is dropped.
        match self.exchange.usage().client_gone {
            OnAbort::Charge => pass.hold.forwarded(),
            OnAbort::Release => {
                pass.hold.forwarded_at_no_cost();
                self.exchange.taken.iter_mut().for_each(LimitPermit::mark_failed);
            }
        }
        Ok(())
    }
}
