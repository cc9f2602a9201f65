//! How far a worker is behind: how long whatever is ready waits for its turn.
//!
//! An upstream's answer waits so too before it is looked at, and what the worker itself adds must not be taken for
//! the upstream's trouble. It is measured while requests come, and a worker that has nothing to do is not woken.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// What was measured last.
#[derive(Debug, Default)]
pub(crate) struct Lag(Rc<State>);

#[derive(Debug, Default)]
struct State {
    last: Cell<Duration>,
    /// When the next look is due, by the gateway's clock.
    due: Cell<Duration>,
}

impl Lag {
    /// What it was when it was looked at last; and looks again where that is long ago. Within the worker's tasks.
    pub(crate) fn at(&self, now: Duration) -> Duration {
        let State { last, due } = &*self.0;
        if now >= due.get() {
            due.set(now + EVERY);
            let state = self.0.clone();
            tokio::task::spawn_local(async move {
                let since = Instant::now();
                // Comes back after everything that was ready.
                tokio::task::yield_now().await;
                state.last.set(since.elapsed());
            });
        }
        last.get()
    }
}
