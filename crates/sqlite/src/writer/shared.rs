//! What the writing thread shares with the rest of the store.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use demur_admission::{InvalidationListener, LocalCounters, Plans};

use crate::secrets::StoreSecrets;
use crate::write_behind::WriteBehind;

/// What the thread shares with the rest of the store.
pub(crate) struct WriterShared {
    pub(crate) secrets: StoreSecrets,
    /// Changes that are written when there is time.
    pub(crate) write_behind: WriteBehind,
    pub(crate) plans: Arc<Plans>,
    pub(crate) counters: Arc<LocalCounters>,
    /// Holds that are not settled.
    pub(crate) open_holds: AtomicUsize,
    pub(crate) listeners: Mutex<Vec<Arc<dyn InvalidationListener>>>,
}
