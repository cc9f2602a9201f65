//! Looking at the books from a connection of one's own, while the writer goes on: statements, what an
//! operation was charged, the proof that everything adds up, and copies.

mod statement;
mod verify;

use std::path::Path;
use std::sync::Arc;

use demur_admission::{AccountId, CommandFault, OperationId, Reply};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::backup;
use crate::database::{Conn, DatabaseFile, OpenMode};
use crate::error::store_error;

pub(crate) use statement::{Statement, StatementQuery};

/// Reads at one moment of the database: what is written meanwhile is not seen.
fn read<T>(
    file: &Arc<DatabaseFile>,
    look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, CommandFault> {
    let fault = |error: demur_admission::StoreError| CommandFault::Store { cause: error.to_string() };
    let link = Conn::open(file, OpenMode::Read).map_err(fault)?;
    let found = link.connection.unchecked_transaction().and_then(|transaction| look(&transaction));
    found.map_err(|error| fault(store_error(&error)))
}

/// What happened to an account's credits, and what it has.
pub(crate) fn statement(
    file: &Arc<DatabaseFile>,
    wanted: &StatementQuery<'_>,
) -> Result<Statement, CommandFault> {
    read(file, |connection| statement::statement(connection, wanted))
}

/// What an operation of an account was charged, where there is one.
pub(crate) fn charged(
    file: &Arc<DatabaseFile>,
    account: &AccountId,
    operation: &OperationId,
) -> Result<Option<u64>, CommandFault> {
    read(file, |connection| statement::charged(connection, account, operation))
}

/// Looks at everything.
pub(crate) fn verify(file: &Arc<DatabaseFile>) -> Result<Reply, CommandFault> {
    read(file, verify::checks).map(|checks| Reply::Verified { checks })
}

/// Writes a copy.
pub(crate) fn back_up(file: &Arc<DatabaseFile>, to: &Path) -> Result<Reply, CommandFault> {
    let fault = |error: demur_admission::StoreError| CommandFault::Store { cause: error.to_string() };
    let link = Conn::open(file, OpenMode::Read).map_err(fault)?;
    let bytes = backup::write(&link.connection, to)
        .map_err(|cause| CommandFault::Store { cause: format!("{}: {cause}", to.display()) })?;
    Ok(Reply::BackedUp { to: to.to_owned(), bytes })
}

/// A moment of the database.
fn moment(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
