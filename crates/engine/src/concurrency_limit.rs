//! How many requests may be with one upstream at once.
//!
//! An upstream that is asked for more than it can do answers everything late, and at last nothing in time. So
//! there is a bound, and below it a limit that follows what the upstream shows: when answers take much longer
//! than the same operation usually does, while many requests are under way, the limit falls; when they do not,
//! and the limit is felt, it rises. What is beyond the limit is refused at once, which costs next to nothing.
//!
//! The measure is the ratio of an operation's latency to its own usual one, so that slow operations beside
//! quick ones are no sign of trouble. Everything is counted in atomics: two threads that meet may lose a
//! sample, which is no harm to a statistic.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The limit never falls below this: few requests at once overload nobody.
const LEAST: u32 = 32;
/// Latencies are looked at in windows of this length, with at least so many samples.
const WINDOW: Duration = Duration::from_millis(100);
const LEAST_SAMPLES: u32 = 16;
/// So many windows in a row must show it before the limit falls. When an upstream has stood still for a moment (its
/// memory was tidied up, its machine was taken from it), whatever it had been asked for is late at once, in a window or
/// two; that is no load too much, and less load would not have helped.
const BAD_WINDOWS: u32 = 3;
/// How much longer than usual answers may take before the limit falls: by this factor, and by this time. Of less
/// nobody is in trouble, however quick the upstream is when it has nothing to do.
const TOLERANCE: f64 = 2.0;
const TOLERATED: Duration = Duration::from_millis(50);
/// The usual latency is the least of the last period and this one.
const PERIOD: Duration = Duration::from_secs(30);

/// The room with one upstream.
#[derive(Debug)]
pub(crate) struct AdaptiveLimit {
    most: u32,
    is_adaptive: bool,
    since: Instant,
    in_flight: AtomicU32,
    limit: AtomicU32,
    /// The most that were under way in this window.
    peak: AtomicU32,
    samples: AtomicU32,
    /// The sum of the samples' ratios, in thousandths.
    ratios: AtomicU64,
    /// When this window began, in microseconds.
    window: AtomicU64,
    /// How many windows in a row were in trouble.
    troubled: AtomicU32,
    /// By operation; the last one is for requests of none.
    usual: Vec<LatencyBaseline>,
}

/// An operation's latencies, in microseconds; zero where none is known.
#[derive(Debug, Default)]
struct LatencyBaseline {
    /// Moving, over some sixteen answers.
    recent: AtomicU32,
    /// The least that `recent` was in this period and in the one before.
    least: AtomicU32,
    least_before: AtomicU32,
    /// The number of this period.
    period: AtomicU32,
}

/// One request's place. Whoever took it gives it back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    /// Where the room learns from how long answers take.
    entered: Option<Instant>,
}

impl AdaptiveLimit {
    /// Room for so many requests, and for fewer where `is_adaptive` and the upstream shows that they are too
    /// many.
    pub(crate) fn new(most: u32, is_adaptive: bool, operations: usize) -> Self {
        Self {
            most,
            is_adaptive,
            since: Instant::now(),
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(most),
            peak: AtomicU32::new(0),
            samples: AtomicU32::new(0),
            ratios: AtomicU64::new(0),
            window: AtomicU64::new(0),
            troubled: AtomicU32::new(0),
            usual: (0..=operations).map(|_| LatencyBaseline::default()).collect(),
        }
    }

    /// Whether there is none left. Asked before anything is decided about a request, so that refusing it costs
    /// little.
    pub(crate) fn is_saturated(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }

    /// Takes a place. Between [`is_full`](Self::is_full) and this others may have entered; what has been paid for by
    /// then is not refused any more.
    pub(crate) fn acquire(&self) -> Permit {
        let now_in = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        if now_in > self.peak.load(Ordering::Relaxed) {
            self.peak.store(now_in, Ordering::Relaxed);
        }
        Permit { entered: self.is_adaptive.then(Instant::now) }
    }

    /// Gives a place back. Where its upstream has answered, or was given up, the room learns from how long that took,
    /// less twice the lag: the request and its answer both waited here for their turn.
    ///
    /// Returns how long the upstream took, where that was measured.
    pub(crate) fn release(
        &self,
        place: Permit,
        operation: Option<usize>,
        lag: Option<Duration>,
    ) -> Option<Duration> {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let (entered, lag) = (place.entered?, lag?);
        let now = Instant::now();
        self.observe(operation, (now - entered).saturating_sub(2 * lag), now - self.since);
        Some(now - entered)
    }

    /// Learns from an answer.
    fn observe(&self, operation: Option<usize>, latency: Duration, now: Duration) {
        let Some(usual) = self.usual.get(operation.unwrap_or(self.usual.len() - 1)) else { return };
        let ratio = usual.ratio(latency, now);
        self.ratios.fetch_add((ratio * 1000.0) as u64, Ordering::Relaxed);
        let samples = self.samples.fetch_add(1, Ordering::Relaxed) + 1;
        let began = self.window.load(Ordering::Relaxed);
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let is_over = micros.saturating_sub(began) >= WINDOW.as_micros() as u64;
        // One thread closes the window; the others have been counted in it or in the next.
        if is_over
            && samples >= LEAST_SAMPLES
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
            self.limit.store(next_limit(limit, peak, ratio, self.most), Ordering::Relaxed);
        }
    }
}

