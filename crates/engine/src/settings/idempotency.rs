//! What an `Idempotency-Key` means to an API or an operation.

use std::num::NonZeroU32;
use std::time::Duration;

/// What an `Idempotency-Key` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// What becomes of a repeat.
    pub mode: IdempotencyMode,
    /// How long a response is replayed.
    pub ttl: Duration,
}

/// What becomes of a request that comes again with its `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotencyMode {
    /// The header means nothing to the gateway: each request is executed and charged.
    Off,
    /// It gets the stored response, or is rejected where there is none.
    Replay,
    /// It is forwarded without being charged, so many times at most: the service deduplicates.
    Upstream(NonZeroU32),
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { mode: IdempotencyMode::Replay, ttl: Duration::from_secs(24 * 3600) }
    }
}
