//! The rejection of a request, which a stage returns instead of passing the request on.
//!
//! Not an error type: a rejection is a decision. It names its error ([`ErrorTarget`]) and carries the details of this
//! occurrence. `render.rs` makes the response of it, in the contract's format.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

use demur_admission::{AccessRequest, Denial, LimitKind, StoreKind, TokenFault};
use demur_contract::{Condition, ErrorId, RejectedStatus, Value, Violation, primary_violation};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::settings::{Authentication, Scheme};

/// Which error of the contract answers the rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorTarget {
    /// One of the gateway's own conditions.
    Condition(Condition),
    /// The error of a condition that the API itself declares.
    Error(ErrorId),
    /// The error for the rejection's violations.
    Violations,
}

/// Rejects a request. Boxed inside, to keep the results of the stages small.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) target: ErrorTarget,
    pub(crate) detail: Box<RejectionDetail>,
}

/// The details of one rejection.
#[derive(Debug, Default)]
pub(crate) struct RejectionDetail {
    pub(crate) params: Vec<(Cow<'static, str>, Value)>,
    pub(crate) message: Option<String>,
    /// The name under which an error of the API was raised.
    pub(crate) raised_as: Option<String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) retry_after: Option<Duration>,
    /// Waiting does not help, whatever the contract says of the error in general.
    pub(crate) not_retryable: bool,
    /// The upstream advises to wait for `retry_after`, whatever the contract says of the error in general.
    pub(crate) waits: bool,
    /// Further headers of the response, such as `Allow`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// A body that is in the contract's format already.
    pub(crate) verbatim: Option<Vec<u8>>,
    /// The internal reason, for logs. Never shown to clients.
    pub(crate) cause: String,
}

impl Rejection {
    fn new(target: ErrorTarget) -> Self {
        Self { target, detail: Box::default() }
    }

    pub(crate) fn error(error: ErrorId) -> Self {
        Self::new(ErrorTarget::Error(error))
    }

    /// An error of the API, raised by this name.
    pub(crate) fn named(error: ErrorId, name: &str) -> Self {
        let mut rejection = Self::error(error);
        rejection.detail.raised_as = Some(name.to_owned());
        rejection
    }

    pub(crate) fn violations(violations: Vec<Violation>) -> Self {
        let mut rejection = Self::new(ErrorTarget::Violations);
        rejection.detail.violations = violations;
        rejection
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
        self.detail.not_retryable = true;
        self
    }

    /// Rejected by one or more limits. `denial` is the one with the longest wait and decides; all of them are named. If
    /// one of them can never admit a request of this `cost`, retrying does not help.
    pub(crate) fn from_limits(denial: Denial, all: &[Denial], cost: NonZeroU32) -> Self {
        let not_retryable = all.iter().chain([&denial]).any(|denial| match denial {
            Denial::RateExceeded { retry_after, .. } => retry_after.is_none(),
            Denial::QuotaExceeded { requests, .. } => u64::from(cost.get()) > *requests,
            _ => false,
        });
        let names = violated(&denial, all);
        let rejection = from_denial(denial).violating(names);
        if not_retryable { rejection.not_retryable() } else { rejection }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.detail.headers.push((name, value));
        self
    }

    /// The condition, if it is one of the gateway's own.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self.target {
            ErrorTarget::Condition(condition) => Some(condition),
            ErrorTarget::Violations => primary_violation(&self.detail.violations).map(|it| it.condition),
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
        // Spreads retries while load is shed.
        let delay = (condition == Condition::Overloaded).then_some(Duration::from_secs(1));
        Self::new(ErrorTarget::Condition(condition)).retry_after(delay)
    }
}

/// A denied credential. The error may name the expected scheme.
pub(crate) fn from_credentials(denial: Denial, authentication: &Authentication) -> Rejection {
    let is_scheme = denial == Denial::CredentialScheme;
    let rejection = Rejection::from(denial);
    match &authentication.scheme {
        Scheme::Authorization(scheme) if is_scheme => rejection.with("scheme", scheme.as_str()),
        Scheme::Authorization(_) | Scheme::Field(_) => rejection,
    }
}

/// A denied permission. The error may name what was requested.
pub(crate) fn from_grants(denial: Denial, plan: &str, request: &AccessRequest<'_>) -> Rejection {
    let rejection = Rejection::from(denial);
    match rejection.condition() {
        Some(Condition::PlanRequired | Condition::PlanInactive) => rejection.with("plan", plan),
        Some(Condition::PermissionOperation) => {
            let rejection = rejection.with("operation", request.operation.unwrap_or_default());
            match request.scope {
                Some(scope) => rejection.with("scope", scope),
                None => rejection,
            }
        }
        _ => rejection,
    }
}

/// A 4xx of the upstream that is not declared in the contract.
impl From<RejectedStatus> for Rejection {
    fn from(status: RejectedStatus) -> Self {
        Self::from(Condition::UpstreamRefused(status)).with("status", i64::from(status.as_u16()))
    }
}

const VIOLATED: &str = "violated_policies";

