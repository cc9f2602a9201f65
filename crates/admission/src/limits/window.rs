//! The use of the daily quota of one account: an exact integer that a new day replaces.
//!
//! The count and the number of its day share one word, so that every update changes both or neither. The days' bounds are
//! beside it, separate for even and odd days: those of a new day are written before the word refers to it.

use jiff::{SignedDuration, Timestamp};

use crate::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence, pause};
use crate::{Period, Quota};

/// If the wall clock is set back by less than this, the day stays the later one, so that nobody gets a second quota for one
/// day. If by more, the clock had been wrong, and the new time is used.
const MAX_CLOCK_STEP: SignedDuration = SignedDuration::from_hours(48);

/// How long after its end the count of a day is kept.
const RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// The low bits of the word count requests; the others are the number of the day.
const COUNT_BITS: u32 = 48;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The current day of a quota, and its count.
#[derive(Debug)]
pub(crate) struct QuotaWindow {
    word: AtomicU64,
    bounds: [DayBounds; 2],
    /// Whether a thread is starting a new day.
    replacing: AtomicBool,
}

/// The bounds of a day in seconds since 1970: in all time zones, days begin at a whole second.
#[derive(Debug)]
struct DayBounds {
    start: AtomicI64,
    end: AtomicI64,
}

/// The state of the quota at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaState {
    pub(crate) period: Period,
    pub(crate) used: u64,
}

impl Default for QuotaWindow {
    /// A day in the distant past.
    fn default() -> Self {
        let over = || DayBounds { start: AtomicI64::new(i64::MIN), end: AtomicI64::new(i64::MIN) };
        Self { word: AtomicU64::new(0), bounds: [over(), over()], replacing: AtomicBool::new(false) }
    }
}

/// The decoded word.
#[derive(Debug, Clone, Copy)]
struct StoredUse {
    word: u64,
    start: i64,
    end: i64,
}

impl StoredUse {
    fn used(self) -> u64 {
        self.word & MAX_COUNT
    }

    fn contains(self, moment: Timestamp) -> bool {
        let second = moment.as_second();
        second < self.end && self.start.saturating_sub(second) < MAX_CLOCK_STEP.as_secs()
    }

    fn period(self) -> Period {
        let moment = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MIN);
        Period { start: moment(self.start), end: moment(self.end) }
    }

    fn state(self) -> QuotaState {
        QuotaState { period: self.period(), used: self.used() }
    }
}

impl QuotaWindow {
    /// Restores the count of an earlier process.
    pub(crate) fn restore(&self, period: Period, used: u64) {
        self.replace(|_| Some((period, used.min(MAX_COUNT))));
    }

    /// Takes `cost` from the day's quota, or returns its state.
    pub(crate) fn take(&self, quota: &Quota, cost: u64, now: Timestamp) -> Result<Period, QuotaState> {
        loop {
            let stored = self.current(quota, now);
            let sum = stored.used().checked_add(cost).filter(|sum| *sum <= quota.requests.min(MAX_COUNT));
            if sum.is_none() {
                return Err(stored.state());
            }
            // Only from this day: when a new one has begun, the word differs.
            let word = stored.word + cost;
            if self.word.compare_exchange_weak(stored.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return Ok(stored.period());
            }
        }
    }

    /// Returns the state of the quota; a day that has ended is replaced.
    pub(crate) fn state(&self, quota: &Quota, now: Timestamp) -> QuotaState {
        self.current(quota, now).state()
    }

    /// Returns how much of the quota is left, without the rest of the state.
    pub(crate) fn remaining(&self, quota: &Quota, now: Timestamp) -> u64 {
        quota.requests.saturating_sub(self.current(quota, now).used())
    }

    /// Returns the stored count, independent of the time.
    pub(crate) fn snapshot(&self) -> QuotaState {
        self.load().state()
    }

    /// Whether the last counted day ended some time ago, so that a clock set back a little does not matter.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.load().end.saturating_add(RETENTION.as_secs()) <= now.as_second()
    }

    /// Refunds to the day it was taken from; does nothing if that day has ended.
    pub(crate) fn refund(&self, cost: u64, taken_from: Period) {
        loop {
            let stored = self.load();
            if stored.period() != taken_from {
                return;
            }
            let word = stored.word - cost.min(stored.used());
            if self.word.compare_exchange_weak(stored.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return;
            }
        }
    }

    /// Loads the word and the bounds of its day.
    fn load(&self) -> StoredUse {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let bounds = &self.bounds[parity(word)];
            let (start, end) = (bounds.start.load(Ordering::Relaxed), bounds.end.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            // Still the same day: its bounds have not been overwritten, which takes two new days.
            if self.word.load(Ordering::Relaxed) >> COUNT_BITS == word >> COUNT_BITS {
                return StoredUse { word, start, end };
            }
        }
    }

    /// Returns the current day, and starts it if the old one is over.
    fn current(&self, quota: &Quota, now: Timestamp) -> StoredUse {
        loop {
            let stored = self.load();
            if stored.contains(now) {
                return stored;
            }
            self.replace(|current| {
                if current.contains(now) {
                    return None;
                }
                let mut period = quota.day(now);
                // After a change of zone the days may overlap or leave a gap; the new day begins where the old one ended. It
                // cannot begin after `now`, since the old one has ended.
                if current.end <= now.as_second() {
                    period.start = period.start.max(current.period().end);
                }
                Some((period, 0))
            });
        }
    }

    /// Starts another day, unless another thread did so meanwhile. One thread does it, once a day; others wait.
    fn replace(&self, next: impl FnOnce(StoredUse) -> Option<(Period, u64)>) {
        if self.replacing.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            pause();
            return;
        }
        if let Some((period, used)) = next(self.load()) {
            let number = (self.word.load(Ordering::Relaxed) >> COUNT_BITS).wrapping_add(1);
            let word = (number << COUNT_BITS) | used;
            let bounds = &self.bounds[parity(word)];
            // A thread that still reads these bounds for the day before yesterday checks the word again afterwards.
            fence(Ordering::Release);
            bounds.start.store(period.start.as_second(), Ordering::Relaxed);
            bounds.end.store(period.end.as_second(), Ordering::Relaxed);
            // A swap, not a store: a concurrent refund to the old day comes before it or fails.
            self.word.swap(word, Ordering::AcqRel);
        }
        self.replacing.store(false, Ordering::Release);
    }
}

fn parity(word: u64) -> usize {
    usize::from((word >> COUNT_BITS) & 1 == 1)
}
