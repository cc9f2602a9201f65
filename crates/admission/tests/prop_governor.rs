//! The rate limiter against governor, an independent implementation of the same algorithm.

use std::num::NonZeroU32;
use std::time::Duration;

use demur_admission::{Gcra, Rate, Spacing};
use governor::clock::{Clock as _, FakeRelativeClock};
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

proptest! {
    /// Windows are multiples of the number of requests, since governor rounds the interval down and this crate rounds it up.
    #[test]
    fn admits_and_delays_the_same_requests_as_governor(
        requests in 1_u32..50,
        interval in 1_u64..100_000,
        burst in 1_u32..20,
        steps in prop::collection::vec((0_u64..300_000, 1_u32..4), 1..200),
    ) {
        let count = |number| NonZeroU32::new(number).unwrap();
        let per = Duration::from_nanos(interval) * requests;
        let rate = Rate { burst: count(burst), ..Rate::new("rate", count(requests), per) };
        let (cell, spacing) = (Gcra::default(), Spacing::from(&rate));

        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_nanos(interval)).unwrap().allow_burst(count(burst));
        let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
        // governor's clock starts at its creation; a later start makes zero no special case here.
        let mut now = 1_u64 << 40;
        for (wait, cost) in steps {
            now += wait;
            clock.advance(Duration::from_nanos(wait));
            let expected = match oracle.check_n(count(cost)) {
                Err(_) => Err(None),
                Ok(Err(not_until)) => Err(Some(not_until.wait_time_from(clock.now()))),
                Ok(Ok(())) => Ok(()),
            };
            prop_assert_eq!(cell.take(spacing, cost, now).map(|_| ()), expected);
        }
    }
}
