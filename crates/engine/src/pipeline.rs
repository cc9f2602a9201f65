//! A request's way, from top to bottom.
//!
//! Each stage passes the request on or ends its way with a [`Refused`]; nothing goes back. The order is not
//! free. What the document says to everyone (paths and methods) comes first, and whoever asks is known before
//! anything else is told; what is cheap comes before what is dear; limits come before validation, so that a
//! bad request is not free; credits come last, since holding them is the one wait, and nothing may fail
//! between the hold and the upstream.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use demur_admission::{
    Admission, Balance, Coverage, Denial, Fingerprint, Hold, Now, OperationId, Principal, Requirement, permit,
};
use demur_contract::{Condition, Contract};
use demur_validation::{Content as Checked, Find, Found, Operation};
use http::header::{ACCEPT, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value as Json;

use crate::answer::{self, Looked, Remarks};
use crate::api::{Api, Resource};
use crate::content::{Content, ContentFault, collect};
use crate::exchange::Exchange;
use crate::mounts::Mounts;
use crate::outcome::{self, MAX_FAILURE_BYTES, UpstreamFault};
use crate::outgoing::Outgoing;
use crate::refused::Refused;
use crate::rules::{self, Seen};
use crate::settings::{Answers, Asked};
use crate::{credential, forward};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Everything that answers requests: APIs, their contracts, and who may pass.
pub struct Engine {
    apis: Mounts,
    admission: Arc<Admission>,
    /// In what a request is refused before its API is known.
    voice: Arc<Contract>,
}

/// What is known of a request beside itself.
#[derive(Debug)]
pub struct Arrival {
    /// When.
    pub now: Now,
    /// From where the connection comes, where there is one.
    pub peer: Option<IpAddr>,
    /// What a strict reader of the connection found wrong with it. The request is then a stand-in.
    pub rejection: Option<Rejection>,
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

impl Engine {
    /// An engine for these APIs. Where two are mounted at one place, the first counts.
    pub fn new(apis: Vec<Arc<Api>>, admission: Arc<Admission>, voice: Arc<Contract>) -> Self {
        Self { apis: Mounts::new(apis), admission, voice }
    }

    /// The APIs.
    pub fn apis(&self) -> &[Arc<Api>] {
        self.apis.all()
    }

    /// Who may pass.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Answers one request. `forward` sends it on to the API's upstream; it is called once or never.
    ///
    /// Whatever happens there is an answer, in the contract, with a request id. A refusal has its
    /// [`Refusal`](crate::Refusal) among the extensions.
    pub async fn serve<B, F, Sent, R>(
        &self,
        request: Request<B>,
        arrival: Arrival,
        forward: F,
    ) -> Response<Outgoing<R>>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
        F: FnOnce(&Arc<Api>, Request<Content<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        let mut exchange = Exchange::new(&self.voice, arrival.now, arrival.peer);
        let outcome = caught(self.pass(&mut exchange, request, arrival.rejection, forward)).await;
        let mut response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(refused)) => exchange.refuse(refused),
            // One request's panic is one 500; nothing else notices.
            Err(Panicked(cause)) => exchange.refuse(Refused::from(Condition::Internal).because(cause)),
        };
        exchange.seal(&mut response);
        response
    }

    async fn pass<'e, B, F, Sent, R>(
        &'e self,
        exchange: &mut Exchange<'e>,
        request: Request<B>,
        rejection: Option<Rejection>,
        forward: F,
    ) -> Result<Response<Outgoing<R>>, Refused>
    where
        B: Body<Data = Bytes, Error = ContentFault> + Unpin,
        F: FnOnce(&Arc<Api>, Request<Content<B>>) -> Sent,
        Sent: Future<Output = Result<Response<R>, UpstreamFault>>,
        R: Body<Data = Bytes> + Unpin,
    {
        let now = exchange.now;

        // Strict HTTP: what could not be read is answered in the voice known so far.
        if let Some(rejection) = rejection {
            return Err(self.rejected(exchange, rejection));
        }
        let (mut parts, body) = request.into_parts();
        exchange.hear(&parts.headers);

        // API and operation. Until the API is known the listener's contract speaks.
        let uri = parts.uri.clone();
        let Some((api, path)) = self.apis.find(host(&parts), uri.path()) else {
            return Err(Condition::ResourceNotFound.into());
        };
        exchange.speak_for(api, &Asked { host: host(&parts), path, headers: Some(&parts.headers) });
        let settings = &api.settings;
        let query = uri.query();
        if !has_plain_segments(path) {
            return Err(Refused::from(Condition::RequestMalformed).because("the path has a dot segment"));
        }
        refuse_doubled(&parts)?;
        let found = match settings.document.find(&parts.method, path) {
            Find::Found(found) => found,
            Find::MethodNotAllowed { allow } => return Err(method_not_allowed(allow)),
            Find::NotFound => return Err(Condition::ResourceNotFound.into()),
        };
        let operation = found.operation;
        let asks = &settings.operations[operation.index()];
        exchange.operation = Some(operation.id());

        // Authenticate.
        let principal = if asks.anonymous { None } else { Some(self.authenticate(api, &parts, now).await?) };
        exchange.principal.clone_from(&principal);

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
            permit(principal, &requirement)?;
            if resolved == Some(Resource::Unclear) {
                return Err(unclear_resource());
            }

            // Rate and quota: taken here, whatever is wrong with the request beyond.
            let taken = self.admission.take(principal, NonZeroU32::MIN, now).wait().await?;
            exchange.taken = Some(taken);
        }

        // Validate: every violation of the request at once.
        if settings.validation.refuses_unacceptable {
            refuse_unacceptable(&parts, operation)?;
        }
        let parameters = settings.document.check_parameters(&found, query, &parts.headers);
        let mut remarks = Remarks::default();
        if !parameters.unknown.is_empty() {
            let names = parameters.unknown.join(", ");
            remarks.said.push(format!("the query holds what the document does not know: {names}"));
        }
        let mut violations = parameters.violations;
        let bound = asks.max_content.unwrap_or(settings.max_content);
        // An idempotency key stands for one request, content included; and content that comes with a GET
        // can be forwarded only when its length is known.
        let looks_inside = operation.takes_content()
            || api.reads_content[operation.index()]
            || (asks.credits > 0 && parts.headers.contains_key(IDEMPOTENCY_KEY))
            || matches!(parts.method, Method::GET | Method::HEAD);
        let (content, value) = if looks_inside {
            refuse_announced_excess(&parts, bound)?;
            let bytes = collect(body, bound).await?;
            let (value, more) = checked(settings, &found, &parts, &bytes)?;
            violations.extend(more);
            (Content::Collected((!bytes.is_empty()).then_some(bytes)), value)
        } else {
            refuse_announced_excess(&parts, bound)?;
            (Content::Streaming { body, left: bound }, None)
        };
        if !violations.is_empty() {
            return Err(Refused::violations(violations));
        }

        // Rules.
        let seen = Seen {
            parts: &parts,
            path,
            params: &parameters.values,
            body: value.as_ref(),
            principal: principal.as_deref(),
            now,
        };
        rules::check(api, operation.index(), exchange.voice(), &seen)?;

        // Hold credits, durably.
        let mut hold = Hold::nothing();
        let mut balance = None;
        if let Some(principal) = &principal {
            if asks.credits > 0 {
                hold = self.hold(exchange, principal, &parts, path, &content, asks.credits).await?;
                balance = hold.balance().copied();
            } else if asks.passes_credits {
                balance = Some(self.admission.balance(principal, now).wait().await?);
            }
        }

        // Forward.
        dress(exchange, &mut parts, api, path, query, principal.as_deref(), balance.as_ref())?;
        hold.forwarded();
        let answer = forward(api, Request::from_parts(parts, content)).await;

        // Settle.
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                hold.release();
                return Err(fault.into());
            }
        };
        let (mut head, body) = answer.into_parts();
        if let Some(cause) = outcome::unusable(&head) {
            hold.release();
            return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
        }
        if head.status.is_client_error() || head.status.is_server_error() {
            hold.release();
            let content = failure_content(body).await;
            return Err(outcome::refuse(exchange.voice(), head.status, &head.headers, &content));
        }
        let body = if settings.validation.answers == Answers::Ignore {
            Looked::nothing(body)
        } else {
            let (body, fault) = match answer::look(settings, operation, &head, body).await {
                Ok(looked) => looked,
                Err(cause) => {
                    hold.release();
                    return Err(Refused::from(Condition::UpstreamInvalidResponse).because(cause));
                }
            };
            match fault {
                Some(fault) if fault.is_refused(settings.validation.answers) => {
                    hold.release();
                    let refused = Refused::from(Condition::UpstreamInvalidResponse);
                    return Err(refused.because(fault.to_string()));
                }
                Some(fault) => remarks.said.push(fault.to_string()),
                None => {}
            }
            body
        };
        if !remarks.said.is_empty() {
            remarks.request_id = exchange.request_id();
            head.extensions.insert(Arc::new(remarks));
        }
        forward::strip_hop_by_hop(&mut head.headers);
        forward::strip_own(&mut head.headers);
        // The version is each connection's own.
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, Outgoing::passing(body, hold, exchange.taken.take())))
    }

    /// A request that could not be read: its host and path, where they could be, choose the voice.
    fn rejected<'e>(&'e self, exchange: &mut Exchange<'e>, rejection: Rejection) -> Refused {
        let path = rejection.path.as_deref().unwrap_or_default();
        let host = rejection.host.as_deref();
        if let Some((api, path)) = self.apis.find(host, path) {
            exchange.speak_for(api, &Asked { host, path, headers: None });
        }
        Refused::from(rejection.condition).because(rejection.cause)
    }

    async fn authenticate(&self, api: &Api, parts: &Parts, now: Now) -> Result<Arc<Principal>, Denial> {
        let authentication = &api.settings.authentication;
        let secret = credential::presented(&parts.headers, authentication)?;
        self.admission.authenticate(secret, &api.settings.name, &authentication.prefix, now).wait().await
    }

    /// One operation of an account is charged once: by the client's `Idempotency-Key`, else by this request.
    async fn hold<B>(
        &self,
        exchange: &Exchange<'_>,
        principal: &Principal,
        parts: &Parts,
        path: &str,
        content: &Content<B>,
        credits: u64,
    ) -> Result<Hold, Refused> {
        let operation = match parts.headers.get(IDEMPOTENCY_KEY) {
            Some(key) => key.to_str().ok().and_then(|key| key.parse().ok()).ok_or_else(|| {
                Refused::from(Condition::RequestMalformed)
                    .because("Idempotency-Key has more than 128 bytes, or other than visible ASCII")
            })?,
            None => exchange.request_id().parse::<OperationId>().map_err(|_| {
                Refused::from(Condition::Internal).because("the request id is no operation id")
            })?,
        };
        let bytes: &[u8] = match content {
            Content::Collected(Some(bytes)) => bytes,
            Content::Collected(None) | Content::Streaming { .. } => &[],
        };
        let query = parts.uri.query().unwrap_or_default();
        let api = exchange.api.map_or("", |api| api.name());
        let fingerprint = Fingerprint::of(&[
            api.as_bytes(),
            parts.method.as_str().as_bytes(),
            path.as_bytes(),
            query.as_bytes(),
            bytes,
        ]);
        Ok(self.admission.hold(principal, &operation, fingerprint, credits, exchange.now).wait().await?)
    }
}

