//! One account's use of the day's quota: an exact integer that a new day replaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use jiff::{SignedDuration, Timestamp};

use crate::{Period, Quota};

/// A wall clock that was put back by less than this stays in the day that it had reached: nobody gets a
/// second quota for one day. By more, the clock had been wrong and the count goes by the new time.
const BELIEVABLE_STEP: SignedDuration = SignedDuration::from_hours(48);

/// The quota's day under way, and how much of it is used.
#[derive(Debug)]
pub(super) struct QuotaWindow {
    day: ArcSwap<Day>,
}

#[derive(Debug)]
struct Day {
    period: Period,
    used: AtomicU64,
}

impl Day {
    fn new(period: Period, used: u64) -> Self {
        Self { period, used: AtomicU64::new(used) }
    }

    fn state(&self) -> QuotaState {
        QuotaState { period: self.period, used: self.used.load(Ordering::Relaxed) }
    }

    fn lasts_at(&self, moment: Timestamp) -> bool {
        let before = self.period.start.duration_since(moment);
        moment < self.period.end && before < BELIEVABLE_STEP
    }
}

/// The state of the quota at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaState {
    pub(super) period: Period,
    pub(super) used: u64,
}

impl Default for QuotaWindow {
    fn default() -> Self {
        let over = Period { start: Timestamp::MIN, end: Timestamp::MIN };
        Self { day: ArcSwap::from_pointee(Day::new(over, 0)) }
    }
}

impl QuotaWindow {
    /// Puts back what an earlier process had counted.
    pub(super) fn restore(&self, period: Period, used: u64) {
        self.day.store(Arc::new(Day::new(period, used)));
    }

    /// Takes `cost` from the day's quota, or says how it stands.
    pub(super) fn take(&self, quota: &Quota, cost: u64, now: Timestamp) -> Result<Period, QuotaState> {
        let day = self.day_at(quota, now);
        let room = |used: u64| used.checked_add(cost).filter(|sum| *sum <= quota.requests);
        match day.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(day.period),
            Err(used) => Err(QuotaState { period: day.period, used }),
        }
    }

    /// How the quota stands; a day that has ended is replaced.
    pub(super) fn state(&self, quota: &Quota, now: Timestamp) -> QuotaState {
        self.day_at(quota, now).state()
    }

    /// The count as it is, whatever the time.
    pub(super) fn stored(&self) -> QuotaState {
        self.day.load().state()
    }

    /// Gives back to the day from which it was taken; when that day has ended there is nothing to give to.
    pub(super) fn give_back(&self, cost: u64, taken_from: Period) {
        let day = self.day.load();
        if day.period == taken_from {
            let subtract = |used: u64| Some(used.saturating_sub(cost));
            let _ = day.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
        }
    }

    /// The day under way; begun now when the old one is over. Of several that try at once exactly one
    /// succeeds, so that no count is lost.
    fn day_at(&self, quota: &Quota, now: Timestamp) -> Guard<Arc<Day>> {
        let current = self.day.load();
        if current.lasts_at(now) {
            return current;
        }
        let mut period = quota.day(now);
        // After a change of zone the days overlap or leave a gap; the new one begins where the old one
        // ended. It cannot begin after `now`, since the old one has ended.
        if current.period.end <= now {
            period.start = period.start.max(current.period.end);
        }
        self.day.compare_and_swap(&current, Arc::new(Day::new(period, 0)));
        self.day.load()
    }
}
