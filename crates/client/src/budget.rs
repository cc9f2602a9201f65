//! The retry budget of one host: retries are a share of requests, so that an outage is not multiplied.
//!
//! Over any time of `t` seconds with `n` requests there are at most `n / 5 + 10 (t + 1)` retries: a fifth of
//! the requests of the last ten seconds, and a floor of ten a second for hosts that see few requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much may be retried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetSettings {
    /// Retries for each request: 0.2 is a fifth.
    pub share: f64,
    /// Retries a second that are always allowed.
    pub floor: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { share: 0.2, floor: 10 }
    }
}

/// Requests count for so many seconds.
const SECONDS: usize = 10;
/// Beyond so many hosts, the rest share a budget: nobody can make a client keep more.
const MAX_HOSTS: usize = 1024;

/// The budgets of all hosts.
#[derive(Debug)]
pub(crate) struct Budgets {
    settings: BudgetSettings,
    hosts: Mutex<HashMap<String, Arc<Budget>>>,
}

impl Budgets {
    pub(crate) fn new(settings: BudgetSettings) -> Self {
        Self { settings, hosts: Mutex::default() }
    }

    pub(crate) fn of(&self, host: &str) -> Arc<Budget> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = hosts.get(host) {
            return Arc::clone(budget);
        }
        let name = if hosts.len() < MAX_HOSTS { host } else { "" };
        let fresh = || Arc::new(Budget::new(self.settings, Instant::now()));
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(fresh))
    }
}

/// The budget of one host.
#[derive(Debug)]
pub(crate) struct Budget {
    settings: BudgetSettings,
    origin: Instant,
    state: Mutex<BudgetState>,
}

#[derive(Debug, Default)]
struct BudgetState {
    /// Requests and retries by second, a ring.
    slots: [(u64, u64); SECONDS],
    /// The second of the latest slot.
    second: u64,
    /// What is left of the floor, in thousandths, and since when.
    floor_thousandths: u64,
    floor_since: Duration,
}

impl Budget {
    pub(crate) fn new(settings: BudgetSettings, origin: Instant) -> Self {
        let state =
            BudgetState { floor_thousandths: u64::from(settings.floor) * 1000, ..BudgetState::default() };
        Self { settings, origin, state: Mutex::new(state) }
    }

    /// A request is made.
    pub(crate) fn deposit(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now.saturating_duration_since(self.origin));
        let at = state.latest();
        state.slots[at].0 += 1;
    }

    /// Whether a retry may be made; it counts as made.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(self.origin);
        state.advance(age);
        let floor = u64::from(self.settings.floor);
        let grown = age.saturating_sub(state.floor_since).as_millis() as u64 * floor;
        state.floor_since = age;
        // A floor that was not used does not pile up beyond one second's worth.
        state.floor_thousandths = (state.floor_thousandths + grown).min(floor * 1000);
        if state.floor_thousandths >= 1000 {
            state.floor_thousandths -= 1000;
            return true;
        }
        let (requests, retries) =
            state.slots.iter().fold((0, 0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1));
        if (retries + 1) as f64 > requests as f64 * self.settings.share {
            return false;
        }
        let at = state.latest();
        state.slots[at].1 += 1;
        true
    }
}

impl BudgetState {
    fn latest(&self) -> usize {
        (self.second % SECONDS as u64) as usize
    }

    /// Empties the slots of the seconds that have passed.
    fn advance(&mut self, age: Duration) {
        let second = age.as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for step in 1..=passed {
            self.slots[((self.second + step) % SECONDS as u64) as usize] = (0, 0);
        }
        // After a longer pause all slots are empty, and it does not matter which is which.
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes, retries stay within a fifth and the floor.
    #[tokio::test(start_paused = true)]
    async fn retries_stay_within_a_fifth_and_the_floor() {
        for per_second in [0u64, 1, 7, 50, 400] {
            let start = Instant::now();
            let budget = Budget::new(BudgetSettings::default(), start);
            let (mut requests, mut retries) = (0u64, 0u64);
            for tick in 0..300u64 {
                for _ in 0..per_second / 10 + u64::from(tick % 10 < per_second % 10) {
                    budget.deposit(Instant::now());
                    requests += 1;
                }
                // Everybody asks for more than there is.
                for _ in 0..per_second + 20 {
                    retries += u64::from(budget.withdraw(Instant::now()));
                }
                tokio::time::advance(Duration::from_millis(100)).await;
                let seconds = start.elapsed().as_secs_f64();
                let most = requests as f64 / 5.0 + 10.0 * (seconds + 1.0);
                assert!(retries as f64 <= most, "{per_second}/s at {seconds} s: {retries} > {most}");
            }
            // And what is allowed is given.
            assert!(
                retries as f64 >= requests as f64 * 0.19 + 280.0,
                "{per_second}/s: {retries} of {requests}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_past_pays_for_nothing() {
        let budget = Budget::new(BudgetSettings::default(), Instant::now());
        for _ in 0..1000 {
            budget.deposit(Instant::now());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        // Neither do the requests of a minute ago, nor has the floor piled up meanwhile.
        let retries = (0..1000).filter(|_| budget.withdraw(Instant::now())).count();
        assert_eq!(retries, BudgetSettings::default().floor as usize);
    }
}
