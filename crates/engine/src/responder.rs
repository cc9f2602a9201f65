//! A contract as the engine uses it: with the fields that its answers carry, their names worked out once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use demur_contract::{Contract, LimitHeaders, ResetForm};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};

/// A contract, and the fields of its answers.
#[derive(Debug)]
pub(crate) struct ErrorResponder {
    contract: Arc<Contract>,
    id_field: HeaderName,
    families: Vec<LimitHeaderScheme>,
    exposed: HeaderValue,
}

/// Fields that tell how limits stand and whether to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LimitHeaderScheme {
    /// A field each for the nearest limit's size, what is left, and when it is whole again.
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
    /// `Retry-After` in milliseconds.
    RetryAfterMillis(HeaderName),
}

impl ErrorResponder {
    /// `expose` are fields of the API's own that scripts may read too.
    pub(crate) fn new(contract: Arc<Contract>, expose: &[HeaderName]) -> Self {
        let id_field = name(&contract.request_id().field).unwrap_or(HeaderName::from_static("x-request-id"));
        let families: Vec<LimitHeaderScheme> = contract.limit_headers().iter().filter_map(family).collect();
        let telling = telling(&id_field, &families);
        let exposed: Vec<&str> = telling.iter().chain(expose).map(HeaderName::as_str).collect();
        let exposed = HeaderValue::from_str(&exposed.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Self { contract, id_field, families, exposed }
    }

    /// The contract as its file has it.
    pub(crate) fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// The field that carries the request's id.
    pub(crate) fn id_field(&self) -> &HeaderName {
        &self.id_field
    }

    /// The families that the contract names.
    pub(crate) fn families(&self) -> &[LimitHeaderScheme] {
        &self.families
    }

    /// The fields of its answers that a script of another origin may read, as a list.
    pub(crate) fn exposed(&self) -> &HeaderValue {
        &self.exposed
    }
}

/// Every field that an answer may carry and that says more than a browser shows by itself.
fn telling(id_field: &HeaderName, families: &[LimitHeaderScheme]) -> Vec<HeaderName> {
    let mut fields = vec![id_field.clone(), RETRY_AFTER];
    for family in families {
        match family {
            LimitHeaderScheme::Limits { limit, remaining, reset, .. } => {
                fields.extend([limit, remaining, reset].into_iter().flatten().cloned());
            }
            LimitHeaderScheme::Ietf => fields.extend([RATELIMIT_POLICY, RATELIMIT]),
            LimitHeaderScheme::ShouldRetry(field) | LimitHeaderScheme::RetryAfterMillis(field) => {
                fields.push(field.clone());
            }
        }
    }
    fields
}

pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The contract's loader has checked the names, so nothing is lost here.
///
/// A name that is no constant is counted whenever a message gets it, which is a dear thing to do at every request. So
/// names become constants, each once in the life of the process: there are as many as contracts declare.
fn name(field: &str) -> Option<HeaderName> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let name = HeaderName::from_bytes(field.as_bytes()).ok()?;
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = names.get(name.as_str()).copied().unwrap_or_else(|| {
        let lasting: &'static str = Box::leak(name.as_str().into());
        names.insert(lasting);
        lasting
    });
    Some(HeaderName::from_static(known))
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
        LimitHeaders::RetryAfterMillis(field) => LimitHeaderScheme::RetryAfterMillis(name(field)?),
    })
}
