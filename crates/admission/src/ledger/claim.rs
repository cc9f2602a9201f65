//! Claims of operations that clients name: their owner, how long they are remembered, and their stored response. This
//! module does not know HTTP: a response is bytes.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// The maximum size of a stored response, including its head, in bytes.
pub const MAX_RESPONSE: usize = 80 * 1024;

/// How long an operation is remembered after its response has expired. A repeat within that time is rejected as completed;
/// afterwards the ID can be used again.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A claim of an operation for one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The fingerprint of the request: another request with the same ID is a mismatch.
    pub fingerprint: Fingerprint,
    /// The process that executes the operation.
    pub owner: Owner,
    /// How long the response is replayed.
    pub ttl: Duration,
    /// How repeats of the request are handled.
    pub repeats: RepeatPolicy,
}

/// A digest that identifies a request by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Computes the digest of these parts, in this order. The boundaries between parts matter.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// How repeats are handled after the operation has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatPolicy {
    /// Replay the stored response, or reject the repeat if there is none.
    Replay,
    /// Forward at most this many repeats: the upstream deduplicates.
    Forward(NonZeroU32),
}

/// The ID of a process that executes operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

impl Owner {
    /// Returns the ID of this process.
    pub fn this_process() -> Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        // The low bits of a version 7 UUID are random.
        *THIS.get_or_init(|| Owner(uuid::Uuid::now_v7().as_u64_pair().1))
    }
}

impl Claim {
    /// Returns when a response that is stored now expires.
    pub fn expires(&self, now: Timestamp) -> Timestamp {
        after(now, self.ttl)
    }

    /// Returns when an operation that is claimed now is forgotten.
    pub fn forgotten(&self, now: Timestamp) -> Timestamp {
        after(self.expires(now), REMEMBERED)
    }
}

/// Adds a duration to a moment, saturating at the maximum.
pub(super) fn after(moment: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    moment.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// The maximum number of claims in a store, and the maximum size of their responses.
///
/// If responses take more, the oldest are evicted, and their operations stay completed. If there are more claims, those with
/// an expired response are forgotten early, oldest first; if there are none, further claims are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimBounds {
    /// Bytes of stored responses of one account.
    pub account_bytes: u64,
    /// Bytes of stored responses of all accounts.
    pub total_bytes: u64,
    /// Claims of one account.
    pub account_claims: u64,
    /// Claims of all accounts.
    pub total_claims: u64,
}

impl ClaimBounds {
    /// The bounds of a store on disk: 16 MiB and a million claims per account, 256 MiB and four million claims in total.
    pub const DURABLE: Self = Self {
        account_bytes: 16 << 20,
        total_bytes: 256 << 20,
        account_claims: 1_000_000,
        total_claims: 4_000_000,
    };

    /// The bounds of a store in memory: 4 MiB and ten thousand claims per account, 32 MiB and a hundred thousand in total.
    pub const IN_MEMORY: Self =
        Self { account_bytes: 4 << 20, total_bytes: 32 << 20, account_claims: 10_000, total_claims: 100_000 };
}

/// A response that is stored to be replayed, in the encoding of the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredResponse(Arc<[u8]>);

impl StoredResponse {
    /// Creates a response of 1 to [`MAX_RESPONSE`] bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=MAX_RESPONSE).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Returns the bytes as they were stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Does not show the response, which must not appear in a log.
impl fmt::Debug for StoredResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredResponse({} bytes)", self.0.len())
    }
}
