//! The delay between attempts: exponential backoff, and jitter on delays that the server asks for.

use std::time::Duration;

/// Exponential backoff with full jitter: a random delay up to `base`, doubled for each attempt up to `cap`. Full jitter
/// spreads the retries of all callers of an outage over the whole interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Maximum delay after the first attempt.
    pub base: Duration,
    /// Maximum delay after any attempt.
    pub cap: Duration,
}

impl Default for Backoff {
    /// Half a second, up to eight seconds.
    fn default() -> Self {
        Self { base: Duration::from_millis(500), cap: Duration::from_secs(8) }
    }
}

impl Backoff {
    /// The maximum delay after this attempt, counted from 1.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The delay after this attempt: the larger of the backoff and `requested`, the delay that the server or the contract
    /// asks for.
    ///
    /// Jitter only lengthens a requested delay, by up to a tenth or up to `base`, whichever is larger, so that clients
    /// with the same delay do not return at the same time.
    pub fn delay(&self, attempt: u32, requested: Option<Duration>, jitter: &dyn Jitter) -> Duration {
        let own = self.ceiling(attempt).mul_f64(jitter.fraction());
        let Some(requested) = requested.filter(|delay| !delay.is_zero()) else { return own };
        let spread = (requested / 10).max(self.base).mul_f64(jitter.fraction());
        requested.saturating_add(spread).max(own)
    }
}

/// A source of randomness.
pub trait Jitter: Send + Sync {
    /// A number from 0 to below 1.
    fn fraction(&self) -> f64;
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomJitter;

impl Jitter for RandomJitter {
    fn fraction(&self) -> f64 {
        // Without randomness use the mean: delays are not spread, but not too short either.
        getrandom::u32().map_or(0.5, |number| f64::from(number) / (f64::from(u32::MAX) + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);

    impl Jitter for Fixed {
        fn fraction(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn a_requested_delay_is_never_shortened() {
        let backoff = Backoff::default();
        for attempt in 1..40 {
            for fraction in [0.0, 0.3, 0.999] {
                for millis in [1, 900, 5_000, 60_000] {
                    let requested = Duration::from_millis(millis);
                    let delay = backoff.delay(attempt, Some(requested), &Fixed(fraction));
                    assert!(delay >= requested, "{attempt} {fraction} {millis}: {delay:?}");
                    let own = backoff.delay(attempt, None, &Fixed(fraction));
                    assert!(delay >= own, "{attempt} {fraction} {millis}: {delay:?} < {own:?}");
                    let max = requested + (requested / 10).max(backoff.base);
                    assert!(delay <= max.max(backoff.cap), "{attempt} {fraction} {millis}: {delay:?}");
                }
            }
        }
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let ceilings: Vec<u128> =
            (1..8).map(|attempt| Backoff::default().ceiling(attempt).as_millis()).collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(Backoff::default().ceiling(u32::MAX), Backoff::default().cap);
    }

    #[test]
    fn random_fractions_are_below_one() {
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&RandomJitter.fraction()));
        }
    }
}