/// The name of the limit that denies, as in limit headers.
fn policy(denial: &Denial) -> Option<&str> {
    match denial {
        Denial::RateExceeded { name, .. } => Some(name),
        Denial::RateConcurrency { .. } => Some("concurrency"),
        Denial::QuotaExceeded { .. } => Some(LimitKind::Quota.name()),
        _ => None,
    }
}

/// The names of all limits that deny.
fn violated(denial: &Denial, all: &[Denial]) -> Vec<String> {
    let Some(own) = policy(denial) else { return Vec::new() };
    let mut names: Vec<String> = all.iter().filter_map(policy).map(str::to_owned).collect();
    // Another request may have ended in between.
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

/// Maps denials to conditions, exhaustively.
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
        // Reported as revoked: that it may be enabled again concerns its owner only.
        Denial::CredentialDisabled { disabled_at } => {
            Rejection::from(Condition::CredentialRevoked).with_cause(format!("disabled at {disabled_at}"))
        }
        Denial::Token { fault, cause } => Rejection::from(token_condition(fault)).with_cause(cause),
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
        Denial::PermissionAddress { address } => {
            let rejection = Rejection::from(Condition::PermissionAddress);
            match address {
                Some(address) => rejection.with("address", address.to_string()),
                None => rejection,
            }
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
        // No window: a slot is released when another request ends.
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
        // No delay: clients must not wait for a month. The contract may show when the credits are renewed.
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
                StoreKind::TokenKeys => Condition::StoreUnavailableTokenKeys,
                StoreKind::Limits => Condition::StoreUnavailableLimits,
                StoreKind::Credits => Condition::StoreUnavailableCredits,
            };
            Rejection::from(condition).retry_after(Some(Duration::from_secs(5))).with_cause(cause.to_string())
        }
    }
}

fn token_condition(fault: TokenFault) -> Condition {
    match fault {
        TokenFault::Malformed => Condition::CredentialTokenMalformed,
        TokenFault::Algorithm => Condition::CredentialTokenAlgorithm,
        TokenFault::UnknownKey => Condition::CredentialTokenUnknownKey,
        TokenFault::Signature => Condition::CredentialTokenSignature,
        TokenFault::Issuer => Condition::CredentialTokenIssuer,
        TokenFault::Audience => Condition::CredentialTokenAudience,
        TokenFault::Expired => Condition::CredentialTokenExpired,
        TokenFault::NotYetValid => Condition::CredentialTokenNotYetValid,
        TokenFault::Claim => Condition::CredentialTokenClaim,
        TokenFault::Revoked => Condition::CredentialTokenRevoked,
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

    /// Denials of limits and credits have exactly the parameters that the documented table lists.
    #[test]
    fn denials_have_the_documented_parameters() {
        let resets_at = Some(Timestamp::UNIX_EPOCH);
        let denials = [
            rate("burst", Some(SECOND)),
            quota(5),
            Denial::RateConcurrency { slots: 2, retry_after: SECOND },
            Denial::CredentialThrottled { attempts: 3, per: SECOND, retry_after: SECOND },
            Denial::CreditsExhausted { needed: 2, available: 1, resets_at },
            Denial::CreditsHeld { needed: 2, available: 1, retry_after: SECOND },
            Denial::PermissionResource { resource: "shelf:1".into() },
            Denial::PermissionAddress { address: "192.0.2.1".parse().ok() },
        ];
        for denial in denials {
            let rejection = Rejection::from(denial);
            let condition = rejection.condition().map_or("", |condition| condition.name());
            let given: BTreeSet<&str> =
                rejection.detail.params.iter().map(|(name, _)| name.as_ref()).collect();
            let of_it = DENIAL_PARAMS.iter().filter(|param| param.on.contains(&condition));
            assert_eq!(given, of_it.map(|param| param.name).collect(), "{condition}");
        }
        let known: BTreeSet<&str> = demur_contract::claim_names().into_iter().collect();
        let named: BTreeMap<&str, &[&str]> =
            DENIAL_PARAMS.iter().map(|param| (param.name, param.on)).collect();
        assert_eq!(named.len(), DENIAL_PARAMS.len(), "each once");
        let is_known = |on: &&str| known.contains(on) || *on == "upstream.rejection";
        assert!(named.values().all(|on| on.iter().all(is_known)), "{named:?}");
    }

    #[test]
    fn names_all_limits_that_deny_and_is_not_retryable_if_one_never_admits() {
        let some = Some(SECOND);
        for (denial, all, cost, names, not_retryable) in [
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
            // The quota has the longer wait, but the rate never admits the request.
            (quota(50), vec![rate("burst", None), quota(50)], 10, &["burst", "daily"], true),
            // Another request has ended in between.
            (rate("burst", some), vec![], 1, &["burst"], false),
        ] {
            let rejection = Rejection::from_limits(denial, &all, NonZeroU32::new(cost).unwrap());
            let violated =
                rejection.detail.params.iter().find(|(name, _)| name == VIOLATED).map(|(_, value)| value);
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(
                (violated, rejection.detail.not_retryable),
                (Some(&Value::List(names)), not_retryable)
            );
        }
    }
}
