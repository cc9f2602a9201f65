//! A request's way, from top to bottom.
//!
//! Each stage passes the request on or ends its way with a [`Refused`]; nothing goes back. The order is not
//! free. What the document says to everyone (paths and methods) comes first, and whoever asks is known before
//! anything else is told; what is cheap comes before what is dear; limits come before validation, so that a
//! bad request is not free; credits come last, since nothing may fail between the hold and the upstream.
//!
//! Nearly always nothing must be waited for: the key is remembered, the counts are in memory, there is no content to
//! look into and nothing to pay. So the way is no future but a chain of functions, and goes as far as it can at once;
//! a stage that must wait says for what, and the way goes on behind it, in `waiting.rs`.

use std::borrow::Cow;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{
    Admission, Answer, Balance, Coverage, Demand, Denial, Hold, Principal, Requirement, Taken, permit,
};
use demur_contract::{Condition, Contract};
use demur_validation::{Content as Checked, Find, Found};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body::Body;
use serde_json::Value as Json;

use crate::api::{Api, Resource};
use crate::arrival::{Arrival, Peer, Rejection, Within};
use crate::checks::{
    IDEMPOTENCY_KEY, has_plain_segments, host, method_not_allowed, refuse_announced_excess, refuse_doubled,
    refuse_unacceptable, unclear_resource,
};
use crate::content::{Content, ContentFault};
use crate::credits::Booked;
use crate::exchange::Exchange;
use crate::mounts::Mounts;
use crate::outcome::UpstreamFault;
use crate::outgoing::Outgoing;
use crate::panics::{Panicked, caught, caught_async};
use crate::record::Record;
use crate::refused::{Refused, by_credentials, by_grants};
use crate::rules::{self, Seen};
use crate::secrets::Secrets;
use crate::settings::{ApiSettings, Asked, OperationSettings, ToldBy, Unfinished};
use crate::settle::{Passage, Settled};
use crate::speaker::Speaker;
use crate::waiting::Waiting;
use crate::{cors, credential, credits, forward};

/// Everything that answers requests: APIs, their contracts, and who may pass.
pub struct Engine {
    apis: Mounts,
    admission: Arc<Admission>,
    secrets: Secrets,
    /// In what a request is refused before its API is known.
    voice: Speaker,
}

/// What becomes of a request, as far as the engine can say by itself.
pub enum Received<B> {
    /// It passes. It is to be sent to the API's upstream, and what comes of that to be told to the passage.
    Forward(Request<Content<B>>, Passage),
    /// It is answered here.
    Answered(Response<Option<Bytes>>, Record),
    /// It is not known yet: a store must be asked, or the request's content read.
    Waiting(Box<Waiting<B>>),
}

impl Engine {
    /// An engine for these APIs. Where two are mounted at one place, the first counts.
    pub fn new(apis: Vec<Arc<Api>>, admission: Arc<Admission>, voice: Arc<Contract>) -> Arc<Self> {
        let prefixes = apis.iter().flat_map(|api| api.settings.authentication.prefixes.all());
        let secrets = Secrets::new(prefixes, Arc::clone(&admission));
        let voice = Speaker::new(voice, &[]);
        Arc::new(Self { apis: Mounts::new(apis), admission, secrets, voice })
    }

