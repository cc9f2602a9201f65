//! How far a worker is behind: how long whatever is ready waits for its turn.
//!
//! An upstream's answer waits so too before it is looked at, and what the worker itself adds must not be taken for
//! the upstream's trouble. And a worker that stays behind is overloaded itself: then what has waited long is refused,
//! for otherwise everything would be late, refusals included. It is measured while requests come, and a worker that
//! has nothing to do is not woken.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// How often it is looked at while there is no sign of trouble.
const EVERY: Duration = Duration::from_millis(10);
/// A worker that is behind by so much, and has been for so long without a pause, is overloaded. One look is not enough:
/// after a moment in which the whole machine stood still it says the same, and so does a burst; both are over soon, and
/// nobody has to be refused.
const THRESHOLD: Duration = Duration::from_millis(20);
const FOR: Duration = Duration::from_millis(40);
const LOOKS: u32 = 2;
/// So long it is believed to be so after the last refusal: an overload that refusing has just made bearable is not
/// over.
const BELIEVED: Duration = Duration::from_secs(1);

/// What was measured last.
#[derive(Debug)]
pub(crate) struct SchedulerLag {
    state: Rc<LagState>,
    /// How long a request may have waited for its turn in an overload.
    backlog: Duration,
}

/// Moments are of the gateway's clock.
#[derive(Debug, Default)]
struct LagState {
    last: Cell<Duration>,
    /// Since when a look is under way: what has its turn now was ready before that.
    looking: Cell<Option<Duration>>,
    /// When the next one is due.
    due: Cell<Duration>,
    /// How many looks in a row said that it is behind, and when the first of them began.
    behind: Cell<(u32, Duration)>,
    overloaded_until: Cell<Duration>,
}

impl SchedulerLag {
    pub(crate) fn new(backlog: Duration) -> Self {
        Self { state: Rc::default(), backlog }
    }

    /// What it was when it was looked at last; and looks again where that is long ago. Within the worker's tasks.
    pub(crate) fn at(&self, now: Duration) -> Duration {
        let LagState { last, looking, due, .. } = &*self.state;
        if looking.get().is_none() && now >= due.get() {
            looking.set(Some(now));
            let (state, since) = (self.state.clone(), Instant::now());
            // Its turn comes after that of everything that is ready.
            tokio::task::spawn_local(async move { state.sample(now, since.elapsed()) });
        }
        last.get()
    }

    /// Whether a request that has its turn now is to be refused.
    pub(crate) fn is_too_long(&self, now: Duration) -> bool {
        let LagState { looking, overloaded_until, .. } = &*self.state;
        let waited = looking.get().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let is_too_long = now < overloaded_until.get() && waited > self.backlog;
        if is_too_long {
            overloaded_until.set(now + BELIEVED);
        }
        is_too_long
    }
}

impl LagState {
    fn sample(&self, since: Duration, lag: Duration) {
        self.last.set(lag);
        self.looking.set(None);
        let (now, is_behind) = (since + lag, lag >= THRESHOLD);
        // Where it is behind, or was lately, the next request looks again.
        let is_calm = !is_behind && now >= self.overloaded_until.get();
        self.due.set(if is_calm { since + EVERY } else { now });
        let (looks, first) = match self.behind.get() {
            _ if !is_behind => (0, now),
            (0, _) => (1, since),
            (looks, first) => (looks + 1, first),
        };
        self.behind.set((looks, first));
        if looks >= LOOKS && now - first >= FOR {
            self.overloaded_until.set(now + BELIEVED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKLOG: Duration = Duration::from_millis(5);

    /// Looks of so many milliseconds each, one after the other; then whether what has waited for so many more is
    /// refused.
    fn refused_after(looks: &[u64], waited: u64) -> bool {
        let lag = SchedulerLag::new(BACKLOG);
        let mut now = Duration::ZERO;
        for millis in looks {
            lag.state.sample(now, Duration::from_millis(*millis));
            now += Duration::from_millis(*millis);
        }
        lag.state.looking.set(Some(now));
        lag.is_too_long(now + Duration::from_millis(waited))
    }

    #[test]
    fn who_stays_behind_refuses_what_has_waited() {
        for (looks, waited, refused) in [
            // Nothing is wrong.
            (&[][..], 1, false),
            (&[1, 1, 2], 500, false),
            // Bursts, and moments in which everything stood still.
            (&[90], 90, false),
            (&[90, 1, 90], 90, false),
            // It has been behind for too long.
            (&[25, 25], 6, true),
            // What comes at the beginning of a turn is served.
            (&[25, 25, 25], 5, false),
            // Refusing has helped, and goes on.
            (&[25, 25, 25, 9, 9, 9], 6, true),
        ] {
            assert_eq!(refused_after(looks, waited), refused, "{looks:?} {waited}");
        }
    }

    #[test]
    fn an_overload_is_over_a_second_after_the_last_refusal() {
        let lag = SchedulerLag::new(BACKLOG);
        for (since, took) in [(0, 30), (30, 30), (60, 1)] {
            lag.state.sample(Duration::from_millis(since), Duration::from_millis(took));
        }
        let at = |millis| {
            lag.state.looking.set(Some(Duration::from_millis(millis)));
            lag.is_too_long(Duration::from_millis(millis) + 2 * BACKLOG)
        };
        assert!(at(200));
        assert!(at(1100));
        assert!(at(2000));
        assert!(!at(3100));
    }
}
