//! Plans: what an account may use, as the configuration file defines it. A store only holds which plan an
//! account has.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Month, Period};

/// One plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name in the configuration.
    pub name: String,
    /// An inactive plan admits nothing.
    pub active: bool,
    /// How many requests per time. Names are unique within a plan: a counter goes by its rate's name.
    pub rates: Vec<Rate>,
    /// How many requests at once.
    pub concurrency: Option<Concurrency>,
    /// How many requests per day.
    pub quota: Option<Quota>,
    /// Credits that come each month.
    pub credits: Option<MonthlyCredits>,
    /// What operations may ask for.
    pub features: BTreeSet<String>,
}

/// Requests per time. They may come `burst` at once, and then one every `per / requests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// By which denials, header fields and counters call it.
    pub name: Arc<str>,
    /// How many in `per`.
    pub requests: NonZeroU32,
    /// The window.
    pub per: Duration,
    /// How many at once.
    pub burst: NonZeroU32,
    /// Whose requests are counted together.
    pub counts_for: CountsFor,
    /// Only these operations, by their names in the API's document; all of them where there are none.
    pub operations: BTreeSet<String>,
    /// In the shadow: it decides and is recorded, and refuses nobody.
    pub shadow: bool,
}

/// Whose requests one rate counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsFor {
    /// All keys of the account.
    Account,
    /// Each key by itself.
    Key,
    /// Each peer address by itself, within the account. An IPv6 network of 64 bits is one address. Counted
    /// in a table of fixed size: in a flood of addresses those that were least busy are forgotten.
    Address,
}

/// Requests at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// How many.
    pub slots: NonZeroU32,
    /// In the shadow: it decides and is recorded, and refuses nobody.
    pub shadow: bool,
}

/// Requests per calendar day.
#[derive(Debug, Clone)]
pub struct Quota {
    /// How many in a day.
    pub requests: u64,
    /// Whose days they are. Another zone takes effect when the day under way ends.
    pub zone: TimeZone,
    /// What is counted.
    pub counts: QuotaUnit,
    /// In the shadow: it decides and is recorded, and refuses nobody.
    pub shadow: bool,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaUnit {
    /// Every request that gets as far as the limits.
    Attempts,
    /// Those that succeed: the others are given back when their outcome is known.
    Successes,
}

/// Credits granted once a month. What is left of them expires with the month.
#[derive(Debug, Clone)]
pub struct MonthlyCredits {
    /// How many.
    pub amount: u64,
    /// 1 to 28.
    pub grant_day: u8,
    /// Where the grant day begins.
    pub zone: TimeZone,
}

impl Plan {
    /// An active plan without limits, credits or features.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            active: true,
            rates: Vec::new(),
            concurrency: None,
            quota: None,
            credits: None,
            features: BTreeSet::new(),
        }
    }
}

impl Rate {
    /// So many requests per time for an account, and as many at once.
    pub fn new(name: impl Into<Arc<str>>, requests: NonZeroU32, per: Duration) -> Self {
        Self {
            name: name.into(),
            requests,
            per,
            burst: requests,
            counts_for: CountsFor::Account,
            operations: BTreeSet::new(),
            shadow: false,
        }
    }

    /// Whether it counts requests of this operation.
    pub fn concerns(&self, operation: Option<&str>) -> bool {
        self.operations.is_empty() || operation.is_some_and(|name| self.operations.contains(name))
    }
}

impl Concurrency {
    /// So many at once.
    pub fn of(slots: NonZeroU32) -> Self {
        Self { slots, shadow: false }
    }
}

impl Quota {
    /// So many requests, whatever becomes of them, in each day of the zone.
    pub fn daily(requests: u64, zone: TimeZone) -> Self {
        Self { requests, zone, counts: QuotaUnit::Attempts, shadow: false }
    }

    /// The day around `moment`.
    pub fn day(&self, moment: Timestamp) -> Period {
        Period::day(moment, &self.zone)
    }
}

impl MonthlyCredits {
    /// The grant month around `moment`.
    pub fn month(&self, moment: Timestamp) -> Month {
        Month::around(moment, self.grant_day, &self.zone)
    }

    /// When the next credits come.
    pub fn next_reset(&self, moment: Timestamp) -> Timestamp {
        self.month(moment).end
    }
}

/// The plans in force. Swapped as a whole when the configuration is loaded again.
#[derive(Debug)]
pub struct Plans {
    plans: ArcSwap<HashMap<String, Arc<Plan>>>,
    revision: AtomicU64,
}

impl Plans {
    /// A book of these plans; of two with one name the later counts.
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self { plans: ArcSwap::from_pointee(by_name(plans)), revision: AtomicU64::new(0) }
    }

    /// Puts other plans in force, for the next request of everyone.
    pub fn replace(&self, plans: impl IntoIterator<Item = Plan>) {
        self.plans.store(Arc::new(by_name(plans)));
        // After the store: who sees the new revision sees the new plans.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// The plan of that name. One that the configuration no longer has admits nothing.
    pub fn plan(&self, name: &str) -> Arc<Plan> {
        match self.plans.load().get(name) {
            Some(plan) => Arc::clone(plan),
            None => Arc::new(Plan { active: false, ..Plan::named(name) }),
        }
    }

    /// Whether the configuration has it.
    pub fn contains(&self, name: &str) -> bool {
        self.plans.load().contains_key(name)
    }

    /// Changes whenever the plans do.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

fn by_name(plans: impl IntoIterator<Item = Plan>) -> HashMap<String, Arc<Plan>> {
    plans.into_iter().map(|plan| (plan.name.clone(), Arc::new(plan))).collect()
}
