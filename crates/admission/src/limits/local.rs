//! Counts in this process's memory: the counters of one node, with or without a database behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::counts::{Counts, Names};
use super::window::QuotaState;
use super::{Counters, Meter, PeerCells, QuotaUse};
use crate::atomic::Ordering;
use crate::{Account, AccountId, CountsFor, KeyId, Now, Plan};

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
        let counts = self.counts(&account.id);
        let counts_for = |whose| plan.rates.iter().any(|rate| rate.counts_for == whose);
        let key = counts_for(CountsFor::Key).then(|| self.key_counts(&account.id, key));
        let peers = counts_for(CountsFor::Address)
            .then(|| Arc::clone(self.peers.get_or_init(|| Arc::new(PeerCells::new(PEER_CELLS)))));
        let numbers: Vec<usize> = plan.rates.iter().map(|rate| self.names.number(&rate.name)).collect();
        let meter = Meter::new(plan, &numbers, counts, key, peers, &self.changed);
        meter.change_rates(now);
        meter
    }
}
