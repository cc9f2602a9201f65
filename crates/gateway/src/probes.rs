//! What probes see: the state of the process, and that of the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The state of the process, as probes see it.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    /// Requests are still served, but no more should be sent.
    pub(crate) is_leaving: AtomicBool,
}

/// The state of the store, for readiness and metrics. Asked each time.
#[derive(Clone, Default)]
pub struct StoreProbe(pub Option<Arc<dyn Fn() -> StoreStatus + Send + Sync>>);

impl fmt::Debug for StoreProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreProbe").field(&self.0.is_some()).finish()
    }
}

/// The state of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// Transactions that were committed.
    pub commits: u64,
    /// Transactions that failed.
    pub failed_commits: u64,
    /// Operations in the transactions that were committed.
    pub operations: u64,
    /// Operations that wait for their transaction.
    pub waiting: u64,
    /// Holds that are not settled.
    pub open_holds: u64,
}
