//! A request between its stages: the result of a stage is applied here, and a suspended request resumes here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::LimitPermit;
use http::header::UPGRADE;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use crate::engine::Engine;
use crate::panics::{Panic, catch_panic_async};
use crate::record::{Check, RequestRecord};
use crate::reject::rejection::Rejection;
use crate::request::body::{BodyError, RequestBody, collect};
use crate::request::context::RequestContext;
use crate::request::decompress;
use crate::request::handshake::WEBSOCKET;
use crate::request::info::{Peer, UpstreamTimeout};
use crate::request::operation::ResolvedOperation;
use crate::request::stage_result::{ForwardPlan, StageOutcome, StageResult, SuspendReason};
use crate::request::stages::Stages;
use crate::request::trace_context;
use crate::request::upstream_request::{rewrite_headers, set_uri};
use crate::response::in_flight::InFlight;
use crate::response::replay;
use crate::settings::OnAbort;

/// The result of the first phase of a request.
pub enum RequestOutcome<B> {
    /// It is to be sent to the API's upstream, and the upstream's response to be given to the [`InFlight`].
    Forward(Request<RequestBody<B>>, InFlight),
    /// This is the response.
    Respond(Response<Option<Bytes>>, RequestRecord),
    /// It waits for a store or for its own body.
    Suspended(Box<Suspended<B>>),
}

/// A request that is not forwarded yet.
pub(crate) struct PendingRequest<B> {
    pub(crate) context: Box<RequestContext>,
    pub(crate) parts: Parts,
    /// Until it is buffered or forwarded.
    pub(crate) body: Option<B>,
    /// The scheduling delay; see [`RequestInfo::lag`](crate::RequestInfo::lag).
    pub(crate) lag: Duration,
}

/// A request that waits for a store or for its own body.
pub struct Suspended<B> {
    request: PendingRequest<B>,
    reason: SuspendReason<B>,
    operation: ResolvedOperation,
    peer: Option<Peer>,
}

impl<B> Suspended<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Waits, and continues with the next stage. That one may suspend the request again.
    pub async fn resume(self) -> RequestOutcome<B> {
        let Self { mut request, reason, operation, peer } = self;
        let result = {
            let resumed = async {
                let result = resume_from(&mut request, reason, &operation).await;
                request.prepare_upstream(result, peer.as_ref())
            };
            catch_panic_async(pin!(resumed)).await
        };
        request.apply(result, peer.as_ref())
    }
}

/// Waits for the reason, and runs the stage that follows.
async fn resume_from<B>(
    request: &mut PendingRequest<B>,
    reason: SuspendReason<B>,
    operation: &ResolvedOperation,
) -> StageOutcome<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let engine = Arc::clone(request.context.engine());
    match reason {
        SuspendReason::Key(pending) => {
            let result = pending.await;
            request.stages(&engine).on_auth_result(operation, result)
        }
        SuspendReason::Limits(pending) => {
            let result = pending.await;
            request.stages(&engine).on_limits(operation, result)
        }
        SuspendReason::Body(max_length) => {
            let collected = match request.body.take() {
                Some(body) => collect(body, max_length, request.context.body_reservation()).await,
                None => Ok(Bytes::new()),
            };
            let body =
                collected.map_err(|error| request.context.rejected(Check::Validation, error.into()))?;
            let body = decompressed(request, body, max_length, operation)?;
            let body = RequestBody::Collected((!body.is_empty()).then_some(body));
            request.stages(&engine).on_body(operation, body)
        }
        SuspendReason::Credits(body, pending) => {
            let outcome = pending.await;
            request.stages(&engine).on_credits_held(operation, body, outcome)
        }
    }
}

/// The body as it is validated and forwarded: decoded, where the configuration asks for it.
fn decompressed<B>(
    request: &mut PendingRequest<B>,
    body: Bytes,
    max_length: u64,
    operation: &ResolvedOperation,
) -> Result<Bytes, Rejection> {
    let settings = &operation.api.settings;
    if !settings.validation.decodes_bodies || settings.monitor || body.is_empty() {
        return Ok(body);
    }
    // Any other coding is rejected when the body is validated.
    let Ok(Some(coding)) = decompress::coding(&request.parts.headers, true) else { return Ok(body) };
    let reservation = request.context.body_reservation();
    let decoded = decompress::decode(coding, &body, max_length, reservation)
        .map_err(|rejection| request.context.rejected(Check::Validation, rejection))?;
    decompress::strip_headers(&mut request.parts.headers);
    Ok(decoded)
}

