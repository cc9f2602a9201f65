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

use crate::answer::{self, Looked};
use crate::api::Api;
use crate::body_budget::{BodyBuffer, Reservation};
use crate::charge::Charge;
use crate::event_stream;
use crate::exchange::Exchange;
use crate::forward;
use crate::outcome::{self, MAX_FAILURE_BYTES, UpstreamFault};
use crate::outgoing::Outgoing;
use crate::panics::{caught, caught_async};
use crate::raised::Raised;
use crate::record::Record;
use crate::refused::Refused;
use crate::settings::{Answers, Usage};

/// A request that may go to its upstream, or is there. Dropped, it was the client who went away.
#[must_use = "dropping it means that the client is gone"]
pub struct Passage {
    exchange: Box<Exchange>,
    api: usize,
    hold: Hold,
    lag: Duration,
}

/// What an upstream's answer, or its failure, comes to.
pub enum Settled<R> {
    /// This response.
    Done(Response<Outgoing<R>>, Record),
    /// Its content must be looked into first.
    Waiting(Box<Settling<R>>),
}

/// An answer that must be looked into.
pub struct Settling<R> {
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
type Outcome<R> = Result<Response<Outgoing<R>>, Refused>;

impl Passage {
    /// Of a request to the API with this place among the engine's.
    pub(crate) fn new(mut exchange: Box<Exchange>, api: usize, hold: Hold, lag: Duration) -> Self {
        exchange.enter();
        Self { exchange, api, hold, lag }
    }

    /// To whose upstream it goes.
    pub fn api(&self) -> &Arc<Api> {
        &self.exchange.engine().apis()[self.api]
    }

    /// Whether the API is only watched: what its service says goes on as it is.
    pub fn observes(&self) -> bool {
        self.exchange.observes()
    }

    /// The second half of the way: settles by what came back, and makes the response of it.
    pub fn answered<R>(self, answer: Result<Response<R>, UpstreamFault>) -> Settled<R>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        let Self { mut exchange, hold, lag, .. } = self;
        // How soon somebody panics says nothing of an upstream.
        let panicked = matches!(answer, Err(UpstreamFault::Panicked(_)));
        exchange.leave((!panicked).then_some(lag));
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                hold.release();
                return end(exchange, Err(fault.into()));
            }
        };
        // Lent, and changed where it lies: what catches panics would copy it some times.
        let verdict = caught(|| verdict(&mut exchange, &mut answer, hold));
        match verdict.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(Verdict::Passes(charge)) => {
                let passing = |body| Outgoing::passing(Looked::nothing(body), charge);
                end(exchange, Ok(answer.map(passing)))
            }
            Ok(Verdict::MustBeLookedInto { hold, against }) => {
                let (head, body) = answer.into_parts();
                Settled::Waiting(Box::new(Settling { exchange, hold, head, body, against }))
            }
            Err(refused) => end(exchange, Err(refused)),
        }
    }
}

/// What the head of an answer says of it.
enum Verdict {
    /// It passes, with what is still to be settled of it.
    Passes(Charge),
    /// Its content must be looked into first.
    MustBeLookedInto { hold: Hold, against: Option<Described> },
}

/// Settles by what came back, as far as its head tells, and makes the head one that may pass.
fn verdict<R>(exchange: &mut Exchange, answer: &mut Response<R>, hold: Hold) -> Result<Verdict, Refused>
where
    R: Body<Data = Bytes> + Unpin,
{
    if let Some(raised) = answer.extensions_mut().remove::<Raised>() {
        hold.release();
        return Err(raised.in_contract(exchange.contract()));
    }
    let mut cause = outcome::canonical_length(answer.headers_mut()).err();
    if exchange.observes()
        && let Some(cause) = cause.take()
    {
        // It has been framed by the number that it is; the length is written anew where it is known.
        answer.headers_mut().remove(CONTENT_LENGTH);
        exchange.remarks.push(cause);
    }
    if let Some(cause) = cause.or_else(|| outcome::unusable(answer.status(), answer.headers())) {
        hold.release();
        return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
    }
    if answer.status().is_client_error() || answer.status().is_server_error() {
        return Ok(Verdict::MustBeLookedInto { hold, against: None });
    }
    let looks = exchange.api().filter(|api| api.settings.validation.answers != Answers::Ignore);
    if let (Some(api), Some(operation)) = (looks, exchange.operation) {
        let against = Some((Arc::clone(api), operation));
        return Ok(Verdict::MustBeLookedInto { hold, against });
    }
    let mut charge = charged(exchange, answer.headers_mut(), hold);
    ready_to_pass(answer);
    charge.begins(exchange, (answer.status(), answer.headers()), answer.body());
    Ok(Verdict::Passes(charge))
}

