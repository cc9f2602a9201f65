//! What a store reports of itself.

/// The state of a store, or of this node's end of one that several nodes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// Transactions that were committed since it was opened.
    pub commits: usize,
    /// Transactions that failed.
    pub failed_commits: usize,
    /// Operations in the transactions that were committed.
    pub operations: usize,
    /// Operations that wait for their transaction.
    pub waiting: usize,
    /// Holds that are not settled.
    pub open_holds: usize,
}
