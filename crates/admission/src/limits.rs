//! Rates, concurrency and quota of an account: the second store trait and its types.
//!
//! A request takes from all limits or from none: when one denies, the others take nothing. The limit with the longest wait
//! is reported.

mod counts;
mod counts_map;

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

/// A store of counts.
pub trait Counters: Send + Sync {
    /// Returns the meter of an account's key under a plan, without calling a store. The meters of one account share their
    /// counts by the names of the rates, so that a change of plan resets nothing. They use this plan from now on.
    fn open(&self, account: &Account, key: &KeyId, plan: &Arc<Plan>, now: Now) -> Meter;
}

/// What one request takes from the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand<'a> {
    /// How many requests it counts for, in rates and quota.
    pub cost: NonZeroU32,
    /// The operation, for rates that count only some.
    pub operation: Option<&'a str>,
    /// The client address, for rates per address. Without it, those rates do not count the request.
    pub peer: Option<IpAddr>,
}

impl Demand<'_> {
    /// A request that counts once, without an operation or an address.
    pub const ONE: Demand<'static> = Demand { cost: NonZeroU32::MIN, operation: None, peer: None };
}

/// The result of taking from the limits: a store error, a denial, or a receipt.
pub type AcquireResult = Result<Result<Box<Receipt>, Exceeded>, StoreError>;

/// What was taken, as needed to refund it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How many requests it counted for.
    pub cost: NonZeroU32,
    /// The client address, for rates per address.
    pub peer: Option<IpAddr>,
    /// The stamp of each rate of the plan; zero if nothing was taken from it.
    pub stamps: SmallVec<[u64; 4]>,
    /// Whether a slot was taken.
    pub slot: bool,
    /// The day of the quota that it was taken from.
    pub day: Option<Period>,
    /// The shadow limits that would have rejected the request.
    pub shadowed: Vec<Exceeded>,
}

/// An exceeded limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exceeded {
    /// A rate limit.
    Rate {
        /// The rate's name.
        name: Arc<str>,
        /// The number of requests in `per`.
        requests: u64,
        /// The window.
        per: Duration,
        /// How many requests it would still admit.
        remaining: u64,
        /// After how long this request would be admitted; `None` if it never would.
        retry_after: Option<Duration>,
    },
    /// The concurrency limit.
    Concurrency {
        /// The maximum number of concurrent requests.
        slots: u32,
        /// An estimate: a slot is free when another request ends.
        retry_after: Duration,
    },
    /// The daily quota.
    Quota {
        /// The number of requests per day.
        requests: u64,
        /// The length of the day: there are days of 23 and 25 hours.
        per: Duration,
        /// How many requests are left.
        remaining: u64,
        /// The remaining time of the day.
        resets_in: Duration,
        /// When the day ends.
        resets_at: Timestamp,
    },
}

impl Exceeded {
    /// Returns how long the denial lasts; the maximum if the request would never be admitted.
    pub fn wait(&self) -> Duration {
        match self {
            Exceeded::Rate { retry_after, .. } => retry_after.unwrap_or(Duration::MAX),
            Exceeded::Concurrency { retry_after, .. } => *retry_after,
            Exceeded::Quota { resets_in, .. } => *resets_in,
        }
    }
}

/// The states of the limits in the plan's order: rates, then the quota. Without shadow limits and rates per address.
pub type Report<'a> = SmallVec<[LimitState<'a>; 4]>;

/// The state of one limit, for response headers about limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState<'a> {
    /// The kind of the limit.
    pub kind: LimitKind<'a>,
    /// The number of requests in the window.
    pub limit: u64,
    /// How many requests would be admitted now.
    pub remaining: u64,
    /// The window.
    pub window: Duration,
    /// How long until the whole limit is available again.
    pub reset: Duration,
}

/// The kind of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind<'a> {
    /// A rate, with its name.
    Rate(&'a str),
    /// The daily quota.
    Quota,
}

impl LimitKind<'_> {
    /// Returns the limit's name in response headers.
    pub fn name(&self) -> &str {
        match self {
            LimitKind::Rate(name) => name,
            LimitKind::Quota => "daily",
        }
    }
}

/// How much of a day's quota an account has used, as stores save it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    /// The account.
    pub account: AccountId,
    /// The day.
    pub day: Period,
    /// The number of requests.
    pub used: u64,
}
