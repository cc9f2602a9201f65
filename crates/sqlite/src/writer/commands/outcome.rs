//! The outcome of a command.

use demur_admission::{CommandFault, DirectoryChange, Reply};

/// The outcome of a command: the reply and what has changed, or why nothing was done.
pub(super) type CommandOutcome = rusqlite::Result<Result<(Reply, Vec<DirectoryChange>), CommandFault>>;
