//! From a [`Rejection`] to a response: condition → the contract's error → problem → response.
//!
//! Every error response is made here. Request ID, limit headers and CORS headers are added to all responses in
//! `request/context.rs`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_contract::{Condition, Contract, ErrorId, ErrorOrigin, Problem, Retry, RetryAfter};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::record::{RejectionRecord, ViolationRecord};
use crate::reject::limit_headers;
use crate::reject::negotiation::{self, Preferences};
use crate::reject::rejection::{ErrorTarget, Rejection};
use crate::reject::responder::ErrorResponder;

/// Room for the headers of an error response, so that the map does not grow.
const HEADERS: usize = 12;

/// What an error response depends on beside its rejection.
pub(crate) struct RenderContext<'c> {
    pub(crate) responder: &'c ErrorResponder,
    pub(crate) preferences: &'c Preferences,
    pub(crate) request_id: String,
    /// Clients are not advised to retry after a longer delay.
    pub(crate) max_retry_wait: Duration,
    /// The value of `WWW-Authenticate` in a 401.
    pub(crate) challenge: Option<&'c HeaderValue>,
}

/// The error that answers a rejection in a contract.
pub(crate) fn error_of(contract: &Contract, rejection: &Rejection) -> ErrorId {
    let error = match rejection.target {
        ErrorTarget::Condition(condition) => Some(contract.answer(condition)),
        ErrorTarget::Error(error) => Some(error),
        ErrorTarget::Violations => contract.answer_violations(&rejection.detail.violations),
    };
    error.unwrap_or_else(|| contract.answer(Condition::Internal))
}

/// Renders a rejection as this error, which [`error_of`] gave.
pub(crate) fn render(
    error: ErrorId,
    rejection: Rejection,
    with: RenderContext<'_>,
) -> (Response<Option<Bytes>>, RejectionRecord) {
    let contract = with.responder.contract();
    let entry = contract.entry(error);
    let status = entry.status.as_u16();
    let condition = rejection.condition();
    let origin = origin(&rejection, status);
    let detail = *rejection.detail;
    let violations = ViolationRecord::all(&detail.violations);
    let values = RejectionRecord::values_of(&detail.params);
    let waiting_helps =
        (limit_headers::waiting_helps(entry.retry.class) || detail.waits) && !detail.not_retryable;
    let delay = retry_after(detail.retry_after, entry.retry).filter(|_| waiting_helps);
    let (body, variant) = match detail.verbatim {
        // A body that is in the contract's format already has no other variants.
        Some(body) => (body, &**contract),
        None => {
            let variant = with.preferences.select(contract);
            let problem = Problem {
                error,
                params: detail.params,
                message: detail.message.map(Cow::Owned),
                violations: Cow::Owned(detail.violations),
                request_id: Cow::Owned(with.request_id),
                retry_after: delay,
            };
            let mut body = Vec::with_capacity(256);
            variant.render(&problem, &mut body);
            (body, variant)
        }
    };

    let mut response = Response::new((!body.is_empty()).then(|| body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    *headers = HeaderMap::with_capacity(HEADERS);
    negotiation::set_content_headers(contract, variant, headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The body may quote what the client sent, so browsers must not guess its type.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(delay) = delay {
        headers.insert(RETRY_AFTER, HeaderValue::from(delay.seconds()));
    }
    let is_soon = delay.is_none_or(|delay| delay.delay <= with.max_retry_wait);
    limit_headers::set_retry(with.responder.families(), waiting_helps && is_soon, delay, headers);
    if let (401, Some(challenge)) = (status, with.challenge) {
        headers.insert(WWW_AUTHENTICATE, challenge.clone());
    }
    for (name, _) in &detail.headers {
        headers.remove(name);
    }
    for (name, value) in detail.headers {
        headers.append(name, value);
    }

    let record = RejectionRecord {
        condition,
        raised_as: detail.raised_as,
        status,
        origin,
        cause: detail.cause,
        violations,
        values,
        retry_after: delay.map(|delay| delay.seconds()),
        contract: Arc::clone(contract),
        error,
    };
    (response, record)
}

/// When a retry makes sense, for errors where waiting helps. At most two days, whatever an upstream says. (A day of a
/// quota can have 25 hours.)
fn retry_after(known: Option<Duration>, advice: Retry) -> Option<RetryAfter> {
    const MAX: Duration = Duration::from_secs(2 * 86_400);
    let delay = known.or(advice.default_delay)?;
    Some(RetryAfter { delay: delay.min(MAX) })
}

fn origin(rejection: &Rejection, status: u16) -> ErrorOrigin {
    match rejection.target {
        ErrorTarget::Condition(condition) => condition.origin(),
        ErrorTarget::Violations => ErrorOrigin::Client,
        ErrorTarget::Error(_) if status < 500 => ErrorOrigin::Client,
        ErrorTarget::Error(_) => ErrorOrigin::Upstream,
    }
}
