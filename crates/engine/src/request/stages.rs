//! The stages of a request, in their order: route → authenticate → authorize → rate and quota → validate → rules →
//! reserve credits → forward.
//! Long because the order of the stages is read in one file.
//!
//! Each stage passes the request on to the next one or ends with a [`Rejection`]; no stage runs twice. The order matters.
//! What the API's document says to everyone (paths and methods) comes first, and the caller is authenticated before
//! anything else is revealed. Cheap checks come before expensive ones. Limits come before validation, so that invalid
//! requests are counted. Credits come last: nothing may fail between the hold and the upstream.
//!
//! Most requests wait for nothing: the key is cached, the counters are in memory, and there is no body to validate and
//! nothing to charge. So the stages are plain functions, each of which calls the next. A stage that has to wait returns
//! [`StageResult::Suspend`] with what it waits for, and `pending.rs` continues with the next stage.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use demur_admission::{
    AccessRequest, Attempt, ConnectionCache, Demand, Denial, Hold, LimitPermit, MaybeFuture, Principal,
    Scope, authorize,
};
use demur_contract::Condition;
use demur_validation::Find;
use http::Method;
use http::request::Parts;
use http_body::Body;

use crate::api::{Api, Resource};
use crate::engine::Engine;
use crate::record::{Check, CheckOutcome};
use crate::reject::cors;
use crate::reject::rejection::{Rejection, from_credentials, from_grants};
use crate::request::body::{BodyError, RequestBody};
use crate::request::checks::{
    check_body, check_of, host, method_not_allowed, reject_duplicates, reject_excess_length,
    reject_unacceptable, unclear_resource,
};
use crate::request::context::RequestContext;
use crate::request::credential::{self, Presented};
use crate::request::handshake::{self, Handshake};
use crate::request::malformed_key;
use crate::request::operation::{ResolvedOperation, query_without_key};
use crate::request::reservation::{self, Reservation, ReserveOutcome};
use crate::request::rules::{self, RuleContext};
use crate::request::stage_result::{ForwardPlan, StageOutcome, StageResult, SuspendReason};
use crate::request::token;
use crate::request::upstream_headers::check_connection;
use crate::request::upstream_request::rewritten_target;
use crate::response::replay;
use crate::settings::{RequestValidation, RequestView};

/// One request at its stages. Results go into its context.
pub(crate) struct Stages<'w, B> {
    pub(crate) engine: &'w Engine,
    pub(crate) context: &'w mut RequestContext,
    pub(crate) parts: &'w Parts,
    pub(crate) body: &'w mut Option<B>,
}

