//! One request and its response: what is known of it so far, and the end of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Denial, LimitPermit, Now, Principal, Report};
use demur_contract::{Condition, Contract, ErrorOrigin, Problem};
use demur_validation::Operation;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use smallvec::SmallVec;

use crate::api::Api;
use crate::body_budget::{BodyReservation, BudgetClient};
use crate::concurrency_limit::Permit;
use crate::engine::Engine;
use crate::record::{Check, CheckOutcome, RequestRecord, Stage, WouldReject};
use crate::reject::negotiation::Preferences;
use crate::reject::rejection::Rejection;
use crate::reject::render::{RenderContext, error_of, render};
use crate::reject::responder::ErrorResponder;
use crate::reject::{cors, limit_headers};
use crate::request::checks::check_of;
use crate::request::credential::secret_of;
use crate::request::handshake::Handshake;
use crate::request::id::RequestId;
use crate::request::info::{Peer, RequestInfo};
use crate::request::path::SentPath;
use crate::request::upstream_headers::HeaderDirection;
use crate::response::upstream_error::Conversion;
use crate::settings::{
    DEFAULT_MAX_RETRY_WAIT, HeaderSettings, Metering, OperationSettings, RequestView, UpstreamErrorMode,
    UpstreamErrors,
};

/// The context of one request, from its head to the head of its response. Boxed once, at the start: it is moved past
/// every wait.
pub(crate) struct RequestContext {
    engine: Arc<Engine>,
    pub(crate) now: Now,
    pub(crate) client_address: Option<IpAddr>,
    /// Whether a trusted proxy sent the request.
    pub(crate) is_trusted_proxy: bool,
    /// The API's index in the engine. Until it is known the engine's default contract is used.
    api: Option<usize>,
    /// Which of the API's contracts is used.
    contract_version: usize,
    preferences: Preferences,
    /// The origin of a script that may read the response.
    origin: Option<HeaderValue>,
    /// The path as it was sent, and its faults.
    pub(crate) path: SentPath,
    /// Credentials that the request presented, which no log may show.
    pub(crate) credentials: SmallVec<[HeaderValue; 1]>,
    /// Of a request that asks for an upgrade.
    pub(crate) handshake: Option<Box<Handshake>>,
    /// What the request has taken from the limits.
    pub(crate) limit_permit: Option<LimitPermit>,
    upstream_permit: Option<Permit>,
    pub(crate) record: RequestRecord,
}

impl RequestContext {
    pub(crate) fn new(engine: &Arc<Engine>, info: &RequestInfo<'_>) -> Box<Self> {
        Box::new(Self {
            engine: Arc::clone(engine),
            now: info.now,
            client_address: info.peer.map(Peer::address),
            is_trusted_proxy: info.is_trusted_proxy,
            api: None,
            contract_version: 0,
            preferences: Preferences::default(),
            origin: None,
            path: SentPath::default(),
            credentials: SmallVec::new(),
            handshake: None,
            limit_permit: None,
            upstream_permit: None,
            record: RequestRecord::new(RequestId::fresh(info.now)),
        })
    }

