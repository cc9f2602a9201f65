//! How far a worker is behind: how long whatever is ready waits for its turn.
//!
//! An upstream's answer waits so too before it is looked at, and what the worker itself adds must not be taken for
//! the upstream's trouble.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// What was measured last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lag(Rc<Cell<Duration>>);

impl Lag {
    /// Begins to measure, for as long as the worker's tasks run.
    pub(crate) fn measured() -> Self {
        let lag = Self::default();
        let measured = lag.clone();
        tokio::task::spawn_local(async move {
            loop {
                sleep(EVERY).await;
                let since = Instant::now();
                // Comes back after everything that was ready.
                tokio::task::yield_now().await;
                measured.0.set(since.elapsed());
            }
        });
        lag
    }

    pub(crate) fn last(&self) -> Duration {
        self.0.get()
    }
}
