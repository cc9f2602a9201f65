//! Connections to one upstream, counted over all workers for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted since the start. It changes with connections, not with requests.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    open: AtomicU64,
    opened: AtomicU64,
    failed: AtomicU64,
}

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<ConnectionCounts>);

impl ConnectionCounts {
    /// A connection was opened.
    pub(crate) fn opened(self: &Arc<Self>) -> OpenConnection {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// A connection could not be opened.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that are open, and how many were opened and failed.
    pub(crate) fn read(&self) -> [u64; 3] {
        [&self.open, &self.opened, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
