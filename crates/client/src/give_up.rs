//! Why a call was not repeated.

/// Why a call was not retried.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GiveUpReason {
    /// The error is not retryable: the same request would fail again.
    NotRetryable,
    /// The request may have been processed, and is not safe to repeat.
    NotIdempotent,
    /// The request body is a stream, and cannot be sent again.
    NotReplayable,
    /// The maximum number of attempts was reached.
    Attempts,
    /// The retry budget of the host is used up.
    Budget,
    /// The delay exceeds the deadline or the maximum delay.
    Deadline,
}
