//! Stores in memory, for tests and for services that store no keys of their own. Nothing survives the process. For counts in
//! memory see [`LocalCounters`](crate::LocalCounters).

mod claims;
mod directory;
mod ledger;

pub use directory::MemoryDirectory;
pub use ledger::MemoryLedger;
