//! The time, as an argument. Nothing else in this crate reads a clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One moment, on two clocks.
///
/// What is about the calendar (expiry, daily quota, monthly grant) reads `wall`; what is about distances
/// (rates, throttling, cache bounds) reads `monotonic`, so that a step of the wall clock does it no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since an origin that is fixed for the life of the process.
    pub monotonic: Duration,
}

impl Now {
    /// The monotonic clock in nanoseconds; it would overflow after 584 years.
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.monotonic.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// So long a thread reckons the wall clock from when it read it last: to read two clocks costs a request twice. A step
/// of the wall clock, or a night that the machine slept, is seen so much later.
const RECKONED: Duration = Duration::from_millis(1);

/// The wall clock at this instant.
fn wall(instant: Instant) -> Timestamp {
    thread_local! {
        static READ: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
    }
    if let Some((at, wall)) = READ.get() {
        let since = instant.saturating_duration_since(at);
        if since < RECKONED {
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
    /// Sets the origin. One per process: moments of two clocks cannot be compared.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        Now { wall: wall(instant), monotonic: instant.saturating_duration_since(self.origin) }
    }
}
