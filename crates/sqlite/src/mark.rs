//! What identifies a database and its content, so that another database or an older copy is distinguished from the
//! one that was opened.

use demur_admission::AccountId;
use rusqlite::{Connection, OptionalExtension};

/// The identity and the progress of a database, as it states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Created with the database.
    id: [u8; 16],
    /// How many times operators' commands have been written.
    commands: u64,
    /// The last batch of operations.
    batch: u64,
}

/// The content that a database must have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    mark: Option<Mark>,
    /// An account whose balance was changed, and its number of ledger entries.
    changed_account: Option<(AccountId, u64)>,
}

impl Mark {
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT id, commands, (SELECT coalesce(max(id), 0) FROM batch) FROM store, written";
        connection
            .query_row(sql, [], |row| Ok(Self { id: row.get(0)?, commands: row.get(1)?, batch: row.get(2)? }))
    }
}

/// Returns the offset and size of the page that contains the database's ID, and the ID. The page of a table that is
/// never written stays where it is in the file.
pub(crate) fn id_position(connection: &Connection) -> rusqlite::Result<(u64, u64, [u8; 16])> {
    let sql = "SELECT rootpage, (SELECT id FROM store) FROM sqlite_schema WHERE name = 'store'";
    let (page, id): (u64, [u8; 16]) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok((page.saturating_sub(1) * size, size, id))
}

impl From<Mark> for Expected {
    fn from(mark: Mark) -> Self {
        Self { mark: Some(mark), changed_account: None }
    }
}

impl Expected {
    /// Records a commit.
    pub(crate) fn on_commit(&mut self, commands: u64, batch: u64, changed_account: Option<(AccountId, u64)>) {
        if let Some(mark) = &mut self.mark {
            mark.commands += commands;
            mark.batch = batch.max(mark.batch);
        }
        self.changed_account = changed_account.or_else(|| self.changed_account.take());
    }

    /// Whether a database is the expected one, with the content that this process wrote last.
    pub(crate) fn matches(&self, found: &Mark, connection: &Connection) -> rusqlite::Result<bool> {
        if self.mark.as_ref().is_some_and(|mark| mark != found) {
            return Ok(false);
        }
        let Some((account, entries)) = &self.changed_account else { return Ok(true) };
        let sql = "SELECT bookings FROM purse WHERE account = ?1";
        let found: Option<u64> =
            connection.query_row(sql, [account.as_str()], |row| row.get(0)).optional()?;
        Ok(found == Some(*entries))
    }
}
