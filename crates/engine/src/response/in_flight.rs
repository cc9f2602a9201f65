//! A request that is forwarded, and the response that is made of its upstream's.
//!
//! The hold is always settled: by the operation's rules for a success (`settlement.rs`), and released if the upstream is
//! known to have failed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::Hold;
use demur_contract::Condition;
use http::header::{CONTENT_LENGTH, SERVER};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body;

use crate::api::Api;
use crate::body_budget::{BodyBuffer, BodyReservation};
use crate::body_prefix::read_at_most;
use crate::panics::{catch_panic, catch_panic_async};
use crate::record::{Check, CheckOutcome, RequestRecord};
use crate::reject::rejection::Rejection;
use crate::request::context::RequestContext;
use crate::request::handshake::{Handshake, set_switched};
use crate::request::upstream_headers;
use crate::response::body::{ResponseBody, redact_event_stream};
use crate::response::raised::Raised;
use crate::response::settlement::PendingSettlement;
use crate::response::upgraded::Upgraded;
use crate::response::upstream_error::{self, ErrorResponse, MAX_FAILURE_BYTES, UpstreamFault, is_failure};
use crate::response::validation::{self, PeekedBody};
use crate::settings::{Metering, ResponseMode, UpstreamErrorMode};

/// A request that is forwarded. Dropping it means that the client has gone.
#[must_use = "dropping it means that the client has gone"]
pub struct InFlight {
    context: Box<RequestContext>,
    api: usize,
    hold: Hold,
    lag: Duration,
}

/// The result of the second phase of a request.
#[expect(clippy::large_enum_variant, reason = "nearly every response is `Done`")]
pub enum ResponseOutcome<R> {
    /// This is the response.
    Done(Response<ResponseBody<R>>, RequestRecord),
    /// The upstream's body has to be read first.
    Waiting(Box<PendingResponse<R>>),
}

/// A response whose body has to be read before it is passed on.
pub struct PendingResponse<R> {
    context: Box<RequestContext>,
    hold: Hold,
    head: Parts,
    body: R,
    /// What a success is validated against; `None` for a failure.
    schema: Option<ResponseSchema>,
}

/// An API, and the operation's index in its document.
type ResponseSchema = (Arc<Api>, usize);

/// The response that is passed on, or why it is rejected.
type ResponseResult<R> = Result<Response<ResponseBody<R>>, Rejection>;

impl InFlight {
    /// A request to the API with this index in the engine.
    pub(crate) fn new(mut context: Box<RequestContext>, api: usize, hold: Hold, lag: Duration) -> Self {
        context.acquire_upstream_permit();
        Self { context, api, hold, lag }
    }

    /// The API to whose upstream it goes.
    pub fn api(&self) -> &Arc<Api> {
        &self.context.engine().apis()[self.api]
    }

    /// Whether the API is in monitor mode: its upstream's responses are passed on as they are.
    pub fn observes(&self) -> bool {
        self.context.is_monitor_mode()
    }

    /// The second phase: makes the response of what the upstream answered, and settles the request.
    pub fn on_response<R>(self, result: Result<Response<R>, UpstreamFault>) -> ResponseOutcome<R>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        let Self { mut context, hold, lag, .. } = self;
        if matches!(result, Err(UpstreamFault::ClientGone)) {
            return client_gone(context, hold);
        }
        // A panic is no measure of the upstream's latency.
        let panicked = matches!(result, Err(UpstreamFault::Panicked(_)));
        if !panicked {
            context.on_upstream_head(lag);
        }
        let mut response = match result {
            Ok(response) => response,
            Err(fault) => {
                hold.release();
                return end(context, Err(fault.into()));
            }
        };
        // Borrowed and changed in place: it would be copied several times otherwise.
        let verdict = catch_panic(|| verdict(&mut context, &mut response, hold));
        match verdict.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(ResponseVerdict::Passes(settlement)) => {
                let permit = context.take_upstream_permit();
                let settling =
                    |body| ResponseBody::settling(PeekedBody::nothing(body).holding(permit), settlement);
                end(context, Ok(response.map(settling)))
            }
            Ok(ResponseVerdict::NeedsBody { hold, schema }) => {
                let (head, body) = response.into_parts();
                ResponseOutcome::Waiting(Box::new(PendingResponse { context, hold, head, body, schema }))
            }
            Err(rejection) => end(context, Err(rejection)),
        }
    }
}

/// The client has gone: the request is settled as if it were dropped, and a response is made that nobody gets.
fn client_gone<R>(mut context: Box<RequestContext>, hold: Hold) -> ResponseOutcome<R> {
    drop(hold);
    context.record.set_client_gone();
    let mut response = Response::new(ResponseBody::Whole(None));
    *response.status_mut() = client_closed_request();
    let record = context.finalize(response.headers_mut());
    ResponseOutcome::Done(response, record)
}

