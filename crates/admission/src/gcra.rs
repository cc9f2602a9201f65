//! The generic cell rate algorithm on one atomic: a rate with a burst, for one account.
//!
//! The cell stores the *theoretical arrival time*: the moment at which the allowance is full again. Times are nanoseconds
//! of the monotonic clock.
//!
//! The rate is an argument of each call and may change, while the cell and the used requests stay. A time is a number of
//! used requests only together with its interval: after a change of plan, three used requests per day become three used
//! requests per second. So the cell stores two intervals, and one bit of the word with the time selects the current one: a
//! change of the rate changes both or neither.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Rate;
use crate::atomic::{AtomicU64, Ordering};

/// One account's use of one rate.
#[derive(Debug, Default)]
pub struct Gcra {
    /// Twice the arrival time; the lowest bit selects the interval.
    word: AtomicU64,
    /// Nanoseconds per request; zero before the first request. A new one is written before the word selects it.
    intervals: [AtomicU64; 2],
}

/// Serializes changes of a rate, which are as rare as changes of a plan.
static CHANGES: Mutex<()> = Mutex::new(());

/// A rate in the form that the algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Nanoseconds between two requests at the full rate.
    interval: u64,
    /// How far the arrival time may be in the future: the burst as a time.
    depth: u64,
}

/// The allowance of a cell at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// How many requests would be admitted now.
    pub(crate) remaining: u64,
    /// How long until the allowance is full.
    pub(crate) full_in: Duration,
}

impl From<&Rate> for Spacing {
    fn from(rate: &Rate) -> Self {
        // Rounded up, so that the configured rate is never exceeded, not even by a fraction.
        let interval = rate.per.as_nanos().div_ceil(u128::from(rate.requests.get())).max(1);
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        Self { interval, depth: interval.saturating_mul(u64::from(rate.burst.get())) }
    }
}

impl Spacing {
    fn step(self, cost: u32) -> u64 {
        self.interval.saturating_mul(u64::from(cost))
    }

    /// Converts to the interval of a cell whose rate has changed while a request was in flight.
    fn counted_in(self, interval: u64) -> Self {
        if interval == self.interval {
            return self;
        }
        Self { interval, depth: interval.saturating_mul(self.depth / self.interval) }
    }
}

/// Converts a time to another interval, for the same number of requests.
fn scaled(time: u64, from: u64, to: u64) -> u64 {
    // Rounded up, so that a change of the rate grants no fraction of a request.
    let time = (u128::from(time) * u128::from(to)).div_ceil(u128::from(from.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// How long until the cost would be admitted; `None` if it exceeds the burst.
type Wait = Option<Duration>;

/// The decoded word.
#[derive(Debug, Clone, Copy)]
struct StoredTime {
    word: u64,
    interval: u64,
}

/// The maximum time: 292 years.
const LATEST: u64 = u64::MAX >> 1;

impl StoredTime {
    fn arrival(self) -> u64 {
        self.word >> 1
    }

    fn with(self, arrival: u64) -> u64 {
        arrival.min(LATEST) << 1 | self.word & 1
    }
}

impl Gcra {
    /// Takes `cost`, or returns how long to wait. [`refund`](Self::refund) needs the returned stamp.
    pub fn take(&self, spacing: Spacing, cost: u32, now: u64) -> Result<u64, Wait> {
        loop {
            let stored = self.load(spacing);
            let next = next_arrival(stored.arrival(), spacing.counted_in(stored.interval), cost, now)?;
            if self.replace(stored, stored.with(next)) {
                return Ok(next);
            }
        }
    }

    /// Whether `cost` would be admitted, without taking it.
    pub fn probe(&self, spacing: Spacing, cost: u32, now: u64) -> Result<(), Wait> {
        let stored = self.load(spacing);
        next_arrival(stored.arrival(), spacing.counted_in(stored.interval), cost, now).map(|_| ())
    }

    /// Undoes a take. Allowance that has recovered since then is not refunded: the result is never more than without the
    /// take.
    pub fn refund(&self, spacing: Spacing, cost: u32, stamp: u64, now: u64) {
        let unspent = spacing.step(cost).min(stamp.saturating_sub(now));
        loop {
            let stored = self.load(spacing);
            let unspent = scaled(unspent, spacing.interval, stored.interval);
            if self.replace(stored, stored.with(stored.arrival().saturating_sub(unspent))) {
                return;
            }
        }
    }

    /// Changes the rate. The number of used requests stays, up to the burst of the new rate, so that nobody waits longer
    /// than the new rate allows.
    pub fn change(&self, spacing: Spacing, now: u64) {
        let _guard = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let stored = self.load(spacing);
            let ahead = stored.arrival().saturating_sub(now);
            let changed = scaled(ahead, stored.interval, spacing.interval).min(spacing.depth);
            let arrival = now.saturating_add(changed);
            if stored.interval == spacing.interval {
                if changed == ahead || self.replace(stored, stored.with(arrival)) {
                    return;
                }
                continue;
            }
            self.intervals[usize::from(stored.word & 1 == 0)].store(spacing.interval, Ordering::Release);
            let other = StoredTime { word: stored.word ^ 1, ..stored };
            if self.replace(stored, other.with(arrival)) {
                return;
            }
        }
    }

    /// Whether the whole allowance is available.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.word.load(Ordering::Acquire) >> 1 <= now
    }

    /// Whether the cell has counted with another rate.
    pub(crate) fn has_other_rate(&self, spacing: Spacing) -> bool {
        self.load(spacing).interval != spacing.interval
    }

    /// Resets the cell.
    pub(crate) fn clear(&self) {
        self.intervals[0].store(0, Ordering::Release);
        self.word.store(0, Ordering::Release);
    }

    pub(crate) fn allowance(&self, spacing: Spacing, now: u64) -> Allowance {
        let stored = self.load(spacing);
        let spacing = spacing.counted_in(stored.interval);
        let ahead = stored.arrival().saturating_sub(now);
        Allowance {
            remaining: spacing.depth.saturating_sub(ahead) / spacing.interval,
            full_in: Duration::from_nanos(ahead),
        }
    }

    /// Loads the word and its interval. The first call sets the interval.
    fn load(&self, spacing: Spacing) -> StoredTime {
        let word = self.word.load(Ordering::Acquire);
        let interval_cell = &self.intervals[usize::from(word & 1 == 1)];
        let mut interval = interval_cell.load(Ordering::Acquire);
        if interval == 0 {
            let first =
                interval_cell.compare_exchange(0, spacing.interval, Ordering::AcqRel, Ordering::Acquire);
            interval = first.map_or_else(|other| other, |_| spacing.interval);
        }
        StoredTime { word, interval }
    }

    fn replace(&self, stored: StoredTime, word: u64) -> bool {
        self.word.compare_exchange_weak(stored.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

fn next_arrival(arrival: u64, spacing: Spacing, cost: u32, now: u64) -> Result<u64, Wait> {
    let step = spacing.step(cost);
    let next = arrival.max(now).saturating_add(step);
    let ahead = next - now;
    if ahead <= spacing.depth {
        Ok(next)
    } else if step > spacing.depth {
        Err(None)
    } else {
        Err(Some(Duration::from_nanos(ahead - spacing.depth)))
    }
}
