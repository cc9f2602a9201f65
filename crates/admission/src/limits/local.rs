//! Counts in this process's memory: the counters of one node, with or without a database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::counts::{ChangedQuotas, Counts, RateNames};
use super::counts_map::CountsMap;
use super::meter::Limits;
use super::window::QuotaState;
use super::{Counters, LimitKind, Meter, PeerCells, QuotaUse};
use crate::atomic::Ordering;
use crate::{Account, AccountId, Gcra, KeyId, LimitBy, LimitUse, LimitUseKind, Now, Plan, Rate, Spacing};

/// The number of cells for all rates per address.
const PEER_CELLS: usize = 65_536;

/// Counters in memory.
///
/// A durable store restores earlier counts with [`restore`](Self::restore), and periodically saves what
/// [`changed`](Self::changed) returns.
#[derive(Debug, Default)]
pub struct LocalCounters {
    /// Locked when a principal is built, never by a request.
    accounts: CountsMap<AccountId>,
    /// Only of keys whose plans have rates per key.
    keys: CountsMap<KeyId>,
    names: RateNames,
    /// By the addresses of their plans, which the values keep alive.
    limits: Mutex<HashMap<usize, Weak<Limits>>>,
    peers: OnceLock<Arc<PeerCells>>,
    changed: Arc<ChangedQuotas>,
    /// When a meter was last opened.
    latest: Mutex<Option<Now>>,
}

impl LocalCounters {
    /// Creates empty counters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are counts of this account.
    pub fn knows(&self, account: &AccountId) -> bool {
        self.accounts.get(account).is_some()
    }

    /// Restores an account's count of an earlier process. Must be called before its first meter is opened; existing counts are
    /// not reduced.
    pub fn restore(&self, earlier: &QuotaUse) {
        if !self.knows(&earlier.account) {
            self.counts(&earlier.account).quota.restore(earlier.day, earlier.used);
        }
    }

    /// Takes at most `max` changed quota counts, the longest waiting first.
    pub fn changed(&self, max: usize) -> Vec<QuotaUse> {
        let listed = {
            let mut all = self.changed.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The longest waiting first.
            let count = all.len().min(max);
            let later = all.split_off(count);
            std::mem::replace(&mut *all, later)
        };
        let mut uses = Vec::with_capacity(listed.len());
        for counts in listed {
            // Cleared first: a later change lists the counts again, so none is missed.
            counts.listed.store(false, Ordering::SeqCst);
            let QuotaState { period, used } = counts.quota.snapshot();
            uses.push(QuotaUse { account: counts.account.clone(), day: period, used });
        }
        uses
    }

