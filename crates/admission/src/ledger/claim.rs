//! Claims of operations that clients name: who has one, for how long it is remembered, and the response that is kept
//! for it. Of HTTP nothing is known here: a response is bytes.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Fingerprint;

/// The largest response that is stored, its head included, in bytes.
pub const MAX_RESPONSE: usize = 80 * 1024;

/// How long an operation is remembered after its response has expired. A repeat within that time is told that the
/// operation has completed; after it the name is free again.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A claim of an operation for one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Of the request: another one under the same name is a mismatch.
    pub fingerprint: Fingerprint,
    /// Who executes it.
    pub owner: Owner,
    /// How long the response is replayed.
    pub ttl: Duration,
    /// What becomes of the same request when it comes again.
    pub repeats: RepeatPolicy,
}

/// What becomes of a repeat once the operation has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatPolicy {
    /// It gets the stored response, or is told that there is none.
    Replay,
    /// It is forwarded, so many times at most: the service behind deduplicates.
    Forward(NonZeroU32),
}

/// Who executes operations: one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        // The low bits of a version 7 UUID are random.
        *THIS.get_or_init(|| Owner(uuid::Uuid::now_v7().as_u64_pair().1))
    }
}

impl Claim {
    /// When a response that is stored now is no longer replayed.
    pub fn expires(&self, now: Timestamp) -> Timestamp {
        after(now, self.ttl)
    }

    /// When an operation that is claimed now is forgotten.
    pub fn forgotten(&self, now: Timestamp) -> Timestamp {
        after(self.expires(now), REMEMBERED)
    }
}

/// A moment so much later, or the last one there is.
pub(super) fn after(moment: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    moment.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// How many claims a store remembers, and how much it keeps for them.
///
/// Where responses take more, the oldest are evicted, and their operations stay completed. Where there are more claims,
/// those whose response has expired are forgotten early, oldest first; where there is none of these, no more operations
/// are claimed.
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
    /// For a store on a disk: 16 MiB and a million claims an account, 256 MiB and four million claims in total.
    pub const DURABLE: Self = Self {
        account_bytes: 16 << 20,
        total_bytes: 256 << 20,
        account_claims: 1_000_000,
        total_claims: 4_000_000,
    };

    /// For a store in memory: 4 MiB and ten thousand claims an account, 32 MiB and a hundred thousand in total.
    pub const IN_MEMORY: Self =
        Self { account_bytes: 4 << 20, total_bytes: 32 << 20, account_claims: 10_000, total_claims: 100_000 };
}

/// A response that is kept to be replayed, as whoever stores it has written it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredResponse(Arc<[u8]>);

impl StoredResponse {
    /// A response of at most [`MAX_RESPONSE`] bytes, and at least one.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=MAX_RESPONSE).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// As it was stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What was answered is nobody's to read in a log.
impl fmt::Debug for StoredResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredResponse({} bytes)", self.0.len())
    }
}
