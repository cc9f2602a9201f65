//! Forgetting operations that have ended, without a change to any balance.

use std::collections::{HashMap, HashSet};

use demur_admission::{HoldSource, Reply};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use crate::batch_codec::{self, BatchEntry};

/// What was forgotten of an account.
#[derive(Default)]
struct PrunedTotals {
    operations: u64,
    posted: u64,
    /// How much of that was of months' credits.
    from_monthly: u64,
}

type Sums = HashMap<String, PrunedTotals>;

// What nobody wrote down of earlier prunings stays unknown: null and something is null.
const REMEMBER: &str =
    "INSERT INTO pruned (account, operations, posted, from_monthly) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (account) DO UPDATE
    SET operations = operations + excluded.operations, posted = posted + excluded.posted,
        from_monthly = from_monthly + excluded.from_monthly";

/// So long after the end of a day its count of a quota is not needed any more, whatever the clock does.
const DAY_IS_OVER: SignedDuration = SignedDuration::from_hours(48);

/// Forgets operations that ended before a moment, and remembers what they had posted. With them go the counts of quotas
/// whose days ended before it, most of which are of accounts that have left.
pub(super) fn prune(transaction: &Connection, before: Timestamp, now: Timestamp) -> rusqlite::Result<Reply> {
    let over = now.checked_sub(DAY_IS_OVER).unwrap_or(Timestamp::MIN).min(before);
    transaction.execute("DELETE FROM quota_use WHERE day_end < ?1", [over.as_microsecond()])?;
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
    // A hold ends in a later batch than it was made in. What ended before the moment was open no more after the last
    // batch before it, which says from which batch on something was.
    let sql = "SELECT coalesce((SELECT open_from FROM batch WHERE id < ?1 ORDER BY id DESC LIMIT 1), 0)";
    let open_from: u64 = transaction.query_row(sql, [recent], |row| row.get(0))?;
    // Never the last batch, which numbers the next one.
    let first_kept = recent.min(open_from).min(last);
    let sums = sums_before(transaction, first_kept)?;
    transaction.execute("DELETE FROM batch WHERE id < ?1", [first_kept])?;
    remember(transaction, sums)
}

/// When an operation ended. The schema before the third wrote down only when it was made.
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
    let forget = format!(
        "UPDATE correction SET forgotten = 1 WHERE kind = 1 AND EXISTS
             (SELECT 1 FROM operation WHERE operation.account = correction.account
                  AND operation.id = correction.operation AND {ENDED})"
    );
    transaction.execute(&forget, [before])?;
    transaction.execute(&format!("DELETE FROM operation WHERE {ENDED}"), [before])?;
    remember(transaction, sums)
}

/// The claims of the operations that are forgotten: their names are free again.
fn prune_claims(transaction: &Connection, before: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM claim WHERE state > 0 AND EXISTS
             (SELECT 1 FROM operation WHERE operation.account = claim.account
                  AND operation.id = claim.id AND operation.{ENDED})"
    );
    transaction.execute(&sql, [before]).map(drop)
}

fn remember(transaction: &Connection, sums: Sums) -> rusqlite::Result<u64> {
    let mut all = 0;
    for (account, PrunedTotals { operations, posted, from_monthly }) in sums {
        let values = params![account, operations, posted, from_monthly];
        transaction.prepare_cached(REMEMBER)?.execute(values)?;
        all += operations;
    }
    Ok(all)
}

/// A hold in a batch that is to be forgotten, whose end was not seen yet.
struct PrunedHold {
    account: String,
    source: HoldSource,
    /// Its operation, where the account has had refunds: this may be one that was refunded.
    operation: Option<String>,
}

/// What the operations of the batches before this one have posted; their refunds are marked. Some were settled in
/// later batches, which stay: what they say of a hold that is gone means nothing any more.
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
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
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

/// The proof of the books must not look for an operation any more.
fn mark_refund(connection: &Connection, account: &str, operation: Option<&str>) -> rusqlite::Result<()> {
    if let Some(operation) = operation {
        let sql = "UPDATE correction SET forgotten = 1 WHERE account = ?1 AND kind = 1 AND operation = ?2";
        connection.prepare_cached(sql)?.execute([account, operation])?;
    }
    Ok(())
}