    /// Lists accounts again whose counts [`changed`](Self::changed) returned but which could not be saved.
    pub fn still_changed<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountId>) {
        // Counts that were removed meanwhile belonged to a day that is over.
        for counts in accounts.into_iter().filter_map(|account| self.accounts.get(account)) {
            self.changed.list(&counts);
        }
    }

    /// Returns the limits of an account under a plan, and what is left of them at a moment.
    ///
    /// The moment is of the wall clock, which a caller without the process's [`Clock`](crate::Clock) has: what is left of a
    /// rate is exact unless that clock was set.
    pub fn usage(&self, account: &AccountId, plan: &Plan, at: Timestamp) -> Vec<LimitUse> {
        let counts = self.accounts.get(account);
        let now = self.now(at);
        let rates = plan.rates.iter().map(|rate| self.rate_usage(rate, counts.as_deref(), now));
        let concurrency = plan.concurrency.map(|limit| {
            let in_flight = counts.as_ref().map_or(0, |counts| counts.in_flight.load(Ordering::Relaxed));
            LimitUse {
                name: "concurrency".to_owned(),
                kind: LimitUseKind::Concurrency,
                limit: limit.slots.get().into(),
                window_ms: None,
                limit_by: LimitBy::Account,
                remaining: Some(limit.slots.get().saturating_sub(in_flight).into()),
                resets_at: None,
                shadow: limit.shadow,
            }
        });
        let quota = plan.quota.as_ref().map(|quota| {
            let state = counts.as_ref().map(|counts| counts.quota.state(quota, at));
            let (used, day) = state.map_or_else(|| (0, quota.day(at)), |state| (state.used, state.period));
            LimitUse {
                name: LimitKind::Quota.name().to_owned(),
                kind: LimitUseKind::Quota,
                limit: quota.requests,
                window_ms: None,
                limit_by: LimitBy::Account,
                remaining: Some(quota.requests.saturating_sub(used)),
                resets_at: Some(day.end),
                shadow: quota.shadow,
            }
        });
        rates.chain(concurrency).chain(quota).collect()
    }

    fn rate_usage(&self, rate: &Rate, counts: Option<&Counts>, now: Now) -> LimitUse {
        let (limit, per) = rate.advertised();
        let remaining = (rate.limit_by == LimitBy::Account).then(|| {
            let number = self.names.number(&rate.name);
            let of_cell = |cell: &Gcra| cell.allowance(Spacing::from(rate), now.nanos()).remaining;
            let left = counts.and_then(|counts| match counts.inline(number) {
                Some(cell) => Some(of_cell(cell)),
                None => counts.overflow(number).map(|cell| of_cell(&cell)),
            });
            left.unwrap_or(rate.burst.get().into())
        });
        LimitUse {
            name: rate.name.to_string(),
            kind: LimitUseKind::Rate,
            limit,
            window_ms: Some(u64::try_from(per.as_millis()).unwrap_or(u64::MAX)),
            limit_by: rate.limit_by,
            remaining,
            resets_at: None,
            shadow: rate.shadow,
        }
    }

    /// The moment on both clocks, as far as the last opened meter tells.
    fn now(&self, wall: Timestamp) -> Now {
        let latest = *self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic = latest.map_or(Duration::ZERO, |latest| {
            let since = Duration::try_from(wall.duration_since(latest.wall)).unwrap_or_default();
            latest.monotonic.saturating_add(since)
        });
        Now { wall, monotonic }
    }

    fn limits(&self, plan: &Arc<Plan>) -> Arc<Limits> {
        let mut all = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::as_ptr(plan).addr();
        if let Some(limits) = all.get(&known).and_then(Weak::upgrade) {
            return limits;
        }
        // Removes the limits of replaced plans before the map would grow.
        if all.len() == all.capacity() {
            all.retain(|_, limits| limits.strong_count() > 0);
        }
        let peers = || Arc::clone(self.peers.get_or_init(|| Arc::new(PeerCells::new(PEER_CELLS))));
        let limits = Arc::new(Limits::new(plan, &self.names, peers, &self.changed));
        all.insert(known, Arc::downgrade(&limits));
        limits
    }

    fn counts(&self, account: &AccountId) -> Arc<Counts> {
        self.accounts.get_or_insert(account, || Counts::of(account.clone()))
    }

    fn key_counts(&self, account: &AccountId, key: &KeyId) -> Arc<Counts> {
        self.keys.get_or_insert(key, || Counts::of(account.clone()))
    }
}

impl Counters for LocalCounters {
    fn open(&self, account: &Account, key: &KeyId, plan: &Arc<Plan>, now: Now) -> Meter {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let limits = self.limits(plan);
        let counts = self.counts(&account.id);
        let key = limits.has_key_rates().then(|| self.key_counts(&account.id, key));
        let meter = Meter::new(limits, counts, key);
        meter.change_rates(now);
        self.accounts.sweep(now);
        self.keys.sweep(now);
        meter
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{Demand, Exceeded};

    fn meter(counters: &LocalCounters, plan: &Arc<Plan>) -> Meter {
        let account = Account {
            id: "acme".parse().unwrap(),
            name: "Acme".into(),
            plan: plan.name.clone(),
            grant_day: None,
        };
        let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };
        counters.open(&account, &KeyId::generate(), plan, now)
    }

    #[test]
    fn keeps_one_set_of_limits_per_plan_while_it_is_used() {
        let counters = LocalCounters::new();
        let plan = Arc::new(Plan::named("plan"));
        let (one, other) = (counters.limits(&plan), counters.limits(&plan));
        assert!(Arc::ptr_eq(&one, &other));
        let replaced: Vec<_> = (0..1000).map(|_| Arc::new(Plan::named("replaced"))).collect();
        for plan in &replaced {
            drop(counters.limits(plan));
        }
        assert!(counters.limits.lock().unwrap().len() < 10);
        assert!(Arc::ptr_eq(&one, &counters.limits(&plan)));
    }

