//! A request's way, from top to bottom.
//!
//! Each stage passes the request on or ends its way with a [`Rejection`]; nothing goes back. The order is not
//! free. What the document says to everyone (paths and methods) comes first, and whoever asks is known before
//! anything else is told; what is cheap comes before what is dear; limits come before validation, so that a
//! bad request is not free; credits come last, since nothing may fail between the hold and the upstream.
//!
//! Nearly always nothing must be waited for: the key is remembered, the counts are in memory, there is no content to
//! look into and nothing to pay. So the way is no future but a chain of functions, and goes as far as it can at once;
//! a stage that must wait says for what. What is done with that stands in `way.rs`; behind a wait the way goes on in
//! `waiting.rs`.

use std::borrow::Cow;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use demur_admission::{
    AccessRequest, Admission, Attempt, ConnectionCache, Demand, Denial, Hold, LimitPermit, MaybeFuture,
    Principal, Scope, authorize,
};
use demur_contract::{Condition, Contract};
use demur_validation::{CheckedBody, Find, RouteMatch};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use serde_json::Value as Json;

use crate::api::{Api, Resource};
use crate::body_budget::{BodyBudget, DEFAULT_BODY_MEMORY};
use crate::checks::{
    host, method_not_allowed, refuse_announced_excess, refuse_doubled, refuse_unacceptable, unclear_resource,
};
use crate::exchange::Exchange;
use crate::in_flight::ResponseOutcome;
use crate::panics::{catch_panic, catch_panic_async};
use crate::path::SentPath;
use crate::record::RequestRecord;
use crate::redact::Redactor;
use crate::rejection::{Rejection, from_credentials, from_grants};
use crate::request_body::{BodyError, RequestBody};
use crate::request_info::{MalformedRequest, RequestInfo};
use crate::request_state::{
    ForwardPlan, PendingRequest, RequestOutcome, StageOutcome, StageResult, SuspendReason,
};
use crate::reservation::{Reservation, ReserveOutcome};
use crate::responder::ErrorResponder;
use crate::response_body::ResponseBody;
use crate::router::ApiRouter;
use crate::rules::{self, RuleContext};
use crate::settings::{ApiSettings, OperationSettings, RequestView};
use crate::upstream_error::UpstreamFault;
use crate::upstream_headers::check_connection;
use crate::upstream_request::rewritten_target;
use crate::{cors, credential, reservation};

/// Everything that answers requests: APIs, their contracts, and who may pass.
pub struct Engine {
    apis: ApiRouter,
    admission: Arc<Admission>,
    secrets: Redactor,
    /// In what a request is refused before its API is known.
    voice: ErrorResponder,
    /// For bodies that are collected.
    bodies: Arc<BodyBudget>,
}

impl Engine {
    /// An engine for these APIs. Where two are mounted at one place, the first counts.
    pub fn new(apis: Vec<Arc<Api>>, admission: Arc<Admission>, voice: Arc<Contract>) -> Arc<Self> {
        Self::with_body_memory(apis, admission, voice, DEFAULT_BODY_MEMORY)
    }

    /// The same, with so many bytes of memory for collected bodies instead of [`DEFAULT_BODY_MEMORY`]. Beyond that a
    /// request is answered as `overloaded`.
    pub fn with_body_memory(
        apis: Vec<Arc<Api>>,
        admission: Arc<Admission>,
        voice: Arc<Contract>,
        body_memory: usize,
    ) -> Arc<Self> {
        let prefixes = apis.iter().flat_map(|api| api.settings.authentication.prefixes.all());
        let secrets = Redactor::new(prefixes, Arc::clone(&admission));
        let voice = ErrorResponder::new(voice, &[]);
        let bodies = BodyBudget::new(body_memory);
        Arc::new(Self { apis: ApiRouter::new(apis), admission, secrets, voice, bodies })
    }

