//! The end of a request's way: what its answer means for it, and for what it holds.
//!
//! Whatever the upstream does, the hold is settled: by the operation's rules for a success (`charge.rs`), released
//! when the upstream is known to have failed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::Hold;
use demur_contract::Condition;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;

use crate::api::Api;
use crate::body_budget::{BodyBuffer, BodyReservation};
use crate::event_stream;
use crate::exchange::Exchange;
use crate::panics::{catch_panic, catch_panic_async};
use crate::raised::Raised;
use crate::record::RequestRecord;
use crate::rejection::Rejection;
use crate::response_body::ResponseBody;
use crate::response_validation::{self, PeekedBody};
use crate::settings::{Metering, ResponseMode};
use crate::settlement::PendingSettlement;
use crate::upstream_error::{self, MAX_FAILURE_BYTES, UpstreamFault};
use crate::upstream_headers;

/// A request that may go to its upstream, or is there. Dropped, it was the client who went away.
#[must_use = "dropping it means that the client is gone"]
pub struct InFlight {
    exchange: Box<Exchange>,
    api: usize,
    hold: Hold,
    lag: Duration,
}

/// What an upstream's answer, or its failure, comes to.
pub enum ResponseOutcome<R> {
    /// This response.
    Done(Response<ResponseBody<R>>, RequestRecord),
    /// Its content must be looked into first.
    Waiting(Box<PendingResponse<R>>),
}

/// An answer that must be looked into.
pub struct PendingResponse<R> {
    exchange: Box<Exchange>,
    hold: Hold,
    head: Parts,
    body: R,
    /// What a success is held against; none where it is a failure.
    against: Option<Described>,
}

/// An API, and its operation by its number in the document.
type Described = (Arc<Api>, usize);

/// What a success passes with, or why it does not.
type ResponseResult<R> = Result<Response<ResponseBody<R>>, Rejection>;

impl InFlight {
    /// Of a request to the API with this place among the engine's.
    pub(crate) fn new(mut exchange: Box<Exchange>, api: usize, hold: Hold, lag: Duration) -> Self {
        exchange.acquire_upstream_permit();
        Self { exchange, api, hold, lag }
    }

    /// To whose upstream it goes.
    pub fn api(&self) -> &Arc<Api> {
        &self.exchange.engine().apis()[self.api]
    }

    /// Whether the API is only watched: what its service says goes on as it is.
    pub fn observes(&self) -> bool {
        self.exchange.is_monitor_mode()
    }

    /// The second half of the way: settles by what came back, and makes the response of it.
    pub fn on_response<R>(self, answer: Result<Response<R>, UpstreamFault>) -> ResponseOutcome<R>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        let Self { mut exchange, hold, lag, .. } = self;
        // How soon somebody panics says nothing of an upstream.
        let panicked = matches!(answer, Err(UpstreamFault::Panicked(_)));
        exchange.release_upstream_permit((!panicked).then_some(lag));
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                hold.release();
                return end(exchange, Err(fault.into()));
            }
        };
        // Lent, and changed where it lies: what catches panics would copy it some times.
        let verdict = catch_panic(|| verdict(&mut exchange, &mut answer, hold));
        match verdict.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(ResponseVerdict::Passes(charge)) => {
                let passing = |body| ResponseBody::passing(PeekedBody::nothing(body), charge);
                end(exchange, Ok(answer.map(passing)))
            }
            Ok(ResponseVerdict::NeedsBody { hold, against }) => {
                let (head, body) = answer.into_parts();
                ResponseOutcome::Waiting(Box::new(PendingResponse { exchange, hold, head, body, against }))
            }
            Err(refused) => end(exchange, Err(refused)),
        }
    }
}

/// What the head of an answer says of it.
enum ResponseVerdict {
    /// It passes, with what is still to be settled of it.
    Passes(PendingSettlement),
    /// Its content must be looked into first.
    NeedsBody { hold: Hold, against: Option<Described> },
}

/// Settles by what came back, as far as its head tells, and makes the head one that may pass.
fn verdict<R>(
    exchange: &mut Exchange,
    answer: &mut Response<R>,
    hold: Hold,
) -> Result<ResponseVerdict, Rejection>
where
    R: Body<Data = Bytes> + Unpin,
{
    if let Some(raised) = answer.extensions_mut().remove::<Raised>() {
        hold.release();
        return Err(raised.in_contract(exchange.contract()));
    }
    let mut cause = upstream_error::canonical_length(answer.headers_mut()).err();
    if exchange.is_monitor_mode()
        && let Some(cause) = cause.take()
    {
        // It has been framed by the number that it is; the length is written anew where it is known.
        answer.headers_mut().remove(CONTENT_LENGTH);
        exchange.remarks.push(cause);
    }
    if let Some(cause) = cause.or_else(|| upstream_error::unusable(answer.status(), answer.headers())) {
        hold.release();
        return Err(Rejection::from(Condition::UpstreamInvalidResponse).with_cause(cause));
    }
    if answer.status().is_client_error() || answer.status().is_server_error() {
        return Ok(ResponseVerdict::NeedsBody { hold, against: None });
    }
    let looks = exchange.api().filter(|api| api.settings.validation.answers != ResponseMode::Ignore);
    if let (Some(api), Some(operation)) = (looks, exchange.operation) {
        let against = Some((Arc::clone(api), operation));
        return Ok(ResponseVerdict::NeedsBody { hold, against });
    }
    let mut charge = start_settlement(exchange, answer.headers_mut(), hold);
    strip_hop_by_hop(answer);
    charge.on_start(exchange, (answer.status(), answer.headers()), answer.body());
    Ok(ResponseVerdict::Passes(charge))
}

