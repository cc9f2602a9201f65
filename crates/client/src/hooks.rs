//! What a caller can look at while a call is under way: for logs, traces and counters.

use std::time::Duration;

use http::Method;

use crate::error::Error;

/// Is told what happens. Every method does nothing unless it is written.
pub trait Hooks: Send + Sync {
    /// An attempt begins; `attempt` counts from 1. The URL is the request's own, its query included: whoever logs it
    /// decides what of it.
    fn attempt(&self, method: &Method, url: &url::Url, attempt: u32) {
        let _ = (method, url, attempt);
    }

    /// An attempt failed, and there will be another one after this delay.
    fn retry(&self, error: &Error, attempt: u32, delay: Duration) {
        let _ = (error, attempt, delay);
    }

    /// The call has failed for good.
    fn failed(&self, error: &Error) {
        let _ = error;
    }
}

/// Looks at nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}
