//! Limits on what connections and requests may cost.

use std::time::Duration;

use demur_engine::DEFAULT_BODY_MEMORY;
use demur_guard::HeadLimits;

use crate::listener::request_body::BodyLimits;

/// Bounds of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Heads, answers, and the time they take.
    pub head: HeadLimits,
    /// Content that arrives.
    pub content: BodyLimits,
    /// Connections at once.
    pub connections: usize,
    /// How long a request may have waited for its worker's turn while the worker is overloaded. Longer is
    /// `overloaded`.
    pub backlog: Duration,
    /// Memory for bodies that are collected, of all requests and responses together, in bytes. More is
    /// `overloaded`.
    pub body_memory: usize,
    /// How long requests under way may go on when the gateway ends.
    pub shutdown: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            content: BodyLimits::default(),
            connections: 10_000,
            backlog: Duration::from_millis(5),
            body_memory: DEFAULT_BODY_MEMORY,
            shutdown: Duration::from_secs(10),
        }
    }
}
