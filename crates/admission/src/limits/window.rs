//! One account's use of the day's quota: an exact integer that a new day replaces.
//!
//! The count and the number of the day that it belongs to share one word, so that whoever takes, gives back
//! or begins a new day changes both or neither. The days' bounds lie beside it, those of even and of odd
//! days apart: a new day's are written before the word names it.

use jiff::{SignedDuration, Timestamp};

use crate::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence, pause};
use crate::{Period, Quota};

/// A wall clock that was put back by less than this stays in the day that it had reached: nobody gets a
/// second quota for one day. By more, the clock had been wrong and the count goes by the new time.
const BELIEVABLE_STEP: SignedDuration = SignedDuration::from_hours(48);

/// So long after its end a day is over for good, as far as its count may be forgotten.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// The low bits of the word count requests, the others number days.
const COUNT_BITS: u32 = 48;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// The quota's day under way, and how much of it is used.
#[derive(Debug)]
pub(crate) struct QuotaWindow {
    word: AtomicU64,
    bounds: [DayBounds; 2],
    /// Whether somebody is beginning a new day.
    turning: AtomicBool,
}

/// A day, in seconds since 1970: wherever days begin, they begin with a whole second.
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
    /// A day that has been over for long.
    fn default() -> Self {
        let over = || DayBounds { start: AtomicI64::new(i64::MIN), end: AtomicI64::new(i64::MIN) };
        Self { word: AtomicU64::new(0), bounds: [over(), over()], turning: AtomicBool::new(false) }
    }
}

/// What a word says.
#[derive(Debug, Clone, Copy)]
struct StoredUse {
    word: u64,
    start: i64,
    end: i64,
}

impl StoredUse {
    fn used(self) -> u64 {
        self.word & MOST
    }

    fn lasts_at(self, moment: Timestamp) -> bool {
        let second = moment.as_second();
        second < self.end && self.start.saturating_sub(second) < BELIEVABLE_STEP.as_secs()
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
    /// Puts back what an earlier process had counted.
    pub(crate) fn restore(&self, period: Period, used: u64) {
        self.turn(|_| Some((period, used.min(MOST))));
    }

    /// Takes `cost` from the day's quota, or says how it stands.
    pub(crate) fn take(&self, quota: &Quota, cost: u64, now: Timestamp) -> Result<Period, QuotaState> {
        loop {
            let seen = self.seen_at(quota, now);
            let sum = seen.used().checked_add(cost).filter(|sum| *sum <= quota.requests.min(MOST));
            if sum.is_none() {
                return Err(seen.state());
            }
            // Of this day or of none: when a new one has begun, the word is another.
            let word = seen.word + cost;
            if self.word.compare_exchange_weak(seen.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Ok(seen.period());
            }
        }
    }

    /// How the quota stands; a day that has ended is replaced.
    pub(crate) fn state(&self, quota: &Quota, now: Timestamp) -> QuotaState {
        self.seen_at(quota, now).state()
    }

    /// How much of the quota is left, and nothing more: what most requests ask.
    pub(crate) fn room(&self, quota: &Quota, now: Timestamp) -> u64 {
        quota.requests.saturating_sub(self.seen_at(quota, now).used())
    }

    /// The count as it is, whatever the time.
    pub(crate) fn stored(&self) -> QuotaState {
        self.seen().state()
    }

    /// Whether the day that was counted last has been over for a while, also by a clock that is then put back a little.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.seen().end.saturating_add(MARGIN.as_secs()) <= now.as_second()
    }

    /// Gives back to the day from which it was taken; when that day has ended there is nothing to give to.
    pub(crate) fn give_back(&self, cost: u64, taken_from: Period) {
        loop {
            let seen = self.seen();
            if seen.period() != taken_from {
                return;
            }
            let word = seen.word - cost.min(seen.used());
            if self.word.compare_exchange_weak(seen.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// The word, with the bounds of the day that it names.
    fn seen(&self) -> StoredUse {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let bounds = &self.bounds[parity(word)];
            let (start, end) = (bounds.start.load(Ordering::Relaxed), bounds.end.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            // The same day still: nobody has begun to write over its bounds, which takes two new ones.
            if self.word.load(Ordering::Relaxed) >> COUNT_BITS == word >> COUNT_BITS {
                return StoredUse { word, start, end };
            }
        }
    }

    /// The day under way; begun now when the old one is over.
    fn seen_at(&self, quota: &Quota, now: Timestamp) -> StoredUse {
        loop {
            let seen = self.seen();
            if seen.lasts_at(now) {
                return seen;
            }
            self.turn(|current| {
                if current.lasts_at(now) {
                    return None;
                }
                let mut period = quota.day(now);
                // After a change of zone the days overlap or leave a gap; the new one begins where the old
                // one ended. It cannot begin after `now`, since the old one has ended.
                if current.end <= now.as_second() {
                    period.start = period.start.max(current.period().end);
                }
                Some((period, 0))
            });
        }
    }

    /// Begins another day, unless it has been begun meanwhile. One does it, once a day; others wait.
    fn turn(&self, next: impl FnOnce(StoredUse) -> Option<(Period, u64)>) {
        if self.turning.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            pause();
            return;
        }
        if let Some((period, used)) = next(self.seen()) {
            let number = (self.word.load(Ordering::Relaxed) >> COUNT_BITS).wrapping_add(1);
            let word = (number << COUNT_BITS) | used;
            let bounds = &self.bounds[parity(word)];
            // Who still reads these bounds for the day before last looks at the word again after them.
            fence(Ordering::Release);
            bounds.start.store(period.start.as_second(), Ordering::Relaxed);
            bounds.end.store(period.end.as_second(), Ordering::Relaxed);
            // Exchanged and not stored: whoever gives back to the day that ends comes before or fails.
            self.word.swap(word, Ordering::AcqRel);
        }
        self.turning.store(false, Ordering::Release);
    }
}

fn parity(word: u64) -> usize {
    usize::from((word >> COUNT_BITS) & 1 == 1)
}
