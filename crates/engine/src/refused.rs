//! Why a request ends here: what every stage of the pipeline answers instead of passing it on.
//!
//! Not an error type: to refuse is a decision. It names what is to be answered ([`Answering`]) and carries
//! what is particular to this occurrence; how it looks on the wire is the contract's business.

use std::borrow::Cow;
use std::time::Duration;

use demur_admission::{Denial, LimitKind, StorePart};
use demur_contract::{Condition, ErrorId, RefusedStatus, Value, Violation};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

/// What the answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    /// One of the gateway's own conditions.
    Condition(Condition),
    /// One of the API's own, already known by its error.
    Error(ErrorId),
    /// The violations that come with it.
    Violations,
}

/// The end of a request's way. Boxed inside: every stage returns one, and nearly none of them does.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) answering: Answering,
    pub(crate) detail: Box<Detail>,
}

/// What is particular to one refusal.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    pub(crate) params: Vec<(Cow<'static, str>, Value)>,
    pub(crate) message: Option<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) retry_after: Option<Duration>,
    /// Fields of the refusal beyond those that every one has, such as `Allow`.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    /// Content that is in the contract's format already.
    pub(crate) verbatim: Option<Vec<u8>>,
    /// For the operators: never on the wire.
    pub(crate) cause: String,
}

impl Refused {
    fn new(answering: Answering) -> Self {
        Self { answering, detail: Box::default() }
    }

    pub(crate) fn error(error: ErrorId) -> Self {
        Self::new(Answering::Error(error))
    }

    pub(crate) fn violations(violations: Vec<Violation>) -> Self {
        let mut refused = Self::new(Answering::Violations);
        refused.detail.violations = violations;
        refused
    }

    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.detail.cause = cause.into();
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.detail.params.push((Cow::Borrowed(name), value.into()));
        self
    }

    pub(crate) fn after(mut self, delay: Option<Duration>) -> Self {
        self.detail.retry_after = delay;
        self
    }

    pub(crate) fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.detail.fields.push((name, value));
        self
    }

    /// The condition that it is about, where it is one of the gateway's own.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self.answering {
            Answering::Condition(condition) => Some(condition),
            Answering::Violations => self.detail.violations.first().map(|violation| violation.condition),
            Answering::Error(_) => None,
        }
    }

    fn with_moment(self, name: &'static str, moment: Option<Timestamp>) -> Self {
        match moment {
            Some(moment) => self.with(name, moment.to_string()),
            None => self,
        }
    }
}

impl From<Condition> for Refused {
    fn from(condition: Condition) -> Self {
        // Who sheds load wants the caller to come back a little later, not at once.
        let delay = (condition == Condition::Overloaded).then_some(Duration::from_secs(1));
        Self::new(Answering::Condition(condition)).after(delay)
    }
}

/// A 4xx of an upstream that no one declared.
impl From<RefusedStatus> for Refused {
    fn from(status: RefusedStatus) -> Self {
        Self::from(Condition::UpstreamRefused(status)).with("status", i64::from(status.as_u16()))
    }
}

/// The one place where what admission says gets the name of a condition.
impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        let whole = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        match denial {
            Denial::CredentialMissing => Condition::CredentialMissing.into(),
            Denial::CredentialScheme => Condition::CredentialScheme.into(),
            Denial::CredentialMalformed => Condition::CredentialMalformed.into(),
            Denial::CredentialUnknown => Condition::CredentialUnknown.into(),
            Denial::CredentialRevoked { revoked_at } => {
                Refused::from(Condition::CredentialRevoked).because(format!("revoked at {revoked_at}"))
            }
            Denial::CredentialExpired { expired_at } => {
                Refused::from(Condition::CredentialExpired).because(format!("expired at {expired_at}"))
            }
            // To its caller it is a key that was taken back; that it may come back is its owner's to say.
            Denial::CredentialDisabled { disabled_at } => {
                Refused::from(Condition::CredentialRevoked).because(format!("disabled at {disabled_at}"))
            }
            Denial::CredentialThrottled { retry_after } => {
                Refused::from(Condition::CredentialThrottled).after(Some(retry_after))
            }
            Denial::PermissionResource { resource } => {
                Refused::from(Condition::PermissionResource).with("resource", resource)
            }
            Denial::PermissionOperation => Condition::PermissionOperation.into(),
            Denial::PlanRequired { feature } => {
                Refused::from(Condition::PlanRequired).with("feature", feature)
            }
            Denial::PlanInactive => Condition::PlanInactive.into(),
            Denial::RateExceeded { name, requests, per, remaining, retry_after } => {
                Refused::from(Condition::RateExceeded)
                    .with("violated_policies", Value::List(vec![name.to_string()]))
                    .with("limit", whole(requests))
                    .with("remaining", whole(remaining))
                    .with("window", whole(per.as_secs().max(1)))
                    .after(retry_after)
                    .because(format!("rate `{name}`"))
            }
            Denial::RateConcurrency { slots, retry_after } => Refused::from(Condition::RateConcurrency)
                .with("limit", whole(slots.into()))
                .after(Some(retry_after)),
            Denial::QuotaExceeded { requests, remaining, resets_in, resets_at } => {
                Refused::from(Condition::QuotaExceeded)
                    .with("violated_policies", Value::List(vec![LimitKind::Quota.name().to_owned()]))
                    .with("limit", whole(requests))
                    .with("remaining", whole(remaining))
                    .with_moment("resets_at", Some(resets_at))
                    .after(Some(resets_in))
            }
            // No delay: a month is nothing to sleep for. Where the contract has a place for it, it shows
            // when the credits come.
            Denial::CreditsExhausted { needed, available, resets_at } => {
                Refused::from(Condition::CreditsExhausted)
                    .with("needed", whole(needed))
                    .with("available", whole(available))
                    .with_moment("resets_at", resets_at)
            }
            Denial::IdempotencyMismatch => Condition::IdempotencyMismatch.into(),
            Denial::IdempotencyInFlight => {
                Refused::from(Condition::IdempotencyInFlight).after(Some(Duration::from_secs(1)))
            }
            Denial::StoreUnavailable { part, cause } => {
                let condition = match part {
                    StorePart::Keys => Condition::StoreUnavailableKeys,
                    StorePart::Limits => Condition::StoreUnavailableLimits,
                    StorePart::Credits => Condition::StoreUnavailableCredits,
                };
                Refused::from(condition).after(Some(Duration::from_secs(5))).because(cause.to_string())
            }
        }
    }
}