impl<R> PendingResponse<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    /// Looks into it, and makes the response.
    pub async fn resume(self) -> (Response<ResponseBody<R>>, RequestRecord) {
        let Self { mut exchange, hold, head, body, against } = self;
        let outcome = {
            let exchange = &mut *exchange;
            let looked = async move {
                match against {
                    None => failed(exchange, head, body, hold).await,
                    Some(described) => validate_body(exchange, head, body, hold, described).await,
                }
            };
            catch_panic_async(pin!(looked)).await
        };
        seal(exchange, outcome.unwrap_or_else(|panicked| Err(panicked.into())))
    }
}

fn end<R>(exchange: Box<Exchange>, outcome: ResponseResult<R>) -> ResponseOutcome<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let (response, record) = seal(exchange, outcome);
    ResponseOutcome::Done(response, record)
}

fn seal<R>(
    mut exchange: Box<Exchange>,
    outcome: ResponseResult<R>,
) -> (Response<ResponseBody<R>>, RequestRecord)
where
    R: Body<Data = Bytes> + Unpin,
{
    match outcome {
        Ok(response) => {
            let mut response = event_stream::redact(&mut exchange, response);
            let record = exchange.finalize(response.headers_mut());
            (response, record)
        }
        Err(refused) => {
            let (response, record) = exchange.into_error_response(refused);
            (response.map(ResponseBody::Whole), record)
        }
    }
}

/// A failure: brought into the contract, unless its service is only watched.
async fn failed<R>(exchange: &mut Exchange, head: Parts, body: R, hold: Hold) -> ResponseResult<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    hold.release();
    if exchange.is_monitor_mode() {
        return passthrough_error(exchange, head, body).await;
    }
    let content = failure_content(body, exchange.reservation()).await;
    Err(upstream_error::refuse(exchange.contract(), head.status, &head.headers, content.as_slice()))
}

/// A success that is held against the API's document.
async fn validate_body<R>(
    exchange: &mut Exchange,
    mut head: Parts,
    body: R,
    hold: Hold,
    (api, operation): Described,
) -> ResponseResult<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let operation = &api.settings.document.operations()[operation];
    let (body, fault) =
        match response_validation::validate(&api.settings, operation, &head, body, exchange.reservation())
            .await
        {
            Ok(looked) => looked,
            Err(cause) => {
                hold.release();
                return Err(Rejection::from(Condition::UpstreamInvalidResponse).with_cause(cause));
            }
        };
    match fault {
        Some(fault) if fault.is_refused(api.settings.validation.answers) => {
            let refused = Rejection::from(fault.condition()).with_cause(fault.to_string());
            if let Err(refused) = exchange.enforce::<()>(Err(refused)) {
                hold.release();
                return Err(refused);
            }
        }
        Some(fault) => exchange.remarks.push(fault.to_string()),
        None => {}
    }
    let charge = start_settlement(exchange, &mut head.headers, hold);
    Ok(passing(exchange, head, body, charge))
}

/// What is still to be settled of a success with this head.
fn start_settlement(exchange: &mut Exchange, headers: &mut HeaderMap, hold: Hold) -> PendingSettlement {
    let taken = exchange.taken.take();
    let mut remarks = std::mem::take(&mut exchange.remarks);
    // A service that is only watched charges nobody, and what it says stays as it is.
    let usage = if exchange.is_monitor_mode() { &Metering::USUAL } else { exchange.usage() };
    let charge = PendingSettlement::of(hold, taken, usage, headers, &mut remarks);
    exchange.remarks = remarks;
    charge
}

/// An answer that goes on to the client, its content behind the head.
fn passing<R>(
    exchange: &Exchange,
    head: Parts,
    body: PeekedBody<R>,
    mut charge: PendingSettlement,
) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let mut response = Response::from_parts(head, ());
    strip_hop_by_hop(&mut response);
    charge.on_start(exchange, (response.status(), response.headers()), &body);
    response.map(|()| ResponseBody::passing(body, charge))
}

/// Takes from a head what concerns the connection it came on.
fn strip_hop_by_hop<R>(response: &mut Response<R>) {
    upstream_headers::strip_hop_by_hop(response.headers_mut());
    // The version is each connection's own.
    *response.version_mut() = Version::HTTP_11;
}

/// A failure of a service that is only watched: it goes on as it is, and what would have become of it is told.
async fn passthrough_error<R>(
    exchange: &mut Exchange,
    head: Parts,
    body: R,
) -> Result<Response<ResponseBody<R>>, Rejection>
where
    R: Body<Data = Bytes> + Unpin,
{
    let reservation = exchange.reservation();
    let (body, begin) =
        PeekedBody::into_beginning(body, MAX_FAILURE_BYTES, reservation).await.map_err(|()| {
            Rejection::from(Condition::UpstreamInvalidResponse)
                .with_cause("the content of a failure broke off")
        })?;
    exchange.record_would_reject(&upstream_error::refuse(
        exchange.contract(),
        head.status,
        &head.headers,
        &begin,
    ));
    let charge = PendingSettlement::failed(exchange.taken.take());
    Ok(passing(exchange, head, body, charge))
}

/// The beginning of a failed answer. What cannot be read is not missed: the status says enough.
/// Neither is what the memory for collected bodies has no room for.
async fn failure_content<R: Body<Data = Bytes> + Unpin>(
    mut body: R,
    reservation: BodyReservation,
) -> BodyBuffer {
    let mut content = BodyBuffer::new(reservation, MAX_FAILURE_BYTES as u64);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_FAILURE_BYTES.saturating_sub(content.len());
        let pushed = content.push(&data[..data.len().min(room)]);
        if data.len() > room || pushed.is_err() {
            break;
        }
    }
    content
}