impl<R> Settling<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    /// Looks into it, and makes the response.
    pub async fn go_on(self) -> (Response<Outgoing<R>>, Record) {
        let Self { mut exchange, hold, head, body, against } = self;
        let outcome = {
            let exchange = &mut *exchange;
            let looked = async move {
                match against {
                    None => failed(exchange, head, body, hold).await,
                    Some(described) => looked(exchange, head, body, hold, described).await,
                }
            };
            caught_async(pin!(looked)).await
        };
        seal(exchange, outcome.unwrap_or_else(|panicked| Err(panicked.into())))
    }
}

fn end<R>(exchange: Box<Exchange>, outcome: Outcome<R>) -> Settled<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let (response, record) = seal(exchange, outcome);
    Settled::Done(response, record)
}

fn seal<R>(mut exchange: Box<Exchange>, outcome: Outcome<R>) -> (Response<Outgoing<R>>, Record)
where
    R: Body<Data = Bytes> + Unpin,
{
    match outcome {
        Ok(response) => {
            let mut response = event_stream::redact(&mut exchange, response);
            let record = exchange.seal(response.headers_mut());
            (response, record)
        }
        Err(refused) => {
            let (response, record) = exchange.refuse(refused);
            (response.map(Outgoing::Whole), record)
        }
    }
}

/// A failure: brought into the contract, unless its service is only watched.
async fn failed<R>(exchange: &mut Exchange, head: Parts, body: R, hold: Hold) -> Outcome<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    hold.release();
    if exchange.observes() {
        return watched_failure(exchange, head, body).await;
    }
    let content = failure_content(body, exchange.reservation()).await;
    Err(outcome::refuse(exchange.contract(), head.status, &head.headers, content.as_slice()))
}

/// A success that is held against the API's document.
async fn looked<R>(
    exchange: &mut Exchange,
    mut head: Parts,
    body: R,
    hold: Hold,
    (api, operation): Described,
) -> Outcome<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    let operation = &api.settings.document.operations()[operation];
    let (body, fault) =
        match answer::look(&api.settings, operation, &head, body, exchange.reservation()).await {
            Ok(looked) => looked,
            Err(cause) => {
                hold.release();
                return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
            }
        };
    match fault {
        Some(fault) if fault.is_refused(api.settings.validation.answers) => {
            let refused = Refused::from(fault.condition()).because(fault.to_string());
            if let Err(refused) = exchange.decided::<()>(Err(refused)) {
                hold.release();
                return Err(refused);
            }
        }
        Some(fault) => exchange.remarks.push(fault.to_string()),
        None => {}
    }
    let charge = charged(exchange, &mut head.headers, hold);
    Ok(passing(exchange, head, body, charge))
}

/// What is still to be settled of a success with this head.
fn charged(exchange: &mut Exchange, headers: &mut HeaderMap, hold: Hold) -> Charge {
    let taken = exchange.taken.take();
    let mut remarks = std::mem::take(&mut exchange.remarks);
    // A service that is only watched charges nobody, and what it says stays as it is.
    let usage = if exchange.observes() { &Usage::USUAL } else { exchange.usage() };
    let charge = Charge::of(hold, taken, usage, headers, &mut remarks);
    exchange.remarks = remarks;
    charge
}

/// An answer that goes on to the client, its content behind the head.
fn passing<R>(exchange: &Exchange, head: Parts, body: Looked<R>, mut charge: Charge) -> Response<Outgoing<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let mut response = Response::from_parts(head, ());
    ready_to_pass(&mut response);
    charge.begins(exchange, (response.status(), response.headers()), &body);
    response.map(|()| Outgoing::passing(body, charge))
}

/// Takes from a head what concerns the connection it came on.
fn ready_to_pass<R>(response: &mut Response<R>) {
    forward::strip_hops(response.headers_mut());
    // The version is each connection's own.
    *response.version_mut() = Version::HTTP_11;
}

/// A failure of a service that is only watched: it goes on as it is, and what would have become of it is told.
async fn watched_failure<R>(
    exchange: &mut Exchange,
    head: Parts,
    body: R,
) -> Result<Response<Outgoing<R>>, Refused>
where
    R: Body<Data = Bytes> + Unpin,
{
    let reservation = exchange.reservation();
    let (body, begin) = Looked::into_beginning(body, MAX_FAILURE_BYTES, reservation).await.map_err(|()| {
        Refused::from(Condition::UpstreamInvalidResponse).because("the content of a failure broke off")
    })?;
    exchange.observe(&outcome::refuse(exchange.contract(), head.status, &head.headers, &begin));
    let charge = Charge::failed(exchange.taken.take());
    Ok(passing(exchange, head, body, charge))
}

/// The beginning of a failed answer. What cannot be read is not missed: the status says enough.
/// Neither is what the memory for collected bodies has no room for.
async fn failure_content<R: Body<Data = Bytes> + Unpin>(mut body: R, reservation: Reservation) -> BodyBuffer {
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
