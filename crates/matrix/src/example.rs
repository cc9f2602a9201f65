//! An example of each condition, as the engine would reject a request for it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use demur_admission::{Denial, LimitState, Now, Plan, StoreError, StoreKind, TokenFault};
use demur_contract::{Condition, Contract, Value, Violation};
use demur_engine::ExampleReason;
use demur_engine::settings::ApiSettings;
use demur_validation::Operation;
use jiff::Timestamp;

use crate::operation::{DAY, OperationView, REST_OF_DAY};

/// The request ID of all examples, without the prefix of the contract.
pub const EXAMPLE_REQUEST_ID: u128 = 0x01a2_2e93_5562_712f_a14c_7fba_db0f_db37;

/// The client of all examples, in TEST-NET-1 (RFC 5737).
const EXAMPLE_ADDRESS: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

/// The moment of all examples: 30 November 2026, 22:28:57 UTC.
pub fn example_now() -> Now {
    let wall = Timestamp::from_second(1_796_077_737).unwrap_or(Timestamp::UNIX_EPOCH);
    Now { wall, monotonic: Duration::from_secs(1) }
}

/// The limits of the caller in the examples of an operation: of a plan that can call it.
pub fn example_limits<'e>(
    settings: &'e ApiSettings,
    plans: &'e [Plan],
    operation: &'e Operation,
    is_exceeded: bool,
) -> Vec<LimitState<'e>> {
    let view = OperationView::new(settings, plans, operation, false);
    view.map(|view| view.limits(is_exceeded)).unwrap_or_default()
}

/// An error of the contract by its name, with a value for each of its parameters.
pub fn own_example(contract: &Contract, name: &str) -> Option<ExampleReason> {
    Some(own(name, &contract.entry(contract.named(name)?).params))
}

/// Why an example request to the operation is rejected.
pub(crate) fn reason(condition: Condition, view: &OperationView<'_>) -> ExampleReason {
    let denial = match condition {
        Condition::BodyTooLarge => return ExampleReason::BodyTooLarge(view.max_body_bytes()),
        _ => denial(condition, view),
    };
    denial.map_or(ExampleReason::Condition(condition), ExampleReason::Denial)
}