    /// The APIs.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.all()
    }

    /// Who may pass.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    pub(crate) fn bodies(&self) -> &Arc<BodyBudget> {
        &self.bodies
    }

    pub(crate) fn secrets(&self) -> &Redactor {
        &self.secrets
    }

    /// Who speaks to a request whose API is not known.
    pub(crate) fn speaker(&self) -> &ErrorResponder {
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
        arrival: RequestInfo<'_>,
        forward: F,
    ) -> impl Future<Output = (Response<ResponseBody<R>>, RequestRecord)> + use<B, F, Sent, R>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
        F: FnOnce(&Arc<Api>, Request<RequestBody<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        let mut received = self.receive(request, arrival);
        async move {
            let (request, passage) = loop {
                match received {
                    RequestOutcome::Forward(request, passage) => break (request, passage),
                    RequestOutcome::Answered(response, record) => {
                        return (response.map(ResponseBody::Whole), record);
                    }
                    // Boxed, as is all that not every request needs: each has the room for it otherwise.
                    RequestOutcome::Waiting(waiting) => received = Box::pin(waiting.resume()).await,
                }
            };
            let answer = match catch_panic(|| forward(passage.api(), request)) {
                Ok(sent) => catch_panic_async(pin!(sent)).await,
                Err(panicked) => Err(panicked),
            };
            match passage.on_response(answer.unwrap_or_else(|panicked| Err(panicked.into()))) {
                ResponseOutcome::Done(response, record) => (response, record),
                ResponseOutcome::Waiting(settling) => Box::pin(settling.resume()).await,
            }
        }
    }

    /// The first half of the way: from the request to the moment before it is forwarded, or to its answer.
    ///
    /// For whoever drives the second half too, [`InFlight::on_response`](crate::InFlight::on_response);
    /// [`serve`](Self::serve) is both.
    pub fn receive<B>(self: &Arc<Self>, request: Request<B>, arrival: RequestInfo<'_>) -> RequestOutcome<B>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let exchange = Exchange::new(self, &arrival);
        let (parts, body) = request.into_parts();
        let mut way = PendingRequest { exchange, parts, body: Some(body), lag: arrival.lag };
        let step = catch_panic(|| {
            // From here on there is one path: the one that is checked is the one that is sent.
            way.exchange.path = SentPath::canonicalize(&mut way.parts.uri);
            let step = match arrival.rejection {
                // Strict HTTP: what could not be read is answered in the voice known so far.
                Some(rejection) => Err(self.malformed(&mut way.exchange, *rejection, arrival.listener)),
                None => way.stage(self).route(arrival.listener, arrival.acquaintance),
            };
            way.prepare_upstream(step, arrival.peer)
        });
        way.apply(step, arrival.peer)
    }

    /// The request's host, where it makes a difference.
    fn host<'r>(&self, parts: &'r Parts) -> Option<&'r str> {
        self.apis.ask_for_host().then(|| host(&parts.uri, &parts.headers)).flatten()
    }

    /// A request that could not be read: its listener, host and path, where they could be, choose the voice.
    fn malformed(
        &self,
        exchange: &mut Exchange,
        rejection: MalformedRequest,
        listener: Option<&str>,
    ) -> Rejection {
        let path = rejection.path.as_deref().unwrap_or_default();
        let host = rejection.host.as_deref();
        if let Some(((place, api), path)) = self.apis.find(host, path) {
            exchange.select_api((place, api), &RequestView { listener, host, path, headers: None });
        }
        Rejection::from(rejection.condition).with_cause(rejection.cause)
    }
}

/// A request at one of its stages. It is looked at where it lies; what is found out goes into the exchange.
pub(crate) struct Stages<'w, B> {
    pub(crate) engine: &'w Engine,
    pub(crate) exchange: &'w mut Exchange,
    pub(crate) parts: &'w Parts,
    pub(crate) body: &'w mut Option<B>,
}

/// What is asked for.
pub(crate) struct ResolvedOperation<'w> {
    api: &'w Api,
    /// The API's place among the engine's.
    place: usize,
    /// Within the API.
    path: &'w str,
    /// Without the key.
    query: Option<Cow<'w, str>>,
    found: RouteMatch<'w, 'w>,
    asks: &'w OperationSettings,
}

