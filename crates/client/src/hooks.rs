//! Hooks that observe calls, for logs, traces and metrics.

use std::time::Duration;

use http::Method;

use crate::error::Error;

/// Observes calls. The default of every method does nothing.
pub trait Hooks: Send + Sync {
    /// An attempt starts; `attempt` counts from 1. The URL includes the query, which may contain credentials: log it with
    /// care.
    fn attempt(&self, method: &Method, url: &url::Url, attempt: u32) {
        let _ = (method, url, attempt);
    }

    /// An attempt failed, and is retried after this delay.
    fn retry(&self, error: &Error, attempt: u32, delay: Duration) {
        let _ = (error, attempt, delay);
    }

    /// The call failed.
    fn failed(&self, error: &Error) {
        let _ = error;
    }
}

/// Hooks that do nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}
