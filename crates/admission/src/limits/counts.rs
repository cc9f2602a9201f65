//! The counts of one account or one key: rate cells, slots and quota, in one record, since each request touches all of
//! them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::window::QuotaWindow;
use crate::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::{AccountId, Gcra, Now};

/// The number of rates whose cells are in the record itself; the others are behind a pointer.
const INLINE_RATES: usize = 4;

/// The counts of one account or key. What each request touches comes first, in two cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Counts {
    pub(super) quota: QuotaWindow,
    pub(super) in_flight: AtomicU32,
    /// Whether its quota is listed as changed.
    pub(super) listed: AtomicBool,
    cells: [Gcra; INLINE_RATES],
    /// The account, for its quota.
    pub(super) account: AccountId,
    overflow: Mutex<HashMap<usize, Arc<Gcra>>>,
}

impl Counts {
    pub(super) fn of(account: AccountId) -> Self {
        Self {
            quota: QuotaWindow::default(),
            cells: std::array::from_fn(|_| Gcra::default()),
            in_flight: AtomicU32::new(0),
            listed: AtomicBool::new(false),
            account,
            overflow: Mutex::default(),
        }
    }

    /// Whether new counts would be equal: no request is in flight, every rate has recovered, and the quota's day is over.
    pub(super) fn is_unused(&self, now: Now) -> bool {
        let nanoseconds = u64::try_from(now.monotonic.as_nanos()).unwrap_or(u64::MAX);
        let overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cells = self.cells.iter().chain(overflow.values().map(|cell| &**cell));
        self.in_flight.load(Ordering::SeqCst) == 0
            && !self.listed.load(Ordering::SeqCst)
            && self.quota.is_over(now.wall)
            && cells.all(|cell| cell.is_full(nanoseconds))
    }

    /// Returns the cell of a rate by its number, if it is in the record.
    pub(super) fn inline(&self, number: usize) -> Option<&Gcra> {
        self.cells.get(number)
    }

    /// Returns the cell of a rate by its number, if it is not in the record.
    pub(super) fn overflow(&self, number: usize) -> Option<Arc<Gcra>> {
        if number < INLINE_RATES {
            return None;
        }
        let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(overflow.entry(number).or_default()))
    }
}

/// The numbers of rate names: rates with the same name share a count, in all plans.
#[derive(Debug, Default)]
pub(super) struct RateNames(Mutex<Vec<Arc<str>>>);

impl RateNames {
    /// Returns the number of a name.
    pub(super) fn number(&self, name: &Arc<str>) -> usize {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(Arc::clone(name));
            names.len() - 1
        })
    }
}

/// The counts whose quota has changed since they were last saved, the longest waiting first.
#[derive(Debug, Default)]
pub(super) struct ChangedQuotas(pub(super) Mutex<Vec<Arc<Counts>>>);

impl ChangedQuotas {
    pub(super) fn list(&self, counts: &Arc<Counts>) {
        // Usually listed already, so read before writing.
        if !counts.listed.load(Ordering::SeqCst) && !counts.listed.swap(true, Ordering::SeqCst) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(counts));
        }
    }
}
