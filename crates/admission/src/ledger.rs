//! Credits: the third store trait, and the words in which it is spoken to.
//!
//! A charge is *held* durably before the request goes on, and later *posted* or *released*. What a hold
//! does to an account's credits is computed by [`Purse`], the same for every store.

mod purse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{AccountId, Answer, MonthlyCredits, Now, OperationId, StoreError};

pub use purse::{Booking, Expiry, Granted, HoldSource, Insufficient, MonthlyGrant, Purse, Rolled, TooLarge};

/// Where credits are kept.
pub trait Ledger: Send + Sync {
    /// Holds credits. When this says *held*, the hold outlives a crash.
    fn hold(&self, request: &HoldRequest<'_>) -> Answer<Result<HoldOutcome, StoreError>>;

    /// Settles a hold, once: a second time changes nothing.
    ///
    /// It takes its course from the call on, whether or not the answer is awaited, so that it can be called
    /// where nothing can be awaited. Where the store is in trouble it is tried again until the process ends;
    /// a hold that nothing settled counts as posted, and is marked so.
    fn settle(&self, hold: HoldId, settlement: Settlement) -> Answer<Result<(), StoreError>>;

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
    ) -> Answer<Result<Balance, StoreError>>;
}

/// A request for credits.
#[derive(Debug, Clone, Copy)]
pub struct HoldRequest<'a> {
    /// Who pays.
    pub account: &'a AccountId,
    /// For what. One operation of an account is charged at most once.
    pub operation: &'a OperationId,
    /// Whether the operation may come again.
    pub repeats: Repeats,
    /// The most that it can cost; at least one.
    pub amount: u64,
    /// The monthly credits of the account's plan.
    pub monthly: Option<&'a MonthlyCredits>,
    /// The moment.
    pub now: Now,
}

/// What a request is charged for, and how much it can cost at most.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// For what.
    pub operation: &'a OperationId,
    /// Whether the operation may come again.
    pub repeats: Repeats,
    /// The most that it can cost. What costs nothing holds nothing.
    pub amount: u64,
}

/// Whether an operation may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// The client named it, and may send it again: the same request is charged once, and another one under
    /// the same name is refused.
    As(Fingerprint),
    /// It was named for this one request, and nobody else knows the name: nothing is to be looked for.
    Never,
}

/// What became of a request for credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// They are held.
    Held {
        /// To be settled.
        hold: HoldId,
        /// What the account has now.
        balance: Balance,
    },
    /// The operation has been charged before: the request may go on, and costs nothing.
    AlreadyCharged {
        /// What the account has now.
        balance: Balance,
    },
    /// There are not enough.
    Insufficient {
        /// What there is.
        available: u64,
        /// When the next monthly credits come, where there are any.
        resets_at: Option<Timestamp>,
    },
    /// The operation is held by a request that is still under way.
    InFlight,
    /// The operation's id belongs to another request.
    Mismatch,
}

impl HoldOutcome {
    /// The hold that was made, which somebody must settle.
    pub fn hold(&self) -> Option<HoldId> {
        match self {
            HoldOutcome::Held { hold, .. } => Some(*hold),
            HoldOutcome::AlreadyCharged { .. }
            | HoldOutcome::Insufficient { .. }
            | HoldOutcome::InFlight
            | HoldOutcome::Mismatch => None,
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