    /// The APIs.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.all()
    }

    /// Who may pass.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Who speaks to a request whose API is not known.
    pub(crate) fn speaker(&self) -> &Speaker {
        &self.voice
    }

    /// Answers one request. `forward` makes the future that sends it on to the API's upstream; it is called once
    /// or never.
    ///
    /// Whatever happens there is an answer, in the contract, with a request id. The record is for whoever
    /// logs or keeps what happened.
    pub fn serve<B, F, Sent, R>(
        self: &Arc<Self>,
        request: Request<B>,
        arrival: Arrival<'_>,
        forward: F,
    ) -> impl Future<Output = (Response<Outgoing<R>>, Record)> + use<B, F, Sent, R>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
        F: FnOnce(&Arc<Api>, Request<Content<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        let mut received = self.receive(request, arrival);
        async move {
            let (request, passage) = loop {
                match received {
                    Received::Forward(request, passage) => break (request, passage),
                    Received::Answered(response, record) => return (response.map(Outgoing::Whole), record),
                    // Boxed, as is all that not every request needs: each has the room for it otherwise.
                    Received::Waiting(waiting) => received = Box::pin(waiting.go_on()).await,
                }
            };
            let answer = match caught(|| forward(passage.api(), request)) {
                Ok(sent) => caught_async(pin!(sent)).await,
                Err(panicked) => Err(panicked),
            };
            match passage.answered(answer.unwrap_or_else(|panicked| Err(panicked.into()))) {
                Settled::Done(response, record) => (response, record),
                Settled::Waiting(settling) => Box::pin(settling.go_on()).await,
            }
        }
    }

    /// The first half of the way: from the request to the moment before it is forwarded, or to its answer.
    ///
    /// For whoever drives the second half too, [`Passage::answered`]; [`serve`](Self::serve) is both.
    pub fn receive<B>(self: &Arc<Self>, request: Request<B>, arrival: Arrival<'_>) -> Received<B>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
    {
        let exchange = Exchange::new(self, &arrival);
        let (parts, body) = request.into_parts();
        let mut way = Way { exchange, parts, body: Some(body), lag: arrival.lag };
        let step = caught(|| {
            let step = match arrival.rejection {
                // Strict HTTP: what could not be read is answered in the voice known so far.
                Some(rejection) => Err(self.rejected(&mut way.exchange, *rejection, arrival.listener)),
                None => way.stage(self).enter(arrival.listener),
            };
            way.dressed(step, arrival.peer)
        });
        way.follow(step, arrival.peer)
    }

    /// A request that could not be read: its listener, host and path, where they could be, choose the voice.
    fn rejected(&self, exchange: &mut Exchange, rejection: Rejection, listener: Option<&str>) -> Refused {
        let path = rejection.path.as_deref().unwrap_or_default();
        let host = rejection.host.as_deref();
        if let Some(((place, api), path)) = self.apis.find(host, path) {
            exchange.speak_for((place, api), &Asked { listener, host, path, headers: None });
        }
        Refused::from(rejection.condition).because(rejection.cause)
    }
}

/// A request on its way to the upstream.
pub(crate) struct Way<B> {
    pub(crate) exchange: Box<Exchange>,
    parts: Parts,
    /// Until it has been read, or goes on.
    pub(crate) body: Option<B>,
    lag: Duration,
}

/// What a stage comes to.
pub(crate) enum Step<B> {
    /// The request may pass.
    Pass(Pass<B>),
    /// A browser asks whether it may ask.
    Preflight(Response<()>),
    /// Something must be waited for.
    Wait(Wait<B>),
}

pub(crate) type Outcome<B> = Result<Step<B>, Refused>;

/// How a request passes.
pub(crate) struct Pass<B> {
    /// The API's place among the engine's.
    api: usize,
    content: Content<B>,
    hold: Hold,
    /// Boxed: most requests cost nothing.
    balance: Option<Box<Balance>>,
    /// Another target than the client asked for.
    target: Option<String>,
    timeout: Option<Duration>,
}

/// What a request waits for.
pub(crate) enum Wait<B> {
    /// Whose key it is.
    Key(Asking<Result<Arc<Principal>, Denial>>),
    /// What its limits say.
    Limits(Asking<Result<Taken, Denial>>),
    /// Its own content, of so many bytes at the most.
    Content(u64),
    /// What the ledger says. Its content has been looked into by then.
    Credits(Content<B>, Asking<Booked>),
}

