//! One request and its answer: who speaks, what is known so far, and how a refusal comes out.
//!
//! From a [`Refused`] there is one path: condition → the contract's error → problem → response.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use demur_admission::{Now, Principal, Report, Taken};
use demur_contract::{Condition, Contract, ErrorId, Origin, Problem, Retry, RetryAfter};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::api::Api;
use crate::limit_fields;
use crate::outcome::error_code;
use crate::outgoing::Outgoing;
use crate::refused::{Answering, Refused};
use crate::request_id::RequestId;
use crate::settings::Asked;
use crate::voice::Voice;

/// What is known of the request that is being answered.
pub(crate) struct Exchange<'e> {
    id: RequestId,
    pub(crate) now: Now,
    pub(crate) peer: Option<IpAddr>,
    /// The listener's contract speaks until the API is known.
    voice: Voice<'e>,
    pub(crate) api: Option<&'e Arc<Api>>,
    pub(crate) operation: Option<&'e str>,
    pub(crate) principal: Option<Arc<Principal>>,
    /// What the request has taken from the limits.
    pub(crate) taken: Option<Taken>,
    /// What would have been refused.
    observed: Vec<Observation>,
}

/// A refusal that did not take place: of a limit in the shadow, or of an API that is only watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The condition, where it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The error's name in the contract.
    pub error: String,
    /// Its status.
    pub status: u16,
    /// What happened.
    pub cause: String,
}

/// What operators should know of a request that passed: an extension of its response.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The request's id.
    pub request_id: String,
    /// The API.
    pub api: Option<String>,
    /// The operation, where it was known.
    pub operation: Option<String>,
    /// The account, where it was known.
    pub account: Option<String>,
    /// The key's id, where it was known.
    pub key: Option<String>,
    /// What it would have been refused for, in this order.
    pub observations: Vec<Observation>,
}

/// What operators should know of a refusal. It is an extension of the response, for whoever logs or keeps
/// it; the request's id leads from the answer to it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The request's id.
    pub request_id: String,
    /// The API, where it was known.
    pub api: Option<String>,
    /// The operation, where it was known.
    pub operation: Option<String>,
    /// The condition, where it is one of the gateway's own.
    pub condition: Option<Condition>,
    /// The contract that spoke.
    pub contract: String,
    /// The error's name in it.
    pub error: String,
    /// Its code on the wire, or else its name.
    pub code: String,
    /// The status.
    pub status: u16,
    /// Whose error it is.
    pub origin: Origin,
    /// The account, where it was known.
    pub account: Option<String>,
    /// The key's id, where it was known.
    pub key: Option<String>,
    /// What really happened. Never shown to a client.
    pub cause: String,
}

impl<'e> Exchange<'e> {
    pub(crate) fn new(voice: &'e Contract, now: Now, peer: Option<IpAddr>) -> Self {
        let id = RequestId::fresh();
        let voice = Voice::of(voice);
        Self {
            id,
            now,
            peer,
            voice,
            api: None,
            operation: None,
            principal: None,
            taken: None,
            observed: Vec::new(),
        }
    }

    /// The client's wishes are known from here on.
    pub(crate) fn hear(&mut self, headers: &HeaderMap) {
        self.voice = Voice::heard(self.voice.contract(), headers);
    }

    /// From here on the API speaks, in the generation that the request asks for.
    pub(crate) fn speak_for(&mut self, api: &'e Arc<Api>, asked: &Asked<'_>) {
        let contract = api.settings.contract_for(asked);
        self.api = Some(api);
        self.voice = match asked.headers {
            Some(headers) => Voice::heard(contract, headers),
            None => Voice::of(contract),
        };
    }

