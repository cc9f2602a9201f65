//! Credits and idempotency: the third store trait and its types.
//!
//! A charge is *held* durably before the request goes on, and later *posted* or *released*. What a hold
//! does to an account's credits is computed by [`CreditBalance`], the same for every store.
//!
//! An operation that the client names (`Idempotency-Key`) is *claimed* together with its hold, in one commit, and
//! runs once: the claim completes when the hold is posted, with or without the response, and is freed when the hold is
//! released. A completed claim is never run again while it is remembered; its response is replayed while it is stored.

mod claim;
mod credit_balance;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{AccountId, MaybeFuture, MonthlyCredits, Now, OperationId, StoreError};

pub use claim::{Claim, ClaimBounds, MAX_RESPONSE, Owner, REMEMBERED, RepeatPolicy, StoredResponse};
pub use credit_balance::{
    CreditBalance, Expiry, GrantEntry, HoldSource, Insufficient, MonthlyGrant, Rollover, SettlementEntry,
    TooLarge,
};

/// Where credits are kept.
pub trait Ledger: Send + Sync {
    /// Holds credits. When this says *held*, the hold outlives a crash.
    fn hold(&self, request: &HoldRequest<'_>) -> MaybeFuture<Result<HoldOutcome, StoreError>>;

    /// Claims an operation that the client has named, and holds its credits, in one commit. A claim of an operation
    /// that costs nothing holds nothing and is settled all the same.
    ///
    /// While the operation is remembered, no second claim of it is granted: the outcome says what there is instead.
    /// A claim in flight belongs to its owner. Another owner's whose lease has ended is resolved here, as its outcome is
    /// unknown: the hold is posted, and the claim is completed without a response.
    fn claim(&self, request: &HoldRequest<'_>, claim: &Claim)
    -> MaybeFuture<Result<HoldOutcome, StoreError>>;

    /// Posts a claimed hold and stores the response, in one commit. Where that cannot be written at once, it is later
    /// posted without the response.
    ///
    /// It takes its course from the call on, and a claim that is asked for after it is decided after it.
    fn complete(&self, hold: HoldId, posted: u64, response: StoredResponse);

    /// The stored response to a completed operation, while it is stored and not expired. `fingerprint` must be that of
    /// the claim.
    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>>;

    /// Settles a hold, once: a second time changes nothing. The claim of a hold that is posted, of nothing too, is
    /// completed without a response; that of one that is released is freed, and the operation may run again.
    ///
    /// It takes its course from the call on, whether or not the answer is awaited, so that it can be called
    /// where nothing can be awaited. Where the store is in trouble it is tried again until the process ends;
    /// a hold that nothing settled counts as posted, and is marked so.
    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>>;

    /// The same without an answer, for where nobody waits.
    fn settle_unwatched(&self, hold: HoldId, settlement: Settlement) {
        drop(self.settle(hold, settlement));
    }

    /// What an account has, the grant of the month under way included.
    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>>;
}

/// A request for credits.
#[derive(Debug, Clone, Copy)]
pub struct HoldRequest<'a> {
    /// Who pays.
    pub account: &'a AccountId,
    /// For what. One operation of an account is charged at most once.
    pub operation: &'a OperationId,
    /// The most that it can cost; at least one, but for a claim.
    pub amount: u64,
    /// How long the request may take: by then the hold is expected to have ended.
    pub lease: Duration,
    /// The monthly credits of the account's plan.
    pub monthly: Option<&'a MonthlyCredits>,
    /// The moment.
    pub now: Now,
}

impl HoldRequest<'_> {
    /// When the request is expected to have ended.
    pub fn lease_ends(&self) -> Timestamp {
        claim::after(self.now.wall, self.lease)
    }
}

/// How long a request waits for a hold that is expected to end at a moment: a second at least.
pub fn wait_for(lease_ends: Option<Timestamp>, at: Timestamp) -> Duration {
    let left = lease_ends.map(|ends| ends.duration_since(at));
    let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
    left.max(Duration::from_secs(1))
}

/// What a request is charged for, and how much it can cost at most.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// For what.
    pub operation: &'a OperationId,
    /// The most that it can cost. What costs nothing holds nothing.
    pub amount: u64,
    /// How long the request may take.
    pub lease: Duration,
}

/// What became of a request for credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// They are held, and the operation is claimed where it was to be.
    Held {
        /// To be settled.
        hold: HoldId,
        /// What the account has now.
        balance: Balance,
    },
    /// The operation has completed, and this repeat is one of those that may be forwarded. It costs nothing.
    Repeated {
        /// What the account has now.
        balance: Balance,
    },
    /// The operation has completed, and does not run again.
    Completed {
        /// Whether the response is stored, so that it can be read.
        is_stored: bool,
    },
    /// There are not enough credits.
    Insufficient {
        /// What there is.
        available: u64,
        /// When the next monthly credits come, where there are any.
        resets_at: Option<Timestamp>,
        /// Where there would be enough but for what other requests hold: how long until the oldest of these is
        /// expected to have ended.
        held_for: Option<Duration>,
    },
    /// The operation is claimed by a request that is still under way.
    InFlight,
    /// The operation's id belongs to another request.
    Mismatch,
    /// The account, or the store, remembers as many operations as it may.
    TooMany {
        /// How many.
        most: u64,
    },
}

impl HoldOutcome {
    /// The hold that was made, which somebody must settle.
    pub fn hold(&self) -> Option<HoldId> {
        match self {
            HoldOutcome::Held { hold, .. } => Some(*hold),
            HoldOutcome::Repeated { .. }
            | HoldOutcome::Completed { .. }
            | HoldOutcome::Insufficient { .. }
            | HoldOutcome::InFlight
            | HoldOutcome::Mismatch
            | HoldOutcome::TooMany { .. } => None,
        }
    }
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// So much was used; what exceeds the hold is not taken, what remains of it flows back.
    Post(u64),
    /// Nothing was used.
    Release,
}

/// A hold, within its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldId(pub u64);

/// What an account has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// What can be spent.
    pub available: u64,
    /// What requests under way hold.
    pub held: u64,
    /// What has been spent, ever.
    pub posted: u64,
    /// What came in, ever.
    pub granted: u64,
    /// What expired with its month, ever.
    pub expired: u64,
    /// When the next monthly credits come, where there are any.
    pub resets_at: Option<Timestamp>,
}

/// Tells one request from another: a digest of what makes it what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of these parts, in this order; where one part ends and the next begins counts too.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}
