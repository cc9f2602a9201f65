//! One request and its answer: who speaks, what is known so far, and how a refusal comes out.
//!
//! From a [`Refused`] there is one path: condition → the contract's error → problem → response.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::{Denial, Now, Principal, Report, Taken};
use demur_contract::{Condition, Contract, ErrorId, Origin, Problem, Retry, RetryAfter};
use demur_validation::Operation;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use smallvec::SmallVec;

use crate::api::Api;
use crate::credential::secret_of;
use crate::outgoing::Outgoing;
use crate::pipeline::{Arrival, Peer};
use crate::record::{Observation, Record, Refusal};
use crate::refused::{Answering, Refused};
use crate::request_id::RequestId;
use crate::secrets::Secrets;
use crate::settings::{Asked, Usage};
use crate::speaker::Speaker;
use crate::voice::Voice;
use crate::{cors, limit_fields};

/// What is known of the request that is being answered.
pub(crate) struct Exchange<'e> {
    id: RequestId,
    /// The id as this voice writes it, once somebody has asked.
    written_id: Option<HeaderValue>,
    pub(crate) now: Now,
    pub(crate) peer: Option<&'e Peer>,
    pub(crate) listener: Option<&'e str>,
    /// The listener's contract speaks until the API is known.
    voice: Voice<'e>,
    pub(crate) api: Option<&'e Arc<Api>>,
    /// The origin of a script that may read the answer.
    origin: Option<HeaderValue>,
    pub(crate) operation: Option<&'e Operation>,
    pub(crate) principal: Option<Arc<Principal>>,
    secrets: &'e Secrets,
    /// What it presented as its key, which nobody shall read in a log.
    pub(crate) presented: SmallVec<[HeaderValue; 1]>,
    /// What the request has taken from the limits.
    pub(crate) taken: Option<Taken>,
    refusal: Option<Box<Refusal>>,
    /// What would have been refused.
    observed: Vec<Observation>,
    /// What operators should know of it beside that.
    pub(crate) remarks: Vec<String>,
}

impl<'e> Exchange<'e> {
    pub(crate) fn new(voice: &'e Speaker, secrets: &'e Secrets, arrival: &Arrival<'e>) -> Self {
        let Arrival { now, peer, listener, .. } = *arrival;
        Self {
            id: RequestId::fresh(now),
            written_id: None,
            now,
            peer,
            listener,
            voice: Voice::of(voice),
            api: None,
            origin: None,
            operation: None,
            principal: None,
            secrets,
            presented: SmallVec::new(),
            taken: None,
            refusal: None,
            observed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// From where the request comes.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.peer.map(Peer::address)
    }

    /// The client's wishes are known from here on.
    pub(crate) fn hear(&mut self, headers: &HeaderMap) {
        self.voice = Voice::heard(self.voice.speaker(), headers);
    }

    /// From here on the API speaks, in the generation that the request asks for.
    pub(crate) fn speak_for(&mut self, api: &'e Arc<Api>, asked: &Asked<'_>) {
        let speaker = api.speaker_for(asked);
        self.api = Some(api);
        self.voice = match asked.headers {
            Some(headers) => Voice::heard(speaker, headers),
            None => Voice::of(speaker),
        };
        self.written_id = None;
        self.origin = match (&api.settings.cors, asked.headers) {
            (Some(cors), Some(headers)) => cors::allowed_origin(cors, headers),
            _ => None,
        };
    }

    /// The contract that speaks, as its file has it.
    pub(crate) fn voice(&self) -> &'e Contract {
        self.voice.contract()
    }

    /// The request's id, as this voice writes it.
    pub(crate) fn request_id(&mut self) -> &HeaderValue {
        let prefix = &self.voice.contract().request_id().prefix;
        self.written_id.get_or_insert_with(|| self.id.with_prefix(prefix))
    }

    /// The same as text.
    pub(crate) fn request_id_text(&mut self) -> &str {
        // The loader takes no prefix that a field cannot carry.
        self.request_id().to_str().unwrap_or_default()
    }