impl<'w> ResolvedOperation<'w> {
    pub(crate) fn again(engine: &'w Engine, parts: &'w Parts) -> Option<Self> {
        let host = engine.host(parts);
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

impl<'w, B> Stages<'w, B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// API and operation, and who asks. Until the API is known the engine's own contract speaks.
    fn route(mut self, listener: Option<&str>, acquaintance: Option<&ConnectionCache>) -> StageOutcome<B> {
        let (engine, parts) = (self.engine, self.parts);
        let host = engine.host(parts);
        let Some(((place, api), path)) = engine.apis.find(host, parts.uri.path()) else {
            self.exchange.set_client_preferences(&parts.headers);
            return Err(Condition::ResourceNotFound.into());
        };
        self.exchange
            .select_api((place, api), &RequestView { listener, host, path, headers: Some(&parts.headers) });
        let settings = &api.settings;
        let cors = settings.cors.as_ref();
        let preflight = cors.and_then(|cors| cors::preflight(cors, &parts.method, &parts.headers));
        let is_preflight = preflight.is_some();
        if let Some(answer) = preflight.filter(|_| !settings.observe) {
            return Ok(StageResult::Preflight(answer));
        }
        if api.room.is_saturated() {
            let refused = Rejection::from(Condition::Overloaded);
            let refused = refused.with_cause("as much as the upstream can do is under way");
            self.exchange.enforce::<()>(Err(refused))?;
        }
        let checked = self.exchange.path.check();
        self.exchange.enforce(checked)?;
        refuse_doubled(parts)?;
        let with_key = parts.uri.query();
        if settings.authentication.query.is_some() {
            let presented = credential::presented_in_query(with_key, &settings.authentication);
            self.exchange.presented.extend(presented);
        }
        if with_key.is_some()
            && credential::is_exposed(with_key, &parts.headers, &settings.authentication, &engine.secrets)
        {
            let refused = Rejection::from(Denial::CredentialMalformed);
            self.exchange.enforce::<()>(Err(refused.with_cause("a key stands in the query")))?;
        }
        let query = query(parts, settings);
        let found = match settings.document.find(&parts.method, path) {
            Find::Found(found) => found,
            unknown => {
                let refused = match &unknown {
                    Find::MethodNotAllowed { allow } => {
                        method_not_allowed(allow, &engine.secrets.redact(parts.method.to_string(), &[]))
                    }
                    _ => Condition::ResourceNotFound.into(),
                };
                // What would have been answered here is refused to nobody.
                if !is_preflight {
                    self.exchange.enforce::<()>(Err(refused))?;
                }
                // Nothing is known of it, so nothing more can be decided.
                refuse_announced_excess(parts, settings.max_content)?;
                let content = self.streaming(settings.max_content);
                let target = rewritten_target(self.exchange, settings, &parts.uri, path, query.as_deref());
                let (api, hold, balance, timeout) = (place, Hold::nothing(), None, None);
                return Ok(StageResult::Pass(ForwardPlan { api, content, hold, balance, target, timeout }));
            }
        };
        let index = found.operation.index();
        self.exchange.operation = Some(index);
        let asks = &settings.operations[index];
        let checked = self.exchange.path.check_for(&found, settings, asks);
        self.exchange.enforce(checked)?;
        let crossing = self.exchange.crossing(api);
        let checked = check_connection(&parts.headers, crossing, api.reads_headers[index]);
        self.exchange.enforce(checked)?;
        let target = ResolvedOperation { api, place, path, query, found, asks };
        if asks.anonymous {
            return self.validate(&target);
        }
        match self.authenticate(api, acquaintance) {
            Ok(MaybeFuture::Ready(known)) => self.on_auth_result(&target, known),
            Ok(MaybeFuture::Pending(asked)) => Ok(StageResult::Suspend(SuspendReason::Key(asked))),
            Err(denial) => self.authorize(&target, Err(denial)),
        }
    }

    /// Asks who presents the key, unless it need not be asked.
    fn authenticate(
        &self,
        api: &Api,
        acquaintance: Option<&ConnectionCache>,
    ) -> Result<MaybeFuture<Result<Arc<Principal>, Denial>>, Denial> {
        let (authentication, now) = (&api.settings.authentication, self.exchange.now);
        let secret = credential::presented(&self.parts.headers, self.parts.uri.query(), authentication)?;
        let prefix = authentication.prefixes.of_key(&secret);
        let name = &api.settings.name;
        // A key that the cache knows passes whatever others behind the same address have tried.
        let may_look_up = |attempt: Attempt| match self.exchange.address {
            Some(address) => api.failures.check(address, attempt, now),
            None => Ok(()),
        };
        let admission = &self.engine.admission;
        Ok(admission.authenticate_unless(may_look_up, acquaintance, &secret, name, prefix, now))
    }

    /// What kind of attempt the presented key is.
    fn attempt(&self, api: &Api) -> Attempt {
        let authentication = &api.settings.authentication;
        match credential::presented(&self.parts.headers, self.parts.uri.query(), authentication) {
            Ok(secret) => Attempt::of(&secret, authentication.prefixes.of_key(&secret)),
            Err(_) => Attempt::Other,
        }
    }

    /// A key was tried. An address from which too many fail is throttled.
    pub(crate) fn on_auth_result(
        self,
        target: &ResolvedOperation<'w>,
        mut known: Result<Arc<Principal>, Denial>,
    ) -> StageOutcome<B> {
        if let (Some(address), Err(denial)) = (self.exchange.address, &known)
            && denial.is_failed_attempt()
        {
            let (failures, now) = (&target.api.failures, self.exchange.now);
            let attempt = self.attempt(target.api);
            match failures.check(address, attempt, now) {
                Ok(()) => failures.failed(address, attempt, now),
                Err(throttled) => known = Err(throttled),
            }
        }
        self.authorize(target, known)
    }

    /// Who asks is known: what the plan and the key's grants allow, and then rate and quota.
    fn authorize(
        self,
        target: &ResolvedOperation<'w>,
        known: Result<Arc<Principal>, Denial>,
    ) -> StageOutcome<B> {
        let known = known.map_err(|denial| from_credentials(denial, &target.api.settings.authentication));
        self.exchange.principal = self.exchange.enforce(known)?;
        let refusals = self.exchange.principal.as_deref().map(|principal| forbidden(principal, target));
        for refused in refusals.into_iter().flatten().flatten() {
            self.exchange.enforce::<()>(Err(refused))?;
        }
        let Some(principal) = &self.exchange.principal else { return self.validate(target) };
        // Taken here, whatever is wrong with the request beyond.
        let demand = target.demand(self.exchange);
        match self.engine.admission.take(principal, &demand, self.exchange.now) {
            MaybeFuture::Ready(taken) => self.on_limits(target, taken),
            MaybeFuture::Pending(asked) => Ok(StageResult::Suspend(SuspendReason::Limits(asked))),
        }
    }

    /// The limits have spoken.
    pub(crate) fn on_limits(
        self,
        target: &ResolvedOperation<'w>,
        taken: Result<LimitPermit, Denial>,
    ) -> StageOutcome<B> {
        match taken {
            Ok(taken) => self.exchange.store_limit_permit(taken),
            Err(denial) => {
                let demand = target.demand(self.exchange);
                let principal = self.exchange.principal.as_ref();
                let all = principal.map(|principal| principal.denials(&demand, self.exchange.now));
                let refused = Rejection::from_limits(denial, &all.unwrap_or_default(), demand.cost);
                self.exchange.enforce::<()>(Err(refused))?;
            }
        }
        self.validate(target)
    }

    /// Whether the content must be looked into, and is there.
    fn validate(mut self, target: &ResolvedOperation<'w>) -> StageOutcome<B> {
        let ResolvedOperation { api, found, asks, .. } = target;
        let (settings, parts) = (&api.settings, self.parts);
        if settings.validation.refuses_unacceptable {
            self.exchange.enforce(refuse_unacceptable(parts, found.operation))?;
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
        let looks_inside = found.operation.takes_body()
            || api.reads_content[found.operation.index()]
            || is_read
            || reservation::is_named(self.exchange, asks, parts);
        if !looks_inside {
            let content = self.streaming(bound);
            return self.buffer_body(target, content);
        }
        match is_empty {
            true => self.buffer_body(target, RequestBody::Collected(None)),
            false => Ok(StageResult::Suspend(SuspendReason::Content(bound))),
        }
    }

    /// Every violation of the request at once, and its API's rules.
    pub(crate) fn buffer_body(
        self,
        target: &ResolvedOperation<'w>,
        content: RequestBody<B>,
    ) -> StageOutcome<B> {
        let ResolvedOperation { api, path, found, asks, .. } = target;
        let (settings, parts, query) = (&api.settings, self.parts, target.query());
        let parameters = settings.document.check_parameters(found, query, &parts.headers);
        if !parameters.unknown.is_empty() {
            let names = parameters.unknown.join(", ");
            let remark = format!("the query holds what the document does not know: {names}");
            self.exchange.remarks.push(remark);
        }
        let mut violations = parameters.violations;
        let mut value = None;
        if let RequestBody::Collected(bytes) = &content
            && (bytes.is_some() || found.operation.takes_body())
        {
            let checked = checked(settings, found, parts, bytes.as_deref().unwrap_or_default());
            let (json, more) = self.exchange.enforce(checked)?.unwrap_or_default();
            value = json;
            violations.extend(more);
        }
        if !violations.is_empty() {
            self.exchange.enforce::<()>(Err(Rejection::violations(violations)))?;
        }

        let seen = RuleContext {
            parts,
            path,
            params: &parameters.values,
            body: value.as_ref(),
            principal: self.exchange.principal.as_deref(),
            now: self.exchange.now,
        };
        let ruled = rules::check(api, found.operation.index(), self.exchange.contract(), &seen);
        self.exchange.enforce(ruled)?;

        let asked =
            reservation::ReserveRequest { parts, operation: found.operation, settings: asks, path, query };
        match reservation::reserve(&self.engine.admission, self.exchange, &asked, || content.collected())? {
            MaybeFuture::Ready(booked) => self.on_credits_held(target, content, booked),
            MaybeFuture::Pending(asked) => Ok(StageResult::Suspend(SuspendReason::Credits(content, asked))),
        }
    }

    /// What it costs is on hold, durably.
    pub(crate) fn on_credits_held(
        self,
        target: &ResolvedOperation<'w>,
        content: RequestBody<B>,
        booked: ReserveOutcome,
    ) -> StageOutcome<B> {
        let (hold, balance) = match reservation::apply_reservation(self.exchange, target.asks, booked)? {
            Reservation::Hold(hold, balance) => (hold, balance.map(Box::new)),
            Reservation::Replay(stored) => {
                return self.exchange.replay(&stored).map(|response| StageResult::Replay(Box::new(response)));
            }
        };
        let (api, timeout) = (target.place, target.asks.timeout);
        let settings = &target.api.settings;
        let target = rewritten_target(self.exchange, settings, &self.parts.uri, target.path, target.query());
        Ok(StageResult::Pass(ForwardPlan { api, content, hold, balance, target, timeout }))
    }

    /// The content as it comes in, within a bound.
    fn streaming(&mut self, bound: u64) -> RequestBody<B> {
        match self.body.take() {
            Some(body) => RequestBody::streaming(body, bound),
            None => RequestBody::Collected(None),
        }
    }
}

/// What the plan and the key's grants say against it, and whether it can be said at all.
fn forbidden(principal: &Principal, target: &ResolvedOperation<'_>) -> [Option<Rejection>; 2] {
    let ResolvedOperation { found, asks, .. } = target;
    let limited = matches!(principal.key().grants.resources, Scope::Only(_));
    let template = asks.resource.as_ref().filter(|_| limited);
    let resolved = template.map(|template| template.resolve(found, target.query()));
    let resource = match &resolved {
        Some(Resource::Named(resource)) => Some(resource.as_str()),
        None | Some(Resource::Missing | Resource::Unclear) => None,
    };
    let requirement = AccessRequest {
        operation: Some(found.operation.id()),
        scope: asks.scope.as_deref(),
        feature: asks.feature.as_deref(),
        resource,
    };
    let denied = authorize(principal, &requirement).err();
    [
        denied.map(|denial| from_grants(denial, principal, &requirement)),
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
    found: &RouteMatch<'_, '_>,
    parts: &Parts,
    bytes: &[u8],
) -> Result<(Option<Json>, Vec<demur_contract::Violation>), Rejection> {
    let coding = parts.headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity");
    if coding.is_some() && !bytes.is_empty() {
        let refused = Rejection::from(Condition::BodyUnsupportedMediaType);
        return Err(refused.with_cause("the content is encoded, and cannot be looked into"));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map(|value| value.to_str()).transpose();
    if content_type.is_err() && found.operation.takes_body() {
        // Servers read the beginning of it.
        let refused = Rejection::from(Condition::BodyUnsupportedMediaType);
        return Err(refused.with_cause("the Content-Type is not ASCII"));
    }
    let content_type = content_type.unwrap_or_default();
    match settings.document.check_body(found.operation, content_type, bytes) {
        CheckedBody::Checked { value, violations } => Ok((value, violations)),
        CheckedBody::Rejected(problem) => Err(Rejection::from(problem.condition).with_cause(problem.cause)),
    }
}
