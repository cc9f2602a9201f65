//! What an earlier process left held, settled when the store is opened: the upstream may have done the
//! work, so it counts as posted and is marked.

use std::collections::HashMap;

use demur_admission::HoldId;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::{HELD, POSTED, Till};
use crate::packed::{self, Entry};

/// Settles what is open. Only the batches with open holds are read, and no table is scanned: it takes the
/// same time however much has happened.
pub(super) fn recover(connection: &Connection, at: Timestamp) -> rusqlite::Result<Till> {
    let transaction = connection.unchecked_transaction()?;
    let next_of_rows: u64 =
        transaction.query_row("SELECT coalesce(max(hold), 0) + 1 FROM operation", [], |row| row.get(0))?;
    let last = transaction
        .query_row("SELECT id, open_from, next_hold FROM batch ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?))
        })
        .optional()?;
    let (last_batch, open_from, next_hold) = last.unwrap_or((0, 1, 1));
    let mut next_batch = last_batch + 1;
    let next_hold = next_hold.max(next_of_rows);

    let sql = "UPDATE purse SET posted = posted + held, held = 0
               WHERE account IN (SELECT account FROM operation WHERE state = ?1)";
    transaction.execute(sql, [HELD])?;
    let sql = "UPDATE operation SET state = ?1, posted = from_monthly + from_lasting, outcome_unknown = 1
               WHERE state = ?2";
    transaction.execute(sql, [POSTED, HELD])?;

    let open = open_holds(&transaction, open_from)?;
    if !open.is_empty() {
        let mut entries = Vec::new();
        for (hold, (account, posted)) in &open {
            packed::write(Entry::OutcomeUnknown { hold: *hold, posted: *posted }, &mut entries);
            let sql = "UPDATE purse SET posted = posted + held, held = 0 WHERE account = ?1 AND held > 0";
            transaction.prepare_cached(sql)?.execute([account])?;
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

/// The holds that no entry settles, with their accounts and amounts.
fn open_holds(connection: &Connection, from: u64) -> rusqlite::Result<HashMap<HoldId, (String, u64)>> {
    let mut open = HashMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch WHERE id >= ?1 ORDER BY id")?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        for entry in packed::read(row.get_ref(0)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
                Entry::Held { hold, account, source, .. } => {
                    open.insert(hold, (account.to_owned(), source.amount()));
                }
                Entry::Settled { hold, .. } | Entry::OutcomeUnknown { hold, .. } => {
                    open.remove(&hold);
                }
            }
        }
    }
    Ok(open)
}