impl<B> Stages<'_, B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Finds the API and its operation, and authenticates the caller.
    pub(crate) fn route(
        mut self,
        listener: Option<&str>,
        cache: Option<&ConnectionCache>,
    ) -> StageOutcome<B> {
        let (engine, parts) = (self.engine, self.parts);
        let host = engine.router().uses_host().then(|| host(&parts.uri, &parts.headers)).flatten();
        let Some(((api_index, api), path)) = engine.router().find(host, parts.uri.path()) else {
            self.context.set_client_preferences(&parts.headers);
            return Err(self.context.rejected(Check::Request, Condition::ResourceNotFound.into()));
        };
        let view = RequestView { listener, host, path, headers: Some(&parts.headers) };
        self.context.select_api((api_index, api), &view);
        let settings = &api.settings;
        // First: whoever may not come from this address learns nothing else, and takes nothing.
        let address = self.context.client_address;
        if !settings.addresses.admits(address) {
            self.reject(Check::Authorization, Denial::PermissionAddress { address }.into())?;
        }
        let cors = settings.cors.as_ref();
        let preflight = cors.and_then(|cors| cors::preflight(cors, &parts.method, &parts.headers));
        let is_preflight = preflight.is_some();
        if let Some(response) = preflight.filter(|_| !settings.monitor) {
            return Ok(StageResult::Preflight(response));
        }
        if api.upstream_limit.is_saturated() {
            let rejection = Rejection::from(Condition::Overloaded);
            self.reject(Check::Request, rejection.with_cause("upstream concurrency limit reached"))?;
        }
        let checked = self.context.path.check();
        self.context.enforce(Check::Request, checked)?;
        reject_duplicates(parts).map_err(|rejection| self.context.rejected(Check::Request, rejection))?;
        let sent_query = parts.uri.query();
        if settings.authentication.query.is_some() {
            let presented = credential::presented_in_query(sent_query, &settings.authentication);
            self.context.credentials.extend(presented);
        }
        if sent_query.is_some()
            && credential::is_exposed(sent_query, &parts.headers, &settings.authentication, engine.redactor())
        {
            let rejection = Rejection::from(Denial::CredentialMalformed);
            self.reject(Check::Authentication, rejection.with_cause("API key in the query"))?;
        }
        let found = match settings.document.find(&parts.method, path) {
            Find::Found(found) => found,
            unknown => {
                let rejection = match &unknown {
                    Find::MethodNotAllowed { allow } => {
                        method_not_allowed(allow, &engine.redactor().redact(parts.method.to_string(), &[]))
                    }
                    _ => Condition::ResourceNotFound.into(),
                };
                // Not recorded for a preflight, which would have been answered above outside of monitor mode.
                if !is_preflight {
                    self.reject(Check::Request, rejection)?;
                }
                // Without an operation no further check applies.
                return self.forward_unknown((api_index, api), path);
            }
        };
        let operation = ResolvedOperation::new((api_index, api), parts, path, &found);
        self.context.record.operation = Some(operation.index());
        let checked = self.context.path.check_for(&found, settings, operation.settings());
        self.context.enforce(Check::Request, checked)?;
        let direction = self.context.header_direction(api);
        let checked = check_connection(&parts.headers, direction, api.rules_read_headers[operation.index()]);
        self.context.enforce(Check::Request, checked)?;
        self.upgrade(&operation)?;
        if operation.settings().anonymous {
            return self.validate(&operation);
        }
        match self.authenticate(api, cache) {
            Ok(MaybeFuture::Ready(result)) => self.on_auth_result(&operation, result),
            Ok(MaybeFuture::Pending(pending)) => suspend(SuspendReason::Key(pending), &operation),
            Err(denial) => self.authorize(&operation, Err(denial)),
        }
    }

    /// Checks a request to switch to another protocol. The handshake is part of the request like any other: all further
    /// checks apply to it.
    fn upgrade(&mut self, operation: &ResolvedOperation) -> Result<(), Rejection> {
        let has_body = !self.body.as_ref().is_none_or(Body::is_end_stream);
        let websocket = operation.settings().websocket.as_ref();
        let handshake = Handshake::of(self.parts, has_body, websocket);
        self.context.handshake = self.context.enforce(Check::Request, handshake)?.flatten();
        if let (Some(_), Some(websocket)) = (&self.context.handshake, websocket) {
            let checked = handshake::check_origin(&self.parts.headers, websocket);
            self.context.enforce(Check::Request, checked)?;
        }
        Ok(())
    }

    /// In monitor mode, forwards a request that matches no operation.
    fn forward_unknown(mut self, (api_index, api): (usize, &Api), path: &str) -> StageOutcome<B> {
        let (settings, parts) = (&api.settings, self.parts);
        self.reject_excess_length(settings.max_body_bytes)?;
        let body = self.streaming(settings.max_body_bytes);
        let query = query_without_key(parts.uri.query(), settings);
        let target = rewritten_target(self.context, settings, &parts.uri, path, query.as_deref());
        let (hold, balance, timeout) = (Hold::nothing(), None, None);
        Ok(StageResult::Forward(ForwardPlan { api: api_index, body, hold, balance, target, timeout }))
    }

    /// Looks the presented key up, or verifies the presented token.
    fn authenticate(
        &self,
        api: &Api,
        cache: Option<&ConnectionCache>,
    ) -> Result<MaybeFuture<Result<Arc<Principal>, Denial>>, Denial> {
        let (authentication, now) = (&api.settings.authentication, self.context.now);
        let (admission, name) = (self.engine.admission(), &api.settings.name);
        // Cached keys are not throttled, whatever others behind the same address have tried.
        let may_look_up = |attempt: Attempt| match self.context.client_address {
            Some(address) => api.failures.check(address, attempt, now),
            None => Ok(()),
        };
        let secret = match (self.presented(api)?, &authentication.tokens) {
            (Presented::Key(secret), _) => secret,
            (Presented::Token(token), Some(tokens)) => {
                let may_verify = || may_look_up(Attempt::Token);
                return Ok(token::authenticate(admission, (name, tokens), token, cache, may_verify, now));
            }
            (Presented::Token(_), None) => return Err(Denial::CredentialMalformed),
        };
        let prefix = authentication.prefixes.of_key(&secret);
        Ok(admission.authenticate_unless(may_look_up, cache, &secret, name, prefix, now))
    }

    /// The key or the token that the request presents.
    fn presented(&self, api: &Api) -> Result<Presented<'_>, Denial> {
        credential::presented(&self.parts.headers, self.parts.uri.query(), &api.settings.authentication)
    }

    /// The kind of attempt that the presented key is.
    fn attempt(&self, api: &Api) -> Attempt {
        let authentication = &api.settings.authentication;
        match self.presented(api) {
            Ok(Presented::Key(secret)) => Attempt::of(&secret, authentication.prefixes.of_key(&secret)),
            Ok(Presented::Token(_)) => Attempt::Token,
            Err(_) => Attempt::Other,
        }
    }

    /// Records whose key is no longer valid: its owner asks why, and the log should know.
    fn record_denied(&mut self, api: &Api) {
        let authentication = &api.settings.authentication;
        let Ok(Presented::Key(secret)) = self.presented(api) else { return };
        let prefix = authentication.prefixes.of_key(&secret);
        let caller =
            self.engine.admission().denied_caller(&secret, &api.settings.name, prefix, self.context.now);
        if let Some(caller) = caller {
            self.context.record.set_denied(caller);
        }
    }

    /// The key was looked up. Addresses with too many failed attempts are throttled.
    pub(crate) fn on_auth_result(
        mut self,
        operation: &ResolvedOperation,
        mut result: Result<Arc<Principal>, Denial>,
    ) -> StageOutcome<B> {
        if let Err(
            Denial::CredentialRevoked { .. }
            | Denial::CredentialExpired { .. }
            | Denial::CredentialDisabled { .. },
        ) = &result
        {
            self.record_denied(&operation.api);
        }
        if let (Some(address), Err(denial)) = (self.context.client_address, &result)
            && denial.is_failed_attempt()
        {
            let (failures, now) = (&operation.api.failures, self.context.now);
            let attempt = self.attempt(&operation.api);
            match failures.check(address, attempt, now) {
                Ok(()) => failures.failed(address, attempt, now),
                Err(throttled) => result = Err(throttled),
            }
        }
        self.authorize(operation, result)
    }

    /// Checks plan and grants of the caller, and then rate and quota.
    fn authorize(
        mut self,
        operation: &ResolvedOperation,
        result: Result<Arc<Principal>, Denial>,
    ) -> StageOutcome<B> {
        let authentication = &operation.api.settings.authentication;
        let result = result.map_err(|denial| {
            let is_malformed = denial == Denial::CredentialMalformed;
            let rejection = from_credentials(denial, authentication);
            if !is_malformed {
                return rejection;
            }
            rejection.with_cause(malformed_key::cause(
                &self.parts.headers,
                self.parts.uri.query(),
                authentication,
            ))
        });
        self.context.record.principal = self.context.enforce(Check::Authentication, result)?;
        let Some(principal) = self.context.principal() else { return self.validate(operation) };
        let address = self.context.client_address;
        for rejection in forbidden(principal, operation, self.parts, address).into_iter().flatten() {
            self.reject(Check::Authorization, rejection)?;
        }
        self.context.record.set_outcome(Check::Authorization, CheckOutcome::Passed);
        // Counted here, whatever else is wrong with the request.
        let Some(principal) = self.context.principal() else { return self.validate(operation) };
        let demand = demand(operation, self.context);
        match self.engine.admission().take(principal, &demand, self.context.now) {
            MaybeFuture::Ready(result) => self.on_limits(operation, result),
            MaybeFuture::Pending(pending) => suspend(SuspendReason::Limits(pending), operation),
        }
    }

    /// The limits have been checked.
    pub(crate) fn on_limits(
        mut self,
        operation: &ResolvedOperation,
        result: Result<LimitPermit, Denial>,
    ) -> StageOutcome<B> {
        match result {
            Ok(permit) => {
                self.context.store_limit_permit(permit);
                self.context.record.set_outcome(Check::Rate, CheckOutcome::Passed);
                self.context.record.set_outcome(Check::Quota, CheckOutcome::Passed);
            }
            Err(denial) => {
                let demand = demand(operation, self.context);
                let principal = self.context.principal();
                let all = principal.map(|principal| principal.denials(&demand, self.context.now));
                let check = check_of(&denial);
                let rejection = Rejection::from_limits(denial, &all.unwrap_or_default(), demand.cost);
                self.reject(check, rejection)?;
            }
        }
        self.validate(operation)
    }

    /// Decides whether the body has to be buffered for validation.
    fn validate(mut self, operation: &ResolvedOperation) -> StageOutcome<B> {
        let parts = self.parts;
        let ResolvedOperation { api, .. } = operation;
        let (settings, document) = (operation.settings(), operation.document());
        let mode = operation.validation();
        if api.settings.validation.rejects_unacceptable && mode != RequestValidation::Off {
            let is_shadow = mode == RequestValidation::Shadow;
            let checked = reject_unacceptable(parts, document);
            self.context.enforce_unless(is_shadow, Check::Validation, checked)?;
        }
        let max_length = settings.max_body_bytes.unwrap_or(api.settings.max_body_bytes);
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let is_empty = self.body.as_ref().is_none_or(Body::is_end_stream);
        // Nearly all GET requests have no body and announce none.
        if !(is_read && is_empty) {
            self.reject_excess_length(max_length)?;
        }
        // An idempotency key stands for one request, body included. A body of a GET is forwarded only with a known length.
        let is_buffered = document.takes_body() && mode != RequestValidation::Off
            || api.rules_read_body[operation.index()]
            || is_read
            || reservation::is_named(self.context, settings, parts);
        if !is_buffered {
            let body = self.streaming(max_length);
            return self.on_body(operation, body);
        }
        match is_empty {
            true => self.on_body(operation, RequestBody::Collected(None)),
            false => suspend(SuspendReason::Body(max_length), operation),
        }
    }

    /// The body is there, or streams. Collects all violations of the request, and checks the API's rules.
    pub(crate) fn on_body(self, operation: &ResolvedOperation, body: RequestBody<B>) -> StageOutcome<B> {
        let parts = self.parts;
        let ResolvedOperation { api, .. } = operation;
        let (path, query) = (operation.path(parts), operation.query(parts));
        let found = operation.route_match(path)?;
        let parameters = api.settings.document.check_parameters(&found, query, &parts.headers);
        if !parameters.unknown.is_empty() {
            let names = parameters.unknown.join(", ");
            self.context.record.add_note(format!("unknown query parameters: {names}"));
        }
        // Rules read the values of parameters and body also where these are not validated.
        let mode = operation.validation();
        let is_shadow = mode == RequestValidation::Shadow;
        let mut violations = parameters.violations;
        let mut value = None;
        if let RequestBody::Collected(bytes) = &body
            && (bytes.is_some() || found.operation.takes_body())
        {
            let (bytes, reads_body) =
                (bytes.as_deref().unwrap_or_default(), api.rules_read_body[operation.index()]);
            let checked = check_body(&api.settings, &found, parts, bytes, reads_body);
            let (json, more) = match checked {
                Err(_) if mode == RequestValidation::Off => Default::default(),
                checked => {
                    self.context.enforce_unless(is_shadow, Check::Validation, checked)?.unwrap_or_default()
                }
            };
            value = json;
            violations.extend(more);
        }
        if mode != RequestValidation::Off {
            let checked = if violations.is_empty() { Ok(()) } else { Err(Rejection::violations(violations)) };
            self.context.enforce_unless(is_shadow, Check::Validation, checked)?;
        }

        let inputs = RuleContext {
            parts,
            path,
            params: &parameters.values,
            body: value.as_ref(),
            principal: self.context.principal().map(|principal| &**principal),
            now: self.context.now,
        };
        let ruled = rules::check(api, operation.index(), self.context.contract(), &inputs);
        self.context.enforce(Check::Rules, ruled)?;

        let request = reservation::ReserveRequest {
            parts,
            operation: found.operation,
            settings: operation.settings(),
            path,
            query,
        };
        let reserved =
            reservation::reserve(self.engine.admission(), self.context, &request, || body.collected());
        match reserved.map_err(|rejection| self.context.rejected(Check::Credits, rejection))? {
            MaybeFuture::Ready(outcome) => self.on_credits_held(operation, body, outcome),
            MaybeFuture::Pending(pending) => suspend(SuspendReason::Credits(body, pending), operation),
        }
    }

    /// The credits are held, durably.
    pub(crate) fn on_credits_held(
        self,
        operation: &ResolvedOperation,
        body: RequestBody<B>,
        outcome: ReserveOutcome,
    ) -> StageOutcome<B> {
        let settings = operation.settings();
        let reservation = reservation::apply_reservation(self.context, settings, outcome)
            .map_err(|rejection| self.context.rejected(Check::Credits, rejection))?;
        let (hold, balance) = match reservation {
            Reservation::Hold(hold, balance) => (hold, balance.map(Box::new)),
            Reservation::Replay(stored) => {
                let response = replay::response_from(self.context, &stored)?;
                return Ok(StageResult::Replay(Box::new(response)));
            }
        };
        let (api, timeout) = (operation.api_index, settings.timeout);
        let (path, query) = (operation.path(self.parts), operation.query(self.parts));
        let target = rewritten_target(self.context, &operation.api.settings, &self.parts.uri, path, query);
        Ok(StageResult::Forward(ForwardPlan { api, body, hold, balance, target, timeout }))
    }

    fn reject(&mut self, check: Check, rejection: Rejection) -> Result<(), Rejection> {
        self.context.enforce::<()>(check, Err(rejection)).map(|_| ())
    }

    fn reject_excess_length(&mut self, max_length: u64) -> Result<(), Rejection> {
        reject_excess_length(self.parts, max_length)
            .map_err(|rejection| self.context.rejected(Check::Validation, rejection))
    }

    /// The body as it arrives, up to a length.
    fn streaming(&mut self, max_length: u64) -> RequestBody<B> {
        match self.body.take() {
            Some(body) => RequestBody::streaming(body, max_length),
            None => RequestBody::Collected(None),
        }
    }
}

