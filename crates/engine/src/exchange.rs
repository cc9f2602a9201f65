//! One request and its answer: who speaks, what is known so far, and how a refusal comes out.
//!
//! From a [`Rejection`] there is one path: condition → the contract's error → problem → response.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Denial, LimitPermit, Now, Principal, Report, StoredResponse};
use demur_contract::{Condition, Contract, ErrorId, ErrorOrigin, Problem, Retry, RetryAfter};
use demur_validation::Operation;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use smallvec::SmallVec;

use crate::api::Api;
use crate::body_budget::{BodyReservation, BudgetClient};
use crate::concurrency_limit::Permit;
use crate::credential::secret_of;
use crate::negotiation::Preferences;
use crate::path::SentPath;
use crate::pipeline::Engine;
use crate::record::{RejectionRecord, RequestRecord, WouldReject};
use crate::rejection::{ErrorTarget, Rejection};
use crate::request_id::RequestId;
use crate::request_info::{Peer, RequestInfo};
use crate::responder::ErrorResponder;
use crate::settings::{DEFAULT_MAX_RETRY_WAIT, Metering, RequestView};
use crate::upstream_headers::HeaderDirection;
use crate::{cors, limit_fields, negotiation, replay};

/// What is known of the request that is being answered. Boxed from the first, since it goes all the way with it: past
/// every wait, to the end of the answer's head, and then to whoever keeps records.
pub(crate) struct Exchange {
    engine: Arc<Engine>,
    id: RequestId,
    pub(crate) now: Now,
    /// From where the request comes.
    pub(crate) address: Option<IpAddr>,
    /// Whether a trusted proxy sent it.
    pub(crate) is_trusted_proxy: bool,
    /// The API's place among the engine's. Until it is known the engine's own contract speaks.
    api: Option<usize>,
    /// Which of the API's speakers speaks.
    generation: usize,
    voice: Preferences,
    /// The origin of a script that may read the answer.
    origin: Option<HeaderValue>,
    /// The operation's place among those of its API.
    pub(crate) operation: Option<usize>,
    /// The path as it was sent, and what is to be said against it.
    pub(crate) path: SentPath,
    pub(crate) principal: Option<Arc<Principal>>,
    /// What it presented as its key, which nobody shall read in a log.
    pub(crate) presented: SmallVec<[HeaderValue; 1]>,
    /// What the request has taken from the limits.
    pub(crate) taken: Option<LimitPermit>,
    /// Its place with the upstream.
    place: Option<Permit>,
    pub(crate) refusal: Option<Box<RejectionRecord>>,
    /// What would have been refused.
    pub(crate) observed: Vec<WouldReject>,
    /// What operators should know of it beside that.
    pub(crate) remarks: Vec<String>,
    /// What an error event of its event stream says, once one has come.
    pub(crate) stream_error: Option<Arc<OnceLock<String>>>,
}

impl Exchange {
    pub(crate) fn new(engine: &Arc<Engine>, arrival: &RequestInfo<'_>) -> Box<Self> {
        Box::new(Self {
            engine: Arc::clone(engine),
            id: RequestId::fresh(arrival.now),
            now: arrival.now,
            address: arrival.peer.map(Peer::address),
            is_trusted_proxy: arrival.is_trusted_proxy,
            api: None,
            generation: 0,
            voice: Preferences::default(),
            origin: None,
            operation: None,
            path: SentPath::default(),
            principal: None,
            presented: SmallVec::new(),
            taken: None,
            place: None,
            refusal: None,
            observed: Vec::new(),
            remarks: Vec::new(),
            stream_error: None,
        })
    }

    /// For bodies of this request that are collected.
    pub(crate) fn reservation(&self) -> BodyReservation {
        self.engine.bodies().reservation(BudgetClient::new(self.address, self.principal.is_some()))
    }

    /// Whose exchange it is.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The client's wishes are known from here on.
    pub(crate) fn set_client_preferences(&mut self, headers: &HeaderMap) {
        let Self { engine, api, generation, voice, .. } = self;
        voice.set_from_headers(speaker(engine, *api, *generation).contract(), headers);
    }

