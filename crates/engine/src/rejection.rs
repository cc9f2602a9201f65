//! Why a request ends here: what every stage of the pipeline answers instead of passing it on.
//!
//! Not an error type: to refuse is a decision. It names what is to be answered ([`ErrorTarget`]) and carries
//! what is particular to this occurrence; how it looks on the wire is the contract's business.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

use demur_admission::{AccessRequest, Denial, LimitKind, Principal, StoreKind};
use demur_contract::{Condition, ErrorId, RejectedStatus, Value, Violation};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::settings::{Authentication, Scheme};

/// What the answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorTarget {
    /// One of the gateway's own conditions.
    Condition(Condition),
    /// One of the API's own, already known by its error.
    Error(ErrorId),
    /// The violations that come with it.
    Violations,
}

/// The end of a request's way. Boxed inside: every stage returns one, and nearly none of them does.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) answering: ErrorTarget,
    pub(crate) detail: Box<RejectionDetail>,
}

/// What is particular to one refusal.
#[derive(Debug, Default)]
pub(crate) struct RejectionDetail {
    pub(crate) params: Vec<(Cow<'static, str>, Value)>,
    pub(crate) message: Option<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) retry_after: Option<Duration>,
    /// No waiting helps, whatever the contract says of the error in general.
    pub(crate) is_hopeless: bool,
    /// Fields of the refusal beyond those that every one has, such as `Allow`.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    /// Content that is in the contract's format already.
    pub(crate) verbatim: Option<Vec<u8>>,
    /// For the operators: never on the wire.
    pub(crate) cause: String,
}

impl Rejection {
    fn new(answering: ErrorTarget) -> Self {
        Self { answering, detail: Box::default() }
    }

    pub(crate) fn error(error: ErrorId) -> Self {
        Self::new(ErrorTarget::Error(error))
    }

    pub(crate) fn violations(violations: Vec<Violation>) -> Self {
        let mut refused = Self::new(ErrorTarget::Violations);
        refused.detail.violations = violations;
        refused
    }

    pub(crate) fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.detail.cause = cause.into();
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.detail.params.push((Cow::Borrowed(name), value.into()));
        self
    }

    pub(crate) fn retry_after(mut self, delay: Option<Duration>) -> Self {
        self.detail.retry_after = delay;
        self
    }

    pub(crate) fn not_retryable(mut self) -> Self {
        self.detail.is_hopeless = true;
        self
    }

    /// By one or more limits, of a request that counts for so many: `denial` denies for the longest time, and decides;
    /// all of them are named. Where one of them could never let it pass, waiting for the others is no help.
    pub(crate) fn from_limits(denial: Denial, all: &[Denial], cost: NonZeroU32) -> Self {
        let is_hopeless = all.iter().chain([&denial]).any(|denial| match denial {
            Denial::RateExceeded { retry_after, .. } => retry_after.is_none(),
            Denial::QuotaExceeded { requests, .. } => u64::from(cost.get()) > *requests,
            _ => false,
        });
        let names = violated(&denial, all);
        let refused = from_denial(denial).violating(names);
        if is_hopeless { refused.not_retryable() } else { refused }
    }

    pub(crate) fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.detail.fields.push((name, value));
        self
    }

    /// The condition that it is about, where it is one of the gateway's own.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self.answering {
            ErrorTarget::Condition(condition) => Some(condition),
            ErrorTarget::Violations => self.detail.violations.first().map(|violation| violation.condition),
            ErrorTarget::Error(_) => None,
        }
    }

    fn violating(self, policies: Vec<String>) -> Self {
        if policies.is_empty() { self } else { self.with(VIOLATED, Value::List(policies)) }
    }

    fn with_moment(self, name: &'static str, moment: Option<Timestamp>) -> Self {
        match moment {
            Some(moment) => self.with(name, moment.to_string()),
            None => self,
        }
    }
}

impl From<Condition> for Rejection {
    fn from(condition: Condition) -> Self {
        // Who sheds load wants the caller to come back a little later, not at once.
        let delay = (condition == Condition::Overloaded).then_some(Duration::from_secs(1));
        Self::new(ErrorTarget::Condition(condition)).retry_after(delay)
    }
}

/// What a key must look like is said beside the denial.
pub(crate) fn from_credentials(denial: Denial, authentication: &Authentication) -> Rejection {
    let is_scheme = denial == Denial::CredentialScheme;
    let refused = Rejection::from(denial);
    match &authentication.scheme {
        Scheme::Authorization(scheme) if is_scheme => refused.with("scheme", scheme.as_str()),
        Scheme::Authorization(_) | Scheme::Field(_) => refused,
    }
}

