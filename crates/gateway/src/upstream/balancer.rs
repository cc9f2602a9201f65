//! The endpoints of one upstream, and which of them a request is sent to.
//!
//! Workers share the state of the endpoints: requests in progress, failures, and whether an endpoint is in use. Of two
//! endpoints chosen at random, by their weights, the one with fewer requests for its weight gets the request (power of two
//! choices). An endpoint that fails several times in a row is ejected for a while, and then gets one request at a time
//! until one succeeds: a circuit breaker. A new or recovered one gets its full share slowly.
//!
//! An upstream with one endpoint and no health settings has no state, and costs nothing here.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use demur_engine::UpstreamFault;
use tokio::time::Instant;

use super::settings::{Endpoint, Upstream};

/// An ejection lasts at most this many times as long as the first one.
const MAX_EJECTION_FACTOR: u32 = 16;
/// The least part of its share that a new endpoint gets.
const MIN_SHARE: f64 = 0.1;
/// Each request allows this part of a retry, in thousandths, and no more than `MAX_RETRIES` are saved up.
const RETRY_PART: i64 = 200;
const MAX_RETRIES: i64 = 20;
const RETRY: i64 = 1000;

/// An upstream as workers share it.
pub(crate) struct SharedUpstream {
    pub(crate) settings: Upstream,
    pub(crate) endpoints: Vec<EndpointState>,
    /// Whether endpoints have state: there are several, or health settings.
    is_balanced: bool,
    /// Retries that are allowed, in thousandths.
    budget: AtomicI64,
    /// What times are counted from.
    start: Instant,
    /// Whether a worker makes the health checks.
    is_checked: AtomicBool,
}

/// One endpoint.
pub(crate) struct EndpointState {
    pub(crate) endpoint: Endpoint,
    requests: AtomicU32,
    /// Failures in a row.
    failures: AtomicU32,
    /// Ejections in a row.
    ejections: AtomicU32,
    /// Milliseconds until which it is ejected.
    ejected_until: AtomicU64,
    /// Health checks have failed.
    is_down: AtomicBool,
    /// When it began to be used, in milliseconds; 0 for the start.
    used_since: AtomicU64,
}

/// A request at an endpoint, until it is dropped.
pub(crate) struct EndpointPermit {
    /// `None` where endpoints have no state.
    counted: Option<Arc<SharedUpstream>>,
    pub(crate) index: usize,
}

/// The random numbers of one worker.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        // Another seed is as good, where the system has none to give.
        let seed = getrandom::fill(&mut bytes).map_or(1, |()| u64::from_le_bytes(bytes));
        Self(Cell::new(seed | 1))
    }

    /// A number from 0 up to 1 (xorshift64*; Vigna, 2016).
    fn next(&self) -> f64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        let bits = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        // 24 bits are exact.
        f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(1 << 24)
    }
}

impl SharedUpstream {
    pub(crate) fn new(settings: Upstream) -> Arc<Self> {
        let state = |endpoint: &Endpoint| EndpointState {
            endpoint: endpoint.clone(),
            requests: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            used_since: AtomicU64::new(0),
        };
        let mut endpoints: Vec<EndpointState> = settings.endpoints.iter().map(state).collect();
        if endpoints.is_empty() {
            endpoints.push(state(&Endpoint::nowhere()));
        }
        Arc::new(Self {
            is_balanced: settings.has_health(),
            settings,
            endpoints,
            budget: AtomicI64::new(MAX_RETRIES * RETRY),
            start: Instant::now(),
            is_checked: AtomicBool::new(false),
        })
    }

    /// Chooses an endpoint for a request, another one than `except` if there is another.
    pub(crate) fn choose(
        self: &Arc<Self>,
        random: &Random,
        now: Instant,
        except: Option<usize>,
    ) -> Result<EndpointPermit, UpstreamFault> {
        if !self.is_balanced {
            return Ok(EndpointPermit { counted: None, index: 0 });
        }
        let now = self.millis(now);
        let first = self.draw(random, now, [except, None]);
        let index = match first {
            None => match except.filter(|index| self.share(*index, now) > 0.0) {
                Some(index) => index,
                None => return Err(UpstreamFault::Unhealthy("no endpoint is healthy".to_owned())),
            },
            Some(first) => match self.draw(random, now, [except, Some(first)]) {
                Some(second) if self.load(second, now) < self.load(first, now) => second,
                _ => first,
            },
        };
        if except.is_none() {
            let full = MAX_RETRIES * RETRY;
            if self.budget.load(Relaxed) < full {
                self.budget.fetch_add(RETRY_PART, Relaxed);
            }
        }
        self.endpoints[index].requests.fetch_add(1, Relaxed);
        Ok(EndpointPermit { counted: Some(Arc::clone(self)), index })
    }

    /// Whether a request may be sent to another endpoint, which uses up a part of the budget: retries must not multiply the
    /// load of an upstream that is failing.
    pub(crate) fn takes_retry(&self) -> bool {
        self.endpoints.len() > 1
            && self
                .budget
                .fetch_update(Relaxed, Relaxed, |left| (left >= RETRY).then(|| left - RETRY))
                .is_ok()
    }

