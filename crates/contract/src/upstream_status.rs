//! The condition of each status of an upstream's error response, by what the contract claims.

use crate::catalogue::ErrorEntry;
use crate::{Condition, RejectedStatus};

/// The condition of an upstream's error response of which only the status is understood.
///
/// The contract's claim on the status decides, then the condition that means the same to a client. That condition must be
/// answered with the same status, unless the contract claims it by its own name: a claim on `resource` with 404 should not
/// turn the upstream's 409 into a 404. `claim_of` gives the deepest claim on a condition.
pub(crate) fn condition_of_upstream_status<'e>(
    status: u16,
    is_claimed: impl Fn(&str) -> bool,
    claim_of: impl Fn(Condition) -> Option<&'static str>,
    answer: impl Fn(Condition) -> &'e ErrorEntry,
) -> Condition {
    let refused = match (status, RejectedStatus::new(status)) {
        // About the account of the gateway at the upstream.
        (401 | 402 | 407, _) => return Condition::UpstreamFailed,
        (_, Some(refused)) => refused,
        (502, _) => return Condition::UpstreamUnreachable,
        (503, _) => return Condition::UpstreamUnavailable,
        (504, _) => return Condition::UpstreamTimeout,
        (_, None) => return Condition::UpstreamFailed,
    };
    let own = Condition::UpstreamRefused(refused);
    if is_claimed(own.name()) {
        return own;
    }
    let Some(equivalent) = refused.equivalent() else { return own };
    let entry = answer(equivalent);
    // The upstream names no parameter for a message that shows one.
    if entry.message.uses_violation() {
        return own;
    }
    let answered = entry.status.as_u16();
    let is_meant = match claim_of(equivalent) {
        Some(claim) => answered == status || claim == equivalent.name() && answered < 500,
        None => answered == status && !is_claimed("upstream.refused"),
    };
    if is_meant { equivalent } else { own }
}
