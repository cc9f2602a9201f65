//! Reads of the ledger on a connection of its own while the writer continues: statements, charges, verification, and
//! backups.

mod statement;
mod verify;

use std::path::Path;
use std::sync::Arc;

use demur_admission::{AccountId, CommandFault, OperationId, Reply};
use rusqlite::Connection;

use crate::backup;
use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::error::store_error;

pub(crate) use statement::{Statement, StatementQuery};

/// Reads a snapshot of the database: later writes are not visible.
fn read<T>(
    file: &Arc<DatabaseFile>,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, CommandFault> {
    let fault = |error: demur_admission::StoreError| CommandFault::Store { cause: error.to_string() };
    let conn = Conn::open(file, OpenMode::Read).map_err(fault)?;
    let result = conn.connection.unchecked_transaction().and_then(|transaction| query(&transaction));
    result.map_err(|error| fault(store_error(&error)))
}

/// Returns the entries and the balance of an account.
pub(crate) fn statement(
    file: &Arc<DatabaseFile>,
    query: &StatementQuery<'_>,
) -> Result<Statement, CommandFault> {
    read(file, |connection| statement::statement(connection, query))
}

/// Returns what an operation of an account was charged; `None` if it is unknown.
pub(crate) fn charged(
    file: &Arc<DatabaseFile>,
    account: &AccountId,
    operation: &OperationId,
) -> Result<Option<u64>, CommandFault> {
    read(file, |connection| statement::charged(connection, account, operation))
}

/// Verifies the whole ledger.
pub(crate) fn verify(file: &Arc<DatabaseFile>) -> Result<Reply, CommandFault> {
    read(file, verify::checks).map(|checks| Reply::Verified { checks })
}

/// Writes a backup.
pub(crate) fn back_up(file: &Arc<DatabaseFile>, target: &Path) -> Result<Reply, CommandFault> {
    let fault = |error: demur_admission::StoreError| CommandFault::Store { cause: error.to_string() };
    let conn = Conn::open(file, OpenMode::Read).map_err(fault)?;
    let bytes = backup::write(&conn.connection, target).map_err(|cause| CommandFault::Store {
        cause: format!("cannot write the backup `{}`: {cause}", target.display()),
    })?;
    Ok(Reply::BackedUp { to: target.to_owned(), bytes })
}