/// The status that logs have for a client that has gone. It is never sent.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// What the head of a response decides.
enum ResponseVerdict {
    /// It is passed on, with what is still to be settled.
    Passes(PendingSettlement),
    /// Its body has to be read first.
    NeedsBody { hold: Hold, schema: Option<ResponseSchema> },
}

/// Decides by the head, and makes the head one that can be passed on.
fn verdict<R>(
    context: &mut RequestContext,
    response: &mut Response<R>,
    hold: Hold,
) -> Result<ResponseVerdict, Rejection>
where
    R: Body<Data = Bytes> + Unpin,
{
    if let Some(raised) = response.extensions_mut().remove::<Raised>() {
        hold.release();
        let rejection = raised.in_contract(context.contract());
        return Err(context.rejected(Check::Upstream, rejection));
    }
    let mut cause = upstream_error::canonical_length(response.headers_mut()).err();
    if context.is_monitor_mode()
        && let Some(cause) = cause.take()
    {
        // The body was framed by the right number. The server sets the header again where the length is known.
        response.headers_mut().remove(CONTENT_LENGTH);
        context.record.add_note(cause);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(handshake) = context.handshake.take()
    {
        return switched(context, response, &handshake, hold).map(ResponseVerdict::Passes);
    }
    if let Some(cause) = cause.or_else(|| upstream_error::unusable(response.status(), response.headers())) {
        return Err(invalid(context, hold, cause));
    }
    if is_failure(response.status()) {
        return Ok(ResponseVerdict::NeedsBody { hold, schema: None });
    }
    let operation = context.operation().filter(|_| !context.is_monitor_mode());
    if let Some(cause) = operation.and_then(|it| validation::html_in_place_of_data(it, response.headers())) {
        return Err(invalid(context, hold, cause));
    }
    let validates = context.api().filter(|api| api.settings.validation.responses != ResponseMode::Ignore);
    if let (Some(api), Some(operation)) = (validates, context.record.operation) {
        let schema = Some((Arc::clone(api), operation));
        return Ok(ResponseVerdict::NeedsBody { hold, schema });
    }
    let mut settlement = start_settlement(context, response.headers_mut(), hold);
    strip_hop_by_hop(context, response);
    settlement.on_start(context, (response.status(), response.headers()), response.body());
    Ok(ResponseVerdict::Passes(settlement))
}

/// The rejection of a response that cannot be passed on: the upstream has failed, which costs nothing.
fn invalid(context: &mut RequestContext, hold: Hold, cause: impl Into<String>) -> Rejection {
    hold.release();
    context.rejected(Check::Upstream, Rejection::from(Condition::UpstreamInvalidResponse).with_cause(cause))
}

/// A 101, which is checked against the handshake of its request, and passed on. The request is settled at the end of the
/// connection.
fn switched<R: Body<Data = Bytes> + Unpin>(
    context: &mut RequestContext,
    response: &mut Response<R>,
    handshake: &Handshake,
    hold: Hold,
) -> Result<PendingSettlement, Rejection> {
    if let Err(cause) = handshake.check_accepted(response.headers()) {
        return Err(invalid(context, hold, cause));
    }
    let mut settlement = start_settlement(context, response.headers_mut(), hold);
    strip_hop_by_hop(context, response);
    set_switched(response.headers_mut());
    settlement.on_start(context, (response.status(), response.headers()), response.body());
    context.record.is_upgraded = true;
    if let Some(upgraded) = Upgraded::of(context) {
        response.extensions_mut().insert(upgraded);
    }
    Ok(settlement)
}

impl<R> PendingResponse<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    /// Reads the body as far as necessary, and makes the response.
    pub async fn resume(self) -> (Response<ResponseBody<R>>, RequestRecord) {
        let Self { mut context, hold, head, body, schema } = self;
        let outcome = {
            let context = &mut *context;
            let checked = async move {
                match schema {
                    None => failed(context, head, body, hold).await,
                    Some(schema) => validate_body(context, head, body, hold, schema).await,
                }
            };
            catch_panic_async(pin!(checked)).await
        };
        finish(context, outcome.unwrap_or_else(|panic| Err(panic.into())))
    }
}

fn end<R>(context: Box<RequestContext>, outcome: ResponseResult<R>) -> ResponseOutcome<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let (response, record) = finish(context, outcome);
    ResponseOutcome::Done(response, record)
}

fn finish<R>(
    mut context: Box<RequestContext>,
    outcome: ResponseResult<R>,
) -> (Response<ResponseBody<R>>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin,
{
    match outcome {
        Ok(response) => {
            let mut response = redact_event_stream(&mut context, response);
            let record = context.finalize(response.headers_mut());
            (response, record)
        }
        Err(rejection) => {
            let (response, record) = context.into_error_response(rejection);
            (response.map(ResponseBody::Whole), record)
        }
    }
}

/// A failure: converted to the contract, except in monitor mode and where the configuration passes it on.
async fn failed<R>(context: &mut RequestContext, head: Parts, body: R, hold: Hold) -> ResponseResult<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    hold.release();
    if context.is_monitor_mode() || context.conversion().settings.mode == UpstreamErrorMode::Passthrough {
        return passthrough_error(context, head, body).await;
    }
    let body = failure_body(body, context.body_reservation()).await;
    let response = ErrorResponse { status: head.status, headers: &head.headers, body: body.as_slice() };
    match context.conversion().rejection_of(response) {
        Some(rejection) => Err(context.rejected(Check::Upstream, rejection)),
        // Passed on above.
        None => Err(context.rejected(Check::Upstream, Condition::UpstreamFailed.into())),
    }
}

