//! The transaction of one command.

use demur_admission::{CommandFault, DirectoryChange, Reply};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::books::Books;
use crate::error::DbError;
use crate::shared::Shared;

/// What a command did, or why it did nothing.
pub(super) type CommandResult = Result<Result<(Reply, Vec<DirectoryChange>), CommandFault>, DbError>;

/// A command's transaction.
pub(super) struct CommandTx<'a> {
    pub(super) client: &'a Client,
    pub(super) shared: &'a Shared,
    pub(super) books: Books,
    pub(super) at: Timestamp,
}
