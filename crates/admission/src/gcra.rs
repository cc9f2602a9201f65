//! The generic cell rate algorithm on one atomic: a rate with a burst, for one account.
//!
//! The cell keeps the *theoretical arrival time*: the moment at which the allowance is whole again. Times
//! are nanoseconds of the monotonic clock. What a rate is comes with each call, so that a reload may change
//! it while the cell, and with it what has been used, stays.

use std::time::Duration;

use crate::Rate;
use crate::atomic::{AtomicU64, Ordering};

/// One account's use of one rate.
#[derive(Debug, Default)]
pub struct Gcra {
    arrival: AtomicU64,
}

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
}

/// How long until the cost would pass; `None` where it exceeds the burst and never will.
type Wait = Option<Duration>;

impl Gcra {
    /// Takes `cost`, or tells how long to wait. The stamp is what [`give_back`](Self::give_back) needs.
    pub fn take(&self, spacing: Spacing, cost: u32, now: u64) -> Result<u64, Wait> {
        let mut arrival = self.arrival.load(Ordering::Relaxed);
        loop {
            let next = next_arrival(arrival, spacing, cost, now)?;
            // Nothing else is published through this cell, so the orderings are relaxed.
            match self.arrival.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(next),
                Err(current) => arrival = current,
            }
        }
    }

    /// Whether `cost` would pass, taking nothing.
    pub fn probe(&self, spacing: Spacing, cost: u32, now: u64) -> Result<(), Wait> {
        next_arrival(self.arrival.load(Ordering::Relaxed), spacing, cost, now).map(|_| ())
    }

    /// Undoes a take. What has flowed back since by the passing of time is not given back again: an undo
    /// must never leave more than there was without the take.
    pub fn give_back(&self, spacing: Spacing, cost: u32, stamp: u64, now: u64) {
        let unspent = spacing.step(cost).min(stamp.saturating_sub(now));
        let subtract = |arrival: u64| Some(arrival.saturating_sub(unspent));
        // The closure always has a value, so the update always takes place.
        let _ = self.arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }

    /// Forgets what has been used.
    pub(crate) fn clear(&self) {
        self.arrival.store(0, Ordering::Relaxed);
    }

    pub(crate) fn allowance(&self, spacing: Spacing, now: u64) -> Allowance {
        let ahead = self.arrival.load(Ordering::Relaxed).saturating_sub(now);
        Allowance {
            remaining: spacing.depth.saturating_sub(ahead) / spacing.interval,
            whole_in: Duration::from_nanos(ahead),
        }
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
