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
/// A worker that is behind by so much, and has been for so long without a pause, is overloaded. Shorter than that are
/// bursts, which are over before anyone would have to be refused.
const BEHIND: Duration = Duration::from_millis(20);
const FOR: Duration = Duration::from_millis(40);
/// So long it is believed to be so after the last refusal: an overload that refusing has just made bearable is not over.
const BELIEVED: Duration = Duration::from_secs(1);

/// What was measured last.
#[derive(Debug)]
pub(crate) struct Lag {
    state: Rc<State>,
    /// How long a request may have waited for its turn in an overload.
    backlog: Duration,
}

/// Moments are of the gateway's clock.
#[derive(Debug, Default)]
struct State {
    last: Cell<Duration>,
    /// Since when a look is under way: what has its turn now was ready before that.
    looking: Cell<Option<Duration>>,
    /// When the next one is due.
    due: Cell<Duration>,
    behind_since: Cell<Option<Duration>>,
    overloaded_until: Cell<Duration>,
}

impl Lag {
    pub(crate) fn new(backlog: Duration) -> Self {
        Self { state: Rc::default(), backlog }
    }

    /// What it was when it was looked at last; and looks again where that is long ago. Within the worker's tasks.
    pub(crate) fn at(&self, now: Duration) -> Duration {
        let State { last, looking, due, .. } = &*self.state;
        if looking.get().is_none() && now >= due.get() {
            looking.set(Some(now));
            let (state, since) = (self.state.clone(), Instant::now());
            // Its turn comes after that of everything that is ready.
            tokio::task::spawn_local(async move { state.looked(now, since.elapsed()) });
        }
        last.get()
    }

    /// Whether a request that has its turn now is to be refused.
    pub(crate) fn is_too_long(&self, now: Duration) -> bool {
        let State { looking, behind_since, overloaded_until, .. } = &*self.state;
        let Some(since) = looking.get() else { return false };
        // A look that has not come back yet says already that the worker is behind.
        let is_overloaded =
            now < overloaded_until.get() || now.saturating_sub(behind_since.get().unwrap_or(since)) >= FOR;
        let is_too_long = is_overloaded && now.saturating_sub(since) > self.backlog;
        if is_too_long {
            overloaded_until.set(now + BELIEVED);
        }
        is_too_long
    }
}

impl State {
    fn looked(&self, since: Duration, lag: Duration) {
        self.last.set(lag);
        self.looking.set(None);
        let (now, is_behind) = (since + lag, lag >= BEHIND);
        // Where it is behind, or was lately, the next request looks again.
        let is_calm = !is_behind && now >= self.overloaded_until.get();
        self.due.set(if is_calm { since + EVERY } else { now });
        let behind_since = is_behind.then(|| self.behind_since.get().unwrap_or(since));
        self.behind_since.set(behind_since);
        if behind_since.is_some_and(|since| now - since >= FOR) {
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
        let lag = Lag::new(BACKLOG);
        let mut now = Duration::ZERO;
        for millis in looks {
            lag.state.looked(now, Duration::from_millis(*millis));
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
            (&[1, 1, 2], 39, false),
            // Bursts, which are over soon.
            (&[30], 9, false),
            (&[30, 1, 30], 9, false),
            // It has been behind for too long, as looks say that came back, or one that does not.
            (&[60], 6, true),
            (&[25, 25, 25], 6, true),
            (&[30], 20, true),
            (&[], 40, true),
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
        let lag = Lag::new(BACKLOG);
        lag.state.looked(Duration::ZERO, Duration::from_millis(60));
        lag.state.looked(Duration::from_millis(60), Duration::from_millis(1));
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