    /// Memory for bodies that are buffered for this request.
    pub(crate) fn body_reservation(&self) -> BodyReservation {
        let client = BudgetClient::new(self.client_address, self.principal().is_some());
        self.engine.body_budget().reservation(client)
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn set_client_preferences(&mut self, headers: &HeaderMap) {
        let Self { engine, api, contract_version, preferences, .. } = self;
        preferences.set_from_headers(responder(engine, *api, *contract_version).contract(), headers);
    }

    /// Binds the request to an API, and to the contract version that it asks for.
    pub(crate) fn select_api(&mut self, (index, api): (usize, &Api), view: &RequestView<'_>) {
        self.contract_version = api.contract_version_for(view);
        self.api = Some(index);
        if let Some(headers) = view.headers {
            self.set_client_preferences(headers);
            self.origin = api.settings.cors.as_ref().and_then(|cors| cors::allowed_origin(cors, headers));
        }
    }

    /// The API, once it is known.
    pub(crate) fn api(&self) -> Option<&Arc<Api>> {
        self.engine.apis().get(self.api?)
    }

    pub(crate) fn responder(&self) -> &ErrorResponder {
        responder(&self.engine, self.api, self.contract_version)
    }

    /// The contract that errors are rendered in, as its file has it.
    pub(crate) fn contract(&self) -> &Contract {
        self.responder().contract()
    }

    /// The operation, once it is known.
    pub(crate) fn operation(&self) -> Option<&Operation> {
        self.api()?.settings.document.operations().get(self.record.operation?)
    }

    /// The caller, once it is known.
    pub(crate) fn principal(&self) -> Option<&Arc<Principal>> {
        self.record.principal.as_ref()
    }

    /// Which headers are removed from the request before it is forwarded.
    pub(crate) fn header_direction<'a>(&'a self, api: &'a Api) -> HeaderDirection<'a> {
        HeaderDirection {
            id: self.responder().id_header(),
            authentication: &api.settings.authentication,
            authenticates: self.authenticates(),
            operation: self.operation(),
            reserved: &api.settings.reserved_headers,
            is_trusted: self.is_trusted_proxy,
        }
    }

    fn id_prefix(&self) -> &str {
        &self.contract().request_id().prefix
    }

    /// The request ID, as the contract writes it.
    pub(crate) fn request_id(&self) -> String {
        self.record.id().with_prefix(self.id_prefix())
    }

    /// The request ID as a header value.
    pub(crate) fn request_id_value(&self) -> HeaderValue {
        self.record.id().header(self.id_prefix())
    }

    pub(crate) fn acquire_upstream_permit(&mut self) {
        debug_assert!(self.upstream_permit.is_none(), "one permit for each request");
        self.upstream_permit = self.api().map(|api| api.upstream_limit.acquire());
    }

    /// The upstream has responded: the concurrency limit learns from the latency, less the scheduling delay `lag` on both
    /// ways.
    pub(crate) fn on_upstream_head(&mut self, lag: Duration) {
        let operation = self.record.operation;
        let latency = self.upstream_permit.as_mut().and_then(|permit| permit.observe(operation, lag));
        if let Some(latency) = latency {
            self.record.set_timing(Stage::Upstream, latency);
        }
    }

    /// The permit, for the body of the response.
    pub(crate) fn take_upstream_permit(&mut self) -> Option<Permit> {
        self.upstream_permit.take()
    }

    /// How the operation's credits are settled.
    pub(crate) fn metering(&self) -> &Metering {
        const DEFAULT: &Metering = &Metering::USUAL;
        self.operation_settings().map_or(DEFAULT, |settings| &settings.usage)
    }

    /// The settings of the operation, once it is known.
    pub(crate) fn operation_settings(&self) -> Option<&OperationSettings> {
        self.api()?.settings.operations.get(self.record.operation?)
    }

    /// Whether the gateway authenticates the clients of the operation.
    pub(crate) fn authenticates(&self) -> bool {
        self.operation_settings().is_none_or(|settings| !settings.anonymous)
    }

    /// The changes of headers, those of the API first.
    pub(crate) fn header_settings(&self) -> impl Iterator<Item = &HeaderSettings> {
        let of_api = self.api().map(|api| &api.settings.headers);
        of_api.into_iter().chain(self.operation_settings().map(|settings| &settings.headers))
    }

    /// Whether the configuration keeps a header of responses that is removed by default.
    pub(crate) fn keeps_response_header(&self, name: &HeaderName) -> bool {
        self.header_settings().any(|settings| settings.response.keep.contains(name))
    }

    /// How error responses of the upstream are converted.
    pub(crate) fn conversion(&self) -> Conversion<'_> {
        const DEFAULT: &UpstreamErrors =
            &UpstreamErrors { mode: UpstreamErrorMode::Contract, rules: Vec::new() };
        let settings = self.operation_settings();
        let of_operation = settings.and_then(|settings| settings.upstream_errors.as_ref());
        let of_api = || self.api().map_or(DEFAULT, |api| &api.settings.upstream_errors);
        Conversion {
            contract: self.contract(),
            settings: of_operation.unwrap_or_else(of_api),
            authenticates: self.authenticates(),
            operation: self.api().map(|api| &api.settings.document).zip(self.operation()),
            now: self.now.wall,
        }
    }