type Asking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<B> Way<B>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    /// What the stages work on.
    fn stage<'w>(&'w mut self, engine: &'w Engine) -> Stage<'w, B> {
        Stage { engine, exchange: &mut self.exchange, parts: &self.parts, body: &mut self.body }
    }

    /// The same behind a wait, with what is asked for: what is found in a request cannot wait with it, and is found
    /// again.
    pub(crate) fn stage_again<'w>(
        &'w mut self,
        engine: &'w Engine,
    ) -> Result<(Stage<'w, B>, Target<'w>), Refused> {
        let stage = self.stage(engine);
        let target = Target::again(engine, stage.parts);
        let lost = || Refused::from(Condition::Internal).because("what was found is not there any more");
        Ok((stage, target.ok_or_else(lost)?))
    }

    /// Does what a stage came to. Inlined, and what it calls is lent the request: to be handed on it would be copied
    /// each time.
    #[inline(always)]
    pub(crate) fn follow(mut self, step: Result<Outcome<B>, Panicked>, peer: Option<&Peer>) -> Received<B> {
        match step.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(Step::Pass(Pass { api, content, hold, .. })) => {
                let Self { exchange, parts, lag, .. } = self;
                let passage = Passage::new(exchange, api, hold, lag);
                Received::Forward(Request::from_parts(parts, content), passage)
            }
            Ok(Step::Wait(wait)) => {
                Received::Waiting(Box::new(Waiting { way: self, wait, peer: peer.cloned() }))
            }
            Ok(Step::Preflight(answer)) => {
                let mut response = answer.map(|()| None);
                let record = self.exchange.seal(response.headers_mut());
                Received::Answered(response, record)
            }
            Err(refused) => {
                self.exchange.keep_presented(&mut self.parts.headers);
                let (response, record) = self.exchange.refuse(refused);
                Received::Answered(response, record)
            }
        }
    }

    /// A request that passes, as the upstream should see it.
    pub(crate) fn dressed(&mut self, mut step: Outcome<B>, peer: Option<&Peer>) -> Outcome<B> {
        if let Ok(Step::Pass(pass)) = &mut step {
            self.dress(pass, peer)?;
        }
        step
    }

    fn dress(&mut self, pass: &mut Pass<B>, peer: Option<&Peer>) -> Result<(), Refused> {
        if let Some(target) = pass.target.take() {
            aim(&mut self.parts, target)?;
        }
        let mut presented = std::mem::take(&mut self.exchange.presented);
        let keep = |key| presented.push(key);
        dress(&self.exchange, &mut self.parts.headers, peer, pass.balance.as_deref(), keep);
        self.exchange.presented = presented;
        if let Some(time) = pass.timeout {
            self.parts.extensions.insert(Within(time));
        }
        // From here to the answer's head it is nobody's fault but the client's if it all is dropped.
        match (self.exchange.usage().client_gone, &mut self.exchange.taken) {
            (Unfinished::Charge, _) => pass.hold.forwarded(),
            (Unfinished::Release, Some(taken)) => taken.failed(),
            (Unfinished::Release, None) => {}
        }
        Ok(())
    }
}

/// A request at one of its stages. It is looked at where it lies; what is found out goes into the exchange.
pub(crate) struct Stage<'w, B> {
    engine: &'w Engine,
    exchange: &'w mut Exchange,
    parts: &'w Parts,
    body: &'w mut Option<B>,
}

/// What is asked for.
pub(crate) struct Target<'w> {
    api: &'w Api,
    /// The API's place among the engine's.
    place: usize,
    /// Within the API.
    path: &'w str,
    /// Without the key.
    query: Option<Cow<'w, str>>,
    found: Found<'w, 'w>,
    asks: &'w OperationSettings,
}

impl<'w> Target<'w> {
    fn again(engine: &'w Engine, parts: &'w Parts) -> Option<Self> {
        let host = engine.apis.ask_for_host().then(|| host(&parts.uri, &parts.headers)).flatten();
        let ((place, api), path) = engine.apis.find(host, parts.uri.path())?;
        let Find::Found(found) = api.settings.document.find(&parts.method, path) else { return None };
        let asks = &api.settings.operations[found.operation.index()];
        Some(Self { api, place, path, query: query(parts, &api.settings), found, asks })
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// What a call takes from the limits.
    fn demand(&self, exchange: &Exchange) -> Demand<'_> {
        let cost = self.asks.cost.unwrap_or(NonZeroU32::MIN);
        Demand { cost, operation: Some(self.found.operation.id()), peer: exchange.address }
    }
}

