//! Pruning of ended operations, which changes no balance.

use std::collections::{HashMap, HashSet};

use demur_admission::{HoldSource, Reply};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use crate::batch_codec::{self, BatchEntry};

/// The totals of an account's pruned operations.
#[derive(Default)]
struct PrunedTotals {
    operations: u64,
    posted: u64,
    /// How much of it was from monthly credits.
    from_monthly: u64,
}

type Sums = HashMap<String, PrunedTotals>;

// What earlier prunings did not record stays unknown: null plus a number is null.
const ADD_TOTALS: &str =
    "INSERT INTO pruned (account, operations, posted, from_monthly) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (account) DO UPDATE
    SET operations = operations + excluded.operations, posted = posted + excluded.posted,
        from_monthly = from_monthly + excluded.from_monthly";

/// How long after the end of a day its quota count is kept, in case the clock is set back.
const DAY_MARGIN: SignedDuration = SignedDuration::from_hours(48);

/// Deletes operations that ended before a moment, and keeps the totals that they posted. Also deletes quota counts whose
/// days ended before it, most of which belong to accounts that are no longer active.
pub(super) fn prune(transaction: &Connection, before: Timestamp, now: Timestamp) -> rusqlite::Result<Reply> {
    let day_limit = now.checked_sub(DAY_MARGIN).unwrap_or(Timestamp::MIN).min(before);
    transaction.execute("DELETE FROM quota_use WHERE day_end < ?1", [day_limit.as_microsecond()])?;
    let before = before.as_microsecond();
    prune_claims(transaction, before)?;
    let operations = prune_batches(transaction, before)? + prune_rows(transaction, before)?;
    Ok(Reply::Pruned { operations })
}

fn prune_batches(transaction: &Connection, before: i64) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(max(id), 0) FROM batch";
    let last: u64 = transaction.query_row(sql, [], |row| row.get(0))?;
    let sql = "SELECT coalesce(min(id), ?2) FROM batch WHERE created >= ?1";
    let recent: u64 = transaction.query_row(sql, params![before, last + 1], |row| row.get(0))?;
    // A hold ends in a later batch than the one that created it. A hold that ended before the moment was no longer open
    // after the last batch before it, and that batch records the oldest batch with an open hold.
    let sql = "SELECT coalesce((SELECT open_from FROM batch WHERE id < ?1 ORDER BY id DESC LIMIT 1), 0)";
    let open_from: u64 = transaction.query_row(sql, [recent], |row| row.get(0))?;
    // Never the last batch, which determines the next number.
    let first_kept = recent.min(open_from).min(last);
    let sums = sums_before(transaction, first_kept)?;
    transaction.execute("DELETE FROM batch WHERE id < ?1", [first_kept])?;
    add_totals(transaction, sums)
}

/// Whether an operation ended before a moment. Schema versions before 3 recorded only when it was created.
const ENDED: &str = "state <> 0 AND coalesce(ended, operation.created) < ?1";

fn prune_rows(transaction: &Connection, before: i64) -> rusqlite::Result<u64> {
    let ended = format!(
        "SELECT account, count(*), sum(posted), sum(min(posted, from_monthly)) FROM operation
         WHERE {ENDED} GROUP BY account"
    );
    let sum = |row: &Row<'_>| {
        let (operations, posted, from_monthly) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get(0)?, PrunedTotals { operations, posted, from_monthly }))
    };
    let sums = transaction.prepare(&ended)?.query_map([before], sum)?.collect::<rusqlite::Result<_>>()?;
    let mark_refunds = format!(
        "UPDATE correction SET forgotten = 1 WHERE kind = 1 AND EXISTS
             (SELECT 1 FROM operation WHERE operation.account = correction.account
                  AND operation.id = correction.operation AND {ENDED})"
    );
    transaction.execute(&mark_refunds, [before])?;
    transaction.execute(&format!("DELETE FROM operation WHERE {ENDED}"), [before])?;
    add_totals(transaction, sums)
}

/// Deletes the claims of pruned operations, whose IDs can be used again.
fn prune_claims(transaction: &Connection, before: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM claim WHERE state > 0 AND EXISTS
             (SELECT 1 FROM operation WHERE operation.account = claim.account
                  AND operation.id = claim.id AND operation.{ENDED})"
    );
    transaction.execute(&sql, [before]).map(drop)
}

fn add_totals(transaction: &Connection, sums: Sums) -> rusqlite::Result<u64> {
    let mut all = 0;
    for (account, PrunedTotals { operations, posted, from_monthly }) in sums {
        let values = params![account, operations, posted, from_monthly];
        transaction.prepare_cached(ADD_TOTALS)?.execute(values)?;
        all += operations;
    }
    Ok(all)
}

/// A hold in a batch that will be deleted, whose end has not been read yet.
struct PrunedHold {
    account: String,
    source: HoldSource,
    /// Its operation, if the account has refunds: it may be one that was refunded.
    operation: Option<String>,
}

/// Returns the totals of the operations that were held in batches before `first_kept`, and marks their refunds. Some were
/// settled in later batches, which are kept: their entries for deleted holds are ignored.
fn sums_before(connection: &Connection, first_kept: u64) -> rusqlite::Result<Sums> {
    let refunded = accounts_with_refunds(connection)?;
    let (mut sums, mut open) = (Sums::new(), HashMap::new());
    let mut statement = connection.prepare("SELECT id, entries FROM batch ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let is_kept = row.get::<_, u64>(0)? >= first_kept;
        if is_kept && open.is_empty() {
            break;
        }
        for entry in batch_codec::read(row.get_ref(1)?.as_blob()?) {
            let conversion_error =
                |error| rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, Box::new(error));
            match entry.map_err(conversion_error)? {
                BatchEntry::Held { hold, account, source, operation, .. } if !is_kept => {
                    let operation = refunded.contains(account).then(|| operation.to_owned());
                    open.insert(hold, PrunedHold { account: account.to_owned(), source, operation });
                }
                BatchEntry::Held { .. } | BatchEntry::HoldCarried { .. } => {}
                BatchEntry::Settled { hold, posted, .. }
                | BatchEntry::OutcomeUnknown { hold, posted, .. } => {
                    if let Some(PrunedHold { account, source, operation }) = open.remove(&hold) {
                        mark_refund(connection, &account, operation.as_deref())?;
                        let sum = sums.entry(account).or_default();
                        sum.operations += 1;
                        sum.posted += posted;
                        sum.from_monthly += source.monthly_spent(posted);
                    }
                }
            }
        }
    }
    Ok(sums)
}

fn accounts_with_refunds(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut statement = connection.prepare("SELECT DISTINCT account FROM correction WHERE kind = 1")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Marks a refund whose operation is pruned, so that verification does not search for it.
fn mark_refund(connection: &Connection, account: &str, operation: Option<&str>) -> rusqlite::Result<()> {
    if let Some(operation) = operation {
        let sql = "UPDATE correction SET forgotten = 1 WHERE account = ?1 AND kind = 1 AND operation = ?2";
        connection.prepare_cached(sql)?.execute([account, operation])?;
    }
    Ok(())
}
