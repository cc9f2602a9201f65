//! Plans: what an account may use, as the configuration defines it. A store contains only the name of an account's plan.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Month, Period};

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its name in the configuration.
    pub name: String,
    /// Whether the plan is active. An inactive plan admits nothing.
    pub active: bool,
    /// The rate limits. Names are unique within a plan: counts are identified by the rate's name.
    pub rates: Vec<Rate>,
    /// The concurrency limit.
    pub concurrency: Option<Concurrency>,
    /// The daily quota.
    pub quota: Option<Quota>,
    /// The monthly credits.
    pub credits: Option<MonthlyCredits>,
    /// The features, which operations may require.
    pub features: BTreeSet<String>,
}

/// A rate limit: `burst` requests at once, and then one every `per / requests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The name in denials, headers and counters.
    pub name: Arc<str>,
    /// The number of requests in `per`.
    pub requests: NonZeroU32,
    /// The window.
    pub per: Duration,
    /// The maximum number of requests at once.
    pub burst: NonZeroU32,
    /// Which requests are counted together.
    pub limit_by: LimitBy,
    /// The operations that the rate counts, by their IDs in the OpenAPI document; all operations if it is empty.
    pub operations: BTreeSet<String>,
    /// Whether it is a shadow limit, which is evaluated and recorded but never rejects.
    pub shadow: bool,
}

/// Which requests one rate counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitBy {
    /// All requests of the account.
    Account,
    /// The requests of each key.
    Key,
    /// The requests of each client address within the account. An IPv6 /64 network is one address. Counted in a table of
    /// fixed size: a flood of addresses evicts the least busy ones.
    Address,
}

/// A concurrency limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// The maximum number of concurrent requests.
    pub slots: NonZeroU32,
    /// Whether it is a shadow limit, which is evaluated and recorded but never rejects.
    pub shadow: bool,
}

/// A quota of requests per calendar day.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    /// The number of requests per day.
    pub requests: u64,
    /// The time zone of the days. A change takes effect when the current day ends.
    pub zone: TimeZone,
    /// Which requests are counted.
    pub counts: QuotaUnit,
    /// Whether it is a shadow limit, which is evaluated and recorded but never rejects.
    pub shadow: bool,
}

/// Which requests a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaUnit {
    /// Every request that reaches the limits.
    Attempts,
    /// Successful requests: others are refunded when their outcome is known.
    Successes,
}

/// Credits that are granted once a month. The rest expires with the month.
#[derive(Debug, Clone, PartialEq)]
pub struct MonthlyCredits {
    /// The number of credits.
    pub amount: u64,
    /// The day of the month, 1 to 31. In a month without it, the last day.
    pub grant_day: u8,
    /// The time zone of the grant day.
    pub zone: TimeZone,
}

impl Plan {
    /// Creates an active plan without limits, credits or features.
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
    /// Creates a rate per account, with a burst of `requests`.
    pub fn new(name: impl Into<Arc<str>>, requests: NonZeroU32, per: Duration) -> Self {
        Self {
            name: name.into(),
            requests,
            per,
            burst: requests,
            limit_by: LimitBy::Account,
            operations: BTreeSet::new(),
            shadow: false,
        }
    }

    /// The limit and the window that clients are told. A burst that is smaller than `requests` is the limit, in the time in
    /// which it refills: nobody could ever use more at once, so `100;w=60` with 5 remaining would look nearly exhausted.
    pub fn advertised(&self) -> (u64, Duration) {
        let (requests, burst) = (self.requests.get(), self.burst.get());
        if burst >= requests {
            return (u64::from(requests), self.per);
        }
        let window = self.per.checked_mul(burst).map_or(self.per, |total| total / requests);
        (u64::from(burst), window)
    }

    /// Whether the rate counts requests of this operation.
    pub fn concerns(&self, operation: Option<&str>) -> bool {
        self.operations.is_empty() || operation.is_some_and(|name| self.operations.contains(name))
    }
}

impl Concurrency {
    /// Creates a limit with this many slots.
    pub fn of(slots: NonZeroU32) -> Self {
        Self { slots, shadow: false }
    }
}

impl Quota {
    /// Creates a quota of attempts per day in a time zone.
    pub fn daily(requests: u64, zone: TimeZone) -> Self {
        Self { requests, zone, counts: QuotaUnit::Attempts, shadow: false }
    }

    /// Returns the day that contains `moment`.
    pub fn day(&self, moment: Timestamp) -> Period {
        Period::day(moment, &self.zone)
    }
}

impl MonthlyCredits {
    /// Returns the grant month that contains `moment`.
    pub fn month(&self, moment: Timestamp) -> Month {
        Month::around(moment, self.grant_day, &self.zone)
    }

    /// Returns when the next credits are granted.
    pub fn next_reset(&self, moment: Timestamp) -> Timestamp {
        self.month(moment).end
    }
}

/// The current plans, which are replaced as a whole when the configuration is reloaded.
#[derive(Debug)]
pub struct Plans {
    plans: ArcSwap<HashMap<String, Arc<Plan>>>,
    revision: AtomicU64,
}

impl Plans {
    /// Creates a set of plans; of two plans with the same name, the later one is used.
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self { plans: ArcSwap::from_pointee(by_name(plans)), revision: AtomicU64::new(0) }
    }

    /// Replaces all plans, from the next request on. Counts are kept. Does nothing if the plans are the same, so that no key
    /// has to be looked up again.
    pub fn replace(&self, plans: impl IntoIterator<Item = Plan>) {
        let plans = by_name(plans);
        if plans == **self.plans.load() {
            return;
        }
        self.plans.store(Arc::new(plans));
        // After the store: a thread that sees the new revision also sees the new plans.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Returns a plan by its name; an inactive plan if the configuration does not have it.
    pub fn plan(&self, name: &str) -> Arc<Plan> {
        match self.plans.load().get(name) {
            Some(plan) => Arc::clone(plan),
            None => Arc::new(Plan { active: false, ..Plan::named(name) }),
        }
    }

    /// Whether the configuration has this plan.
    pub fn contains(&self, name: &str) -> bool {
        self.plans.load().contains_key(name)
    }

    /// Returns a number that changes whenever the plans do.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

fn by_name(plans: impl IntoIterator<Item = Plan>) -> HashMap<String, Arc<Plan>> {
    plans.into_iter().map(|plan| (plan.name.clone(), Arc::new(plan))).collect()
}
