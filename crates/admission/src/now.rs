//! The current time, which is an argument everywhere: nothing else in this crate reads a clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One moment, on two clocks.
///
/// Calendar rules (expiry, daily quota, monthly credits) use `wall`; durations (rates, throttling, cache lifetimes) use
/// `monotonic`, so that a step of the wall clock does not affect them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// The time since an origin that is fixed for the life of the process.
    pub monotonic: Duration,
}

impl Now {
    /// Returns the monotonic clock in nanoseconds, which would overflow after 584 years.
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.monotonic.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// How long a thread derives the wall clock from its last reading, since reading two clocks costs twice as much. A step of
/// the wall clock, or a suspended machine, is noticed that much later.
const WALL_CLOCK_REUSE: Duration = Duration::from_millis(1);

/// Returns the wall clock at this instant.
fn wall(instant: Instant) -> Timestamp {
    thread_local! {
        static READ: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
    }
    if let Some((at, wall)) = READ.get() {
        let since = instant.saturating_duration_since(at);
        if since < WALL_CLOCK_REUSE {
            return wall.saturating_add(since).unwrap_or(wall);
        }
    }
    let wall = Timestamp::now();
    READ.set(Some((instant, wall)));
    wall
}

/// The system's clocks, with the origin of the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts a clock, which sets the origin. Use one per process: the times of two clocks cannot be compared.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Returns the current time.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        Now { wall: wall(instant), monotonic: instant.saturating_duration_since(self.origin) }
    }
}
