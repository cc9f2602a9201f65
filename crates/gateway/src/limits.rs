//! Limits on what connections and requests may cost.

use std::time::Duration;

use demur_engine::DEFAULT_BODY_MEMORY;
use demur_http1::io::ServerLimits;

use crate::listener::request_body::MinBodyRate;

/// Limits of the listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Of one client connection: its heads and its timeouts.
    pub connection: ServerLimits,
    /// The minimum rate of request bodies.
    pub min_body_rate: MinBodyRate,
    /// Connections at once. Requests on further ones are rejected as `overloaded`.
    pub max_connections: usize,
    /// How long a request may have been queued while its worker is overloaded. Requests that were queued for longer are
    /// rejected as `overloaded`.
    pub max_queue_delay: Duration,
    /// Memory for buffered bodies, of all requests and responses together, in bytes. Requests that need more are rejected
    /// as `overloaded`.
    pub body_memory: usize,
    /// How long requests are still accepted after the gateway has reported that it is not ready.
    pub shutdown_delay: Duration,
    /// How long requests in progress may take during shutdown.
    pub shutdown_timeout: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connection: ServerLimits::default(),
            min_body_rate: MinBodyRate::default(),
            max_connections: 10_000,
            max_queue_delay: Duration::from_millis(5),
            body_memory: DEFAULT_BODY_MEMORY,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}
