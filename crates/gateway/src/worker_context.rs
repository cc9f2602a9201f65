//! What the workers of a gateway share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use demur_admission::Clock;
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::listener::descriptors::Descriptors;
use crate::snapshot::SnapshotCell;

/// What workers share.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) snapshots: Arc<SnapshotCell>,
    pub(crate) clock: Clock,
    pub(crate) log: AccessLog,
    pub(crate) descriptors: Descriptors,
    pub(crate) ending: watch::Receiver<bool>,
    /// The same for responses, each of which reads it.
    pub(crate) is_ending: Arc<AtomicBool>,
}