/// The request's host, with its port. Of two the URI's is the one that counts (RFC 9112, section 3.2.2).
fn host(parts: &Parts) -> Option<&str> {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(http::header::HOST)?.to_str().ok()?,
    };
    Some(authority)
}

fn method_not_allowed(allow: &str) -> Refused {
    let refused = Refused::from(Condition::ResourceMethodNotAllowed).with("allow", allow);
    match HeaderValue::from_str(allow) {
        Ok(value) => refused.field(ALLOW, value),
        Err(_) => refused,
    }
}

fn unclear_resource() -> Refused {
    Refused::from(Condition::PermissionResource)
        .because("the parameter that names the resource stands in the query not at all, or more than once")
}

/// Whether no segment of a path is `.` or `..`, or hides one behind percent-encoding or a slash of its own:
/// an upstream that resolves it would serve another operation than the one that was checked.
fn has_plain_segments(path: &str) -> bool {
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%' | b'\\')) {
        return true;
    }
    path.split('/').all(|segment| {
        let segment = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        segment.split(['/', '\\']).all(|part| !matches!(part, "." | "..")) && !segment.contains('\0')
    })
}

/// Fields of which a second one would make the gateway and the upstream read different requests.
fn refuse_doubled(parts: &Parts) -> Result<(), Refused> {
    for name in [CONTENT_TYPE, CONTENT_ENCODING, IDEMPOTENCY_KEY] {
        if parts.headers.get_all(&name).iter().nth(1).is_some() {
            let cause = format!("the field {name} stands there more than once");
            return Err(Refused::from(Condition::RequestMalformed).because(cause));
        }
    }
    Ok(())
}

