//! The adaptive concurrency limit of one upstream.
//!
//! An overloaded upstream responds later and later, and finally not in time at all. So there is a maximum of concurrent
//! requests, and below it a limit that follows the upstream's latency: it falls while responses take much longer than usual
//! and many requests are in progress, and rises while they do not and the limit is reached. Requests beyond the limit are
//! rejected at once.
//!
//! The measure is the ratio of an operation's latency to its own baseline, so that slow operations are no sign of overload.
//! All counters are atomics. Two threads may lose a sample between them, which does not matter for a statistic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The limit never falls below this.
const MIN_LIMIT: u32 = 32;
/// Latencies are evaluated in windows of this length, with at least this number of samples.
const WINDOW: Duration = Duration::from_millis(100);
const MIN_SAMPLES: u32 = 16;
/// How many slow windows in a row lower the limit. After a short pause of the upstream (garbage collection, a descheduled
/// machine) all responses are late for a window or two, which is no overload.
const BAD_WINDOWS: u32 = 3;
/// How much slower than usual responses may be before the limit falls: by this factor, and by this time.
const TOLERANCE: f64 = 2.0;
const TOLERATED: Duration = Duration::from_millis(50);
/// The baseline is the minimum of the current and the previous period.
const PERIOD: Duration = Duration::from_secs(30);

/// Limits the concurrent requests to one upstream.
#[derive(Debug)]
pub(crate) struct AdaptiveLimit {
    max: u32,
    is_adaptive: bool,
    since: Instant,
    /// Shared with the limits before and after a reload: requests in progress count until they end.
    in_flight: Arc<AtomicU32>,
    limit: AtomicU32,
    /// The maximum in progress in this window.
    peak: AtomicU32,
    samples: AtomicU32,
    /// The sum of the samples' ratios, in thousandths.
    ratios: AtomicU64,
    /// The start of this window, in microseconds.
    window: AtomicU64,
    /// The number of slow windows in a row.
    troubled: AtomicU32,
    /// By operation; the last one is for requests without one.
    baselines: Vec<LatencyBaseline>,
}

/// The latencies of an operation, in microseconds; zero where unknown.
#[derive(Debug, Default)]
struct LatencyBaseline {
    /// Moving average of about sixteen responses.
    recent: AtomicU32,
    /// The minima of `recent` in this period and in the previous one.
    least: AtomicU32,
    least_before: AtomicU32,
    /// The number of this period.
    period: AtomicU32,
}

/// The permit of one request, which is released when this is dropped: at the end of the response's body.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    limit: Arc<AdaptiveLimit>,
    /// If the limit is adaptive, until the upstream's response has begun.
    acquired_at: Option<Instant>,
}

