//! What the writer keeps in memory between batches: balances, and open holds with their positions in the batches. Only
//! the writer changes either. When a commit fails, [`Rollback`] restores what is on disk.

use std::collections::{BTreeMap, HashMap};

use demur_admission::{AccountId, ClaimBounds, CreditBalance, HoldId, HoldSource};
use jiff::Timestamp;

/// The maximum number of accounts whose balances are kept in memory.
const MAX_ACCOUNTS: usize = 200_000;

/// The maximum number of accounts whose oldest hold is remembered.
const MAX_WAITING: usize = 4096;

/// About how many batches a start reads at most: holds that are open for longer are carried into a later batch.
pub(super) const READ_AT_START: u64 = if cfg!(test) { 8 } else { 4096 };

/// What the writer keeps in memory between batches.
#[derive(Debug)]
pub(super) struct LedgerState {
    pub(super) accounts: HashMap<AccountId, CachedAccount>,
    pub(super) open: HashMap<HoldId, OpenHold>,
    /// How many open holds were created in each batch.
    open_in: BTreeMap<u64, usize>,
    /// How many open holds were last asserted in each batch.
    asserted_in: BTreeMap<u64, usize>,
    pub(super) next_hold: u64,
    pub(super) next_batch: u64,
    /// One of the accounts that the last batch changed, and its number of ledger entries.
    pub(super) last_changed: Option<(AccountId, u64)>,
    /// The numbers of the claims that are in flight.
    pub(super) claims: HashMap<HoldId, i64>,
    pub(super) bounds: ClaimBounds,
    /// When the next response expires or the next claim is forgotten, or earlier.
    pub(super) claims_due: Option<Timestamp>,
    /// The oldest open hold of each account whose requests are waiting for it.
    oldest: HashMap<AccountId, HoldId>,
}

/// An account's balance, and its number of ledger entries, which is the number of the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedAccount {
    pub(super) balance: CreditBalance,
    pub(super) entries: u64,
}

impl CachedAccount {
    /// Returns the number of the next ledger entry.
    pub(super) fn next_entry(&mut self) -> u64 {
        self.entries += 1;
        self.entries
    }
}

/// A hold that is not settled.
#[derive(Debug)]
pub(super) struct OpenHold {
    pub(super) account: AccountId,
    pub(super) source: HoldSource,
    /// When it is expected to be settled.
    pub(super) lease_ends: Timestamp,
    /// Its position in the batches; `None` if it has a row of its own.
    pub(super) batch: Option<BatchPosition>,
}

/// The position of an open hold in the batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchPosition {
    /// The batch in which it was created.
    created: u64,
    /// The batch in which it was last asserted.
    asserted: u64,
}

impl BatchPosition {
    pub(super) fn created_in(batch: u64) -> Self {
        Self { created: batch, asserted: batch }
    }
}

impl LedgerState {
    pub(super) fn new(next_hold: u64, next_batch: u64) -> Self {
        let (accounts, open) = (HashMap::new(), HashMap::new());
        let (open_in, asserted_in) = (BTreeMap::new(), BTreeMap::new());
        let (claims, oldest, bounds) = (HashMap::new(), HashMap::new(), ClaimBounds::DURABLE);
        let (claims_due, last_changed) = (None, None);
        Self {
            accounts,
            open,
            open_in,
            asserted_in,
            next_hold,
            next_batch,
            last_changed,
            claims,
            bounds,
            claims_due,
            oldest,
        }
    }

    /// Discards the changes of a batch that was not committed.
    pub(super) fn roll_back(&mut self, rollback: Rollback) {
        // In the reverse of the order in which a batch makes its changes.
        for (hold, asserted) in rollback.reasserted {
            self.reassert(hold, asserted);
        }
        for hold in rollback.opened {
            self.take_open(hold);
        }
        for (hold, open) in rollback.closed {
            self.put_open(hold, open);
        }
        for hold in rollback.claimed {
            self.claims.remove(&hold);
        }
        self.claims.extend(rollback.completed);
        self.accounts.clear();
        self.last_changed = None;
    }

    pub(super) fn put_open(&mut self, hold: HoldId, open: OpenHold) {
        if let Some(BatchPosition { created, asserted }) = open.batch {
            *self.open_in.entry(created).or_default() += 1;
            *self.asserted_in.entry(asserted).or_default() += 1;
        }
        self.open.insert(hold, open);
    }