fn denial(condition: Condition, view: &OperationView<'_>) -> Option<Denial> {
    const SECOND: Duration = Duration::from_secs(1);
    let now = example_now().wall;
    let policy = view.policy;
    Some(match condition {
        Condition::CredentialMissing => Denial::CredentialMissing,
        Condition::CredentialScheme => Denial::CredentialScheme,
        Condition::CredentialMalformed => Denial::CredentialMalformed,
        Condition::CredentialUnknown => Denial::CredentialUnknown,
        Condition::CredentialRevoked => Denial::CredentialRevoked { revoked_at: now },
        Condition::CredentialExpired => Denial::CredentialExpired { expired_at: now },
        Condition::CredentialThrottled => {
            let (attempts, per) = view.api.authentication.failures;
            Denial::CredentialThrottled { attempts: attempts.get().into(), per, retry_after: SECOND }
        }
        Condition::CredentialTokenMalformed => token(TokenFault::Malformed),
        Condition::CredentialTokenAlgorithm => token(TokenFault::Algorithm),
        Condition::CredentialTokenUnknownKey => token(TokenFault::UnknownKey),
        Condition::CredentialTokenSignature => token(TokenFault::Signature),
        Condition::CredentialTokenIssuer => token(TokenFault::Issuer),
        Condition::CredentialTokenAudience => token(TokenFault::Audience),
        Condition::CredentialTokenExpired => token(TokenFault::Expired),
        Condition::CredentialTokenNotYetValid => token(TokenFault::NotYetValid),
        Condition::CredentialTokenClaim => token(TokenFault::Claim),
        Condition::CredentialTokenRevoked => token(TokenFault::Revoked),
        Condition::PermissionAddress => Denial::PermissionAddress { address: EXAMPLE_ADDRESS },
        Condition::PermissionResource => Denial::PermissionResource { resource: "RESOURCE".to_owned() },
        Condition::PermissionOperation => Denial::PermissionOperation,
        Condition::PlanRequired => {
            Denial::PlanRequired { feature: policy.feature.clone().unwrap_or_default() }
        }
        Condition::PlanInactive => Denial::PlanInactive,
        Condition::CreditsExhausted => {
            let resets_at = view.active().any(|plan| plan.credits.is_some()).then(next_month);
            Denial::CreditsExhausted { needed: policy.credits, available: 0, resets_at }
        }
        Condition::CreditsHeld => {
            Denial::CreditsHeld { needed: policy.credits, available: 0, retry_after: SECOND }
        }
        Condition::RateExceeded => {
            let (_, rate) = view.rates().next()?;
            Denial::RateExceeded {
                name: rate.name.clone(),
                requests: rate.requests.get().into(),
                per: rate.per,
                remaining: 0,
                retry_after: Some(SECOND),
            }
        }
        Condition::RateConcurrency => {
            let slots = view.active().find_map(|plan| Some(plan.concurrency?.slots.get()))?;
            Denial::RateConcurrency { slots, retry_after: SECOND }
        }
        Condition::QuotaExceeded => {
            let requests = view.active().find_map(|plan| Some(plan.quota.as_ref()?.requests))?;
            let resets_at = now.saturating_add(REST_OF_DAY).unwrap_or(now);
            Denial::QuotaExceeded { requests, per: DAY, remaining: 0, resets_in: REST_OF_DAY, resets_at }
        }
        Condition::IdempotencyMismatch => Denial::IdempotencyMismatch,
        Condition::IdempotencyInFlight => Denial::IdempotencyInFlight,
        Condition::IdempotencyCompleted => Denial::IdempotencyCompleted,
        Condition::StoreUnavailableKeys => unavailable(StoreKind::Keys),
        Condition::StoreUnavailableTokenKeys => unavailable(StoreKind::TokenKeys),
        Condition::StoreUnavailableLimits => unavailable(StoreKind::Limits),
        Condition::StoreUnavailableCredits => unavailable(StoreKind::Credits),
        _ => return None,
    })
}

fn token(fault: TokenFault) -> Denial {
    Denial::Token { fault, cause: String::new() }
}

fn unavailable(part: StoreKind) -> Denial {
    Denial::StoreUnavailable { part, cause: StoreError::Closed }
}

/// When the monthly credits of the example are granted.
fn next_month() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The plan of the example's caller: for a missing feature one that lacks it.
pub(crate) fn plan<'v>(condition: Condition, view: &OperationView<'v>) -> Option<&'v Plan> {
    match (condition, &view.policy.feature) {
        (Condition::PlanRequired, Some(feature)) => {
            view.active().find(|plan| !plan.features.contains(feature))
        }
        (Condition::PlanInactive, _) => view.plans.iter().find(|plan| !plan.active),
        _ => view.example_plan(),
    }
}

/// Whether the caller is known when the condition occurs, so that the response has headers about limits.
pub(crate) fn knows_caller(condition: Condition) -> bool {
    ![
        "credential",
        "request",
        "overloaded",
        "store.unavailable.keys",
        "store.unavailable.token_keys",
        "permission.address",
    ]
    .iter()
    .any(|root| condition.covered_by(root))
}

/// Whether the caller has exceeded a limit.
pub(crate) fn exceeds_limit(condition: Condition) -> bool {
    ["rate", "quota"].iter().any(|root| condition.covered_by(root))
}

/// The violation of an example, and nothing else that is wrong with the request.
pub(crate) fn violations(violation: &Violation) -> ExampleReason {
    ExampleReason::Violations(vec![violation.clone()])
}

/// An error of the API's own with a value for each of its parameters.
pub(crate) fn own(name: &str, params: &[String]) -> ExampleReason {
    let params = params.iter().map(|param| (param.clone(), Value::Text(param.to_uppercase()))).collect();
    ExampleReason::Error { name: name.to_owned(), params, message: None }
}