    /// One of the endpoints that are in use, at random by their shares, but for some.
    fn draw(&self, random: &Random, now: u64, except: [Option<usize>; 2]) -> Option<usize> {
        let share = |index: usize| if except.contains(&Some(index)) { 0.0 } else { self.share(index, now) };
        let total: f64 = (0..self.endpoints.len()).map(share).sum();
        let mut left = random.next() * total;
        let mut last = None;
        for index in 0..self.endpoints.len() {
            let share = share(index);
            if share > 0.0 {
                last = Some(index);
                if left < share {
                    break;
                }
                left -= share;
            }
        }
        last
    }

    /// The requests of an endpoint for its share, with one more.
    fn load(&self, index: usize, now: u64) -> f64 {
        f64::from(self.endpoints[index].requests.load(Relaxed) + 1) / self.share(index, now)
    }

    /// The weight of an endpoint at the moment; 0 if it is not in use.
    fn share(&self, index: usize, now: u64) -> f64 {
        let state = &self.endpoints[index];
        if state.is_down.load(Relaxed) || now < state.ejected_until.load(Relaxed) {
            return 0.0;
        }
        // An endpoint that was ejected has to succeed first.
        if state.ejections.load(Relaxed) > 0 && state.requests.load(Relaxed) > 0 {
            return 0.0;
        }
        let weight = f64::from(state.endpoint.weight.get());
        let since = state.used_since.load(Relaxed).max(state.ejected_until.load(Relaxed));
        match self.settings.slow_start {
            Some(time) if since > 0 => {
                let part =
                    Duration::from_millis(now.saturating_sub(since)).as_secs_f64() / time.as_secs_f64();
                weight * part.clamp(MIN_SHARE, 1.0)
            }
            _ => weight,
        }
    }

    fn succeeded(&self, index: usize, now: Instant) {
        let state = &self.endpoints[index];
        if state.failures.load(Relaxed) > 0 {
            state.failures.store(0, Relaxed);
        }
        if state.ejections.swap(0, Relaxed) > 0 {
            state.used_since.store(self.millis(now), Relaxed);
            tracing::info!(endpoint = %state.endpoint.address, "upstream endpoint recovered");
        }
    }

    fn failed(&self, index: usize, now: Instant, fault: &UpstreamFault) {
        let Some(ejection) = self.settings.ejection else { return };
        let (state, now) = (&self.endpoints[index], self.millis(now));
        let failures = state.failures.fetch_add(1, Relaxed) + 1;
        let before = state.ejections.load(Relaxed);
        // After an ejection one failure is enough. Requests that were sent before it say nothing new.
        let limit = if before > 0 { 1 } else { ejection.failures.get() };
        let until = state.ejected_until.load(Relaxed);
        if failures < limit || now < until {
            return;
        }
        let time = ejection.time * (1 << before.min(MAX_EJECTION_FACTOR.ilog2()));
        let end = now + u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2);
        // One of the workers that see the same.
        if state.ejected_until.compare_exchange(until, end, Relaxed, Relaxed).is_ok() {
            state.ejections.fetch_add(1, Relaxed);
            state.failures.store(0, Relaxed);
            let milliseconds = end - now;
            tracing::warn!(endpoint = %state.endpoint.address, milliseconds, cause = %fault, "upstream endpoint ejected");
        }
    }

    /// Whether the caller is the first one to ask, and makes the health checks.
    pub(crate) fn claim_checks(&self) -> bool {
        self.settings.health_check.is_some() && !self.is_checked.swap(true, Relaxed)
    }

    /// Sets the result of health checks.
    pub(crate) fn set_down(&self, index: usize, is_down: bool, cause: &str) {
        let state = &self.endpoints[index];
        if state.is_down.swap(is_down, Relaxed) == is_down {
            return;
        }
        let endpoint = &state.endpoint.address;
        if is_down {
            tracing::warn!(%endpoint, cause, "upstream endpoint unhealthy");
        } else {
            state.used_since.store(self.millis(Instant::now()), Relaxed);
            tracing::info!(%endpoint, "upstream endpoint healthy");
        }
    }

    /// Never 0, which means the start.
    fn millis(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX / 2) + 1
    }
}

impl EndpointPermit {
    /// The endpoint has responded.
    pub(crate) fn succeeded(&self) {
        if let Some(upstream) = &self.counted {
            upstream.succeeded(self.index, Instant::now());
        }
    }

    /// The request failed.
    pub(crate) fn failed(&self, fault: &UpstreamFault) {
        let is_endpoints = matches!(
            fault,
            UpstreamFault::Unreachable(_) | UpstreamFault::Timeout(_) | UpstreamFault::Invalid(_)
        );
        if let Some(upstream) = self.counted.as_ref().filter(|_| is_endpoints) {
            upstream.failed(self.index, Instant::now(), fault);
        }
    }
}

impl Drop for EndpointPermit {
    fn drop(&mut self) {
        if let Some(upstream) = &self.counted {
            upstream.endpoints[self.index].requests.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
