//! Counts in this process's memory: the counters of one node, with or without a database behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::counts::{Counts, RateNames};
use super::kept::KeptCounts;
use super::meter::Limits;
use super::window::QuotaState;
use super::{Counters, Meter, PeerCells, QuotaUse};
use crate::atomic::Ordering;
use crate::{Account, AccountId, KeyId, Now, Plan};

/// Cells for all rates that count for addresses, together.
const PEER_CELLS: usize = 65_536;

/// Counters in memory.
///
/// A store that makes quotas outlive the process hands in what it had with [`restore`](Self::restore), and
/// writes from time to time what [`changed`](Self::changed) tells it.
#[derive(Debug, Default)]
pub struct LocalCounters {
    /// Locked when a principal is built, never by a request.
    accounts: KeptCounts<AccountId>,
    /// Only of keys whose plans count for keys.
    keys: KeptCounts<KeyId>,
    names: RateNames,
    /// By the addresses of their plans, which they keep alive.
    limits: Mutex<HashMap<usize, Weak<Limits>>>,
    peers: OnceLock<Arc<PeerCells>>,
    changed: Arc<ChangedQuotas>,
}

#[derive(Debug, Default)]
pub(super) struct ChangedQuotas(Mutex<Vec<Arc<Counts>>>);

impl LocalCounters {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether anything has been counted, or put back, for this account.
    pub fn knows(&self, account: &AccountId) -> bool {
        self.accounts.get(account).is_some()
    }

    /// Puts back what an earlier process had counted for an account. To be done before its first meter is
    /// opened: what has been counted here since is not counted less.
    pub fn restore(&self, earlier: &QuotaUse) {
        if !self.knows(&earlier.account) {
            self.counts(&earlier.account).quota.restore(earlier.day, earlier.used);
        }
    }

    /// At most so many of the quotas that have changed and were not told since; the longest waiting first.
    pub fn changed(&self, most: usize) -> Vec<QuotaUse> {
        let listed = {
            let mut all = self.changed.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that wait longest first.
            let count = all.len().min(most);
            let later = all.split_off(count);
            std::mem::replace(&mut *all, later)
        };
        let mut uses = Vec::with_capacity(listed.len());
        for counts in listed {
            // Unlisted first: a change from here on lists it again, so none is missed.
            counts.listed.store(false, Ordering::SeqCst);
            let QuotaState { period, used } = counts.quota.stored();
            uses.push(QuotaUse { account: counts.account.clone(), day: period, used });
        }
        uses
    }

    /// Lists these accounts again, after what [`changed`](Self::changed) told could not be written.
    pub fn still_changed<'a>(&self, accounts: impl IntoIterator<Item = &'a AccountId>) {
        // Counts that have gone meanwhile were those of a day that is over.
        for counts in accounts.into_iter().filter_map(|account| self.accounts.get(account)) {
            self.changed.list(&counts);
        }
    }

    fn limits(&self, plan: &Arc<Plan>) -> Arc<Limits> {
        let mut all = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::as_ptr(plan).addr();
        if let Some(limits) = all.get(&known).and_then(Weak::upgrade) {
            return limits;
        }
        // As plans are replaced, before it would grow: what is left of old ones goes.
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

impl ChangedQuotas {
    pub(super) fn list(&self, counts: &Arc<Counts>) {
        // Nearly always listed already: looked at before it is written to.
        if !counts.listed.load(Ordering::SeqCst) && !counts.listed.swap(true, Ordering::SeqCst) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(counts));
        }
    }
}

impl Counters for LocalCounters {
    fn open(&self, account: &Account, key: &KeyId, plan: &Arc<Plan>, now: Now) -> Meter {
        let limits = self.limits(plan);
        let counts = self.counts(&account.id);
        let key = limits.count_for_keys().then(|| self.key_counts(&account.id, key));
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
    use std::time::Duration;

    use super::*;
    use crate::{Demand, Exceeded, Rate};

    fn meter(counters: &LocalCounters, plan: &Arc<Plan>) -> Meter {
        let account = Account { id: "acme".parse().unwrap(), name: "Acme".into(), plan: plan.name.clone() };
        let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };
        counters.open(&account, &KeyId::generate(), plan, now)
    }

    #[test]
    fn what_a_plan_limits_is_there_once_and_as_long_as_it_counts_for_anybody() {
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

    /// What is left of accounts and keys that were busy once is gone when it counts nothing any more, and not before.
    #[test]
    fn counts_of_accounts_that_left_are_removed() {
        const ACCOUNTS: usize = 10_000;
        let counters = LocalCounters::new();
        let one = NonZeroU32::MIN;
        let rates = (0..6).map(|number| {
            let counts_for = if number == 5 { crate::CountsFor::Key } else { crate::CountsFor::Account };
            let rate = Rate::new(format!("rate-{number}"), one, Duration::from_secs(7200));
            Rate { counts_for, ..rate }
        });
        let quota = Some(crate::Quota::daily(1, jiff::tz::TimeZone::UTC));
        let plan = Arc::new(Plan { rates: rates.collect(), quota, ..Plan::named("plan") });
        let at = |hours: i64| {
            let passed = Duration::from_secs(hours.cast_unsigned() * 3600);
            Now { wall: jiff::Timestamp::UNIX_EPOCH + passed, monotonic: passed }
        };
        let open = |id: String, now: Now| {
            let account = Account { id: id.parse().unwrap(), name: String::new(), plan: plan.name.clone() };
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
        // One who comes every minute sweeps, whoever else has gone.
        let visit = |now: Now| (0..200).for_each(|_| drop(open("visitor".into(), now)));
        // The rates have recovered and the day has not ended.
        visit(at(20));
        assert!(counters.accounts.len().0 >= ACCOUNTS);
        all(&|meter| assert!(meter.take(&Demand::ONE, at(2)).block().unwrap().is_err(), "counted still"));
        // The day has ended and is not written down yet: a store would ask for it.
        visit(at(26));
        assert!(counters.accounts.len().0 >= ACCOUNTS);
        assert_eq!(counters.changed(usize::MAX).len(), ACCOUNTS + 1);
        visit(at(28));
        let (accounts, keys) = (counters.accounts.len(), counters.keys.len());
        assert!(accounts.0 <= 2 && keys.0 <= 2, "{accounts:?} {keys:?}");
        assert!(accounts.1 < ACCOUNTS / 10 && keys.1 < ACCOUNTS / 10, "{accounts:?} {keys:?}");
        // Whoever comes back finds what a new account finds; who stayed finds what is left.
        let back = open("a-1".into(), at(28));
        assert!(back.take(&Demand::ONE, at(28)).block().unwrap().is_ok());
        assert!(counters.knows(&"held".parse().unwrap()));
    }

    #[test]
    fn keys_of_an_account_share_its_rates_however_many_those_are() {
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
}
