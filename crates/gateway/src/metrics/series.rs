//! Counters and histograms with one writer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds: the advice of the OpenTelemetry semantic conventions for HTTP.
pub(super) const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// A count that one thread changes and others read: no atomic read-modify-write is needed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// How many were in each bucket; the last one has no upper bound.
    buckets: [Counter; BOUNDS.len() + 1],
    nanos: Counter,
}

/// The sums of several histograms.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct HistogramSum {
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) nanos: u64,
}

impl Histogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        // Most requests are in one of the first buckets.
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.add(1);
        }
        self.nanos.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl HistogramSum {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.get();
        }
        self.nanos += histogram.nanos.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_it_fits_in() {
        let histogram = Histogram::default();
        for millis in [0, 5, 6, 10_000, 10_001, 99_999] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut sum = HistogramSum::default();
        sum.add(&histogram);
        sum.add(&histogram);
        let mut expected = [0; BOUNDS.len() + 1];
        (expected[0], expected[1], expected[13], expected[14]) = (4, 2, 2, 4);
        assert_eq!(sum.buckets, expected);
        assert_eq!(sum.nanos, 2 * 120_011 * 1_000_000);
    }
}
