//! Made-up rejections, rendered as those of requests are: for documentation, mocks and tests.
//!
//! The reason becomes a rejection and then a response by the same code as in a request (`rejection.rs`, `render.rs`).

use std::borrow::Cow;

use bytes::Bytes;
use demur_admission::{AccessRequest, Denial, LimitState, Now};
use demur_contract::{Condition, Contract, ErrorId, Value, Violation};
use http::{HeaderMap, Response};

use crate::api::Api;
use crate::reject::limit_headers;
use crate::reject::negotiation::Preferences;
use crate::reject::rejection::{Rejection, from_credentials, from_grants};
use crate::reject::render::{RenderContext, error_of, render};
use crate::request::checks::{method_not_allowed, too_large};
use crate::request::id::RequestId;

/// Why a request would be rejected.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExampleReason {
    /// A condition without details.
    Condition(Condition),
    /// A denial by admission.
    Denial(Denial),
    /// Invalid parameters.
    Violations(Vec<Violation>),
    /// An error of the API's own.
    Error {
        /// Its name in the contract.
        name: String,
        /// Its parameters.
        params: Vec<(String, Value)>,
        /// Replaces its message, if the contract lets the API do that.
        message: Option<String>,
    },
    /// The path has other methods.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: String,
        /// The method of the request.
        method: String,
    },
    /// The body is longer than this number of bytes.
    BodyTooLarge(u64),
}

/// The request that would be rejected.
#[derive(Debug, Clone)]
pub struct ExampleContext<'e> {
    /// 0 for the API's default contract, then its contract versions in their order.
    pub contract_version: usize,
    /// Its headers, which select language and media type.
    pub headers: &'e HeaderMap,
    /// Its ID.
    pub request_id: RequestId,
    /// When it came.
    pub now: Now,
    /// The limits of its caller, for the headers about limits.
    pub limits: &'e [LimitState<'e>],
    /// What it needs access to.
    pub access: AccessRequest<'e>,
    /// The plan of its caller.
    pub plan: &'e str,
}

/// A response, and the error in it.
#[derive(Debug)]
pub struct ExampleResponse {
    /// The error.
    pub error: ErrorId,
    /// The response. Its connection would add `Date` and `Content-Length`.
    pub response: Response<Bytes>,
}

impl Api {
    /// Renders the response to a request that is rejected for this reason. `None` if the contract has no error of that
    /// name, or if there is no such contract version.
    pub fn example(&self, reason: ExampleReason, context: &ExampleContext<'_>) -> Option<ExampleResponse> {
        if context.contract_version > self.settings.versions.len() {
            return None;
        }
        let responder = self.responder(context.contract_version);
        let contract = responder.contract();
        let rejection = self.rejection_of(reason, contract, context)?;
        let error = error_of(contract, &rejection);
        let mut preferences = Preferences::default();
        preferences.set_from_headers(contract, context.headers);
        let prefix = &contract.request_id().prefix;
        let with = RenderContext {
            responder,
            preferences: &preferences,
            request_id: context.request_id.with_prefix(prefix),
            max_retry_wait: self.settings.max_retry_wait,
            challenge: Some(self.challenge(rejection.condition())),
        };
        let (mut response, _) = render(error, rejection, with);
        let headers = response.headers_mut();
        headers.insert(responder.id_header().clone(), context.request_id.header(prefix));
        limit_headers::set(responder.families(), context.limits, context.now, headers);
        Some(ExampleResponse { error, response: response.map(Option::unwrap_or_default) })
    }

    /// The rejection for a reason. `None` if the contract has no error of that name.
    pub(crate) fn rejection_of(
        &self,
        reason: ExampleReason,
        contract: &Contract,
        context: &ExampleContext<'_>,
    ) -> Option<Rejection> {
        Some(match reason {
            ExampleReason::Condition(Condition::UpstreamRefused(status)) => status.into(),
            ExampleReason::Condition(condition) => condition.into(),
            ExampleReason::Denial(denial) => self.denied(denial, context),
            ExampleReason::Violations(violations) => Rejection::violations(violations),
            ExampleReason::Error { name, params, message } => {
                let mut rejection = Rejection::error(contract.named(&name)?);
                rejection.detail.params =
                    params.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
                rejection.detail.message = message;
                rejection
            }
            ExampleReason::MethodNotAllowed { allow, method } => method_not_allowed(&allow, &method),
            ExampleReason::BodyTooLarge(max_bytes) => too_large(max_bytes),
        })
    }

    fn denied(&self, denial: Denial, context: &ExampleContext<'_>) -> Rejection {
        match &denial {
            Denial::CredentialScheme => from_credentials(denial, &self.settings.authentication),
            Denial::PermissionResource { .. }
            | Denial::PermissionOperation
            | Denial::PlanRequired { .. }
            | Denial::PlanInactive => from_grants(denial, context.plan, &context.access),
            _ => Rejection::from(denial),
        }
    }
}
