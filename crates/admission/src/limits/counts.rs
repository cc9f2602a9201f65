//! What is counted for one account, or for one key: cells, slots, quota, all in one place, since each
//! request touches all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::window::QuotaWindow;
use crate::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::{AccountId, Gcra, Now};

/// So many rates are counted within the record itself; further ones behind a pointer.
const WITHIN: usize = 4;

/// The counts of one account or key. What each request touches stands first, in two cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Counts {
    pub(super) quota: QuotaWindow,
    pub(super) in_flight: AtomicU32,
    /// Whether it is listed as changed.
    pub(super) listed: AtomicBool,
    cells: [Gcra; WITHIN],
    /// Whose, where a quota is counted here.
    pub(super) account: AccountId,
    further: Mutex<HashMap<usize, Arc<Gcra>>>,
}

impl Counts {
    pub(super) fn of(account: AccountId) -> Self {
        Self {
            quota: QuotaWindow::default(),
            cells: std::array::from_fn(|_| Gcra::default()),
            in_flight: AtomicU32::new(0),
            listed: AtomicBool::new(false),
            account,
            further: Mutex::default(),
        }
    }

    /// Whether new counts would say the same: nothing is under way, every rate has recovered, the quota's day is over.
    pub(super) fn is_spent(&self, now: Now) -> bool {
        let nanoseconds = u64::try_from(now.monotonic.as_nanos()).unwrap_or(u64::MAX);
        let further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cells = self.cells.iter().chain(further.values().map(|cell| &**cell));
        self.in_flight.load(Ordering::SeqCst) == 0
            && !self.listed.load(Ordering::SeqCst)
            && self.quota.is_over(now.wall)
            && cells.all(|cell| cell.is_whole(nanoseconds))
    }

    /// The cell of the rate with this number, where it is counted within the record.
    pub(super) fn inline(&self, number: usize) -> Option<&Gcra> {
        self.cells.get(number)
    }

    /// The cell of the rate with this number, where it is not.
    pub(super) fn overflow(&self, number: usize) -> Option<Arc<Gcra>> {
        if number < WITHIN {
            return None;
        }
        let mut further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(further.entry(number).or_default()))
    }
}

/// Rates by their names: the same name is the same count, under whichever plan.
#[derive(Debug, Default)]
pub(super) struct RateNames(Mutex<Vec<Arc<str>>>);

impl RateNames {
    /// The number of a name.
    pub(super) fn number(&self, name: &Arc<str>) -> usize {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(Arc::clone(name));
            names.len() - 1
        })
    }
}