impl<B> PendingRequest<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    pub(crate) fn stages<'w>(&'w mut self, engine: &'w Engine) -> Stages<'w, B> {
        Stages { engine, context: &mut self.context, parts: &self.parts, body: &mut self.body }
    }

    /// Applies the result of a stage. Inlined, and what it calls borrows the request: it would be copied with each call
    /// otherwise.
    #[inline(always)]
    pub(crate) fn apply(
        mut self,
        result: Result<StageOutcome<B>, Panic>,
        peer: Option<&Peer>,
    ) -> RequestOutcome<B> {
        match result.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(StageResult::Forward(ForwardPlan { api, body, hold, .. })) => {
                let Self { context, parts, lag, .. } = self;
                let in_flight = InFlight::new(context, api, hold, lag);
                RequestOutcome::Forward(Request::from_parts(parts, body), in_flight)
            }
            Ok(StageResult::Suspend(reason, operation)) => {
                let peer = peer.cloned();
                RequestOutcome::Suspended(Box::new(Suspended { request: self, reason, operation, peer }))
            }
            Ok(StageResult::Preflight(response)) => {
                let mut response = response.map(|()| None);
                let record = self.context.finalize(response.headers_mut());
                RequestOutcome::Respond(response, record)
            }
            Ok(StageResult::Replay(mut response)) => {
                self.context.capture_credentials(&mut self.parts.headers);
                let record = self.context.finalize(response.headers_mut());
                replay::expose(response.headers_mut());
                RequestOutcome::Respond(*response, record)
            }
            Err(rejection) => {
                self.context.capture_credentials(&mut self.parts.headers);
                let (response, record) = self.context.into_error_response(rejection);
                RequestOutcome::Respond(response, record)
            }
        }
    }

    /// Rewrites a request that is forwarded into the one that the upstream sees.
    pub(crate) fn prepare_upstream(
        &mut self,
        mut result: StageOutcome<B>,
        peer: Option<&Peer>,
    ) -> StageOutcome<B> {
        if let Ok(StageResult::Forward(plan)) = &mut result {
            self.prepare_forward(plan, peer)?;
        }
        result
    }

    /// Sets `traceparent` and `tracestate`. In monitor mode they stay as the client has sent them.
    fn trace(&mut self) {
        let Some(setting) = self.context.api().map(|api| api.settings.traceparent) else { return };
        if !self.context.is_monitor_mode() {
            let record = &mut self.context.record;
            let context = trace_context::forward(&mut self.parts.headers, record.trace, setting, record.id());
            record.trace = context;
        }
    }

    fn prepare_forward(&mut self, plan: &mut ForwardPlan<B>, peer: Option<&Peer>) -> Result<(), Rejection> {
        let authority = self.parts.uri.authority().cloned();
        if let Some(target) = plan.target.take() {
            set_uri(&mut self.parts, target)?;
        }
        let mut credentials = std::mem::take(&mut self.context.credentials);
        let keep = |credential| credentials.push(credential);
        let (headers, balance) = (&mut self.parts.headers, plan.balance.as_deref());
        let note = rewrite_headers(&self.context, (headers, authority.as_ref()), peer, balance, keep);
        self.context.credentials = credentials;
        self.trace();
        if self.context.handshake.is_some() {
            self.parts.headers.insert(UPGRADE, WEBSOCKET);
        }
        if let Some(note) = note {
            self.context.record.add_note(note);
        }
        if let Some(timeout) = plan.timeout {
            self.parts.extensions.insert(UpstreamTimeout(timeout));
        }
        // If the request is dropped from here on until the response's head, the client has gone.
        match self.context.metering().on_client_abort {
            OnAbort::Charge => plan.hold.forwarded(),
            OnAbort::Release => {
                plan.hold.forwarded_at_no_cost();
                self.context.limit_permit.iter_mut().for_each(LimitPermit::mark_failed);
            }
        }
        Ok(())
    }
}
