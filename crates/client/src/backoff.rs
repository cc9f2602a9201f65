//! How long to wait between attempts when nobody says, and how to spread what somebody says.

use std::time::Duration;

/// Exponential backoff with full jitter: anything between nothing and `base` doubled for each attempt, up to
/// `cap`. Full jitter spreads the callers of one outage over the whole time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The most after the first attempt.
    pub base: Duration,
    /// The most after any attempt.
    pub cap: Duration,
}

impl Default for Backoff {
    /// Half a second, and eight seconds.
    fn default() -> Self {
        Self { base: Duration::from_millis(500), cap: Duration::from_secs(8) }
    }
}

impl Backoff {
    /// The longest delay after so many attempts (from 1).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The delay after so many attempts, where the server or the contract asked for `asked`.
    ///
    /// The larger of the two. What was asked for is only ever added to, by up to a tenth of itself (and at
    /// least by up to `base`), so that those who were told the same do not come back together.
    pub fn delay(&self, attempt: u32, asked: Option<Duration>, jitter: &dyn Jitter) -> Duration {
        let own = self.ceiling(attempt).mul_f64(jitter.fraction());
        let Some(asked) = asked.filter(|asked| !asked.is_zero()) else { return own };
        let spread = (asked / 10).max(self.base).mul_f64(jitter.fraction());
        asked.saturating_add(spread).max(own)
    }
}

/// Where chance comes from.
pub trait Jitter: Send + Sync {
    /// A number from 0 to below 1.
    fn fraction(&self) -> f64;
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomJitter;

impl Jitter for RandomJitter {
    fn fraction(&self) -> f64 {
        // Without randomness all callers wait the middle: not spread, and not early either.
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
    fn what_was_asked_for_is_never_shortened() {
        let backoff = Backoff::default();
        for attempt in 1..40 {
            for fraction in [0.0, 0.3, 0.999] {
                for millis in [1, 900, 5_000, 60_000] {
                    let asked = Duration::from_millis(millis);
                    let delay = backoff.delay(attempt, Some(asked), &Fixed(fraction));
                    assert!(delay >= asked, "{attempt} {fraction} {millis}: {delay:?}");
                    let own = backoff.delay(attempt, None, &Fixed(fraction));
                    assert!(delay >= own, "{attempt} {fraction} {millis}: {delay:?} < {own:?}");
                    let most = asked + (asked / 10).max(backoff.base);
                    assert!(delay <= most.max(backoff.cap), "{attempt} {fraction} {millis}: {delay:?}");
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
    fn chance_is_below_one() {
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&RandomJitter.fraction()));
        }
    }
}