impl<'w, B> Stage<'w, B>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    /// API and operation, and who asks. Until the API is known the engine's own contract speaks.
    fn enter(mut self, listener: Option<&str>) -> Outcome<B> {
        let (engine, parts) = (self.engine, self.parts);
        let host = engine.apis.ask_for_host().then(|| host(&parts.uri, &parts.headers)).flatten();
        let Some(((place, api), path)) = engine.apis.find(host, parts.uri.path()) else {
            self.exchange.hear(&parts.headers);
            return Err(Condition::ResourceNotFound.into());
        };
        self.exchange.speak_for((place, api), &Asked { listener, host, path, headers: Some(&parts.headers) });
        let settings = &api.settings;
        let cors = settings.cors.as_ref();
        let preflight = cors.and_then(|cors| cors::preflight(cors, &parts.method, &parts.headers));
        let is_preflight = preflight.is_some();
        if let Some(answer) = preflight.filter(|_| !settings.observe) {
            return Ok(Step::Preflight(answer));
        }
        if api.room.is_full() {
            let refused = Refused::from(Condition::Overloaded);
            let refused = refused.because("as much as the upstream can do is under way");
            self.exchange.decided::<()>(Err(refused))?;
        }
        if !has_plain_segments(path) {
            return Err(Refused::from(Condition::RequestMalformed).because("the path has a dot segment"));
        }
        refuse_doubled(parts)?;
        let with_key = parts.uri.query();
        if settings.authentication.query.is_some() {
            let presented = credential::presented_in_query(with_key, &settings.authentication);
            self.exchange.presented.extend(presented);
        }
        if with_key.is_some()
            && credential::is_exposed(with_key, &parts.headers, &settings.authentication, &engine.secrets)
        {
            let refused = Refused::from(Denial::CredentialMalformed);
            self.exchange.decided::<()>(Err(refused.because("a key stands in the query")))?;
        }
        let query = query(parts, settings);
        let found = match settings.document.find(&parts.method, path) {
            Find::Found(found) => found,
            unknown => {
                let refused = match &unknown {
                    Find::MethodNotAllowed { allow } => method_not_allowed(allow, &parts.method),
                    _ => Condition::ResourceNotFound.into(),
                };
                // What would have been answered here is refused to nobody.
                if !is_preflight {
                    self.exchange.decided::<()>(Err(refused))?;
                }
                // Nothing is known of it, so nothing more can be decided.
                refuse_announced_excess(parts, settings.max_content)?;
                let content = self.streaming(settings.max_content);
                let target = aimed_at(&parts.uri, path, query.as_deref());
                let (api, hold, balance, timeout) = (place, Hold::nothing(), None, None);
                return Ok(Step::Pass(Pass { api, content, hold, balance, target, timeout }));
            }
        };
        let index = found.operation.index();
        self.exchange.operation = Some(index);
        let asks = &settings.operations[index];
        let target = Target { api, place, path, query, found, asks };
        if asks.anonymous {
            return self.validate(&target);
        }
        match self.authenticate(api) {
            Ok(Answer::Ready(known)) => self.tried(&target, known),
            Ok(Answer::Ask(asked)) => Ok(Step::Wait(Wait::Key(asked))),
            Err(denial) => self.known(&target, Err(denial)),
        }
    }

    /// Asks who presents the key, unless it need not be asked.
    fn authenticate(&self, api: &Api) -> Result<Answer<'static, Result<Arc<Principal>, Denial>>, Denial> {
        let (authentication, now) = (&api.settings.authentication, self.exchange.now);
        if let Some(address) = self.exchange.address {
            api.failures.check(address, now)?;
        }
        let secret = credential::presented(&self.parts.headers, self.parts.uri.query(), authentication)?;
        let prefix = authentication.prefixes.of_key(&secret);
        Ok(self.engine.admission.authenticate(&secret, &api.settings.name, prefix, now))
    }

    /// A key was tried: whoever tries many that do not open is kept from more.
    pub(crate) fn tried(self, target: &Target<'w>, known: Result<Arc<Principal>, Denial>) -> Outcome<B> {
        if let (Some(address), Err(denial)) = (self.exchange.address, &known)
            && denial.is_failed_attempt()
        {
            target.api.failures.failed(address, self.exchange.now);
        }
        self.known(target, known)
    }

    /// Who asks is known: what the plan and the key's grants allow, and then rate and quota.
    fn known(self, target: &Target<'w>, known: Result<Arc<Principal>, Denial>) -> Outcome<B> {
        let known = known.map_err(|denial| by_credentials(denial, &target.api.settings.authentication));
        self.exchange.principal = self.exchange.decided(known)?;
        let refusals = self.exchange.principal.as_deref().map(|principal| forbidden(principal, target));
        for refused in refusals.into_iter().flatten().flatten() {
            self.exchange.decided::<()>(Err(refused))?;
        }
        let Some(principal) = &self.exchange.principal else { return self.validate(target) };
        // Taken here, whatever is wrong with the request beyond.
        let demand = target.demand(self.exchange);
        match self.engine.admission.take(principal, &demand, self.exchange.now) {
            Answer::Ready(taken) => self.limited(target, taken),
            Answer::Ask(asked) => Ok(Step::Wait(Wait::Limits(asked))),
        }
    }

    /// The limits have spoken.
    pub(crate) fn limited(self, target: &Target<'w>, taken: Result<Taken, Denial>) -> Outcome<B> {
        match taken {
            Ok(taken) => self.exchange.keep(taken),
            Err(denial) => {
                let demand = target.demand(self.exchange);
                let principal = self.exchange.principal.as_ref();
                let all = principal.map(|principal| principal.denials(&demand, self.exchange.now));
                let refused = Refused::by_limits(denial, &all.unwrap_or_default(), demand.cost);
                self.exchange.decided::<()>(Err(refused))?;
            }
        }
        self.validate(target)
    }

    /// Whether the content must be looked into, and is there.
    fn validate(mut self, target: &Target<'w>) -> Outcome<B> {
        let Target { api, found, asks, .. } = target;
        let (settings, parts) = (&api.settings, self.parts);
        if settings.validation.refuses_unacceptable {
            self.exchange.decided(refuse_unacceptable(parts, found.operation))?;
        }
        let bound = asks.max_content.unwrap_or(settings.max_content);
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let is_empty = self.body.as_ref().is_none_or(Body::is_end_stream);
        // Nearly all that is read is asked for without content, and announces none.
        if !(is_read && is_empty) {
            refuse_announced_excess(parts, bound)?;
        }
        // An idempotency key stands for one request, content included; and content that comes with a GET
        // can be forwarded only when its length is known.
        let looks_inside = found.operation.takes_content()
            || api.reads_content[found.operation.index()]
            || (asks.credits > 0 && parts.headers.contains_key(IDEMPOTENCY_KEY))
            || is_read;
        if !looks_inside {
            let content = self.streaming(bound);
            return self.read(target, content);
        }
        match is_empty {
            true => self.read(target, Content::Collected(None)),
            false => Ok(Step::Wait(Wait::Content(bound))),
        }
    }

    /// Every violation of the request at once, and its API's rules.
    pub(crate) fn read(self, target: &Target<'w>, content: Content<B>) -> Outcome<B> {
        let Target { api, path, found, asks, .. } = target;
        let (settings, parts, query) = (&api.settings, self.parts, target.query());
        let parameters = settings.document.check_parameters(found, query, &parts.headers);
        if !parameters.unknown.is_empty() {
            let names = parameters.unknown.join(", ");
            let remark = format!("the query holds what the document does not know: {names}");
            self.exchange.remarks.push(remark);
        }
        let mut violations = parameters.violations;
        let mut value = None;
        if let Content::Collected(bytes) = &content
            && (bytes.is_some() || found.operation.takes_content())
        {
            let checked = checked(settings, found, parts, bytes.as_deref().unwrap_or_default());
            let (json, more) = self.exchange.decided(checked)?.unwrap_or_default();
            value = json;
            violations.extend(more);
        }
        if !violations.is_empty() {
            self.exchange.decided::<()>(Err(Refused::violations(violations)))?;
        }

        let seen = Seen {
            parts,
            path,
            params: &parameters.values,
            body: value.as_ref(),
            principal: self.exchange.principal.as_deref(),
            now: self.exchange.now,
        };
        let ruled = rules::check(api, found.operation.index(), self.exchange.contract(), &seen);
        self.exchange.decided(ruled)?;

        let asked = (parts, *path, query, content.collected());
        match credits::book(&self.engine.admission, self.exchange, asks, asked)? {
            Answer::Ready(booked) => self.booked(target, content, booked),
            Answer::Ask(asked) => Ok(Step::Wait(Wait::Credits(content, asked))),
        }
    }

    /// What it costs is on hold, durably.
    pub(crate) fn booked(self, target: &Target<'w>, content: Content<B>, booked: Booked) -> Outcome<B> {
        let (hold, balance) = credits::booked(self.exchange, booked)?;
        let balance = balance.map(Box::new);
        let (api, timeout) = (target.place, target.asks.timeout);
        let target = aimed_at(&self.parts.uri, target.path, target.query());
        Ok(Step::Pass(Pass { api, content, hold, balance, target, timeout }))
    }

    /// The content as it comes in, within a bound.
    fn streaming(&mut self, bound: u64) -> Content<B> {
        match self.body.take() {
            Some(body) => Content::streaming(body, bound),
            None => Content::Collected(None),
        }
    }
}

