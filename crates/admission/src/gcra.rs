//! The generic cell rate algorithm on one atomic: a rate with a burst, for one account.
//!
//! The cell keeps the *theoretical arrival time*: the moment at which the allowance is whole again. Times
//! are nanoseconds of the monotonic clock.
//!
//! What a rate is comes with each call, and may become another while the cell, and with it what has been used, stays.
//! A time says how many requests were used only together with the interval that it was counted with: after a change
//! of plan, three used requests of a day are three used requests of a second. So the cell keeps two intervals, and the
//! word that holds the time says which of them counts: whoever changes the rate changes both or neither.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Rate;
use crate::atomic::{AtomicU64, Ordering};

/// One account's use of one rate.
#[derive(Debug, Default)]
pub struct Gcra {
    /// Twice the arrival time, and in the lowest bit which interval it is counted with.
    word: AtomicU64,
    /// Nanoseconds that one request is; zero before the first. A new one is written before the word names it.
    intervals: [AtomicU64; 2],
}

/// A change of rate is as rare as a change of plan, and one at a time.
static CHANGES: Mutex<()> = Mutex::new(());

/// A rate in the form that the algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Nanoseconds between two requests at the full rate.
    interval: u64,
    /// How far the arrival time may run ahead: the burst, as time.
    depth: u64,
}

/// What a cell allows at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Requests that would pass now.
    pub(crate) remaining: u64,
    /// How long until the allowance is whole.
    pub(crate) whole_in: Duration,
}

impl From<&Rate> for Spacing {
    fn from(rate: &Rate) -> Self {
        // Rounded up: the rate as configured is never exceeded, not even by a fraction.
        let interval = rate.per.as_nanos().div_ceil(u128::from(rate.requests.get())).max(1);
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        Self { interval, depth: interval.saturating_mul(u64::from(rate.burst.get())) }
    }
}

impl Spacing {
    fn step(self, cost: u32) -> u64 {
        self.interval.saturating_mul(u64::from(cost))
    }

    /// As many requests at another interval: that of a cell whose rate has changed while a request was under way.
    fn counted_in(self, interval: u64) -> Self {
        if interval == self.interval {
            return self;
        }
        Self { interval, depth: interval.saturating_mul(self.depth / self.interval) }
    }
}

/// The time that as many requests take at another interval as `time` is at this one.
fn scaled(time: u64, from: u64, to: u64) -> u64 {
    // Rounded up: a change of rate gives nobody a fraction of a request.
    let time = (u128::from(time) * u128::from(to)).div_ceil(u128::from(from.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// How long until the cost would pass; `None` where it exceeds the burst and never will.
type Wait = Option<Duration>;

/// What a word says.
#[derive(Debug, Clone, Copy)]
struct StoredTime {
    word: u64,
    interval: u64,
}

/// Later than any clock gets: 292 years.
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
    /// Takes `cost`, or tells how long to wait. The stamp is what [`give_back`](Self::give_back) needs.
    pub fn take(&self, spacing: Spacing, cost: u32, now: u64) -> Result<u64, Wait> {
        loop {
            let seen = self.seen(spacing);
            let next = next_arrival(seen.arrival(), spacing.counted_in(seen.interval), cost, now)?;
            if self.replace(seen, seen.with(next)) {
                return Ok(next);
            }
        }
    }

    /// Whether `cost` would pass, taking nothing.
    pub fn probe(&self, spacing: Spacing, cost: u32, now: u64) -> Result<(), Wait> {
        let seen = self.seen(spacing);
        next_arrival(seen.arrival(), spacing.counted_in(seen.interval), cost, now).map(|_| ())
    }

    /// Undoes a take. What has flowed back since by the passing of time is not given back again: an undo
    /// must never leave more than there was without the take.
    pub fn give_back(&self, spacing: Spacing, cost: u32, stamp: u64, now: u64) {
        let unspent = spacing.step(cost).min(stamp.saturating_sub(now));
        loop {
            let seen = self.seen(spacing);
            let unspent = scaled(unspent, spacing.interval, seen.interval);
            if self.replace(seen, seen.with(seen.arrival().saturating_sub(unspent))) {
                return;
            }
        }
    }

    /// From now on the rate is this one. As many requests stay used as were, but for those beyond its burst: nobody
    /// waits longer than the rate itself could make them wait.
    pub fn change(&self, spacing: Spacing, now: u64) {
        let _alone = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let seen = self.seen(spacing);
            let ahead = seen.arrival().saturating_sub(now);
            let changed = scaled(ahead, seen.interval, spacing.interval).min(spacing.depth);
            let arrival = now.saturating_add(changed);
            if seen.interval == spacing.interval {
                if changed == ahead || self.replace(seen, seen.with(arrival)) {
                    return;
                }
                continue;
            }
            self.intervals[usize::from(seen.word & 1 == 0)].store(spacing.interval, Ordering::Release);
            let other = StoredTime { word: seen.word ^ 1, ..seen };
            if self.replace(seen, other.with(arrival)) {
                return;
            }
        }
    }

    /// Whether nothing of the allowance is used.
    pub(crate) fn is_whole(&self, now: u64) -> bool {
        self.word.load(Ordering::Acquire) >> 1 <= now
    }

    /// Whether it has counted at another rate.
    pub(crate) fn is_of_another(&self, spacing: Spacing) -> bool {
        self.seen(spacing).interval != spacing.interval
    }

    /// Forgets what has been used, and of which rate.
    pub(crate) fn clear(&self) {
        self.intervals[0].store(0, Ordering::Release);
        self.word.store(0, Ordering::Release);
    }

    pub(crate) fn allowance(&self, spacing: Spacing, now: u64) -> Allowance {
        let seen = self.seen(spacing);
        let spacing = spacing.counted_in(seen.interval);
        let ahead = seen.arrival().saturating_sub(now);
        Allowance {
            remaining: spacing.depth.saturating_sub(ahead) / spacing.interval,
            whole_in: Duration::from_nanos(ahead),
        }
    }

    /// The word, with the interval that it names. The first who comes says which that is.
    fn seen(&self, spacing: Spacing) -> StoredTime {
        let word = self.word.load(Ordering::Acquire);
        let place = &self.intervals[usize::from(word & 1 == 1)];
        let mut interval = place.load(Ordering::Acquire);
        if interval == 0 {
            let first = place.compare_exchange(0, spacing.interval, Ordering::AcqRel, Ordering::Acquire);
            interval = first.map_or_else(|other| other, |_| spacing.interval);
        }
        StoredTime { word, interval }
    }

    fn replace(&self, seen: StoredTime, word: u64) -> bool {
        self.word.compare_exchange_weak(seen.word, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
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
