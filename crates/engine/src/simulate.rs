//! Rejections that a mock asks for, on the way of a real request: they are rendered, finished and recorded as those of the
//! checks are.
//!
//! Which request is rejected, and why, is decided elsewhere.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{AccessRequest, LimitState};
use demur_contract::{Value, Violation};
use demur_validation::{Find, Operation};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};

use crate::api::Api;
use crate::engine::Engine;
use crate::pages;
use crate::record::{Check, RequestRecord};
use crate::reject::example::{ExampleContext, ExampleReason};
use crate::reject::rejection::Rejection;
use crate::reject::{cors, limit_headers};
use crate::request::checks::host;
use crate::request::context::RequestContext;
use crate::request::info::RequestInfo;
use crate::request::path::SentPath;
use crate::settings::RequestView;

/// Where a request goes, before anything is checked.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'e> {
    /// The API.
    pub api: &'e Arc<Api>,
    /// Its index in the engine.
    pub index: usize,
    /// 0 for the API's default contract, then its contract versions in their order.
    pub contract_version: usize,
    /// The operation; `None` if the document has no such path or method.
    pub operation: Option<&'e Operation>,
}

/// A rejection that a mock asks for.
#[derive(Debug, Clone)]
pub struct SimulatedRejection<'s> {
    /// Why the request is rejected.
    pub reason: ExampleReason,
    /// The limits of the caller, for the headers about limits.
    pub limits: Vec<LimitState<'s>>,
    /// The plan of the caller.
    pub plan: Cow<'s, str>,
    /// What replaces the details of the reason.
    pub details: SimulatedDetails,
}

/// What replaces the details of a simulated rejection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SimulatedDetails {
    /// Parameters of the error, by their names.
    pub params: Vec<(String, Value)>,
    /// The violations; those of the reason if there are none.
    pub violations: Vec<Violation>,
    /// The message, if the contract lets the API replace it.
    pub message: Option<String>,
    /// When a retry makes sense.
    pub retry_after: Option<Duration>,
    /// Headers of the response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl SimulatedDetails {
    fn apply(self, rejection: &mut Rejection) {
        let detail = &mut *rejection.detail;
        for (name, value) in self.params {
            detail.params.retain(|(known, _)| *known != name);
            detail.params.push((Cow::Owned(name), value));
        }
        if !self.violations.is_empty() {
            detail.violations = self.violations;
        }
        detail.message = self.message.or(detail.message.take());
        detail.retry_after = self.retry_after.or(detail.retry_after);
        for (name, value) in self.headers {
            detail.headers.retain(|(known, _)| *known != name);
            detail.headers.push((name, value));
        }
    }
}

impl Engine {
    /// Where a request goes. `None` if it goes to no API: to a page, or to a path without an API, or if it is a CORS
    /// preflight, which is answered before all.
    pub fn destination(&self, parts: &Parts, listener: Option<&str>) -> Option<Destination<'_>> {
        if self.pages().is_some_and(|lookup| pages::page(lookup, parts).is_some()) {
            return None;
        }
        let mut uri = parts.uri.clone();
        SentPath::canonicalize(&mut uri);
        let host = host(&uri, &parts.headers);
        let ((index, api), path) = self.router().find(host, uri.path())?;
        let cors = api.settings.cors.as_ref();
        if cors.and_then(|cors| cors::preflight(cors, &parts.method, &parts.headers)).is_some() {
            return None;
        }
        let view = RequestView { listener, host, path, headers: Some(&parts.headers) };
        let operation = match api.settings.document.find(&parts.method, path) {
            Find::Found(found) => Some(found.operation.index()),
            _ => None,
        };
        let operation = operation.and_then(|index| api.settings.document.operations().get(index));
        let contract_version = api.contract_version_for(&view);
        let api = self.apis().get(index)?;
        Some(Destination { api, index, contract_version, operation })
    }

    /// The response to a request that is rejected for this reason, whatever the checks would say. `None` if the request
    /// has no destination, or if its contract has no such error.
    pub fn simulate(
        self: &Arc<Self>,
        parts: &Parts,
        info: &RequestInfo<'_>,
        simulated: SimulatedRejection<'_>,
    ) -> Option<(Response<Option<Bytes>>, RequestRecord)> {
        let mut context = RequestContext::new(self, info);
        let mut uri = parts.uri.clone();
        context.path = SentPath::canonicalize(&mut uri);
        let destination = self.destination(parts, info.listener)?;
        let (api, index) = (destination.api, destination.index);
        let host = host(&uri, &parts.headers);
        let path = uri.path();
        let view = RequestView { listener: info.listener, host, path, headers: Some(&parts.headers) };
        context.select_api((index, api), &view);
        context.record.operation = destination.operation.map(Operation::index);
        let policy =
            destination.operation.and_then(|operation| api.settings.operations.get(operation.index()));
        let access = AccessRequest {
            address: None,
            operation: destination.operation.map(Operation::id),
            scope: policy.and_then(|policy| policy.scope.as_deref()),
            feature: policy.and_then(|policy| policy.feature.as_deref()),
            resource: None,
        };
        let responder = api.responder(destination.contract_version);
        let example = ExampleContext {
            contract_version: destination.contract_version,
            headers: &parts.headers,
            request_id: context.record.id(),
            now: info.now,
            limits: &[],
            access,
            plan: &simulated.plan,
        };
        let mut rejection = api.rejection_of(simulated.reason, responder.contract(), &example)?;
        simulated.details.apply(&mut rejection);
        let rejection = rejection.with_cause("simulated");
        let rejection = context.rejected(Check::Request, rejection);
        let mut headers = parts.headers.clone();
        context.capture_credentials(&mut headers);
        let (mut response, record) = context.into_error_response(rejection);
        limit_headers::set(responder.families(), &simulated.limits, info.now, response.headers_mut());
        Some((response, record))
    }
}