/// What the plan and the key's grants say against it, and whether it can be said at all.
fn forbidden(principal: &Principal, target: &Target<'_>) -> [Option<Refused>; 2] {
    let Target { found, asks, .. } = target;
    let limited = matches!(principal.key().grants.resources, Coverage::Only(_));
    let template = asks.resource.as_ref().filter(|_| limited);
    let resolved = template.map(|template| template.resolve(found, target.query()));
    let resource = match &resolved {
        Some(Resource::Named(resource)) => Some(resource.as_str()),
        None | Some(Resource::Missing | Resource::Unclear) => None,
    };
    let requirement = Requirement {
        operation: Some(found.operation.id()),
        scope: asks.scope.as_deref(),
        feature: asks.feature.as_deref(),
        resource,
    };
    let denied = permit(principal, &requirement).err();
    [
        denied.map(|denial| by_grants(denial, principal, &requirement)),
        (resolved == Some(Resource::Unclear)).then(unclear_resource),
    ]
}

/// The query as the upstream should see it. The key, where it may stand there, is for nobody behind this; but for a
/// service that is only watched, which may have asked for it before.
fn query<'p>(parts: &'p Parts, settings: &ApiSettings) -> Option<Cow<'p, str>> {
    let query = parts.uri.query();
    match settings.observe {
        true => query.map(Cow::Borrowed),
        false => credential::without_key(query, &settings.authentication),
    }
}

