//! What operations work with.

use std::path::PathBuf;
use std::sync::Arc;

use demur_contract::Contract;

use crate::{AdminDatabase, Host};

/// What operations work with.
pub(crate) struct AdminContext {
    pub(crate) contract: Arc<Contract>,
    pub(crate) database: Arc<AdminDatabase>,
    pub(crate) host: Box<dyn Host>,
    /// The file of the journal, if there is one.
    pub(crate) journal: Option<PathBuf>,
}
