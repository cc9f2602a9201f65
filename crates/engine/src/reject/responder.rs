//! A contract with the headers of its responses, prepared once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use demur_contract::{Contract, LimitHeaders, ResetForm};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};

use crate::record::{ApiLabels, RecordLabels};

/// A contract and the headers of its responses.
#[derive(Debug)]
pub(crate) struct ErrorResponder {
    contract: Arc<Contract>,
    labels: Arc<RecordLabels>,
    id_header: HeaderName,
    families: Vec<LimitHeaderScheme>,
    exposed: HeaderValue,
}

/// Headers with the state of limits or advice to retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LimitHeaderScheme {
    /// One header each for the size, the rest and the reset of the limit that is nearest to exhaustion.
    Limits {
        limit: Option<HeaderName>,
        remaining: Option<HeaderName>,
        reset: Option<HeaderName>,
        reset_as: ResetForm,
    },
    /// `RateLimit-Policy` and `RateLimit`.
    Ietf,
    /// `true` or `false`.
    ShouldRetry(HeaderName),
    ShouldRetryAtOnce(HeaderName),
    /// `Retry-After` in milliseconds.
    RetryAfterMillis(HeaderName),
}

impl ErrorResponder {
    /// `expose` are headers of the API's own that scripts of another origin may read too. `api` is `None` for the default
    /// contract.
    pub(crate) fn new(contract: Arc<Contract>, expose: &[HeaderName], api: Option<Arc<ApiLabels>>) -> Self {
        let id_header =
            name(&contract.request_id().header).unwrap_or(HeaderName::from_static("x-request-id"));
        let families: Vec<LimitHeaderScheme> = contract.limit_headers().iter().filter_map(family).collect();
        let exposable = exposable(&id_header, &families);
        let exposed: Vec<&str> = exposable.iter().chain(expose).map(HeaderName::as_str).collect();
        let exposed = HeaderValue::from_str(&exposed.join(", ")).unwrap_or(HeaderValue::from_static(""));
        let labels = Arc::new(RecordLabels { id_prefix: contract.request_id().prefix.clone(), api });
        Self { contract, labels, id_header, families, exposed }
    }

    /// The contract as its file has it.
    pub(crate) fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// What the records of its requests refer to.
    pub(crate) fn labels(&self) -> &Arc<RecordLabels> {
        &self.labels
    }

    /// The header that carries the request ID.
    pub(crate) fn id_header(&self) -> &HeaderName {
        &self.id_header
    }

    /// The limit headers that the contract declares.
    pub(crate) fn families(&self) -> &[LimitHeaderScheme] {
        &self.families
    }

    /// The headers that a script of another origin may read, as a list.
    pub(crate) fn exposed(&self) -> &HeaderValue {
        &self.exposed
    }
}

/// The headers of a response that browsers do not show to scripts by default.
fn exposable(id_header: &HeaderName, families: &[LimitHeaderScheme]) -> Vec<HeaderName> {
    let mut fields = vec![id_header.clone(), RETRY_AFTER];
    for family in families {
        match family {
            LimitHeaderScheme::Limits { limit, remaining, reset, .. } => {
                fields.extend([limit, remaining, reset].into_iter().flatten().cloned());
            }
            LimitHeaderScheme::Ietf => fields.extend([RATELIMIT_POLICY, RATELIMIT]),
            LimitHeaderScheme::ShouldRetry(field)
            | LimitHeaderScheme::ShouldRetryAtOnce(field)
            | LimitHeaderScheme::RetryAfterMillis(field) => {
                fields.push(field.clone());
            }
        }
    }
    fields
}

pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The contract's loader has checked the names.
///
/// Cloning a `HeaderName` that is not static costs an atomic operation for each response. So names are leaked, each once in
/// the life of the process: there are only as many as contracts declare.
fn name(field: &str) -> Option<HeaderName> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let name = HeaderName::from_bytes(field.as_bytes()).ok()?;
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let leaked = names.get(name.as_str()).copied().unwrap_or_else(|| {
        let leaked: &'static str = Box::leak(name.as_str().into());
        names.insert(leaked);
        leaked
    });
    Some(HeaderName::from_static(leaked))
}

fn family(family: &LimitHeaders) -> Option<LimitHeaderScheme> {
    Some(match family {
        LimitHeaders::Limits(fields) => LimitHeaderScheme::Limits {
            limit: fields.limit.as_deref().and_then(name),
            remaining: fields.remaining.as_deref().and_then(name),
            reset: fields.reset.as_deref().and_then(name),
            reset_as: fields.reset_as,
        },
        LimitHeaders::Ietf => LimitHeaderScheme::Ietf,
        LimitHeaders::ShouldRetry(field) => LimitHeaderScheme::ShouldRetry(name(field)?),
        LimitHeaders::ShouldRetryAtOnce(field) => LimitHeaderScheme::ShouldRetryAtOnce(name(field)?),
        LimitHeaders::RetryAfterMillis(field) => LimitHeaderScheme::RetryAfterMillis(name(field)?),
    })
}
