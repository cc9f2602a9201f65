//! What an earlier process left held, settled when the store is opened: the upstream may have done the
//! work, so it counts as posted and is marked.

use std::collections::BTreeMap;

use demur_admission::HoldId;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::claims;
use super::ledger_tx::POSTED;
use super::state::LedgerState;
use crate::batch_codec::{self, BatchEntry};

/// Settles what is open. No table is scanned, and of the batches only the latest are read, in which all that is open
/// is said: it takes the same time however much has happened, and however long a hold was open.
pub(super) fn recover(connection: &Connection, at: Timestamp) -> rusqlite::Result<LedgerState> {
    let transaction = connection.unchecked_transaction()?;
    let next_of_rows: u64 =
        transaction.query_row("SELECT coalesce(max(hold), 0) + 1 FROM operation", [], |row| row.get(0))?;
    let last = transaction
        .query_row(
            "SELECT id, read_from, next_hold FROM batch WHERE id = (SELECT max(id) FROM batch)",
            [],
            |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?)),
        )
        .optional()?;
    let (last_batch, read_from, next_hold) = last.unwrap_or((0, 1, 1));
    let mut next_batch = last_batch + 1;
    let next_hold = next_hold.max(next_of_rows);

    for OrphanedHold { hold, account, amount } in open_rows(&transaction)? {
        let booking = post(&transaction, &account, amount)?;
        let sql =
            "UPDATE operation SET state = ?2, posted = from_monthly + from_lasting, outcome_unknown = 1,
                       booking = ?3, ended = ?4 WHERE hold = ?1";
        let values = params![hold.0, POSTED, booking, at.as_microsecond()];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    let open = open_holds(&transaction, read_from)?;
    if !open.is_empty() {
        let mut entries = Vec::new();
        for OrphanedHold { hold, account, amount: posted } in open {
            let booking = post(&transaction, &account, posted)?;
            batch_codec::write(BatchEntry::OutcomeUnknown { hold, posted, booking }, &mut entries);
        }
        let sql = "INSERT INTO batch (id, created, open_from, next_hold, entries, read_from)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?3)";
        let values = params![next_batch, at.as_microsecond(), next_batch + 1, next_hold, entries];
        transaction.execute(sql, values)?;
        next_batch += 1;
    }
    claims::recover(&transaction)?;
    let mut till = LedgerState::new(next_hold, next_batch);
    till.claims_due = claims::due(&transaction)?;
    transaction.commit()?;
    Ok(till)
}

/// A hold that an earlier process left.
struct OrphanedHold {
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
fn open_rows(connection: &Connection) -> rusqlite::Result<Vec<OrphanedHold>> {
    // A literal: with a parameter in its place the index of what is held would not be used.
    let sql = "SELECT hold, account, from_monthly + from_lasting FROM operation WHERE state = 0";
    let mut statement = connection.prepare(sql)?;
    let left = |row: &Row<'_>| {
        Ok(OrphanedHold { hold: HoldId(row.get(0)?), account: row.get(1)?, amount: row.get(2)? })
    };
    statement.query_map([], left)?.collect()
}

/// The holds in batches that no entry settles, in the order in which they were made.
fn open_holds(connection: &Connection, from: u64) -> rusqlite::Result<Vec<OrphanedHold>> {
    let mut open = BTreeMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch WHERE id >= ?1 ORDER BY id")?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
                BatchEntry::Held { hold, account, source, .. } => {
                    let (account, amount) = (account.to_owned(), source.amount());
                    open.insert(hold.0, OrphanedHold { hold, account, amount });
                }
                BatchEntry::HoldCarried { hold, account, amount } => {
                    open.insert(hold.0, OrphanedHold { hold, account: account.to_owned(), amount });
                }
                BatchEntry::Settled { hold, .. } | BatchEntry::OutcomeUnknown { hold, .. } => {
                    open.remove(&hold.0);
                }
            }
        }
    }
    Ok(open.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use demur_admission::conformance::start;
    use demur_admission::{Account, AccountId, Reply, Settlement};

    use super::*;
    use crate::audit;
    use crate::database::{Conn, DatabaseFile};
    use crate::directory;
    use crate::writer::HoldJob;
    use crate::writer::ledger_tx::LedgerTx;
    use crate::writer::state::{READ_AT_START, Rollback};

    fn acme() -> AccountId {
        "acme".parse().unwrap()
    }

    fn job(operation: &str) -> HoldJob {
        let operation = operation.parse().unwrap();
        HoldJob {
            account: acme(),
            operation,
            claim: None,
            amount: 2,
            lease_ends: start().wall,
            monthly: None,
            at: start().wall,
        }
    }

    /// One batch: something is settled and something held. It may come to nothing.
    fn batch(
        link: &mut Conn,
        till: &mut LedgerState,
        settled: Option<HoldId>,
        held: &str,
        is_lost: bool,
    ) -> HoldId {
        let mut undo = Rollback::default();
        let transaction = link.connection.transaction().unwrap();
        let mut books = LedgerTx::open(&transaction, till, &mut undo, start().wall);
        settled.iter().for_each(|hold| books.settle(*hold, Settlement::Post(1)).unwrap());
        let outcome = books.hold(&job(held)).unwrap();
        books.close().unwrap();
        if is_lost {
            drop(transaction);
            till.undo(undo);
        } else {
            transaction.commit().unwrap();
        }
        outcome.hold().unwrap()
    }

    /// However many batches came after it, and whichever of them were lost.
    #[test]
    fn a_hold_that_was_open_for_long_is_found_near_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
        let mut link = Conn::create(&file, false).unwrap();
        let account = Account { id: acme(), name: String::new(), plan: String::new() };
        directory::insert_account(&link.connection, &account, start().wall).unwrap();
        let given = "UPDATE purse SET lasting = 1000, granted = 1000;
                     INSERT INTO top_up VALUES ('acme', 'gift', 1000, 'test', 0, 0)";
        link.connection.execute_batch(given).unwrap();
        let mut till = recover(&link.connection, start().wall).unwrap();
        let long = batch(&mut link, &mut till, None, "long", false);
        let mut open = None;
        for number in 0..100 {
            let is_lost = number % 3 == 1;
            let made = batch(&mut link, &mut till, open, &format!("short-{number}"), is_lost);
            open = if is_lost { open } else { Some(made) };
            let sql = "SELECT id, read_from, open_from FROM batch WHERE id = (SELECT max(id) FROM batch)";
            let column =
                |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?));
            let (id, read_from, open_from) = link.connection.query_row(sql, [], column).unwrap();
            assert!(id - read_from <= READ_AT_START, "{id} {read_from}");
            assert_eq!(open_from, 1_u64);
            let found: Vec<u64> =
                open_holds(&link.connection, read_from).unwrap().iter().map(|left| left.hold.0).collect();
            assert_eq!(found, [long.0, open.unwrap().0], "{number}");
        }
        recover(&link.connection, start().wall).unwrap();
        let sql = "SELECT held, posted FROM purse";
        let sums = link.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        // 67 batches were not lost: 66 of their operations posted one, two are unknown.
        assert_eq!(sums, (0_u64, 66 + 2 * 2_u64));
        let Ok(Reply::Verified { checks }) = audit::verify(&file) else { unreachable!() };
        assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
    }
}
