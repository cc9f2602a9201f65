//! A request's way, from top to bottom.
//!
//! Each stage passes the request on or ends its way with a [`Refused`]; nothing goes back. The order is not
//! free. What the document says to everyone (paths and methods) comes first, and whoever asks is known before
//! anything else is told; what is cheap comes before what is dear; limits come before validation, so that a
//! bad request is not free; credits come last, since holding them is the one wait, and nothing may fail
//! between the hold and the upstream.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{
    Admission, Answer, Balance, Coverage, Demand, Denial, Hold, Now, Principal, Requirement, permit,
};
use demur_contract::{Condition, Contract};
use demur_validation::{Content as Checked, Find, Found, Operation};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Body;
use serde_json::Value as Json;

use crate::api::{Api, Resource};
use crate::checks::{
    IDEMPOTENCY_KEY, has_plain_segments, host, method_not_allowed, refuse_announced_excess, refuse_doubled,
    refuse_unacceptable, unclear_resource,
};
use crate::content::{Content, ContentFault, collect};
use crate::exchange::Exchange;
use crate::mounts::Mounts;
use crate::outcome::UpstreamFault;
use crate::outgoing::Outgoing;
use crate::panics::caught;
use crate::record::Record;
use crate::refused::{Refused, by_credentials, by_grants};
use crate::rules::{self, Seen};
use crate::secrets::Secrets;
use crate::settings::{Asked, ToldBy, Unfinished};
use crate::settle::settle;
use crate::speaker::Speaker;
use crate::{cors, credential, credits, forward};

/// Everything that answers requests: APIs, their contracts, and who may pass.
pub struct Engine {
    apis: Mounts,
    admission: Arc<Admission>,
    secrets: Secrets,
    /// In what a request is refused before its API is known.
    voice: Speaker,
}

/// What is known of a request beside itself.
#[derive(Debug)]
pub struct Arrival<'p> {
    /// When.
    pub now: Now,
    /// Who sends it, where there is a connection.
    pub peer: Option<&'p Peer>,
    /// Where it came in, where that has a name.
    pub listener: Option<&'p str>,
    /// What a strict reader of the connection found wrong with it. The request is then a stand-in.
    pub rejection: Option<Box<Rejection>>,
    /// How long what is ready waits for its turn at the moment: an upstream is not blamed for that.
    pub lag: Duration,
}

/// The other end of a connection, or whom a proxy there speaks for. It is made once for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
    /// As the service behind is told it.
    text: HeaderValue,
}

