//! The scheduling delay of a worker: how long a ready task waits until it runs.
//!
//! Responses of upstreams are delayed by it too, so it is subtracted from their latencies. A worker whose delay stays long
//! is overloaded, and sheds load: it rejects requests that have been queued for too long, since all responses would be late
//! otherwise. The delay is measured while requests come; an idle worker is not woken.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// The interval of samples while the worker is not overloaded.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);
/// A worker is overloaded if this number of samples in a row, over at least this time, exceed the threshold. One sample is
/// not enough: after a burst or a short pause of the whole machine it is long as well.
const THRESHOLD: Duration = Duration::from_millis(20);
const MIN_OVERLOAD: Duration = Duration::from_millis(40);
const MIN_SAMPLES: u32 = 2;
/// How long an overload lasts after the last rejection: rejecting may be what makes the load bearable.
const HOLD_TIME: Duration = Duration::from_secs(1);

/// The scheduling delay of one worker.
#[derive(Debug)]
pub(crate) struct SchedulerLag {
    state: Rc<LagState>,
}

/// Times are those of the gateway's clock.
#[derive(Debug, Default)]
struct LagState {
    last: Cell<Duration>,
    /// The start of the current sample: tasks that run now were ready before.
    sampling_since: Cell<Option<Duration>>,
    /// When the next sample is due.
    due: Cell<Duration>,
    /// The number of samples in a row over the threshold, and the start of the first one.
    over_threshold: Cell<(u32, Duration)>,
    overloaded_until: Cell<Duration>,
}

impl SchedulerLag {
    pub(crate) fn new() -> Self {
        Self { state: Rc::default() }
    }

    /// The last sample. Starts another one if it is due. To be called in a task of the worker.
    pub(crate) fn at(&self, now: Duration) -> Duration {
        let LagState { last, sampling_since, due, .. } = &*self.state;
        if sampling_since.get().is_none() && now >= due.get() {
            sampling_since.set(Some(now));
            let (state, since) = (self.state.clone(), Instant::now());
            // Runs after all tasks that are ready now.
            tokio::task::spawn_local(async move { state.sample(now, since.elapsed()) });
        }
        last.get()
    }

    /// Whether a request that is served now must be rejected because of overload. During one it may have been queued for
    /// `max_queue_delay`.
    pub(crate) fn must_shed(&self, now: Duration, max_queue_delay: Duration) -> bool {
        let LagState { sampling_since, overloaded_until, .. } = &*self.state;
        let queued_for = sampling_since.get().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let must_shed = now < overloaded_until.get() && queued_for > max_queue_delay;
        if must_shed {
            overloaded_until.set(now + HOLD_TIME);
        }
        must_shed
    }
}

impl LagState {
    fn sample(&self, since: Duration, lag: Duration) {
        self.last.set(lag);
        self.sampling_since.set(None);
        let (now, is_slow) = (since + lag, lag >= THRESHOLD);
        // During an overload, and shortly after, each request starts a sample.
        let is_calm = !is_slow && now >= self.overloaded_until.get();
        self.due.set(if is_calm { since + SAMPLE_INTERVAL } else { now });
        let (samples, first) = match self.over_threshold.get() {
            _ if !is_slow => (0, now),
            (0, _) => (1, since),
            (samples, first) => (samples + 1, first),
        };
        self.over_threshold.set((samples, first));
        if samples >= MIN_SAMPLES && now - first >= MIN_OVERLOAD {
            self.overloaded_until.set(now + HOLD_TIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_QUEUE_DELAY: Duration = Duration::from_millis(5);

    /// Whether a request that was queued for a time is rejected after these samples, all in milliseconds.
    fn sheds_after(samples: &[u64], queued_for: u64) -> bool {
        let lag = SchedulerLag::new();
        let mut now = Duration::ZERO;
        for millis in samples {
            lag.state.sample(now, Duration::from_millis(*millis));
            now += Duration::from_millis(*millis);
        }
        lag.state.sampling_since.set(Some(now));
        lag.must_shed(now + Duration::from_millis(queued_for), MAX_QUEUE_DELAY)
    }

    #[test]
    fn overloaded_worker_sheds_queued_requests() {
        for (samples, queued_for, sheds) in [
            // No overload.
            (&[][..], 1, false),
            (&[1, 1, 2], 500, false),
            // Bursts, and short pauses of the machine.
            (&[90], 90, false),
            (&[90, 1, 90], 90, false),
            // Slow for too long.
            (&[25, 25], 6, true),
            // Not queued for too long.
            (&[25, 25, 25], 5, false),
            // Shedding has helped, and goes on.
            (&[25, 25, 25, 9, 9, 9], 6, true),
        ] {
            assert_eq!(sheds_after(samples, queued_for), sheds, "{samples:?} {queued_for}");
        }
    }

    #[test]
    fn overload_ends_a_second_after_the_last_rejection() {
        let lag = SchedulerLag::new();
        for (since, took) in [(0, 30), (30, 30), (60, 1)] {
            lag.state.sample(Duration::from_millis(since), Duration::from_millis(took));
        }
        let at = |millis| {
            lag.state.sampling_since.set(Some(Duration::from_millis(millis)));
            lag.must_shed(Duration::from_millis(millis) + 2 * MAX_QUEUE_DELAY, MAX_QUEUE_DELAY)
        };
        assert!(at(200));
        assert!(at(1100));
        assert!(at(2000));
        assert!(!at(3100));
    }
}
