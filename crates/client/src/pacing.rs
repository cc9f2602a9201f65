//! Client-side pacing: if a response reports a rate limit as used up, the next request to the host waits for its reset
//! instead of being rejected.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use demur_contract::Contract;
use http::HeaderMap;
use tokio::time::Instant;

use crate::header_texts::HeaderTexts;
use crate::retry_after;

/// Maximum number of paced hosts; further hosts are not paced.
const MAX_HOSTS: usize = 1024;

/// The time at which the limit of each host resets.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    hosts: Mutex<HashMap<String, Instant>>,
}

impl Pacing {
    /// Reads the rate limit headers of a response of any status: those that the contract declares, or the widespread ones.
    pub(crate) fn observe(
        &self,
        host: &str,
        headers: &HeaderMap,
        contract: Option<&Contract>,
        (now, wall): (Instant, SystemTime),
    ) {
        let reset = retry_after::reset(&HeaderTexts::new(headers), contract, wall);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match reset.and_then(|reset| now.checked_add(reset)) {
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

    /// The delay before the next request.
    pub(crate) fn delay(&self, host: &str, now: Instant) -> Duration {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}
