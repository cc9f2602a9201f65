//! Staying under the limits that answers tell of: where nothing is left until a reset, the next request to
//! the host waits for it instead of being refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;

use crate::retry_after;

/// Hosts that are looked after; more are not paced.
const MAX_HOSTS: usize = 1024;

/// Until when which host has nothing left.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    hosts: Mutex<HashMap<String, Instant>>,
}

impl Pacing {
    /// Reads an answer, whatever its status.
    pub(crate) fn learn(&self, host: &str, headers: &HeaderMap, now: Instant, wall: SystemTime) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match retry_after::reset(headers, wall).and_then(|reset| now.checked_add(reset)) {
            Some(until) => {
                hosts.retain(|_, known| *known > now);
                if hosts.len() < MAX_HOSTS {
                    hosts.insert(host.to_owned(), until);
                }
            }
            None => {
                hosts.remove(host);
            }
        }
    }

    /// How long to wait before asking.
    pub(crate) fn delay(&self, host: &str, now: Instant) -> Duration {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}