impl Peer {
    /// At this address.
    pub fn new(address: IpAddr) -> Self {
        // An address is written in visible ASCII.
        let text = HeaderValue::try_from(address.to_string());
        Self { address, text: text.unwrap_or(HeaderValue::from_static("unknown")) }
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

/// A request that could not be read.
#[derive(Debug)]
pub struct Rejection {
    /// What is wrong.
    pub condition: Condition,
    /// For the operators.
    pub cause: String,
    /// The host, where it could be read: it only chooses the voice.
    pub host: Option<String>,
    /// The path, likewise.
    pub path: Option<String>,
}

/// How long the upstream may take for this request: an extension of what is forwarded, where the operation has a
/// time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within(pub Duration);

/// What becomes of a request that is not refused.
enum Admitted<'e, B> {
    /// It goes to the API's upstream, with this content.
    Forward(&'e Arc<Api>, Content<B>, Hold),
    /// A browser asks whether it may ask.
    Preflight(Response<()>),
}

impl Engine {
    /// An engine for these APIs. Where two are mounted at one place, the first counts.
    pub fn new(apis: Vec<Arc<Api>>, admission: Arc<Admission>, voice: Arc<Contract>) -> Self {
        let prefixes = apis.iter().flat_map(|api| api.settings.authentication.prefixes.all());
        let secrets = Secrets::new(prefixes, Arc::clone(&admission));
        Self { apis: Mounts::new(apis), admission, secrets, voice: Speaker::new(voice, &[]) }
    }

    /// The APIs.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.all()
    }

    /// Who may pass.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Answers one request. `forward` makes the future that sends it on to the API's upstream; it is called once
    /// or never.
    ///
    /// Whatever happens there is an answer, in the contract, with a request id. The record is for whoever
    /// logs or keeps what happened.
    pub fn serve<B, F, Sent, R>(
        &self,
        request: Request<B>,
        arrival: Arrival<'_>,
        forward: F,
    ) -> impl Future<Output = (Response<Outgoing<R>>, Box<Record>)>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
        F: FnOnce(&Arc<Api>, Request<Content<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        // A block, and the request taken apart outside of it: it holds once what it captures, where an
        // `async fn` holds its arguments twice. And pinned where it is made, since what is awaited is moved first.
        // A request is some hundreds of bytes, and its future some thousands.
        let (mut parts, body) = request.into_parts();
        async move {
            let mut exchange = Exchange::new(&self.voice, &self.secrets, &arrival);
            let outcome = caught(pin!(async {
                // Strict HTTP: what could not be read is answered in the voice known so far.
                if let Some(rejection) = arrival.rejection {
                    return Err(self.rejected(&mut exchange, *rejection));
                }
                let admitted = pin!(self.admit(&mut exchange, &mut parts, body)).await;
                let (api, content, mut hold) = match admitted {
                    Ok(Admitted::Forward(api, content, hold)) => (api, content, hold),
                    Ok(Admitted::Preflight(answer)) => {
                        return Ok(answer.map(|()| Outgoing::whole(Vec::new())));
                    }
                    Err(refused) => {
                        exchange.keep_presented(&mut parts.headers);
                        return Err(refused);
                    }
                };
                // From here to the answer's head it is nobody's fault but the client's if it all is dropped.
                match (exchange.usage().client_gone, &mut exchange.taken) {
                    (Unfinished::Charge, _) => hold.forwarded(),
                    (Unfinished::Release, Some(taken)) => taken.failed(),
                    (Unfinished::Release, None) => {}
                }
                let place = api.room.enter(exchange.operation.map(Operation::index));
                let answer = pin!(forward(api, Request::from_parts(parts, content))).await;
                place.answered(arrival.lag);
                match answer {
                    Ok(answer) => pin!(settle(&mut exchange, api, answer, hold)).await,
                    Err(fault) => {
                        hold.release();
                        Err(fault.into())
                    }
                }
            }))
            .await;
            let outcome = outcome.unwrap_or_else(|panicked| Err(panicked.into()));
            let mut response = outcome.unwrap_or_else(|refused| exchange.refuse(refused));
            let record = exchange.seal(&mut response);
            (response, record)
        }
    }

    /// The first half of the way: from the request to the moment before it is forwarded.
    async fn admit<'e, B>(
        &'e self,
        exchange: &mut Exchange<'e>,
        parts: &mut Parts,
        body: B,
    ) -> Result<Admitted<'e, B>, Refused>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
    {
        let now = exchange.now;

        // API and operation. Until the API is known the listener's contract speaks.
        let host = host(&parts.uri, &parts.headers);
        let Some((api, path)) = self.apis.find(host, parts.uri.path()) else {
            exchange.hear(&parts.headers);
            return Err(Condition::ResourceNotFound.into());
        };
        let listener = exchange.listener;
        exchange.speak_for(api, &Asked { listener, host, path, headers: Some(&parts.headers) });
        let settings = &api.settings;
        let cors = settings.cors.as_ref();
        let preflight = cors.and_then(|cors| cors::preflight(cors, &parts.method, &parts.headers));
        let is_preflight = preflight.is_some();
        if let Some(answer) = preflight.filter(|_| !settings.observe) {
            return Ok(Admitted::Preflight(answer));
        }
        if api.room.is_full() {
            let refused = Refused::from(Condition::Overloaded);
            exchange.decided::<()>(Err(refused.because("as much as the upstream can do is under way")))?;
        }
        // The key, where it may stand there, is for nobody behind this; but for a service that is only watched,
        // which may have asked for it before.
        let with_key = parts.uri.query();
        let query = match settings.observe {
            true => with_key.map(Cow::Borrowed),
            false => credential::without_key(with_key, &settings.authentication),
        };
        let query = query.as_deref();
        if !has_plain_segments(path) {
            return Err(Refused::from(Condition::RequestMalformed).because("the path has a dot segment"));
        }
        refuse_doubled(parts)?;
        if settings.authentication.query.is_some() {
            exchange.presented.extend(credential::presented_in_query(with_key, &settings.authentication));
        }
        if with_key.is_some()
            && credential::is_exposed(with_key, &parts.headers, &settings.authentication, &self.secrets)
        {
            let refused = Refused::from(Denial::CredentialMalformed);
            exchange.decided::<()>(Err(refused.because("a key stands in the query")))?;
        }
        let found = match settings.document.find(&parts.method, path) {
            Find::Found(found) => found,
            unknown => {
                let refused = match &unknown {
                    Find::MethodNotAllowed { allow } => method_not_allowed(allow, &parts.method),
                    _ => Condition::ResourceNotFound.into(),
                };
                drop(unknown);
                // What would have been answered here is refused to nobody.
                if !is_preflight {
                    exchange.decided::<()>(Err(refused))?;
                }
                // Nothing is known of it, so nothing more can be decided.
                refuse_announced_excess(parts, settings.max_content)?;
                let content = Content::Streaming { body, left: settings.max_content };
                let target = target(&parts.uri, path, query);
                aim(parts, target)?;
                dress(exchange, &mut parts.headers, api, None, None);
                return Ok(Admitted::Forward(api, content, Hold::nothing()));
            }
        };
        let operation = found.operation;
        let asks = &settings.operations[operation.index()];
        exchange.operation = Some(operation);

        // Authenticate.
        if !asks.anonymous {
            let address = exchange.address();
            let known = match self.authenticate(api, parts, with_key, address, now) {
                Ok(asked) => {
                    let known = wait!(asked);
                    if let (Some(address), Err(denial)) = (address, &known)
                        && denial.is_failed_attempt()
                    {
                        api.failures.failed(address, now);
                    }
                    known
                }
                Err(denial) => Err(denial),
            };
            let known = known.map_err(|denial| by_credentials(denial, &settings.authentication));
            exchange.principal = exchange.decided(known)?;
        }
        let principal = exchange.principal.clone();

        if let Some(principal) = &principal {
            // Plan and grants.
            let limited = matches!(principal.key().grants.resources, Coverage::Only(_));
            let template = asks.resource.as_ref().filter(|_| limited);
            let resolved = template.map(|template| template.resolve(&found, query));
            let resource = match &resolved {
                Some(Resource::Named(resource)) => Some(resource.as_str()),
                None | Some(Resource::Missing | Resource::Unclear) => None,
            };
            let requirement = Requirement {
                operation: Some(operation.id()),
                scope: asks.scope.as_deref(),
                feature: asks.feature.as_deref(),
                resource,
            };
            if let Err(denial) = permit(principal, &requirement) {
                let refused = by_grants(denial, principal, &requirement);
                exchange.decided::<()>(Err(refused))?;
            }
            if resolved == Some(Resource::Unclear) {
                exchange.decided::<()>(Err(unclear_resource()))?;
            }

            // Rate and quota: taken here, whatever is wrong with the request beyond.
            let cost = asks.cost.unwrap_or(NonZeroU32::MIN);
            let demand = Demand { cost, operation: Some(operation.id()), peer: exchange.address() };
            match wait!(self.admission.take(principal, &demand, now)) {
                Ok(taken) => exchange.keep(taken),
                Err(denial) => {
                    let all = principal.denials(&demand, now);
                    exchange.decided::<()>(Err(Refused::by_limits(denial, &all, cost)))?;
                }
            }
        }

        // Validate: every violation of the request at once.
        if settings.validation.refuses_unacceptable {
            exchange.decided(refuse_unacceptable(parts, operation))?;
        }
        let parameters = settings.document.check_parameters(&found, query, &parts.headers);
        if !parameters.unknown.is_empty() {
            let names = parameters.unknown.join(", ");
            exchange.remarks.push(format!("the query holds what the document does not know: {names}"));
        }
        let mut violations = parameters.violations;
        let bound = asks.max_content.unwrap_or(settings.max_content);
        // An idempotency key stands for one request, content included; and content that comes with a GET
        // can be forwarded only when its length is known.
        let looks_inside = operation.takes_content()
            || api.reads_content[operation.index()]
            || (asks.credits > 0 && parts.headers.contains_key(IDEMPOTENCY_KEY))
            || matches!(parts.method, Method::GET | Method::HEAD);
        refuse_announced_excess(parts, bound)?;
        let (content, value) = if looks_inside {
            let bytes = match body.is_end_stream() {
                true => Bytes::new(),
                // Boxed, as is all that not every request needs: each has the room for it otherwise.
                false => Box::pin(collect(body, bound)).await?,
            };
            let checked = exchange.decided(checked(settings, &found, parts, &bytes))?;
            let (value, more) = checked.unwrap_or_default();
            violations.extend(more);
            (Content::Collected((!bytes.is_empty()).then_some(bytes)), value)
        } else {
            (Content::Streaming { body, left: bound }, None)
        };
        if !violations.is_empty() {
            exchange.decided::<()>(Err(Refused::violations(violations)))?;
        }

        // Rules.
        let seen = Seen {
            parts,
            path,
            params: &parameters.values,
            body: value.as_ref(),
            principal: principal.as_deref(),
            now,
        };
        exchange.decided(rules::check(api, operation.index(), exchange.voice(), &seen))?;

        // Hold credits, durably.
        let mut hold = Hold::nothing();
        let mut balance = None;
        if let Some(principal) = &principal {
            if asks.credits > 0 && settings.observe {
                balance =
                    Box::pin(credits::would_charge(&self.admission, exchange, principal, asks.credits)).await;
            } else if asks.credits > 0 {
                let content = content.collected();
                let parts = (&*parts, path, query, content);
                let held = credits::hold(&self.admission, exchange, principal, parts, asks.credits);
                let held = Box::pin(held).await;
                hold = exchange.decided(held)?.unwrap_or_else(Hold::nothing);
                balance = hold.balance().copied();
            } else if asks.passes_credits {
                let found = wait!(self.admission.balance(principal, now));
                balance = exchange.decided(found.map_err(Refused::from))?;
            }
        }

        // Forward.
        let target = target(&parts.uri, path, query);
        drop(found);
        aim(parts, target)?;
        dress(exchange, &mut parts.headers, api, principal.as_deref(), balance.as_ref());
        if let Some(time) = asks.timeout {
            parts.extensions.insert(Within(time));
        }
        Ok(Admitted::Forward(api, content, hold))
    }

