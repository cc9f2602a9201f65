//! Counts in this process's memory: the counters of one node, with or without a database behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::counts::{Counts, Names};
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
    accounts: Mutex<HashMap<AccountId, Arc<Counts>>>,
    /// Only of keys whose plans count for keys.
    keys: Mutex<HashMap<KeyId, Arc<Counts>>>,
    names: Names,
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
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(account)
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
        for account in accounts {
            self.changed.list(&self.counts(account));
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
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = accounts.get(account) {
            return Arc::clone(counts);
        }
        let counts = Arc::new(Counts::of(account.clone()));
        accounts.insert(account.clone(), Arc::clone(&counts));
        counts
    }

    fn key_counts(&self, account: &AccountId, key: &KeyId) -> Arc<Counts> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = keys.entry(key.clone()).or_insert_with(|| Arc::new(Counts::of(account.clone())));
        Arc::clone(counts)
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