    /// Whether rejections are only recorded.
    pub(crate) fn is_monitor_mode(&self) -> bool {
        self.api().is_some_and(|api| api.settings.monitor)
    }

    /// Records a rejection that is not enforced.
    pub(crate) fn record_would_reject(&mut self, check: Check, rejection: &Rejection) {
        let entry = self.contract().entry(error_of(self.contract(), rejection));
        let would_reject = WouldReject {
            condition: rejection.condition(),
            error: entry.name.clone(),
            status: entry.status.as_u16(),
            cause: rejection.detail.cause.clone(),
        };
        self.record.add_would_reject(would_reject);
        self.record.set_outcome(check, CheckOutcome::WouldReject);
    }

    /// Enforces the decision of a check. In monitor mode a rejection is recorded, and the request goes on without what was
    /// rejected.
    pub(crate) fn enforce<T>(
        &mut self,
        check: Check,
        decision: Result<T, Rejection>,
    ) -> Result<Option<T>, Rejection> {
        self.enforce_unless(false, check, decision)
    }

    /// The same for a check that may be in shadow mode, which only records a rejection.
    pub(crate) fn enforce_unless<T>(
        &mut self,
        is_shadow: bool,
        check: Check,
        decision: Result<T, Rejection>,
    ) -> Result<Option<T>, Rejection> {
        match decision {
            Ok(passed) => {
                self.record.set_outcome(check, CheckOutcome::Passed);
                Ok(Some(passed))
            }
            Err(rejection) if self.is_monitor_mode() || is_shadow => {
                self.record_would_reject(check, &rejection);
                Ok(None)
            }
            Err(rejection) => Err(self.rejected(check, rejection)),
        }
    }

    /// Records that a check has rejected the request, whatever the mode.
    pub(crate) fn rejected(&mut self, check: Check, rejection: Rejection) -> Rejection {
        self.record.set_outcome(check, CheckOutcome::Rejected);
        rejection
    }

    /// Renders the response to a request that is rejected.
    pub(crate) fn into_error_response(
        mut self: Box<Self>,
        rejection: Rejection,
    ) -> (Response<Option<Bytes>>, RequestRecord) {
        let error = error_of(self.contract(), &rejection);
        let with = RenderContext {
            responder: self.responder(),
            preferences: &self.preferences,
            request_id: self.request_id(),
            max_retry_wait: self.max_retry_wait(),
            challenge: self.api().map(|api| api.challenge(rejection.condition())),
        };
        let (mut response, record) = render(error, rejection, with);
        self.settle_limits(record.origin);
        self.record.set_rejection(record);
        let record = self.finalize(response.headers_mut());
        (response, record)
    }

    /// The replacement for an error event of an event stream: the contract's error for a failed upstream.
    pub(crate) fn stream_failure(&self) -> Vec<u8> {
        let contract = self.contract();
        let problem = Problem::new(contract.answer(Condition::UpstreamFailed), self.request_id());
        let mut body = Vec::new();
        self.preferences.select(contract).render(&problem, &mut body);
        body
    }

    fn max_retry_wait(&self) -> Duration {
        self.api().map_or(DEFAULT_MAX_RETRY_WAIT, |api| api.settings.max_retry_wait)
    }

