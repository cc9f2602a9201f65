//! Rates, concurrency and quota of an account: the second store trait, and what its answers are made of.
//!
//! All or nothing: when one limit denies, the others take nothing. The longest wait decides what the
//! caller is told.

mod counts;
mod kept;
mod local;
mod meter;
mod peers;
pub(crate) mod window;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::SmallVec;

use crate::{Account, AccountId, KeyId, Now, Period, Plan, StoreError};

pub use local::LocalCounters;
pub use meter::Meter;
pub(crate) use peers::PeerCells;

/// Where the counts of all accounts are kept.
pub trait Counters: Send + Sync {
    /// The meter of an account's key under a plan. Asks no store; the meters of one account count together,
    /// by the names of the rates, so that a change of plan resets nothing. From now on they count by this plan.
    fn open(&self, account: &Account, key: &KeyId, plan: &Arc<Plan>, now: Now) -> Meter;
}

/// What one request asks of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand<'a> {
    /// For how many requests it counts, with rates and quota.
    pub cost: NonZeroU32,
    /// The operation, for rates that count only some.
    pub operation: Option<&'a str>,
    /// Where it comes from, for rates that count for addresses. Without it they do not count it.
    pub peer: Option<IpAddr>,
}

impl Demand<'_> {
    /// A request that counts for one, of no operation and no address in particular.
    pub const ONE: Demand<'static> = Demand { cost: NonZeroU32::MIN, operation: None, peer: None };
}

/// What becomes of an attempt to take: trouble, refused, taken.
pub type AcquireResult = Result<Result<Box<Receipt>, Exceeded>, StoreError>;

/// What was taken, as needed to give it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How much.
    pub cost: NonZeroU32,
    /// From which address, where a rate counts for addresses.
    pub peer: Option<IpAddr>,
    /// For each rate of the plan its cell's stamp; zero where nothing was taken from it.
    pub stamps: SmallVec<[u64; 4]>,
    /// Whether a slot was taken.
    pub slot: bool,
    /// From which day's quota it was taken.
    pub day: Option<Period>,
    /// What limits in the shadow would have refused.
    pub shadowed: Vec<Exceeded>,
}

/// The limit that denies for the longest time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exceeded {
    /// A rate.
    Rate {
        /// Its name.
        name: Arc<str>,
        /// How many requests it allows in `per`.
        requests: u64,
        /// Its window.
        per: Duration,
        /// How many it would still let pass.
        remaining: u64,
        /// After how long this request would pass; `None` where no waiting helps.
        retry_after: Option<Duration>,
    },
    /// The number of requests at once.
    Concurrency {
        /// How many it allows.
        slots: u32,
        /// A guess: a slot is free when another request ends.
        retry_after: Duration,
    },
    /// The day's quota.
    Quota {
        /// How many it allows.
        requests: u64,
        /// The day's length: days of 23 and of 25 hours exist.
        per: Duration,
        /// How many are left.
        remaining: u64,
        /// How long the day still lasts.
        resets_in: Duration,
        /// When it ends.
        resets_at: Timestamp,
    },
}

impl Exceeded {
    /// How long the denial lasts. Where no waiting helps it lasts longest.
    pub fn wait(&self) -> Duration {
        match self {
            Exceeded::Rate { retry_after, .. } => retry_after.unwrap_or(Duration::MAX),
            Exceeded::Concurrency { retry_after, .. } => *retry_after,
            Exceeded::Quota { resets_in, .. } => *resets_in,
        }
    }
}

/// How the limits stand, in the plan's order: rates first, then the quota. Without those in the shadow,
/// which are nobody's business, and without those that count for addresses.
pub type Report<'a> = SmallVec<[LimitState<'a>; 4]>;

/// How one limit stands: what header fields about limits are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState<'a> {
    /// What kind of limit.
    pub kind: LimitKind<'a>,
    /// How many requests in the window.
    pub limit: u64,
    /// How many would pass now.
    pub remaining: u64,
    /// The window.
    pub window: Duration,
    /// How long until everything is there again.
    pub reset: Duration,
}

/// What kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind<'a> {
    /// A rate, by its name.
    Rate(&'a str),
    /// The day's quota.
    Quota,
}

impl LimitKind<'_> {
    /// The name by which header fields call it.
    pub fn name(&self) -> &str {
        match self {
            LimitKind::Rate(name) => name,
            LimitKind::Quota => "daily",
        }
    }
}

/// How much of a day's quota an account has used: what outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    /// Whose.
    pub account: AccountId,
    /// The day.
    pub day: Period,
    /// How many requests.
    pub used: u64,
}