/// What was asked for is said beside the denial.
pub(crate) fn from_grants(denial: Denial, principal: &Principal, asked: &AccessRequest<'_>) -> Rejection {
    let refused = Rejection::from(denial);
    match refused.condition() {
        Some(Condition::PlanRequired | Condition::PlanInactive) => {
            refused.with("plan", principal.plan().name.as_str())
        }
        Some(Condition::PermissionOperation) => {
            let refused = refused.with("operation", asked.operation.unwrap_or_default());
            match asked.scope {
                Some(scope) => refused.with("scope", scope),
                None => refused,
            }
        }
        _ => refused,
    }
}

/// A 4xx of an upstream that no one declared.
impl From<RejectedStatus> for Rejection {
    fn from(status: RejectedStatus) -> Self {
        Self::from(Condition::UpstreamRefused(status)).with("status", i64::from(status.as_u16()))
    }
}

const VIOLATED: &str = "violated_policies";

/// The name of the limit that denies, as fields about limits call it.
fn policy(denial: &Denial) -> Option<&str> {
    match denial {
        Denial::RateExceeded { name, .. } => Some(name),
        Denial::RateConcurrency { .. } => Some("concurrency"),
        Denial::QuotaExceeded { .. } => Some(LimitKind::Quota.name()),
        _ => None,
    }
}

/// The names of all limits that deny, where one of them decides.
fn violated(denial: &Denial, all: &[Denial]) -> Vec<String> {
    let Some(own) = policy(denial) else { return Vec::new() };
    let mut names: Vec<String> = all.iter().filter_map(policy).map(str::to_owned).collect();
    // Between the two looks another request may have ended.
    if !names.iter().any(|name| name == own) {
        names.insert(0, own.to_owned());
    }
    names
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        let names = violated(&denial, &[]);
        from_denial(denial).violating(names)
    }
}