/// Looks into collected content: its JSON value, and what is wrong with it.
fn checked(
    settings: &ApiSettings,
    found: &Found<'_, '_>,
    parts: &Parts,
    bytes: &[u8],
) -> Result<(Option<Json>, Vec<demur_contract::Violation>), Refused> {
    let coding = parts.headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity");
    if coding.is_some() && !bytes.is_empty() {
        let refused = Refused::from(Condition::BodyUnsupportedMediaType);
        return Err(refused.because("the content is encoded, and cannot be looked into"));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match settings.document.check_content(found.operation, content_type, bytes) {
        Checked::Checked { value, violations } => Ok((value, violations)),
        Checked::Refused(problem) => Err(Refused::from(problem.condition).because(problem.cause)),
    }
}

/// The target that the upstream should see: the path within the API, and the query without the key. `None` where
/// that is what the client asked for.
fn aimed_at(uri: &Uri, path: &str, query: Option<&str>) -> Option<String> {
    if let (None, true) = (uri.authority(), (path, query) == (uri.path(), uri.query())) {
        return None;
    }
    Some(match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Gives the request another target.
fn aim(parts: &mut Parts, target: String) -> Result<(), Refused> {
    parts.uri = Uri::from_maybe_shared(Bytes::from(target)).map_err(|error| {
        let cause = format!("the target cannot be forwarded: {error}");
        Refused::from(Condition::RequestMalformed).because(cause)
    })?;
    Ok(())
}

/// Gives the request the fields that the upstream should see; `keep` gets what it presented as its key. A service that
/// is only watched gets what it would get without the gateway, and beside that only what is there in no request yet.
fn dress(
    exchange: &Exchange,
    headers: &mut HeaderMap,
    peer: Option<&Peer>,
    balance: Option<&Balance>,
    mut keep: impl FnMut(HeaderValue),
) {
    let Some(api) = exchange.api() else { return };
    let authentication = &api.settings.authentication;
    let id_field = exchange.speaker().id_field();
    if api.settings.observe {
        authentication.fields().flat_map(|it| headers.get_all(it)).cloned().for_each(keep);
        forward::strip_hops(headers);
        if let Some(peer) = peer {
            forward::name_peer_once(headers, peer.text());
        }
        headers.entry(id_field).or_insert_with(|| exchange.request_id_value());
    } else {
        forward::strip_request(headers, id_field, authentication.schemes(), &mut keep);
        if let Some(peer) = peer {
            forward::name_peer(headers, peer.text());
        }
        forward::name_request(headers, id_field, exchange.request_id_value());
        if let ToldBy::Trailer(_) = exchange.usage().told_by {
            forward::ask_for_trailers(headers);
        }
    }
    if let Some(principal) = &exchange.principal {
        forward::identify(headers, principal, &authentication.prefixes, balance);
    }
}