/// What the limit becomes after a window in which `peak` requests were under way at once, and answers took
/// `ratio` times as long as usual.
fn next_limit(limit: u32, peak: u32, ratio: f64, most: u32) -> u32 {
    let least = LEAST.min(most);
    // It fell not long ago, and what had been let in before is still under way.
    if peak > limit + limit / 4 {
        return limit;
    }
    if ratio > TOLERANCE {
        // So many at once were too many, however many more there was room for.
        let next = f64::from(limit.min(peak)) * (TOLERANCE / ratio).clamp(0.5, 0.95);
        return (next as u32).clamp(least, limit.max(least));
    }
    // A limit that nobody felt says nothing, and need not rise.
    if peak < limit / 2 {
        return limit;
    }
    let next = f64::from(limit) + f64::from(limit).sqrt();
    (next as u32).clamp(least, most)
}

impl LatencyBaseline {
    /// Takes a latency in, and answers how many times as long as usual answers take now.
    fn ratio(&self, latency: Duration, now: Duration) -> f64 {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX).max(1);
        let recent = match self.recent.load(Ordering::Relaxed) {
            0 => micros,
            recent => recent - recent / 16 + micros / 16,
        };
        self.recent.store(recent.max(1), Ordering::Relaxed);
        let period = u32::try_from(now.as_secs() / PERIOD.as_secs()).unwrap_or(u32::MAX);
        // Looked at before it is written: nearly always it is the same one.
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

    /// A service that does `slots` requests at once in `work` each, and queues the rest; callers who ask as
    /// soon as there is room. Answers the limit after so many seconds.
    fn under_load(room: &AdaptiveLimit, slots: u32, work: Duration, seconds: u64) -> u32 {
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(seconds) {
            let in_flight = room.limit.load(Ordering::Relaxed);
            room.peak.store(in_flight, Ordering::Relaxed);
            let latency = work * in_flight.max(slots) / slots;
            room.observe(Some(0), latency, now);
            now += work / in_flight.min(slots).max(1);
        }
        room.limit.load(Ordering::Relaxed)
    }

    #[test]
    fn the_limit_falls_to_what_the_upstream_can_do_and_rises_again() {
        let room = AdaptiveLimit::new(1000, true, 1);
        // It is known from quieter times.
        for _ in 0..200 {
            room.observe(Some(0), Duration::from_millis(5), Duration::from_millis(1));
        }
        let limit = under_load(&room, 20, Duration::from_millis(5), 10);
        // As many as wait for fifty milliseconds more than usual, and no more.
        assert!((100..=260).contains(&limit), "{limit}");
        let limit = under_load(&room, 400, Duration::from_millis(5), 20);
        assert!(limit > 300, "{limit}");
    }

    #[test]
    fn a_slow_operation_beside_a_quick_one_is_no_trouble() {
        let room = AdaptiveLimit::new(100, true, 2);
        for round in 0..5_000u32 {
            room.peak.store(90, Ordering::Relaxed);
            let now = Duration::from_millis(u64::from(round));
            room.observe(Some(0), Duration::from_millis(1), now);
            room.observe(Some(1), Duration::from_secs(5), now);
        }
        assert_eq!(room.limit.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn a_quick_upstream_that_is_busy_is_no_trouble() {
        let room = AdaptiveLimit::new(1000, true, 1);
        room.observe(Some(0), Duration::from_micros(100), Duration::ZERO);
        for millis in 0..5_000u64 {
            room.peak.store(500, Ordering::Relaxed);
            room.observe(Some(0), Duration::from_millis(20), Duration::from_millis(millis));
        }
        assert_eq!(room.limit.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn the_limit_follows_what_was_under_way() {
        // Nobody felt it, and all is well.
        assert_eq!(next_limit(100, 10, 1.0, 1000), 100);
        assert_eq!(next_limit(100, 100, 1.0, 1000), 110);
        assert_eq!(next_limit(100, 100, 50.0, 1000), 50);
        // Far below the limit there were too many.
        assert_eq!(next_limit(10_000, 400, 50.0, 10_000), 200);
        // Those that were let in before are still under way.
        assert_eq!(next_limit(100, 400, 50.0, 1000), 100);
        assert_eq!(next_limit(40, 40, 50.0, 1000), LEAST);
        assert_eq!(next_limit(8, 8, 50.0, 8), 8);
    }

    #[test]
    fn a_moment_in_which_an_upstream_stands_still_is_no_overload() {
        let millis = Duration::from_millis;
        for (usual, a_second, stall) in [
            (millis(1), 50_000, millis(60)),
            (millis(10), 5000, millis(100)),
            (millis(1), 500, millis(100)),
            (millis(100), 640, millis(500)),
            (millis(400), 150, millis(2000)),
        ] {
            let room = AdaptiveLimit::new(1000, true, 0);
            let mut now = Duration::ZERO;
            let mut answers = |count, latency, every: Duration| {
                now += latency;
                for _ in 0..count {
                    room.peak.store(64, Ordering::Relaxed);
                    now += every;
                    room.observe(None, latency, now);
                }
            };
            let every = Duration::from_secs(1) / a_second;
            for _ in 0..3 {
                answers(2 * a_second, usual, every);
                answers(64, stall, Duration::from_micros(10));
            }
            answers(a_second, usual, every);
            assert_eq!(room.limit.load(Ordering::Relaxed), 1000, "{stall:?}");
            // The same for longer is one.
            answers(a_second, stall, every);
            assert!(room.limit.load(Ordering::Relaxed) < 64, "{stall:?}");
        }
    }

    #[test]
    fn it_is_full_while_as_many_as_it_takes_are_under_way() {
        let room = AdaptiveLimit::new(1, true, 0);
        let place = room.acquire();
        assert!(room.is_saturated());
        room.release(place, None, None);
        assert!(!room.is_saturated());
    }
}
