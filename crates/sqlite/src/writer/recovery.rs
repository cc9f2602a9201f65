//! What an earlier process left held, settled when the store is opened: the upstream may have done the
//! work, so it counts as posted and is marked.

use std::collections::BTreeMap;

use demur_admission::HoldId;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::books::{POSTED, Till};
use crate::packed::{self, Entry};

/// Settles what is open. No table is scanned: it takes the same time however much had happened before the oldest
/// hold that is open. Batches since then are read, all of them: of a hold that was open for long, many.
pub(super) fn recover(connection: &Connection, at: Timestamp) -> rusqlite::Result<Till> {
    let transaction = connection.unchecked_transaction()?;
    let next_of_rows: u64 =
        transaction.query_row("SELECT coalesce(max(hold), 0) + 1 FROM operation", [], |row| row.get(0))?;
    let last = transaction
        .query_row(
            "SELECT id, open_from, next_hold FROM batch WHERE id = (SELECT max(id) FROM batch)",
            [],
            |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?)),
        )
        .optional()?;
    let (last_batch, open_from, next_hold) = last.unwrap_or((0, 1, 1));
    let mut next_batch = last_batch + 1;
    let next_hold = next_hold.max(next_of_rows);

    for Left { hold, account, amount } in open_rows(&transaction)? {
        let booking = post(&transaction, &account, amount)?;
        let sql =
            "UPDATE operation SET state = ?2, posted = from_monthly + from_lasting, outcome_unknown = 1,
                       booking = ?3, ended = ?4 WHERE hold = ?1";
        let values = params![hold.0, POSTED, booking, at.as_microsecond()];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    let open = open_holds(&transaction, open_from)?;
    if !open.is_empty() {
        let mut entries = Vec::new();
        for Left { hold, account, amount: posted } in open {
            let booking = post(&transaction, &account, posted)?;
            packed::write(Entry::OutcomeUnknown { hold, posted, booking }, &mut entries);
        }
        let sql =
            "INSERT INTO batch (id, created, open_from, next_hold, entries) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![next_batch, at.as_microsecond(), next_batch + 1, next_hold, entries];
        transaction.execute(sql, values)?;
        next_batch += 1;
    }
    transaction.commit()?;
    Ok(Till::new(next_hold, next_batch))
}

/// A hold that an earlier process left.
struct Left {
    hold: HoldId,
    account: String,
    amount: u64,
}

/// What was held counts as spent. The number of the booking.
fn post(connection: &Connection, account: &str, amount: u64) -> rusqlite::Result<u64> {
    // No more than the purse says is held: books that do not add up are the proof's to tell, and no reason not
    // to open.
    let sql = "UPDATE purse SET posted = posted + min(held, ?2), held = held - min(held, ?2),
                   bookings = bookings + 1
               WHERE account = ?1 RETURNING bookings";
    let number =
        connection.prepare_cached(sql)?.query_row(params![account, amount], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or_default())
}

/// The holds with rows of their own.
fn open_rows(connection: &Connection) -> rusqlite::Result<Vec<Left>> {
    // A literal: with a parameter in its place the index of what is held would not be used.
    let sql = "SELECT hold, account, from_monthly + from_lasting FROM operation WHERE state = 0";
    let mut statement = connection.prepare(sql)?;
    let left =
        |row: &Row<'_>| Ok(Left { hold: HoldId(row.get(0)?), account: row.get(1)?, amount: row.get(2)? });
    statement.query_map([], left)?.collect()
}

/// The holds in batches that no entry settles, in the order in which they were made.
fn open_holds(connection: &Connection, from: u64) -> rusqlite::Result<Vec<Left>> {
    let mut open = BTreeMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch WHERE id >= ?1 ORDER BY id")?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        for entry in packed::read(row.get_ref(0)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
                Entry::Held { hold, account, source, .. } => {
                    let (account, amount) = (account.to_owned(), source.amount());
                    open.insert(hold.0, Left { hold, account, amount });
                }
                Entry::Settled { hold, .. } | Entry::OutcomeUnknown { hold, .. } => {
                    open.remove(&hold.0);
                }
            }
        }
    }
    Ok(open.into_values().collect())
}
