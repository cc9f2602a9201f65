//! What the writer remembers from batch to batch: purses, and the holds that are open, with where in the batches they
//! are found. Nobody else writes either. When a commit fails, [`Rollback`] puts it back to what the disk says.

use std::collections::{BTreeMap, HashMap};

use demur_admission::{AccountId, ClaimBounds, CreditBalance, HoldId, HoldSource};
use jiff::Timestamp;

/// More purses than this are not kept in memory from batch to batch.
const MAX_PURSES: usize = 200_000;

/// Of more accounts than this nobody remembers the oldest hold.
const MAX_WAITING: usize = 4096;

/// A start reads about so many batches at most: holds that are open for longer are said again.
pub(super) const READ_AT_START: u64 = if cfg!(test) { 8 } else { 4096 };

/// What the writer remembers from batch to batch.
#[derive(Debug)]
pub(super) struct LedgerState {
    pub(super) purses: HashMap<AccountId, CachedAccount>,
    pub(super) open: HashMap<HoldId, OpenHold>,
    /// How many holds of each batch are open.
    open_in: BTreeMap<u64, usize>,
    /// The same by the batch in which each was said last.
    asserted_in: BTreeMap<u64, usize>,
    pub(super) next_hold: u64,
    pub(super) next_batch: u64,
    /// One of the accounts in whose purses the last batch booked something, and how many bookings it has had.
    pub(super) last_booked: Option<(AccountId, u64)>,
    /// The numbers of claims that are in flight.
    pub(super) claims: HashMap<HoldId, i64>,
    pub(super) bounds: ClaimBounds,
    /// When the next response expires or the next claim is forgotten; earlier, perhaps, than it is.
    pub(super) claims_due: Option<Timestamp>,
    /// The oldest open hold of accounts that were told to wait for it.
    oldest: HashMap<AccountId, HoldId>,
}

/// A purse, and how many bookings have been made in it: the number of the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedAccount {
    pub(super) purse: CreditBalance,
    pub(super) bookings: u64,
}

impl CachedAccount {
    /// The number of the next booking.
    pub(super) fn number(&mut self) -> u64 {
        self.bookings += 1;
        self.bookings
    }
}

#[derive(Debug)]
pub(super) struct OpenHold {
    pub(super) account: AccountId,
    pub(super) source: HoldSource,
    /// When it is expected to have ended.
    pub(super) lease_ends: Timestamp,
    /// The batch that it lies in; none where it has a row of its own.
    pub(super) batch: Option<BatchPosition>,
}

/// Where in the batches a hold is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchPosition {
    /// In which it was made.
    made: u64,
    /// In which it was said last.
    said: u64,
}

impl BatchPosition {
    pub(super) fn made_in(batch: u64) -> Self {
        Self { made: batch, said: batch }
    }
}

impl LedgerState {
    pub(super) fn new(next_hold: u64, next_batch: u64) -> Self {
        let (purses, open) = (HashMap::new(), HashMap::new());
        let (open_in, said_in) = (BTreeMap::new(), BTreeMap::new());
        let (claims, oldest, bounds) = (HashMap::new(), HashMap::new(), ClaimBounds::DURABLE);
        let (claims_due, last_booked) = (None, None);
        Self {
            purses,
            open,
            open_in,
            asserted_in: said_in,
            next_hold,
            next_batch,
            last_booked,
            claims,
            bounds,
            claims_due,
            oldest,
        }
    }

    /// Forgets what may not be on the disk as it is here.
    pub(super) fn undo(&mut self, undo: Rollback) {
        // In the order in which a batch does it, backwards.
        for (hold, said) in undo.said {
            self.reassert(hold, said);
        }
        for hold in undo.opened {
            self.take_open(hold);
        }
        for (hold, open) in undo.closed {
            self.put_open(hold, open);
        }
        for hold in undo.claimed {
            self.claims.remove(&hold);
        }
        self.claims.extend(undo.completed);
        self.purses.clear();
        self.last_booked = None;
    }

    pub(super) fn put_open(&mut self, hold: HoldId, open: OpenHold) {
        if let Some(BatchPosition { made, said }) = open.batch {
            *self.open_in.entry(made).or_default() += 1;
            *self.asserted_in.entry(said).or_default() += 1;
        }
        self.open.insert(hold, open);
    }

    pub(super) fn take_open(&mut self, hold: HoldId) -> Option<OpenHold> {
        let open = self.open.remove(&hold)?;
        if let Some(BatchPosition { made, said }) = open.batch {
            count_down(&mut self.open_in, made);
            count_down(&mut self.asserted_in, said);
        }
        Some(open)
    }

    /// When the oldest hold of an account is expected to have ended. Once found, it is the oldest for as long as it is
    /// open: so whoever keeps asking makes nobody look at all holds each time.
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

    /// Something is due at this moment, too.
    pub(super) fn claims_due_by(&mut self, at: Timestamp) {
        self.claims_due = Some(self.claims_due.map_or(at, |due| due.min(at)));
    }

    /// The oldest batches with a hold that is open, and in which one was said last: the next where there is none.
    pub(super) fn first_open(&self) -> (u64, u64) {
        let first =
            |of: &BTreeMap<u64, usize>| of.first_key_value().map_or(self.next_batch + 1, |(batch, _)| *batch);
        (first(&self.open_in), first(&self.asserted_in))
    }

    /// Takes over what a batch has changed.
    pub(super) fn keep(&mut self, changed: HashMap<AccountId, CachedAccount>) {
        if self.purses.len() > MAX_PURSES {
            self.purses.clear();
        }
        self.last_booked = changed.iter().next().map(|(account, kept)| (account.clone(), kept.bookings));
        self.purses.extend(changed);
    }

    /// Notes in which batch an open hold is said now. In which it was said before.
    pub(super) fn reassert(&mut self, hold: HoldId, batch: u64) -> Option<u64> {
        let place = self.open.get_mut(&hold)?.batch.as_mut()?;
        let before = std::mem::replace(&mut place.said, batch);
        count_down(&mut self.asserted_in, before);
        *self.asserted_in.entry(batch).or_default() += 1;
        Some(before)
    }

    /// The holds that are to be said again in this batch: seldom any, and then all that would soon be.
    pub(super) fn open_for_long(&self, batch: u64) -> Vec<HoldId> {
        let oldest = self.asserted_in.first_key_value().map_or(batch, |(oldest, _)| *oldest);
        if batch - oldest < READ_AT_START {
            return Vec::new();
        }
        let is_old = |open: &OpenHold| open.batch.is_some_and(|at| batch - at.said >= READ_AT_START / 2);
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

/// What a batch changed in memory.
#[derive(Debug, Default)]
pub(super) struct Rollback {
    pub(super) opened: Vec<HoldId>,
    pub(super) closed: Vec<(HoldId, OpenHold)>,
    /// The claims that were made, and those that were ended.
    pub(super) claimed: Vec<HoldId>,
    pub(super) completed: Vec<(HoldId, i64)>,
    /// In which batches those had been said that this one says again.
    pub(super) said: Vec<(HoldId, u64)>,
}