fn suspend<B>(reason: SuspendReason<B>, operation: &ResolvedOperation) -> StageOutcome<B> {
    Ok(StageResult::Suspend(reason, operation.clone()))
}

/// What a call takes from the limits.
fn demand<'o>(operation: &'o ResolvedOperation, context: &RequestContext) -> Demand<'o> {
    let cost = operation.settings().cost.unwrap_or(NonZeroU32::MIN);
    Demand { cost, operation: Some(operation.document().id()), peer: context.client_address }
}

/// What the plan and the key's grants forbid, and whether the resource is ambiguous.
fn forbidden(
    principal: &Principal,
    operation: &ResolvedOperation,
    parts: &Parts,
    address: Option<IpAddr>,
) -> [Option<Rejection>; 2] {
    let settings = operation.settings();
    let is_limited = matches!(principal.key().grants.resources, Scope::Only(_));
    let template = settings.resource.as_ref().filter(|_| is_limited);
    let resolved = template.map(|template| match operation.route_match(operation.path(parts)) {
        Ok(found) => template.resolve(&found, operation.query(parts)),
        Err(_) => Resource::Unclear,
    });
    let resource = match &resolved {
        Some(Resource::Named(resource)) => Some(resource.as_str()),
        None | Some(Resource::Missing | Resource::Unclear) => None,
    };
    let request = AccessRequest {
        operation: Some(operation.document().id()),
        scope: settings.scope.as_deref(),
        feature: settings.feature.as_deref(),
        resource,
        address,
    };
    let denied = authorize(principal, &request).err();
    [
        denied.map(|denial| from_grants(denial, &principal.plan().name, &request)),
        (resolved == Some(Resource::Unclear)).then(unclear_resource),
    ]
}
