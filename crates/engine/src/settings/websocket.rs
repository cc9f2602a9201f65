//! WebSocket: which requests may switch to it, and how long a connection may last.

use std::time::Duration;

use super::cors::Origins;

/// How an operation serves WebSocket (RFC 6455). Only the gateway does: the Tower layer has no tunnels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocket {
    /// How long a connection may be without a byte in either direction.
    pub idle_timeout: Duration,
    /// How long a connection may last; without a limit where there is none.
    pub max_lifetime: Option<Duration>,
    /// The sites whose scripts may connect. Programs that are no browsers send no origin, and may connect in any case.
    pub origins: Origins,
}

impl Default for WebSocket {
    /// Five minutes without a byte, for any time and from any site.
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(300), max_lifetime: None, origins: Origins::Any }
    }
}