    /// A request that could not be read: its listener, host and path, where they could be, choose the voice.
    fn rejected<'e>(&'e self, exchange: &mut Exchange<'e>, rejection: Rejection) -> Refused {
        let path = rejection.path.as_deref().unwrap_or_default();
        let host = rejection.host.as_deref();
        if let Some((api, path)) = self.apis.find(host, path) {
            let listener = exchange.listener;
            exchange.speak_for(api, &Asked { listener, host, path, headers: None });
        }
        Refused::from(rejection.condition).because(rejection.cause)
    }

    /// Asks who presents the key, unless it need not be asked.
    fn authenticate<'a>(
        &'a self,
        api: &'a Api,
        parts: &Parts,
        query: Option<&str>,
        peer: Option<IpAddr>,
        now: Now,
    ) -> Result<Answer<'a, Result<Arc<Principal>, Denial>>, Denial> {
        let authentication = &api.settings.authentication;
        if let Some(peer) = peer {
            api.failures.check(peer, now)?;
        }
        let secret = credential::presented(&parts.headers, query, authentication)?;
        let prefix = authentication.prefixes.of_key(&secret);
        Ok(self.admission.authenticate(&secret, &api.settings.name, prefix, now))
    }
}

/// Looks into collected content: its JSON value, and what is wrong with it.
fn checked(
    settings: &crate::settings::ApiSettings,
    found: &Found<'_, '_>,
    parts: &Parts,
    bytes: &Bytes,
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
fn target(uri: &Uri, path: &str, query: Option<&str>) -> Option<String> {
    if let (None, true) = (uri.authority(), (path, query) == (uri.path(), uri.query())) {
        return None;
    }
    Some(match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Gives the request another target, where it needs one.
fn aim(parts: &mut Parts, target: Option<String>) -> Result<(), Refused> {
    let Some(target) = target else { return Ok(()) };
    parts.uri = Uri::from_maybe_shared(Bytes::from(target)).map_err(|error| {
        let cause = format!("the target cannot be forwarded: {error}");
        Refused::from(Condition::RequestMalformed).because(cause)
    })?;
    Ok(())
}

/// Gives the request the fields that the upstream should see. A service that is only watched gets what it would get
/// without the gateway, and beside that only what is there in no request yet.
fn dress(
    exchange: &mut Exchange<'_>,
    headers: &mut HeaderMap,
    api: &Api,
    principal: Option<&Principal>,
    balance: Option<&Balance>,
) {
    let id_field = exchange.request_id_field();
    if api.settings.observe {
        exchange
            .presented
            .extend(api.settings.authentication.fields().flat_map(|it| headers.get_all(it)).cloned());
        forward::strip_hops(headers);
        if let Some(peer) = exchange.peer {
            forward::name_peer_once(headers, &peer.text);
        }
        if let Some(principal) = principal {
            forward::identify(headers, principal, &api.settings.authentication.prefixes, balance);
        }
        headers.entry(id_field).or_insert_with(|| exchange.request_id().clone());
        return;
    }
    let keep = |value| exchange.presented.push(value);
    forward::strip_request(headers, id_field, api.settings.authentication.schemes(), keep);
    if let Some(peer) = exchange.peer {
        forward::name_peer(headers, &peer.text);
    }
    if let Some(principal) = principal {
        forward::identify(headers, principal, &api.settings.authentication.prefixes, balance);
    }
    forward::name_request(headers, id_field, exchange.request_id());
    if let ToldBy::Trailer(_) = exchange.usage().told_by {
        forward::ask_for_trailers(headers);
    }
}
