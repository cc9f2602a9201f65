//! The retry budget of a host: retries are limited to a share of requests, so that they do not amplify an outage.
//!
//! Over any `t` seconds with `n` requests there are at most `n / 5 + 10 (t + 1)` retries: a fifth of the requests of the
//! last ten seconds, plus ten per second for hosts with few requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The retry budget of each host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetSettings {
    /// Retries per request: 0.2 allows one retry for five requests.
    pub ratio: f64,
    /// Retries per second that are always allowed.
    pub min_per_second: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 10 }
    }
}

/// The window of the ratio, in seconds.
const SECONDS: usize = 10;
/// Maximum number of budgets; further hosts share one, so that memory is bounded.
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
    /// Requests and retries per second, as a ring buffer.
    slots: [(u64, u64); SECONDS],
    /// The second of the latest slot.
    second: u64,
    /// What is left of `min_per_second`, in thousandths, and the time it was last refilled.
    allowance_thousandths: u64,
    refilled_at: Duration,
}

impl Budget {
    pub(crate) fn new(settings: BudgetSettings, origin: Instant) -> Self {
        let state = BudgetState {
            allowance_thousandths: u64::from(settings.min_per_second) * 1000,
            ..BudgetState::default()
        };
        Self { settings, origin, state: Mutex::new(state) }
    }

    /// Counts a request.
    pub(crate) fn deposit(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now.saturating_duration_since(self.origin));
        let at = state.latest();
        state.slots[at].0 += 1;
    }

    /// Takes a retry from the budget, if there is one.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(self.origin);
        state.advance(age);
        let per_second = u64::from(self.settings.min_per_second);
        let refill = age.saturating_sub(state.refilled_at).as_millis() as u64 * per_second;
        state.refilled_at = age;
        // An unused allowance does not accumulate beyond one second.
        state.allowance_thousandths = (state.allowance_thousandths + refill).min(per_second * 1000);
        if state.allowance_thousandths >= 1000 {
            state.allowance_thousandths -= 1000;
            return true;
        }
        let (requests, retries) =
            state.slots.iter().fold((0, 0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1));
        if (retries + 1) as f64 > requests as f64 * self.settings.ratio {
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

    /// Clears the slots of the seconds that have passed.
    fn advance(&mut self, age: Duration) {
        let second = age.as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for step in 1..=passed {
            self.slots[((self.second + step) % SECONDS as u64) as usize] = (0, 0);
        }
        // After a pause longer than the window all slots are empty, in any order.
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn retries_stay_within_the_ratio_and_the_minimum() {
        for per_second in [0u64, 1, 7, 50, 400] {
            let start = Instant::now();
            let budget = Budget::new(BudgetSettings::default(), start);
            let (mut requests, mut retries) = (0u64, 0u64);
            for tick in 0..300u64 {
                for _ in 0..per_second / 10 + u64::from(tick % 10 < per_second % 10) {
                    budget.deposit(Instant::now());
                    requests += 1;
                }
                // Always ask for more than is available.
                for _ in 0..per_second + 20 {
                    retries += u64::from(budget.withdraw(Instant::now()));
                }
                tokio::time::advance(Duration::from_millis(100)).await;
                let seconds = start.elapsed().as_secs_f64();
                let max = requests as f64 / 5.0 + 10.0 * (seconds + 1.0);
                assert!(retries as f64 <= max, "{per_second}/s at {seconds} s: {retries} > {max}");
            }
            // What is allowed is also granted.
            assert!(
                retries as f64 >= requests as f64 * 0.19 + 280.0,
                "{per_second}/s: {retries} of {requests}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_requests_and_unused_allowance_do_not_accumulate() {
        let budget = Budget::new(BudgetSettings::default(), Instant::now());
        for _ in 0..1000 {
            budget.deposit(Instant::now());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        let retries = (0..1000).filter(|_| budget.withdraw(Instant::now())).count();
        assert_eq!(retries, BudgetSettings::default().min_per_second as usize);
    }
}