    /// Limits keep what the request has taken, except for failures of the gateway itself.
    fn settle_limits(&mut self, origin: ErrorOrigin) {
        match (self.limit_permit.take(), origin) {
            (Some(permit), ErrorOrigin::Gateway) => permit.refund(self.now),
            (Some(mut permit), _) => permit.mark_failed(),
            (None, _) => {}
        }
    }

    /// Keeps the permit of the limits, and records what limits in shadow mode would have rejected.
    pub(crate) fn store_limit_permit(&mut self, permit: LimitPermit) {
        for exceeded in permit.shadowed() {
            let denial = Denial::from(exceeded.clone());
            self.record_would_reject(check_of(&denial), &denial.into());
        }
        self.limit_permit = Some(permit);
    }

    /// Sets the headers that every response carries: the request ID, limit headers and CORS headers. Ends the request.
    ///
    /// In monitor mode the upstream's response stays as it is, and gets a request ID if it has none.
    pub(crate) fn finalize(mut self: Box<Self>, headers: &mut HeaderMap) -> RequestRecord {
        let request_id = self.request_id_value();
        let id_header = self.responder().id_header();
        let is_rejected = self.record.rejection().is_some();
        self.header_settings().for_each(|settings| match is_rejected {
            true => settings.response.add_missing(headers),
            false => settings.response.apply(headers),
        });
        if self.is_monitor_mode() && self.record.rejection().is_none() {
            headers.entry(id_header).or_insert(request_id);
        } else {
            headers.insert(id_header.clone(), request_id);
            self.set_limit_headers(headers);
            self.add_server_timing(headers);
        }
        self.redact();
        let empty = RequestRecord::new(self.record.id());
        let mut record = std::mem::replace(&mut self.record, empty);
        record.set_labels(self.responder().labels());
        record
    }

    /// Says how long the upstream took, beside what it says itself.
    fn add_server_timing(&self, headers: &mut HeaderMap) {
        const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
        let is_wanted = self.api().is_some_and(|api| api.settings.server_timing);
        if let Some(took) = self.record.timing(Stage::Upstream).filter(|_| is_wanted)
            && let Ok(value) = HeaderValue::from_str(&format!("upstream;dur={:.3}", took.as_secs_f64() * 1e3))
        {
            headers.append(SERVER_TIMING, value);
        }
    }

    fn set_limit_headers(&self, headers: &mut HeaderMap) {
        let responder = self.responder();
        if let (false, Some(principal)) = (responder.families().is_empty(), self.principal()) {
            let limits: Report<'_> = principal.report(self.now);
            limit_headers::set(responder.families(), &limits, self.now, headers);
        }
        if let Some(cors) = self.api().and_then(|api| api.settings.cors.as_ref()) {
            cors::expose(cors, self.origin.as_ref(), responder.exposed(), headers);
        }
    }

    /// Removes the presented credentials from the record. Nearly always there is no text in it.
    fn redact(&mut self) {
        let credentials = std::mem::take(&mut self.credentials);
        let Self { engine, record, .. } = self;
        for text in record.texts_mut().filter(|text| !text.is_empty()) {
            let credentials: Vec<&str> = credentials.iter().filter_map(secret_of).collect();
            *text = engine.redactor().redact(std::mem::take(text), &credentials);
        }
    }

    /// Keeps the credentials of a request that is not forwarded, for redaction.
    pub(crate) fn capture_credentials(&mut self, headers: &mut HeaderMap) {
        let Self { engine, api, credentials, .. } = self;
        let Some(api) = api.and_then(|index| engine.apis().get(index)) else { return };
        for name in api.settings.authentication.fields() {
            credentials.extend(headers.remove(name));
        }
    }
}

/// The API's responder for this contract version, or the engine's default.
fn responder(engine: &Engine, api: Option<usize>, contract_version: usize) -> &ErrorResponder {
    match api.and_then(|index| engine.apis().get(index)) {
        Some(api) => api.responder(contract_version),
        None => engine.default_responder(),
    }
}
