//! One request, as it is queued for the log.

use std::net::IpAddr;
use std::time::Duration;

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
    pub(crate) duration: Duration,
    /// Whether the whole response was sent.
    pub(crate) is_complete: bool,
}
