//! What a database says of itself, by which an older copy or another database is told from the one that was opened.

use demur_admission::AccountId;
use rusqlite::{Connection, OptionalExtension};

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Made with the database.
    id: [u8; 16],
    /// How many times operators' commands have been written.
    commands: u64,
    /// The last batch of operations.
    batch: u64,
}

/// What it has to say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    mark: Option<Mark>,
    /// An account in whose purse something was booked, and how many bookings it has had.
    booked: Option<(AccountId, u64)>,
}

impl Mark {
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT id, commands, (SELECT coalesce(max(id), 0) FROM batch) FROM store, written";
        connection
            .query_row(sql, [], |row| Ok(Self { id: row.get(0)?, commands: row.get(1)?, batch: row.get(2)? }))
    }
}

/// Where in the file of a database its id is, and the id. The page of a table that is never written stays where it is.
pub(crate) fn place_of_id(connection: &Connection) -> rusqlite::Result<(u64, u64, [u8; 16])> {
    let sql = "SELECT rootpage, (SELECT id FROM store) FROM sqlite_schema WHERE name = 'store'";
    let (page, id): (u64, [u8; 16]) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok((page.saturating_sub(1) * size, size, id))
}

impl From<Mark> for Expected {
    fn from(mark: Mark) -> Self {
        Self { mark: Some(mark), booked: None }
    }
}

impl Expected {
    /// Something was committed.
    pub(crate) fn committed(&mut self, commands: u64, batch: u64, booked: Option<(AccountId, u64)>) {
        if let Some(mark) = &mut self.mark {
            mark.commands += commands;
            mark.batch = batch.max(mark.batch);
        }
        self.booked = booked.or_else(|| self.booked.take());
    }

    /// Whether a database is the one that is expected, as it was left.
    pub(crate) fn fits(&self, found: &Mark, connection: &Connection) -> rusqlite::Result<bool> {
        if self.mark.as_ref().is_some_and(|mark| mark != found) {
            return Ok(false);
        }
        let Some((account, bookings)) = &self.booked else { return Ok(true) };
        let sql = "SELECT bookings FROM purse WHERE account = ?1";
        let found: Option<u64> =
            connection.query_row(sql, [account.as_str()], |row| row.get(0)).optional()?;
        Ok(found == Some(*bookings))
    }
}