/// A success, validated against the API's document.
async fn validate_body<R>(
    context: &mut RequestContext,
    mut head: Parts,
    body: R,
    hold: Hold,
    (api, operation): ResponseSchema,
) -> ResponseResult<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let operation = &api.settings.document.operations()[operation];
    let (body, fault) =
        match validation::validate(&api.settings, operation, &head, body, context.body_reservation()).await {
            Ok(validated) => validated,
            Err(cause) => {
                return Err(invalid(context, hold, cause));
            }
        };
    match fault {
        Some(fault) if fault.is_rejected(api.settings.validation.responses) => {
            let rejection = Rejection::from(fault.condition()).with_cause(fault.to_string());
            if let Err(rejection) = context.enforce::<()>(Check::Upstream, Err(rejection)) {
                hold.release();
                return Err(rejection);
            }
        }
        Some(fault) => context.record.add_note(fault.to_string()),
        None => {}
    }
    let settlement = start_settlement(context, &mut head.headers, hold);
    Ok(pass_on(context, head, body, settlement))
}

/// Starts the settlement of a success with this head.
fn start_settlement(context: &mut RequestContext, headers: &mut HeaderMap, hold: Hold) -> PendingSettlement {
    context.record.set_outcome(Check::Upstream, CheckOutcome::Passed);
    let permit = context.limit_permit.take();
    let mut notes = Vec::new();
    // In monitor mode nothing is charged, and the response stays as it is.
    let metering = if context.is_monitor_mode() { &Metering::USUAL } else { context.metering() };
    let settlement = PendingSettlement::new(hold, permit, metering, headers, &mut notes);
    notes.into_iter().for_each(|note: String| context.record.add_note(note));
    settlement
}

/// A response that is passed on to the client.
fn pass_on<R>(
    context: &mut RequestContext,
    head: Parts,
    body: PeekedBody<R>,
    mut settlement: PendingSettlement,
) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let mut response = Response::from_parts(head, ());
    strip_hop_by_hop(context, &mut response);
    settlement.on_start(context, (response.status(), response.headers()), &body);
    let body = body.holding(context.take_upstream_permit());
    response.map(|()| ResponseBody::settling(body, settlement))
}

/// Removes what concerns the upstream's connection only, and the name of its software.
fn strip_hop_by_hop<R>(context: &RequestContext, response: &mut Response<R>) {
    upstream_headers::strip_hop_by_hop(response.headers_mut());
    if !context.is_monitor_mode() && !context.keeps_response_header(&SERVER) {
        response.headers_mut().remove(SERVER);
    }
    // Each connection has its own version.
    *response.version_mut() = Version::HTTP_11;
}

/// A failure in monitor mode or passthrough mode: it is passed on as it is. In monitor mode the rejection is recorded; in
/// passthrough mode, a rule may convert the failure all the same.
async fn passthrough_error<R>(
    context: &mut RequestContext,
    head: Parts,
    body: R,
) -> Result<Response<ResponseBody<R>>, Rejection>
where
    R: Body<Data = Bytes> + Unpin,
{
    let reservation = context.body_reservation();
    let (body, beginning) =
        PeekedBody::into_beginning(body, MAX_FAILURE_BYTES, reservation).await.map_err(|()| {
            Rejection::from(Condition::UpstreamInvalidResponse)
                .with_cause("the upstream broke off the body of an error response")
        })?;
    let response = ErrorResponse { status: head.status, headers: &head.headers, body: &beginning };
    match context.conversion().rejection_of(response) {
        Some(rejection) if context.is_monitor_mode() => {
            context.record_would_reject(Check::Upstream, &rejection);
        }
        Some(rejection) => return Err(context.rejected(Check::Upstream, rejection)),
        None => {
            context.record.add_note(format!("the upstream's {} was passed through", head.status));
            context.record.set_outcome(Check::Upstream, CheckOutcome::WouldReject);
        }
    }
    let settlement = PendingSettlement::failed(context.limit_permit.take());
    Ok(pass_on(context, head, body, settlement))
}

/// The beginning of an error response's body. If it cannot be read, or there is no memory for it, the status is enough.
async fn failure_body<R: Body<Data = Bytes> + Unpin>(body: R, reservation: BodyReservation) -> BodyBuffer {
    let mut buffer = BodyBuffer::new(reservation, MAX_FAILURE_BYTES as u64);
    read_at_most(body, MAX_FAILURE_BYTES, |data| buffer.push(data).is_ok()).await;
    buffer
}
