//! The retry policy: a pure function from a failed attempt to a decision.

use std::time::Duration;

use demur_contract::RetryClass;
use http::Method;

use crate::backoff::{Backoff, Jitter};
use crate::give_up::GiveUpReason;
use crate::network::NetworkKind;

/// When and how often a call is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Maximum number of attempts, including the first.
    pub max_attempts: u32,
    /// The delays between attempts, if the server asks for none.
    pub backoff: Backoff,
    /// Timeout of one attempt, until the response headers arrive.
    pub attempt_timeout: Duration,
    /// Deadline of the call, including all attempts, delays, and the body of the response.
    pub deadline: Duration,
    /// Maximum delay before a retry. If the server asks for more, the call fails immediately.
    pub max_delay: Duration,
    /// Whether requests that are not idempotent get an `Idempotency-Key` if they have none. Enable it only for APIs that
    /// support the header: others would process a retry twice.
    pub idempotency_keys: bool,
}

impl Default for Policy {
    /// Four attempts of 30 seconds each, five minutes in total, delays up to two minutes.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            backoff: Backoff::default(),
            attempt_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(300),
            max_delay: Duration::from_secs(120),
            idempotency_keys: false,
        }
    }
}

/// A failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAttempt {
    Response {
        status: u16,
        class: RetryClass,
        after: Option<Duration>,
        /// The response proves that the request was not processed.
        is_unprocessed: bool,
        /// The maximum number of attempts in the contract.
        attempts: Option<u32>,
        /// Whether the class is that of the caller's classifier.
        is_classified: bool,
    },
    /// With the class of the caller's classifier, if it gives one.
    Network(NetworkKind, Option<RetryClass>),
}

/// The state of the call besides the failure.
pub(crate) struct RetryContext<'c> {
    pub(crate) method: &'c Method,
    pub(crate) has_key: bool,
    pub(crate) is_replayable: bool,
    /// Counts from 1.
    pub(crate) attempt: u32,
    /// The time until the deadline.
    pub(crate) remaining: Duration,
}

/// The decision after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Retry after the delay. `is_charged`: the retry uses the budget.
    Retry {
        delay: Duration,
        is_charged: bool,
    },
    GiveUp(GiveUpReason),
}

impl Policy {
    /// The first check that fails gives the reason; those of the failure itself come first.
    pub(crate) fn decide(
        &self,
        failure: FailedAttempt,
        context: &RetryContext<'_>,
        jitter: &dyn Jitter,
    ) -> RetryDecision {
        let mut max_attempts = self.max_attempts;
        let (may_be_processed, asked, is_charged) = match failure {
            FailedAttempt::Response { status, class, after, is_unprocessed, attempts, is_classified } => {
                // A payment will not arrive between two attempts.
                if !is_retryable(class) || status == 402 && !is_classified {
                    return RetryDecision::GiveUp(GiveUpReason::NotRetryable);
                }
                max_attempts = max_attempts.min(attempts.unwrap_or(u32::MAX));
                (!is_unprocessed, after, status != 429)
            }
            FailedAttempt::Network(NetworkKind::Deadline, _) => {
                return RetryDecision::GiveUp(GiveUpReason::Deadline);
            }
            FailedAttempt::Network(NetworkKind::Request | NetworkKind::Decode, None) => {
                return RetryDecision::GiveUp(GiveUpReason::NotRetryable);
            }
            FailedAttempt::Network(_, Some(class)) if !is_retryable(class) => {
                return RetryDecision::GiveUp(GiveUpReason::NotRetryable);
            }
            FailedAttempt::Network(kind, _) => (!kind.is_undelivered(), None, true),
        };
        let is_safe_to_repeat = context.method.is_idempotent() || context.has_key;
        if may_be_processed && !is_safe_to_repeat {
            return RetryDecision::GiveUp(GiveUpReason::NotIdempotent);
        }
        if !context.is_replayable {
            return RetryDecision::GiveUp(GiveUpReason::NotReplayable);
        }
        if context.attempt >= max_attempts {
            return RetryDecision::GiveUp(GiveUpReason::Attempts);
        }
        let delay = self.backoff.delay(context.attempt, asked, jitter);
        if delay > self.max_delay || delay >= context.remaining {
            return RetryDecision::GiveUp(GiveUpReason::Deadline);
        }
        RetryDecision::Retry { delay, is_charged }
    }
}

fn is_retryable(class: RetryClass) -> bool {
    matches!(class, RetryClass::AfterDelay | RetryClass::AtReset | RetryClass::Backoff)
}
