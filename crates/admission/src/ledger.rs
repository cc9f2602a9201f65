//! Credits and idempotency: the third store trait and its types.
//!
//! A charge is *held* durably before the request is forwarded, and later *posted* or *released*. [`CreditBalance`] computes
//! the effect on an account's credits, the same for every store.
//!
//! An operation that the client names (`Idempotency-Key`) is *claimed* together with its hold, in one commit, and executes
//! once: the claim completes when the hold is posted, with or without the response, and is freed when the hold is released.
//! A completed operation never executes again while it is remembered; its response is replayed while it is stored.

mod claim;
mod credit_balance;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AccountId, MaybeFuture, MonthlyCredits, Now, OperationId, StoreError};

pub use claim::{
    Claim, ClaimBounds, Fingerprint, MAX_RESPONSE, Owner, REMEMBERED, RepeatPolicy, StoredResponse,
};
pub use credit_balance::{
    CreditBalance, Expiry, GrantEntry, HoldSource, Insufficient, MonthlyGrant, Rollover, SettlementEntry,
    TooLarge,
};

/// A store of credits.
pub trait Ledger: Send + Sync {
    /// Holds credits. When this returns `Held`, the hold is durable.
    fn hold(&self, request: &HoldRequest<'_>) -> MaybeFuture<Result<HoldOutcome, StoreError>>;

    /// Claims an operation that the client has named, and holds its credits, in one commit. The claim of a free operation
    /// holds nothing and must be settled too.
    ///
    /// While the operation is remembered, it cannot be claimed again, and the outcome says why. A claim in flight belongs to
    /// its owner. If another owner's lease has ended, its outcome is unknown: the hold is posted, and the claim is completed
    /// without a response.
    fn claim(&self, request: &HoldRequest<'_>, claim: &Claim)
    -> MaybeFuture<Result<HoldOutcome, StoreError>>;

    /// Posts a claimed hold and stores the response, in one commit. If that cannot be written at once, the hold is later
    /// posted without the response.
    ///
    /// Takes effect without being awaited; a later claim sees it.
    fn complete(&self, hold: HoldId, posted: u64, response: StoredResponse);

    /// Returns the response to a completed operation, while it is stored and not expired. `fingerprint` must be that of the
    /// claim.
    fn read(
        &self,
        account: &AccountId,
        operation: &OperationId,
        fingerprint: &Fingerprint,
        now: Now,
    ) -> MaybeFuture<Result<Option<StoredResponse>, StoreError>>;

    /// Settles a hold; settling it again changes nothing. Posting, even of zero credits, completes the claim of the hold
    /// without a response; releasing frees the claim, and the operation may execute again.
    ///
    /// Takes effect whether or not the result is awaited, so that it can be called on drop. While the store fails, it is
    /// retried until the process ends; a hold that was never settled counts as posted, with an unknown outcome.
    fn settle(&self, hold: HoldId, settlement: Settlement) -> MaybeFuture<Result<(), StoreError>>;

    /// Settles a hold without a result.
    fn settle_unwatched(&self, hold: HoldId, settlement: Settlement) {
        drop(self.settle(hold, settlement));
    }

    /// Returns the balance of an account, after granting the current month's credits.
    fn balance(
        &self,
        account: &AccountId,
        monthly: Option<&MonthlyCredits>,
        now: Now,
    ) -> MaybeFuture<Result<Balance, StoreError>>;
}

/// A request to hold credits.
#[derive(Debug, Clone, Copy)]
pub struct HoldRequest<'a> {
    /// The account that pays.
    pub account: &'a AccountId,
    /// The operation, which is charged at most once.
    pub operation: &'a OperationId,
    /// The maximum cost; at least one, except for a claim.
    pub amount: u64,
    /// The maximum duration of the request, after which the hold is expected to be settled.
    pub lease: Duration,
    /// The monthly credits of the account's plan.
    pub monthly: Option<&'a MonthlyCredits>,
    /// The current time.
    pub now: Now,
}

impl HoldRequest<'_> {
    /// Returns when the request is expected to end.
    pub fn lease_ends(&self) -> Timestamp {
        claim::after(self.now.wall, self.lease)
    }
}

/// Returns how long to wait for a hold that is expected to be settled at a moment: at least a second.
pub fn wait_for(lease_ends: Option<Timestamp>, at: Timestamp) -> Duration {
    let left = lease_ends.map(|ends| ends.duration_since(at));
    let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
    left.max(Duration::from_secs(1))
}

/// The operation that a request is charged for, and its maximum cost.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// The operation.
    pub operation: &'a OperationId,
    /// The maximum cost. A free operation holds nothing.
    pub amount: u64,
    /// The maximum duration of the request.
    pub lease: Duration,
}

/// The outcome of a request to hold credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// The credits are held, and the operation is claimed if that was requested.
    Held {
        /// The hold, which must be settled.
        hold: HoldId,
        /// The balance after the hold.
        balance: Balance,
    },
    /// The operation has completed, and this repeat may be forwarded. It costs nothing.
    Repeated {
        /// The balance after the hold.
        balance: Balance,
    },
    /// The operation has completed, and does not execute again.
    Completed {
        /// Whether the response is stored and can be read.
        is_stored: bool,
    },
    /// The account has too few credits.
    Insufficient {
        /// The available credits.
        available: u64,
        /// When the next monthly credits are granted, if any.
        resets_at: Option<Timestamp>,
        /// Set if the credits would suffice without the holds of other requests: how long until the oldest of them is expected
        /// to be settled.
        held_for: Option<Duration>,
    },
    /// The operation is claimed by a request that is still in flight.
    InFlight,
    /// The operation's ID was used for another request.
    Mismatch,
    /// The account, or the store, has the maximum number of claims.
    TooMany {
        /// The maximum.
        most: u64,
    },
}

impl HoldOutcome {
    /// Returns the hold, which must be settled.
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
    /// This amount was used, at most the hold; the rest is returned.
    Post(u64),
    /// Nothing was used.
    Release,
}

/// The ID of a hold within its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldId(pub u64);

/// The credits of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Credits that can be spent.
    pub available: u64,
    /// Credits that requests in flight hold.
    pub held: u64,
    /// All credits that were spent.
    pub posted: u64,
    /// All credits that were added.
    pub granted: u64,
    /// All credits that expired.
    pub expired: u64,
    /// When the next monthly credits are granted, if any.
    pub resets_at: Option<Timestamp>,
}