    /// The field that carries the id.
    pub(crate) fn request_id_field(&self) -> &'e HeaderName {
        self.voice.speaker().id_field()
    }

    /// How the request's operation is settled.
    pub(crate) fn usage(&self) -> &'e Usage {
        const USUAL: &Usage = &Usage::USUAL;
        let operation = self.operation.map(Operation::index);
        let settings = self.api.zip(operation).and_then(|(api, index)| api.settings.operations.get(index));
        settings.map_or(USUAL, |settings| &settings.usage)
    }

    /// Whether the API is only watched.
    pub(crate) fn observes(&self) -> bool {
        self.api.is_some_and(|api| api.settings.observe)
    }

    /// Remembers a refusal that does not take place.
    pub(crate) fn observe(&mut self, refused: &Refused) {
        let entry = self.voice().entry(self.answer(refused));
        self.observed.push(Observation {
            condition: refused.condition(),
            error: entry.name.clone(),
            status: entry.status.as_u16(),
            cause: refused.detail.cause.clone(),
        });
    }

    /// A decision. Where the API is only watched a refusal is remembered, and the request goes on without
    /// what was refused.
    pub(crate) fn decided<T>(&mut self, decision: Result<T, Refused>) -> Result<Option<T>, Refused> {
        match decision {
            Ok(passed) => Ok(Some(passed)),
            Err(refused) if self.observes() => {
                self.observe(&refused);
                Ok(None)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Makes the response of a refusal.
    pub(crate) fn refuse<R>(&mut self, refused: Refused) -> Response<Outgoing<R>> {
        let error = self.answer(&refused);
        let speaker = self.voice.speaker();
        let contract = speaker.contract();
        let entry = contract.entry(error);
        let condition = refused.condition();
        let origin = origin(&refused, entry.status.as_u16());
        self.settle_limits(origin);

        let detail = *refused.detail;
        let waiting_helps = limit_fields::waiting_helps(entry.retry.class) && !detail.is_hopeless;
        let delay = retry_after(detail.retry_after, entry.retry).filter(|_| waiting_helps);
        // What is in the contract's format already cannot be said in another way.
        let (content, spoken) = match detail.verbatim {
            Some(content) => (content, &**contract),
            None => {
                let spoken = self.voice.spoken();
                let problem = Problem {
                    error,
                    params: detail.params,
                    message: detail.message.map(Cow::Owned),
                    violations: Cow::Owned(detail.violations),
                    request_id: Cow::Borrowed(self.request_id_text()),
                    retry_after: delay,
                };
                let mut content = Vec::with_capacity(256);
                spoken.render(&problem, &mut content);
                (content, spoken)
            }
        };

        let mut response = Response::new(Outgoing::whole(content));
        *response.status_mut() =
            StatusCode::from_u16(entry.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        self.voice.describe(spoken, headers);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // It is what it says, whatever it quotes.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(delay) = delay {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay.seconds()));
        }
        limit_fields::set_retry(speaker.families(), waiting_helps, delay, headers);
        if let (401, Some(api)) = (entry.status.as_u16(), self.api) {
            headers.insert(WWW_AUTHENTICATE, api.challenge.clone());
        }
        headers.extend(detail.fields.into_iter().map(|(name, value)| (Some(name), value)));

        self.refusal = Some(Box::new(Refusal {
            condition,
            status: entry.status.as_u16(),
            origin,
            cause: detail.cause,
            contract: Arc::clone(contract),
            error,
        }));
        response
    }

    fn answer(&self, refused: &Refused) -> ErrorId {
        let own = match refused.answering {
            Answering::Condition(condition) => Some(self.voice().answer(condition)),
            Answering::Error(error) => Some(error),
            Answering::Violations => self.voice().answer_violations(&refused.detail.violations),
        };
        own.unwrap_or_else(|| self.voice().answer(Condition::Internal))
    }

    /// What was taken stays taken, but for trouble of the gateway's own, which is nobody's request.
    fn settle_limits(&mut self, origin: Origin) {
        match (self.taken.take(), origin) {
            (Some(taken), Origin::Gateway) => taken.give_back(self.now),
            (Some(mut taken), _) => taken.failed(),
            (None, _) => {}
        }
    }

    /// Keeps what the request has taken from its limits, and remembers what those in the shadow would have refused.
    pub(crate) fn keep(&mut self, taken: Taken) {
        for exceeded in taken.shadowed() {
            self.observe(&Denial::from(exceeded.clone()).into());
        }
        self.taken = Some(taken);
    }

    /// Sets what every response carries: the request's id, and how the limits stand. Nothing is left to say then.
    ///
    /// What a service says that is only watched stays as it is, and gets an id where it has none.
    pub(crate) fn seal<R>(&mut self, response: &mut Response<R>) -> Box<Record> {
        let headers = response.headers_mut();
        let request_id = self.request_id().clone();
        let id_field = self.voice.speaker().id_field();
        if self.observes() && self.refusal.is_none() {
            headers.entry(id_field).or_insert_with(|| request_id.clone());
        } else {
            headers.insert(id_field.clone(), request_id.clone());
            self.tell_limits(headers);
        }
        self.hide_secrets();
        Box::new(Record {
            request_id,
            api: self.api.cloned(),
            operation: self.operation.map(Operation::index),
            principal: self.principal.take(),
            refusal: self.refusal.take(),
            observations: std::mem::take(&mut self.observed),
            remarks: std::mem::take(&mut self.remarks),
        })
    }

    /// How the limits stand, and what a script of another origin may read of it all.
    fn tell_limits(&self, headers: &mut HeaderMap) {
        let speaker = self.voice.speaker();
        if let (false, Some(principal)) = (speaker.families().is_empty(), &self.principal) {
            let limits: Report<'_> = principal.report(self.now);
            limit_fields::set(speaker.families(), &limits, self.now, headers);
        }
        if let Some(cors) = self.api.and_then(|api| api.settings.cors.as_ref()) {
            cors::expose(cors, self.origin.as_ref(), speaker.exposed(), headers);
        }
    }

    /// Takes what was presented out of all that operators are told. Nearly always there is nothing to tell.
    fn hide_secrets(&mut self) {
        let refusal = self.refusal.as_mut().map(|refusal| &mut refusal.cause);
        let observed = self.observed.iter_mut().map(|observation| &mut observation.cause);
        let told = refusal.into_iter().chain(observed).chain(&mut self.remarks);
        for text in told.filter(|text| !text.is_empty()) {
            let presented: Vec<&str> = self.presented.iter().filter_map(secret_of).collect();
            *text = self.secrets.hidden(std::mem::take(text), &presented);
        }
    }

    /// Keeps what a request presents that goes no further.
    pub(crate) fn keep_presented(&mut self, headers: &mut HeaderMap) {
        let Some(api) = self.api else { return };
        for field in api.settings.authentication.fields() {
            self.presented.extend(headers.remove(field));
        }
    }
}

/// When trying again makes sense, where waiting helps: a delay on anything else would be a lie. Never longer than two
/// days, whatever an upstream says. (A quota's day can have 25 hours.)
fn retry_after(known: Option<Duration>, advice: Retry) -> Option<RetryAfter> {
    const LONGEST: Duration = Duration::from_secs(2 * 86_400);
    let delay = known.or(advice.default_delay)?;
    Some(RetryAfter { delay: delay.min(LONGEST) })
}

fn origin(refused: &Refused, status: u16) -> Origin {
    match refused.answering {
        Answering::Condition(condition) => condition.origin(),
        Answering::Violations => Origin::Client,
        Answering::Error(_) if status < 500 => Origin::Client,
        Answering::Error(_) => Origin::Upstream,
    }
}