    pub(super) fn take_open(&mut self, hold: HoldId) -> Option<OpenHold> {
        let open = self.open.remove(&hold)?;
        if let Some(BatchPosition { created, asserted }) = open.batch {
            count_down(&mut self.open_in, created);
            count_down(&mut self.asserted_in, asserted);
        }
        Some(open)
    }

    /// Returns when the oldest hold of an account is expected to be settled. A hold that was found stays the oldest while
    /// it is open, so repeated calls do not search all holds each time.
    pub(super) fn oldest_lease(&mut self, account: &AccountId) -> Option<Timestamp> {
        let known = self.oldest.get(account).and_then(|hold| self.open.get(hold));
        if let Some(open) = known.filter(|open| open.account == *account) {
            return Some(open.lease_ends);
        }
        let holds = self.open.iter().filter(|(_, open)| open.account == *account);
        let oldest = holds.min_by_key(|(hold, _)| hold.0).map(|(hold, open)| (*hold, open.lease_ends));
        if self.oldest.len() >= MAX_WAITING {
            self.oldest.clear();
        }
        match oldest {
            Some((hold, _)) => self.oldest.insert(account.clone(), hold),
            None => self.oldest.remove(account),
        };
        oldest.map(|(_, lease_ends)| lease_ends)
    }

    /// Makes sure that claims are pruned at this moment, or earlier.
    pub(super) fn claims_due_by(&mut self, at: Timestamp) {
        self.claims_due = Some(self.claims_due.map_or(at, |due| due.min(at)));
    }

    /// Returns the oldest batch in which an open hold was created, and the oldest in which one was last asserted; the
    /// batch after the next if there is none.
    pub(super) fn first_open(&self) -> (u64, u64) {
        let first =
            |of: &BTreeMap<u64, usize>| of.first_key_value().map_or(self.next_batch + 1, |(batch, _)| *batch);
        (first(&self.open_in), first(&self.asserted_in))
    }

    /// Keeps the accounts that a batch has changed.
    pub(super) fn keep(&mut self, changed: HashMap<AccountId, CachedAccount>) {
        if self.accounts.len() > MAX_ACCOUNTS {
            self.accounts.clear();
        }
        self.last_changed = changed.iter().next().map(|(account, cached)| (account.clone(), cached.entries));
        self.accounts.extend(changed);
    }

    /// Records that a batch asserts an open hold, and returns the batch that asserted it before.
    pub(super) fn reassert(&mut self, hold: HoldId, batch: u64) -> Option<u64> {
        let position = self.open.get_mut(&hold)?.batch.as_mut()?;
        let before = std::mem::replace(&mut position.asserted, batch);
        count_down(&mut self.asserted_in, before);
        *self.asserted_in.entry(batch).or_default() += 1;
        Some(before)
    }

    /// Returns the holds that this batch must assert again: rarely any, and then all that would soon be due.
    pub(super) fn holds_to_reassert(&self, batch: u64) -> Vec<HoldId> {
        let oldest = self.asserted_in.first_key_value().map_or(batch, |(oldest, _)| *oldest);
        if batch - oldest < READ_AT_START {
            return Vec::new();
        }
        let is_old = |open: &OpenHold| open.batch.is_some_and(|at| batch - at.asserted >= READ_AT_START / 2);
        self.open.iter().filter(|(_, open)| is_old(open)).map(|(hold, _)| *hold).collect()
    }
}

fn count_down(counts: &mut BTreeMap<u64, usize>, batch: u64) {
    if let Some(count) = counts.get_mut(&batch) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&batch);
        }
    }
}

/// The changes of a batch in memory, to be undone if it is not committed.
#[derive(Debug, Default)]
pub(super) struct Rollback {
    pub(super) opened: Vec<HoldId>,
    pub(super) closed: Vec<(HoldId, OpenHold)>,
    /// Claims that were created, and claims that were ended.
    pub(super) claimed: Vec<HoldId>,
    pub(super) completed: Vec<(HoldId, i64)>,
    /// Holds that this batch asserts again, and the batches that asserted them before.
    pub(super) reasserted: Vec<(HoldId, u64)>,
}
