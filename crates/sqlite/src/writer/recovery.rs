//! Settles the holds that an earlier process left open when the store is opened: the upstream may have done the work,
//! so they count as posted, with an unknown outcome.

use std::collections::BTreeMap;

use demur_admission::HoldId;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::claims;
use super::ledger_tx::POSTED;
use super::state::LedgerState;
use crate::batch_codec::{self, BatchEntry};

/// Settles open holds and returns the state for the writer. No table is scanned, and only the latest batches are read,
/// which assert all open holds: the time does not grow with the ledger, nor with how long a hold was open.
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
    let mut state = LedgerState::new(next_hold, next_batch);
    state.claims_due = claims::next_due(&transaction)?;
    transaction.commit()?;
    Ok(state)
}

/// A hold that an earlier process left open.
struct OrphanedHold {
    hold: HoldId,
    account: String,
    amount: u64,
}

/// Counts held credits as spent, and returns the number of the ledger entry.
fn post(connection: &Connection, account: &str, amount: u64) -> rusqlite::Result<u64> {
    // No more than the balance holds: an inconsistent ledger is reported by verification, and does not keep the store
    // from opening.
    let sql = "UPDATE purse SET posted = posted + min(held, ?2), held = held - min(held, ?2),
                   bookings = bookings + 1
               WHERE account = ?1 RETURNING bookings";
    let number =
        connection.prepare_cached(sql)?.query_row(params![account, amount], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or_default())
}

/// Returns the open holds with rows of their own.
fn open_rows(connection: &Connection) -> rusqlite::Result<Vec<OrphanedHold>> {
    // A literal: SQLite would not use the partial index for a parameter.
    let sql = "SELECT hold, account, from_monthly + from_lasting FROM operation WHERE state = 0";
    let mut statement = connection.prepare(sql)?;
    let hold = |row: &Row<'_>| {
        Ok(OrphanedHold { hold: HoldId(row.get(0)?), account: row.get(1)?, amount: row.get(2)? })
    };
    statement.query_map([], hold)?.collect()
}

/// Returns the holds in batches that no entry settles, in the order of their creation.
fn open_holds(connection: &Connection, from: u64) -> rusqlite::Result<Vec<OrphanedHold>> {
    let mut open = BTreeMap::new();
    let mut statement = connection.prepare("SELECT entries FROM batch WHERE id >= ?1 ORDER BY id")?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        for entry in batch_codec::read(row.get_ref(0)?.as_blob()?) {
            let conversion_error =
                |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
            match entry.map_err(conversion_error)? {
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
    use crate::writer::job::HoldJob;
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

    /// Writes one batch with a settlement and a hold; with `is_lost`, it is not committed.
    fn batch(
        conn: &mut Conn,
        state: &mut LedgerState,
        settled: Option<HoldId>,
        held: &str,
        is_lost: bool,
    ) -> HoldId {
        let mut rollback = Rollback::default();
        let transaction = conn.connection.transaction().unwrap();
        let mut ledger = LedgerTx::open(&transaction, state, &mut rollback, start().wall);
        settled.iter().for_each(|hold| ledger.settle(*hold, Settlement::Post(1)).unwrap());
        let outcome = ledger.hold(&job(held)).unwrap();
        ledger.close().unwrap();
        if is_lost {
            drop(transaction);
            state.roll_back(rollback);
        } else {
            transaction.commit().unwrap();
        }
        outcome.hold().unwrap()
    }

    #[test]
    fn finds_a_long_open_hold_in_the_latest_batches() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(DatabaseFile::at(&folder.path().join("demur.db")).unwrap());
        let mut conn = Conn::create(&file, false).unwrap();
        let account = Account { id: acme(), name: String::new(), plan: String::new(), grant_day: None };
        directory::insert_account(&conn.connection, &account, start().wall).unwrap();
        let grant = "UPDATE purse SET lasting = 1000, granted = 1000;
                     INSERT INTO top_up VALUES ('acme', 'gift', 1000, 'test', 0, 0)";
        conn.connection.execute_batch(grant).unwrap();
        let mut state = recover(&conn.connection, start().wall).unwrap();
        let long = batch(&mut conn, &mut state, None, "long", false);
        let mut open = None;
        for number in 0..100 {
            let is_lost = number % 3 == 1;
            let created = batch(&mut conn, &mut state, open, &format!("short-{number}"), is_lost);
            open = if is_lost { open } else { Some(created) };
            let sql = "SELECT id, read_from, open_from FROM batch WHERE id = (SELECT max(id) FROM batch)";
            let column =
                |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?));
            let (id, read_from, open_from) = conn.connection.query_row(sql, [], column).unwrap();
            assert!(id - read_from <= READ_AT_START, "{id} {read_from}");
            assert_eq!(open_from, 1_u64);
            let found: Vec<u64> =
                open_holds(&conn.connection, read_from).unwrap().iter().map(|open| open.hold.0).collect();
            assert_eq!(found, [long.0, open.unwrap().0], "{number}");
        }
        recover(&conn.connection, start().wall).unwrap();
        let sql = "SELECT held, posted FROM purse";
        let sums = conn.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        // 67 batches were committed: 66 of their operations posted one credit, two have an unknown outcome.
        assert_eq!(sums, (0_u64, 66 + 2 * 2_u64));
        let Ok(Reply::Verified { checks }) = audit::verify(&file) else { unreachable!() };
        assert!(checks.iter().all(|check| check.violations.is_empty()), "{checks:?}");
    }
}