    /// From here on the API speaks, in the generation that the request asks for.
    pub(crate) fn select_api(&mut self, (place, api): (usize, &Api), asked: &RequestView<'_>) {
        self.generation = api.generation_for(asked);
        self.api = Some(place);
        if let Some(headers) = asked.headers {
            self.set_client_preferences(headers);
            self.origin = api.settings.cors.as_ref().and_then(|cors| cors::allowed_origin(cors, headers));
        }
    }

    /// The API, once it is known.
    pub(crate) fn api(&self) -> Option<&Arc<Api>> {
        self.engine.apis().get(self.api?)
    }

    /// Who speaks.
    pub(crate) fn speaker(&self) -> &ErrorResponder {
        speaker(&self.engine, self.api, self.generation)
    }

    /// The contract that speaks, as its file has it.
    pub(crate) fn contract(&self) -> &Contract {
        self.speaker().contract()
    }

    /// The operation, once it is known.
    pub(crate) fn operation(&self) -> Option<&Operation> {
        self.api()?.settings.document.operations().get(self.operation?)
    }

    /// What is removed from the request before it is forwarded.
    pub(crate) fn crossing<'a>(&'a self, api: &'a Api) -> HeaderDirection<'a> {
        HeaderDirection {
            id: self.speaker().id_field(),
            authentication: &api.settings.authentication,
            operation: self.operation(),
            reserved: &api.settings.reserved_headers,
            is_trusted: self.is_trusted_proxy,
        }
    }

    fn id_prefix(&self) -> &str {
        &self.contract().request_id().prefix
    }

    /// The request's id, as the contract that speaks writes it.
    pub(crate) fn request_id(&self) -> String {
        self.id.with_prefix(self.id_prefix())
    }

    /// The same as a field's value.
    pub(crate) fn request_id_value(&self) -> HeaderValue {
        self.id.field(self.id_prefix())
    }

    /// The request is with its upstream from here on.
    pub(crate) fn acquire_upstream_permit(&mut self) {
        debug_assert!(self.place.is_none(), "one place is enough");
        self.place = self.api().map(|api| api.room.acquire());
    }

    /// The upstream has answered, or was given up. The request and its answer both waited here for their turn, which
    /// takes as long as `lag`; where there is none, nothing is learnt from it.
    pub(crate) fn release_upstream_permit(&mut self, lag: Option<Duration>) {
        if let (Some(place), Some(api)) = (self.place.take(), self.api()) {
            api.room.release(place, self.operation, lag);
        }
    }

    /// How the request's operation is settled.
    pub(crate) fn usage(&self) -> &Metering {
        const USUAL: &Metering = &Metering::USUAL;
        let known = self.api().zip(self.operation);
        let settings = known.and_then(|(api, index)| api.settings.operations.get(index));
        settings.map_or(USUAL, |settings| &settings.usage)
    }

    /// Whether the API is only watched.
    pub(crate) fn is_monitor_mode(&self) -> bool {
        self.api().is_some_and(|api| api.settings.observe)
    }

    /// Remembers a refusal that does not take place.
    pub(crate) fn record_would_reject(&mut self, refused: &Rejection) {
        let entry = self.contract().entry(self.answer(refused));
        let observation = WouldReject {
            condition: refused.condition(),
            error: entry.name.clone(),
            status: entry.status.as_u16(),
            cause: refused.detail.cause.clone(),
        };
        self.observed.push(observation);
    }