/// A caller who takes none of the media types that the operation answers in.
fn refuse_unacceptable(parts: &Parts, operation: &Operation) -> Result<(), Refused> {
    let lines: Vec<&str> =
        parts.headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.is_empty() || operation.is_acceptable(&lines.join(",")) {
        return Ok(());
    }
    Err(Refused::from(Condition::RequestNotAcceptable)
        .because("Accept takes none of the declared media types"))
}

/// Content that says that it is too large is not read at all.
fn refuse_announced_excess(parts: &Parts, bound: u64) -> Result<(), Refused> {
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bound) {
        let max = i64::try_from(bound).unwrap_or(i64::MAX);
        return Err(Refused::from(ContentFault::TooLarge).with("max_bytes", max));
    }
    Ok(())
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

/// Makes the request what the upstream should see.
fn dress(
    exchange: &Exchange<'_>,
    parts: &mut Parts,
    api: &Api,
    path: &str,
    query: Option<&str>,
    principal: Option<&Principal>,
    balance: Option<&Balance>,
) -> Result<(), Refused> {
    let headers = &mut parts.headers;
    forward::strip_hop_by_hop(headers);
    forward::strip_own(headers);
    for scheme in api.settings.authentication.schemes() {
        forward::strip_credential(headers, scheme);
        forward::strip_forwarding(headers, &exchange.request_id_field(), scheme);
    }
    if let Some(peer) = exchange.peer {
        forward::name_peer(headers, peer);
    }
    if let Some(principal) = principal {
        forward::identify(headers, principal, balance);
    }
    if let Ok(id) = HeaderValue::from_str(&exchange.request_id()) {
        forward::name_request(headers, &exchange.request_id_field(), &id);
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.uri = target.parse().map_err(|error| {
        Refused::from(Condition::RequestMalformed).because(format!("the target cannot be forwarded: {error}"))
    })?;
    Ok(())
}

/// The beginning of a failed answer. What cannot be read is not missed: the status says enough.
async fn failure_content<R: Body<Data = Bytes> + Unpin>(mut body: R) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_FAILURE_BYTES.saturating_sub(content.len());
        content.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            break;
        }
    }
    content
}

/// A panic, as far as it said something.
struct Panicked(String);

/// Runs a future and catches its panic. What it touched is dropped with it: the exchange it borrowed holds
/// nothing that a panic could leave half done.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            Poll::Ready(Err(Panicked(said.unwrap_or_else(|| "a panic".to_owned()))))
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_segment_leads_elsewhere() {
        for (path, plain) in [
            ("/items/a.b", true),
            ("/items/...", true),
            ("/items/a%20b", true),
            ("/items/..", false),
            ("/items/./a", false),
            ("/items/%2e%2E", false),
            ("/items/..%2fadmin", false),
            ("/items/a%5c..%5cadmin", false),
            ("/items/..\\admin", false),
            ("/items/a%00", false),
        ] {
            assert_eq!(has_plain_segments(path), plain, "{path}");
        }
    }
}
