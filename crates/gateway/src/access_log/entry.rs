//! One request, as it is queued for the log.

use std::net::IpAddr;
use std::time::Duration;

use demur_contract::Condition;
use demur_engine::RequestRecord;
use jiff::Timestamp;

/// One request that was answered.
#[derive(Debug)]
pub(crate) struct LogEntry {
    pub(crate) at: Timestamp,
    pub(crate) record: RequestRecord,
    pub(crate) client: Option<IpAddr>,
    /// Method and path, if they are known. Never the query, which may contain keys.
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    /// Bytes from the client after its request, on a connection that was upgraded.
    pub(crate) received_bytes: Option<u64>,
    pub(crate) duration: Duration,
    pub(crate) end: ResponseEnd,
    /// Whether it has a line in the log.
    pub(crate) is_logged: bool,
    /// Whether it is kept in the journal.
    pub(crate) is_journaled: bool,
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResponseEnd {
    /// It was complete.
    Complete,
    /// The client closed the connection before.
    ClientGone,
    /// Its body broke off, for this reason.
    Failed(Condition, String),
    /// The shutdown timeout elapsed before.
    Shutdown,
    /// The gateway has closed an upgraded connection, for this reason.
    Closed(Option<Condition>, String),
}