    /// The contract that speaks, as its file has it.
    pub(crate) fn voice(&self) -> &'e Contract {
        self.voice.contract()
    }

    /// The request's id, as this voice writes it.
    pub(crate) fn request_id(&self) -> String {
        self.id.with_prefix(&self.voice().request_id().prefix)
    }

    /// The field that carries the id. The contract's loader has checked the name.
    pub(crate) fn request_id_field(&self) -> HeaderName {
        HeaderName::from_bytes(self.voice().request_id().field.as_bytes())
            .unwrap_or(HeaderName::from_static("x-request-id"))
    }

    /// Whether the API is only watched.
    pub(crate) fn observes(&self) -> bool {
        self.api.is_some_and(|api| api.settings.observe)
    }

    /// Remembers a refusal that does not take place.
    pub(crate) fn observe(&mut self, refused: &Refused) {
        let entry = self.voice().entry(self.answer(refused));
        self.observed.push(Observation {
            condition: condition(refused),
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
        let contract = self.voice();
        let entry = contract.entry(error);
        let request_id = self.request_id();
        let origin = origin(&refused, entry.status.as_u16());
        self.settle_limits(origin);

        let Refused { answering, detail } = refused;
        let delay = retry_after(detail.retry_after, entry.retry);
        let problem = Problem {
            error,
            params: detail.params,
            message: detail.message.map(Cow::Owned),
            violations: Cow::Owned(detail.violations),
            request_id: Cow::Borrowed(&request_id),
            retry_after: delay,
        };
        // What is in the contract's format already cannot be said in another way.
        let (content, spoken) = match detail.verbatim {
            Some(content) => (content, contract),
            None => {
                let spoken = self.voice.spoken();
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
        if let Some(delay) = delay {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay.seconds()));
        }
        limit_fields::set_retry(contract.field_families(), entry.retry.class, delay, headers);
        if let (401, Some(api)) = (entry.status.as_u16(), self.api) {
            headers.insert(WWW_AUTHENTICATE, api.challenge.clone());
        }
        headers.extend(detail.fields.into_iter().map(|(name, value)| (Some(name), value)));

        let condition = match answering {
            Answering::Condition(condition) => Some(condition),
            Answering::Violations => problem.violations.first().map(|violation| violation.condition),
            Answering::Error(_) => None,
        };
        let refusal = Refusal {
            api: self.api.map(|api| api.name().to_owned()),
            operation: self.operation.map(str::to_owned),
            condition,
            contract: contract.name().to_owned(),
            error: entry.name.clone(),
            code: error_code(contract, error).to_owned(),
            status: entry.status.as_u16(),
            origin,
            account: self.principal.as_ref().map(|principal| principal.account().id.to_string()),
            key: self.principal.as_ref().map(|principal| principal.key().id.to_string()),
            cause: detail.cause,
            request_id,
        };
        response.extensions_mut().insert(Arc::new(refusal));
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

    /// Sets what every response carries: the request's id, and how the limits stand.
    pub(crate) fn seal<R>(&mut self, response: &mut Response<R>) {
        if !self.observed.is_empty() {
            let observed = Observed {
                request_id: self.request_id(),
                api: self.api.map(|api| api.name().to_owned()),
                operation: self.operation.map(str::to_owned),
                account: self.principal.as_ref().map(|principal| principal.account().id.to_string()),
                key: self.principal.as_ref().map(|principal| principal.key().id.to_string()),
                observations: std::mem::take(&mut self.observed),
            };
            response.extensions_mut().insert(Arc::new(observed));
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&self.request_id()) {
            headers.insert(self.request_id_field(), value);
        }
        let families = self.voice().field_families();
        if let (false, Some(principal)) = (families.is_empty(), &self.principal) {
            let limits: Report<'_> = principal.report(self.now);
            limit_fields::set(families, &limits, self.now, headers);
        }
    }
}

/// The condition that a refusal is about, where it is one of the gateway's own.
fn condition(refused: &Refused) -> Option<Condition> {
    match refused.answering {
        Answering::Condition(condition) => Some(condition),
        Answering::Violations => refused.detail.violations.first().map(|violation| violation.condition),
        Answering::Error(_) => None,
    }
}

/// When trying again makes sense: only where waiting helps, for a delay on anything else would be a lie; and
/// never longer than two days, whatever an upstream says. (A quota's day can have 25 hours.)
fn retry_after(known: Option<Duration>, advice: Retry) -> Option<RetryAfter> {
    const LONGEST: Duration = Duration::from_secs(2 * 86_400);
    let delay = known.or(advice.default_delay).filter(|_| limit_fields::waiting_helps(advice.class))?;
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