    /// A decision. Where the API is only watched a refusal is remembered, and the request goes on without
    /// what was refused.
    pub(crate) fn enforce<T>(&mut self, decision: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
        match decision {
            Ok(passed) => Ok(Some(passed)),
            Err(refused) if self.is_monitor_mode() => {
                self.record_would_reject(&refused);
                Ok(None)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Answers with a refusal.
    pub(crate) fn into_error_response(
        mut self: Box<Self>,
        refused: Rejection,
    ) -> (Response<Option<Bytes>>, RequestRecord) {
        let error = self.answer(&refused);
        let origin = origin(&refused, self.contract().entry(error).status.as_u16());
        self.settle_limits(origin);
        let (mut response, refusal) = self.render_error(error, origin, refused);
        self.refusal = Some(Box::new(refusal));
        let record = self.finalize(response.headers_mut());
        (response, record)
    }

    /// The response of a refusal.
    fn render_error(
        &self,
        error: ErrorId,
        origin: ErrorOrigin,
        refused: Rejection,
    ) -> (Response<Option<Bytes>>, RejectionRecord) {
        let speaker = self.speaker();
        let contract = speaker.contract();
        let entry = contract.entry(error);
        let condition = refused.condition();
        let detail = *refused.detail;
        let waiting_helps = limit_fields::waiting_helps(entry.retry.class) && !detail.is_hopeless;
        let delay = retry_after(detail.retry_after, entry.retry).filter(|_| waiting_helps);
        // What is in the contract's format already cannot be said in another way.
        let (content, spoken) = match detail.verbatim {
            Some(content) => (content, &**contract),
            None => {
                let spoken = self.voice.select(contract);
                let problem = Problem {
                    error,
                    params: detail.params,
                    message: detail.message.map(Cow::Owned),
                    violations: Cow::Owned(detail.violations),
                    request_id: Cow::Owned(self.request_id()),
                    retry_after: delay,
                };
                let mut content = Vec::with_capacity(256);
                spoken.render(&problem, &mut content);
                (content, spoken)
            }
        };

        let mut response = Response::new((!content.is_empty()).then(|| content.into()));
        *response.status_mut() =
            StatusCode::from_u16(entry.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        negotiation::set_content_headers(contract, spoken, headers);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // It is what it says, whatever it quotes.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(delay) = delay {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay.seconds()));
        }
        let is_soon = delay.is_none_or(|delay| delay.delay <= self.max_retry_wait());
        limit_fields::set_retry(speaker.families(), waiting_helps && is_soon, delay, headers);
        if let (401, Some(api)) = (entry.status.as_u16(), self.api()) {
            headers.insert(WWW_AUTHENTICATE, api.challenge.clone());
        }
        headers.extend(detail.fields.into_iter().map(|(name, value)| (Some(name), value)));

        let refusal = RejectionRecord {
            condition,
            status: entry.status.as_u16(),
            origin,
            cause: detail.cause,
            contract: Arc::clone(contract),
            error,
        };
        (response, refusal)
    }

    /// What an error event of a stream tells the client: the upstream has failed.
    pub(crate) fn stream_failure(&self) -> Vec<u8> {
        let contract = self.contract();
        let error = contract.answer(Condition::UpstreamFailed);
        let problem = Problem::new(error, self.request_id());
        let mut content = Vec::new();
        self.voice.select(contract).render(&problem, &mut content);
        content
    }

    /// How long a client is told to wait and try again; what takes longer is no advice to retry.
    fn max_retry_wait(&self) -> Duration {
        self.api().map_or(DEFAULT_MAX_RETRY_WAIT, |api| api.settings.max_retry_wait)
    }

    fn answer(&self, refused: &Rejection) -> ErrorId {
        let own = match refused.answering {
            ErrorTarget::Condition(condition) => Some(self.contract().answer(condition)),
            ErrorTarget::Error(error) => Some(error),
            ErrorTarget::Violations => self.contract().answer_violations(&refused.detail.violations),
        };
        own.unwrap_or_else(|| self.contract().answer(Condition::Internal))
    }

    /// The response to an earlier request, to be given again. The limits count it as a request that executed nothing.
    pub(crate) fn replay(&mut self, stored: &StoredResponse) -> Result<Response<Option<Bytes>>, Rejection> {
        let Some((response, original)) = replay::replayed(stored) else {
            let refused = Rejection::from(Condition::IdempotencyCompleted);
            return Err(refused.with_cause("the stored response cannot be read"));
        };
        if let Some(mut taken) = self.taken.take() {
            taken.mark_failed();
        }
        let original = original.to_str().unwrap_or_default();
        self.remarks.push(format!("replayed the response to request {original}"));
        Ok(response)
    }

    /// What was taken stays taken, but for trouble of the gateway's own, which is nobody's request.
    fn settle_limits(&mut self, origin: ErrorOrigin) {
        match (self.taken.take(), origin) {
            (Some(taken), ErrorOrigin::Gateway) => taken.refund(self.now),
            (Some(mut taken), _) => taken.mark_failed(),
            (None, _) => {}
        }
    }

    /// Keeps what the request has taken from its limits, and remembers what those in the shadow would have refused.
    pub(crate) fn store_limit_permit(&mut self, taken: LimitPermit) {
        for exceeded in taken.shadowed() {
            self.record_would_reject(&Denial::from(exceeded.clone()).into());
        }
        self.taken = Some(taken);
    }

    /// Sets what every response carries: the request's id, and how the limits stand. Nothing is left to say then.
    ///
    /// What a service says that is only watched stays as it is, and gets an id where it has none.
    pub(crate) fn finalize(mut self: Box<Self>, headers: &mut HeaderMap) -> RequestRecord {
        let request_id = self.request_id_value();
        let id_field = self.speaker().id_field();
        if self.is_monitor_mode() && self.refusal.is_none() {
            headers.entry(id_field).or_insert(request_id);
        } else {
            headers.insert(id_field.clone(), request_id);
            self.set_limit_headers(headers);
        }
        self.redact();
        RequestRecord::new(self)
    }

    /// How the limits stand, and what a script of another origin may read of it all.
    fn set_limit_headers(&self, headers: &mut HeaderMap) {
        let speaker = self.speaker();
        if let (false, Some(principal)) = (speaker.families().is_empty(), &self.principal) {
            let limits: Report<'_> = principal.report(self.now);
            limit_fields::set(speaker.families(), &limits, self.now, headers);
        }
        if let Some(cors) = self.api().and_then(|api| api.settings.cors.as_ref()) {
            cors::expose(cors, self.origin.as_ref(), speaker.exposed(), headers);
        }
    }

    /// Takes what was presented out of all that operators are told, and forgets it. Nearly always there is nothing to
    /// tell.
    fn redact(&mut self) {
        let presented = std::mem::take(&mut self.presented);
        let refusal = self.refusal.as_mut().map(|refusal| &mut refusal.cause);
        let observed = self.observed.iter_mut().map(|observation| &mut observation.cause);
        let told = refusal.into_iter().chain(observed).chain(&mut self.remarks);
        for text in told.filter(|text| !text.is_empty()) {
            let presented: Vec<&str> = presented.iter().filter_map(secret_of).collect();
            *text = self.engine.secrets().redact(std::mem::take(text), &presented);
        }
    }

    /// Keeps what a request presents that goes no further.
    pub(crate) fn capture_credentials(&mut self, headers: &mut HeaderMap) {
        let Self { engine, api, presented, .. } = self;
        let Some(api) = api.and_then(|place| engine.apis().get(place)) else { return };
        for field in api.settings.authentication.fields() {
            presented.extend(headers.remove(field));
        }
    }
}

/// The API's contract of this generation, or the engine's own.
fn speaker(engine: &Engine, api: Option<usize>, generation: usize) -> &ErrorResponder {
    match api.and_then(|place| engine.apis().get(place)) {
        Some(api) => api.speaker(generation),
        None => engine.speaker(),
    }
}

/// Whoever is dropped on the way leaves its place all the same.
impl Drop for Exchange {
    fn drop(&mut self) {
        self.release_upstream_permit(None);
    }
}

/// When trying again makes sense, where waiting helps: a delay on anything else would be a lie. Never longer than two
/// days, whatever an upstream says. (A quota's day can have 25 hours.)
fn retry_after(known: Option<Duration>, advice: Retry) -> Option<RetryAfter> {
    const LONGEST: Duration = Duration::from_secs(2 * 86_400);
    let delay = known.or(advice.default_delay)?;
    Some(RetryAfter { delay: delay.min(LONGEST) })
}

fn origin(refused: &Rejection, status: u16) -> ErrorOrigin {
    match refused.answering {
        ErrorTarget::Condition(condition) => condition.origin(),
        ErrorTarget::Violations => ErrorOrigin::Client,
        ErrorTarget::Error(_) if status < 500 => ErrorOrigin::Client,
        ErrorTarget::Error(_) => ErrorOrigin::Upstream,
    }
}