    #[test]
    fn removes_unused_counts_of_inactive_accounts_and_no_others() {
        const ACCOUNTS: usize = 10_000;
        let counters = LocalCounters::new();
        let one = NonZeroU32::MIN;
        let rates = (0..6).map(|number| {
            let counts_for = if number == 5 { crate::LimitBy::Key } else { crate::LimitBy::Account };
            let rate = Rate::new(format!("rate-{number}"), one, Duration::from_secs(7200));
            Rate { limit_by: counts_for, ..rate }
        });
        let quota = Some(crate::Quota::daily(1, jiff::tz::TimeZone::UTC));
        let plan = Arc::new(Plan { rates: rates.collect(), quota, ..Plan::named("plan") });
        let at = |hours: i64| {
            let passed = Duration::from_secs(hours.cast_unsigned() * 3600);
            Now { wall: jiff::Timestamp::UNIX_EPOCH + passed, monotonic: passed }
        };
        let open = |id: String, now: Now| {
            let account = Account {
                id: id.parse().unwrap(),
                name: String::new(),
                plan: plan.name.clone(),
                grant_day: None,
            };
            counters.open(&account, &id.parse().unwrap(), &plan, now)
        };
        let all = |take: &dyn Fn(&Meter)| {
            for number in 0..ACCOUNTS {
                take(&open(format!("a-{number}"), at(1)));
            }
        };
        all(&|meter| assert!(meter.take(&Demand::ONE, at(1)).block().unwrap().is_ok()));
        let held = open("held".into(), at(1));
        assert!(held.take(&Demand::ONE, at(1)).block().unwrap().is_ok());
        // An account that is active every minute sweeps all parts.
        let visit = |now: Now| (0..200).for_each(|_| drop(open("visitor".into(), now)));
        // The rates have recovered and the day has not ended.
        visit(at(20));
        assert!(counters.accounts.len().0 >= ACCOUNTS);
        all(&|meter| assert!(meter.take(&Demand::ONE, at(2)).block().unwrap().is_err(), "still counted"));
        // The day has ended, but its count has not been saved yet.
        visit(at(26));
        assert!(counters.accounts.len().0 >= ACCOUNTS);
        assert_eq!(counters.changed(usize::MAX).len(), ACCOUNTS + 1);
        visit(at(28));
        let (accounts, keys) = (counters.accounts.len(), counters.keys.len());
        assert!(accounts.0 <= 2 && keys.0 <= 2, "{accounts:?} {keys:?}");
        assert!(accounts.1 < ACCOUNTS / 10 && keys.1 < ACCOUNTS / 10, "{accounts:?} {keys:?}");
        // A returning account starts anew; an active one keeps its counts.
        let back = open("a-1".into(), at(28));
        assert!(back.take(&Demand::ONE, at(28)).block().unwrap().is_ok());
        assert!(counters.knows(&"held".parse().unwrap()));
    }

    #[test]
    fn keys_of_an_account_share_any_number_of_rates() {
        let counters = LocalCounters::new();
        let requests = |number| NonZeroU32::new(if number == 6 { 1 } else { 10 }).unwrap();
        let rate = |number| Rate::new(format!("rate-{number}"), requests(number), Duration::from_secs(60));
        let plan = Arc::new(Plan { rates: (0..8).map(rate).collect(), ..Plan::named("plan") });
        let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(1) };
        let take = |meter: &Meter| meter.take(&Demand::ONE, now).block().unwrap();
        assert!(take(&meter(&counters, &plan)).is_ok());
        let Err(Exceeded::Rate { name, .. }) = take(&meter(&counters, &plan)) else { panic!() };
        assert_eq!(&*name, "rate-6");
    }

    #[test]
    fn usage_is_what_is_left_of_each_limit() {
        let counters = LocalCounters::new();
        let rate = |name: &str, requests| {
            Rate::new(name, NonZeroU32::new(requests).unwrap(), Duration::from_secs(60))
        };
        let rates = vec![rate("minute", 6), Rate { limit_by: LimitBy::Key, ..rate("key", 3) }];
        let plan = Arc::new(Plan {
            rates,
            concurrency: Some(crate::Concurrency::of(NonZeroU32::new(4).unwrap())),
            quota: Some(crate::Quota::daily(10, jiff::tz::TimeZone::UTC)),
            ..Plan::named("plan")
        });
        let acme: AccountId = "acme".parse().unwrap();
        let at = |seconds: u64| Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
        let left = |seconds: u64| -> Vec<Option<u64>> {
            counters.usage(&acme, &plan, at(seconds)).iter().map(|limit| limit.remaining).collect()
        };
        assert_eq!(left(0), [Some(6), None, Some(4), Some(10)], "an account without requests");
        let account =
            Account { id: acme.clone(), name: "Acme".into(), plan: plan.name.clone(), grant_day: None };
        // The monotonic clock began long before.
        let now = Now { wall: at(0), monotonic: Duration::from_secs(1000) };
        let meter = counters.open(&account, &KeyId::generate(), &plan, now);
        for _ in 0..2 {
            assert!(meter.take(&Demand::ONE, now).block().unwrap().is_ok());
        }
        assert_eq!(left(0), [Some(4), None, Some(2), Some(8)]);
        assert_eq!(left(10), [Some(5), None, Some(2), Some(8)], "one request in ten seconds");
        let limits = counters.usage(&acme, &plan, at(0));
        assert_eq!(limits[3].resets_at, Some(at(24 * 3600)));
        assert_eq!(
            (limits[1].limit, limits[1].window_ms, limits[1].limit_by),
            (3, Some(60_000), LimitBy::Key)
        );
        assert_eq!(left(24 * 3600), [Some(6), None, Some(2), Some(10)], "the next day");
    }
}