/// The one place where what admission says gets the name of a condition.
fn from_denial(denial: Denial) -> Rejection {
    let whole = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    match denial {
        Denial::CredentialMissing => Condition::CredentialMissing.into(),
        Denial::CredentialScheme => Condition::CredentialScheme.into(),
        Denial::CredentialMalformed => Condition::CredentialMalformed.into(),
        Denial::CredentialUnknown => Condition::CredentialUnknown.into(),
        Denial::CredentialRevoked { revoked_at } => {
            Rejection::from(Condition::CredentialRevoked).with_cause(format!("revoked at {revoked_at}"))
        }
        Denial::CredentialExpired { expired_at } => {
            Rejection::from(Condition::CredentialExpired).with_cause(format!("expired at {expired_at}"))
        }
        // To its caller it is a key that was taken back; that it may come back is its owner's to say.
        Denial::CredentialDisabled { disabled_at } => {
            Rejection::from(Condition::CredentialRevoked).with_cause(format!("disabled at {disabled_at}"))
        }
        Denial::CredentialThrottled { attempts, per, retry_after } => {
            Rejection::from(Condition::CredentialThrottled)
                .with("limit", whole(attempts))
                .with("remaining", whole(0))
                .with("window", whole(per.as_secs().max(1)))
                .retry_after(Some(retry_after))
        }
        Denial::PermissionResource { resource } => {
            Rejection::from(Condition::PermissionResource).with("resource", resource)
        }
        Denial::PermissionOperation => Condition::PermissionOperation.into(),
        Denial::PlanRequired { feature } => Rejection::from(Condition::PlanRequired).with("feature", feature),
        Denial::PlanInactive => Condition::PlanInactive.into(),
        Denial::RateExceeded { name, requests, per, remaining, retry_after } => {
            Rejection::from(Condition::RateExceeded)
                .with("limit", whole(requests))
                .with("remaining", whole(remaining))
                .with("window", whole(per.as_secs().max(1)))
                .retry_after(retry_after)
                .with_cause(format!("rate `{name}`"))
        }
        // It has no window: a slot is free when another request ends.
        Denial::RateConcurrency { slots, retry_after } => Rejection::from(Condition::RateConcurrency)
            .with("limit", whole(slots.into()))
            .with("remaining", whole(0))
            .retry_after(Some(retry_after)),
        Denial::QuotaExceeded { requests, per, remaining, resets_in, resets_at } => {
            Rejection::from(Condition::QuotaExceeded)
                .with("limit", whole(requests))
                .with("remaining", whole(remaining))
                .with("window", whole(per.as_secs().max(1)))
                .with_moment("resets_at", Some(resets_at))
                .retry_after(Some(resets_in))
        }
        // No delay: a month is nothing to sleep for. Where the contract has a place for it, it shows
        // when the credits come.
        Denial::CreditsExhausted { needed, available, resets_at } => {
            Rejection::from(Condition::CreditsExhausted)
                .with("needed", whole(needed))
                .with("available", whole(available))
                .with_moment("resets_at", resets_at)
        }
        Denial::CreditsHeld { needed, available, retry_after } => Rejection::from(Condition::CreditsHeld)
            .with("needed", whole(needed))
            .with("available", whole(available))
            .retry_after(Some(retry_after)),
        Denial::IdempotencyMismatch => Condition::IdempotencyMismatch.into(),
        Denial::IdempotencyCompleted => Condition::IdempotencyCompleted.into(),
        Denial::IdempotencyInFlight => {
            Rejection::from(Condition::IdempotencyInFlight).retry_after(Some(Duration::from_secs(1)))
        }
        Denial::StoreUnavailable { part, cause } => {
            let condition = match part {
                StoreKind::Keys => Condition::StoreUnavailableKeys,
                StoreKind::Limits => Condition::StoreUnavailableLimits,
                StoreKind::Credits => Condition::StoreUnavailableCredits,
            };
            Rejection::from(condition).retry_after(Some(Duration::from_secs(5))).with_cause(cause.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use demur_contract::DENIAL_PARAMS;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(name: &str, retry_after: Option<Duration>) -> Denial {
        let name: Arc<str> = name.into();
        Denial::RateExceeded { name, requests: 5, per: SECOND, remaining: 1, retry_after }
    }

    fn quota(requests: u64) -> Denial {
        let resets_at = Timestamp::UNIX_EPOCH;
        Denial::QuotaExceeded { requests, per: SECOND, remaining: 0, resets_in: SECOND, resets_at }
    }

    /// What denials about limits and credits give is what the table of parameters says, and the documents with it.
    #[test]
    fn denials_give_what_the_table_says() {
        let resets_at = Some(Timestamp::UNIX_EPOCH);
        let denials = [
            rate("burst", Some(SECOND)),
            quota(5),
            Denial::RateConcurrency { slots: 2, retry_after: SECOND },
            Denial::CredentialThrottled { attempts: 3, per: SECOND, retry_after: SECOND },
            Denial::CreditsExhausted { needed: 2, available: 1, resets_at },
            Denial::CreditsHeld { needed: 2, available: 1, retry_after: SECOND },
            Denial::PermissionResource { resource: "shelf:1".into() },
        ];
        for denial in denials {
            let refused = Rejection::from(denial);
            let condition = refused.condition().map_or("", |condition| condition.name());
            let given: BTreeSet<&str> = refused.detail.params.iter().map(|(name, _)| name.as_ref()).collect();
            let of_it = DENIAL_PARAMS.iter().filter(|param| param.on.contains(&condition));
            assert_eq!(given, of_it.map(|param| param.name).collect(), "{condition}");
        }
        let known: BTreeSet<&str> = demur_contract::claim_names().into_iter().collect();
        let named: BTreeMap<&str, &[&str]> =
            DENIAL_PARAMS.iter().map(|param| (param.name, param.on)).collect();
        assert_eq!(named.len(), DENIAL_PARAMS.len(), "each once");
        let is_known = |on: &&str| known.contains(on) || *on == "upstream.refused";
        assert!(named.values().all(|on| on.iter().all(is_known)), "{named:?}");
    }

    #[test]
    fn all_limits_that_deny_are_named_and_none_tells_to_wait_in_vain() {
        let some = Some(SECOND);
        for (denial, all, cost, names, is_hopeless) in [
            (
                rate("hour", some),
                vec![rate("minute", some), rate("hour", some)],
                1,
                &["minute", "hour"][..],
                false,
            ),
            (quota(5), vec![rate("minute", some), quota(5)], 1, &["minute", "daily"], false),
            (quota(5), vec![quota(5)], 10, &["daily"], true),
            (rate("burst", None), vec![rate("burst", None)], 10, &["burst"], true),
            // The quota waits for longer; yet no day would let it pass the rate.
            (quota(50), vec![rate("burst", None), quota(50)], 10, &["burst", "daily"], true),
            // Another request ended between the two looks.
            (rate("burst", some), vec![], 1, &["burst"], false),
        ] {
            let refused = Rejection::from_limits(denial, &all, NonZeroU32::new(cost).unwrap());
            let violated =
                refused.detail.params.iter().find(|(name, _)| name == VIOLATED).map(|(_, value)| value);
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!((violated, refused.detail.is_hopeless), (Some(&Value::List(names)), is_hopeless));
        }
    }
}
