//! Whether to try again: a pure decision over what is known of one failure.

use std::time::Duration;

use demur_contract::RetryClass;
use http::Method;

use crate::backoff::{Backoff, Jitter};
use crate::error::GiveUpReason;
use crate::network::NetworkKind;

/// How often, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Delays where the server asks for none.
    pub backoff: Backoff,
    /// For the head of one answer.
    pub per_attempt: Duration,
    /// For the whole call: attempts and delays.
    pub deadline: Duration,
    /// A longer delay is not slept through; the error comes at once.
    pub longest_delay: Duration,
    /// Whether requests that change something get an `Idempotency-Key` where they have none. Only for APIs
    /// that know it: elsewhere a repetition does it twice.
    pub idempotency_keys: bool,
}

impl Default for Policy {
    /// Four attempts, thirty seconds each, five minutes in all; delays up to two minutes.
    fn default() -> Self {
        Self {
            attempts: 4,
            backoff: Backoff::default(),
            per_attempt: Duration::from_secs(30),
            deadline: Duration::from_secs(300),
            longest_delay: Duration::from_secs(120),
            idempotency_keys: false,
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAttempt {
    Answered {
        status: u16,
        class: RetryClass,
        after: Option<Duration>,
        is_declared_limit: bool,
        /// Attempts that the contract allows.
        attempts: Option<u32>,
    },
    Network(NetworkKind),
}

/// What is known beside the failure.
pub(crate) struct RetryContext<'s> {
    pub(crate) method: &'s Method,
    pub(crate) has_key: bool,
    pub(crate) is_replayable: bool,
    /// From 1.
    pub(crate) attempt: u32,
    /// Until the deadline.
    pub(crate) left: Duration,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Again, after this delay. `is_charged` says whether it comes out of the budget.
    Retry {
        delay: Duration,
        is_charged: bool,
    },
    Stop(GiveUpReason),
}

impl Policy {
    /// The order of the checks is the order in which a reason is told: the failure's own first.
    pub(crate) fn decide(
        &self,
        failure: FailedAttempt,
        situation: &RetryContext<'_>,
        jitter: &dyn Jitter,
    ) -> RetryDecision {
        let mut most = self.attempts;
        let (may_be_processed, asked, is_charged) = match failure {
            FailedAttempt::Answered { status, class, after, is_declared_limit, attempts } => {
                let is_worth_it =
                    matches!(class, RetryClass::AfterDelay | RetryClass::AtReset | RetryClass::Backoff);
                // Nobody pays between two attempts.
                if !is_worth_it || status == 402 {
                    return RetryDecision::Stop(GiveUpReason::Advice);
                }
                most = most.min(attempts.unwrap_or(u32::MAX));
                (!is_declared_limit, after, status != 429)
            }
            FailedAttempt::Network(NetworkKind::Request) => return RetryDecision::Stop(GiveUpReason::Advice),
            FailedAttempt::Network(NetworkKind::Deadline) => {
                return RetryDecision::Stop(GiveUpReason::Deadline);
            }
            FailedAttempt::Network(kind) => (!kind.is_undelivered(), None, true),
        };
        let is_safe_to_repeat = situation.method.is_idempotent() || situation.has_key;
        if may_be_processed && !is_safe_to_repeat {
            return RetryDecision::Stop(GiveUpReason::NotIdempotent);
        }
        if !situation.is_replayable {
            return RetryDecision::Stop(GiveUpReason::NotReplayable);
        }
        if situation.attempt >= most {
            return RetryDecision::Stop(GiveUpReason::Attempts);
        }
        let delay = self.backoff.delay(situation.attempt, asked, jitter);
        if delay > self.longest_delay || delay >= situation.left {
            return RetryDecision::Stop(GiveUpReason::Deadline);
        }
        RetryDecision::Retry { delay, is_charged }
    }
}