impl Permit {
    /// The upstream's response has begun. The limit learns from the latency, less twice the scheduling delay `lag`.
    ///
    /// Returns how long the upstream took, where that was measured.
    pub(crate) fn observe(&mut self, operation: Option<usize>, lag: Duration) -> Option<Duration> {
        let latency = self.acquired_at.take()?.elapsed();
        self.limit.observe(operation, latency.saturating_sub(2 * lag), self.limit.since.elapsed());
        Some(latency)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AdaptiveLimit {
    /// A limit of `max` requests, or fewer while the upstream is overloaded if `is_adaptive`.
    pub(crate) fn new(max: u32, is_adaptive: bool, operations: usize) -> Self {
        Self {
            max,
            is_adaptive,
            since: Instant::now(),
            in_flight: Arc::default(),
            limit: AtomicU32::new(max),
            peak: AtomicU32::new(0),
            samples: AtomicU32::new(0),
            ratios: AtomicU64::new(0),
            window: AtomicU64::new(0),
            troubled: AtomicU32::new(0),
            baselines: (0..=operations).map(|_| LatencyBaseline::default()).collect(),
        }
    }

    /// A limit in place of this one, which goes on counting the requests in progress. What an upstream that is overloaded
    /// was lowered to stays.
    pub(crate) fn successor(&self, max: u32, is_adaptive: bool, operations: usize) -> Self {
        let lowered = self.limit.load(Ordering::Relaxed);
        let limit = if is_adaptive && lowered < self.max { lowered.min(max) } else { max };
        Self {
            in_flight: Arc::clone(&self.in_flight),
            limit: AtomicU32::new(limit),
            ..Self::new(max, is_adaptive, operations)
        }
    }

    /// The requests in progress, and the limit.
    pub(crate) fn usage(&self) -> (u32, u32) {
        (self.in_flight.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed))
    }

    /// Whether the limit is reached. Checked before everything else, so that rejections are cheap.
    pub(crate) fn is_saturated(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }

    /// Acquires a permit. Never fails: a request that has passed [`is_saturated`](Self::is_saturated) may have been charged
    /// by now.
    pub(crate) fn acquire(self: &Arc<Self>) -> Permit {
        let now_in = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        if now_in > self.peak.load(Ordering::Relaxed) {
            self.peak.store(now_in, Ordering::Relaxed);
        }
        Permit { limit: Arc::clone(self), acquired_at: self.is_adaptive.then(Instant::now) }
    }

    /// Learns from a response.
    fn observe(&self, operation: Option<usize>, latency: Duration, now: Duration) {
        let Some(baseline) = self.baselines.get(operation.unwrap_or(self.baselines.len() - 1)) else {
            return;
        };
        let ratio = baseline.ratio(latency, now);
        self.ratios.fetch_add((ratio * 1000.0) as u64, Ordering::Relaxed);
        let samples = self.samples.fetch_add(1, Ordering::Relaxed) + 1;
        let began = self.window.load(Ordering::Relaxed);
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let is_over = micros.saturating_sub(began) >= WINDOW.as_micros() as u64;
        // One thread closes the window; the samples of others count in it or in the next one.
        if is_over
            && samples >= MIN_SAMPLES
            && self.window.compare_exchange(began, micros, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let samples = self.samples.swap(0, Ordering::Relaxed).max(1);
            let ratio = self.ratios.swap(0, Ordering::Relaxed) as f64 / 1000.0 / f64::from(samples);
            let peak = self.peak.swap(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
            if ratio > TOLERANCE {
                if self.troubled.fetch_add(1, Ordering::Relaxed) + 1 < BAD_WINDOWS {
                    return;
                }
            } else {
                self.troubled.store(0, Ordering::Relaxed);
            }
            let limit = self.limit.load(Ordering::Relaxed);
            self.limit.store(next_limit(limit, peak, ratio, self.max), Ordering::Relaxed);
        }
    }
}

/// The limit after a window with at most `peak` concurrent requests, in which responses took `ratio` times as long as usual.
fn next_limit(limit: u32, peak: u32, ratio: f64, max: u32) -> u32 {
    let least = MIN_LIMIT.min(max);
    // The limit has just fallen, and earlier requests are still in progress.
    if peak > limit + limit / 4 {
        return limit;
    }
    if ratio > TOLERANCE {
        // `peak` requests were too many, even if the limit is higher.
        let next = f64::from(limit.min(peak)) * (TOLERANCE / ratio).clamp(0.5, 0.95);
        return (next as u32).clamp(least, limit.max(least));
    }
    // The limit was not reached, and need not rise.
    if peak < limit / 2 {
        return limit;
    }
    let next = f64::from(limit) + f64::from(limit).sqrt();
    (next as u32).clamp(least, max)
}

impl LatencyBaseline {
    /// Adds a latency. Returns how many times longer than usual responses take now.
    fn ratio(&self, latency: Duration, now: Duration) -> f64 {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX).max(1);
        let recent = match self.recent.load(Ordering::Relaxed) {
            0 => micros,
            recent => recent - recent / 16 + micros / 16,
        };
        self.recent.store(recent.max(1), Ordering::Relaxed);
        let period = u32::try_from(now.as_secs() / PERIOD.as_secs()).unwrap_or(u32::MAX);
        // Read before it is written: nearly always it is unchanged.
        if self.period.load(Ordering::Relaxed) != period
            && self.period.swap(period, Ordering::Relaxed) != period
        {
            self.least_before.store(self.least.swap(recent, Ordering::Relaxed), Ordering::Relaxed);
        }
        let known = |least: &AtomicU32| Some(least.load(Ordering::Relaxed)).filter(|least| *least > 0);
        if known(&self.least).is_none_or(|least| recent < least) {
            self.least.store(recent.max(1), Ordering::Relaxed);
        }
        let least = [known(&self.least), known(&self.least_before)].into_iter().flatten().min();
        let least = least.unwrap_or(recent).max(1);
        if recent.saturating_sub(least) < TOLERATED.as_micros() as u32 {
            return 1.0;
        }
        f64::from(recent) / f64::from(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates an upstream that executes `slots` requests at once in `work` each and queues the others, and clients that
    /// send as many as the limit admits. Returns the limit after `seconds`.
    fn under_load(limit: &AdaptiveLimit, slots: u32, work: Duration, seconds: u64) -> u32 {
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(seconds) {
            let in_flight = limit.limit.load(Ordering::Relaxed);
            limit.peak.store(in_flight, Ordering::Relaxed);
            let latency = work * in_flight.max(slots) / slots;
            limit.observe(Some(0), latency, now);
            now += work / in_flight.min(slots).max(1);
        }
        limit.limit.load(Ordering::Relaxed)
    }

    #[test]
    fn falls_to_the_upstreams_capacity_and_rises_again() {
        let limit = AdaptiveLimit::new(1000, true, 1);
        // The baseline.
        for _ in 0..200 {
            limit.observe(Some(0), Duration::from_millis(5), Duration::from_millis(1));
        }
        let lowered = under_load(&limit, 20, Duration::from_millis(5), 10);
        // As many as wait for fifty milliseconds more than usual, and no more.
        assert!((100..=260).contains(&lowered), "{lowered}");
        let raised = under_load(&limit, 400, Duration::from_millis(5), 20);
        assert!(raised > 300, "{raised}");
    }

    #[test]
    fn slow_operation_beside_a_fast_one_is_no_overload() {
        let limit = AdaptiveLimit::new(100, true, 2);
        for round in 0..5_000u32 {
            limit.peak.store(90, Ordering::Relaxed);
            let now = Duration::from_millis(u64::from(round));
            limit.observe(Some(0), Duration::from_millis(1), now);
            limit.observe(Some(1), Duration::from_secs(5), now);
        }
        assert_eq!(limit.limit.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn busy_fast_upstream_is_no_overload() {
        let limit = AdaptiveLimit::new(1000, true, 1);
        limit.observe(Some(0), Duration::from_micros(100), Duration::ZERO);
        for millis in 0..5_000u64 {
            limit.peak.store(500, Ordering::Relaxed);
            limit.observe(Some(0), Duration::from_millis(20), Duration::from_millis(millis));
        }
        assert_eq!(limit.limit.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn limit_follows_the_peak() {
        // Not reached.
        assert_eq!(next_limit(100, 10, 1.0, 1000), 100);
        assert_eq!(next_limit(100, 100, 1.0, 1000), 110);
        assert_eq!(next_limit(100, 100, 50.0, 1000), 50);
        // Overloaded far below the limit.
        assert_eq!(next_limit(10_000, 400, 50.0, 10_000), 200);
        // Requests of an earlier, higher limit.
        assert_eq!(next_limit(100, 400, 50.0, 1000), 100);
        assert_eq!(next_limit(40, 40, 50.0, 1000), MIN_LIMIT);
        assert_eq!(next_limit(8, 8, 50.0, 8), 8);
    }

    #[test]
    fn short_pause_of_the_upstream_is_no_overload() {
        let millis = Duration::from_millis;
        for (usual, a_second, stall) in [
            (millis(1), 50_000, millis(60)),
            (millis(10), 5000, millis(100)),
            (millis(1), 500, millis(100)),
            (millis(100), 640, millis(500)),
            (millis(400), 150, millis(2000)),
        ] {
            let limit = AdaptiveLimit::new(1000, true, 0);
            let mut now = Duration::ZERO;
            let mut answers = |count, latency, every: Duration| {
                now += latency;
                for _ in 0..count {
                    limit.peak.store(64, Ordering::Relaxed);
                    now += every;
                    limit.observe(None, latency, now);
                }
            };
            let every = Duration::from_secs(1) / a_second;
            for _ in 0..3 {
                answers(2 * a_second, usual, every);
                answers(64, stall, Duration::from_micros(10));
            }
            answers(a_second, usual, every);
            assert_eq!(limit.limit.load(Ordering::Relaxed), 1000, "{stall:?}");
            // The same for longer is an overload.
            answers(a_second, stall, every);
            assert!(limit.limit.load(Ordering::Relaxed) < 64, "{stall:?}");
        }
    }

    #[test]
    fn is_saturated_while_all_permits_are_taken() {
        let limit = Arc::new(AdaptiveLimit::new(1, true, 0));
        let permit = limit.acquire();
        assert!(limit.is_saturated());
        drop(permit);
        assert!(!limit.is_saturated());
    }
}
