//! Forgetting operations that have ended, without a change to any balance.

use std::collections::HashMap;

use demur_admission::Reply;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use crate::packed::{self, Entry};

/// Per account: how many operations, and what they had posted.
type Sums = HashMap<String, (u64, u64)>;

const REMEMBER: &str = "INSERT INTO pruned (account, operations, posted) VALUES (?1, ?2, ?3)
    ON CONFLICT (account) DO UPDATE
    SET operations = operations + excluded.operations, posted = posted + excluded.posted";

/// Forgets operations that ended before a moment, and remembers what they had posted.
pub(super) fn prune(transaction: &Connection, before: Timestamp) -> rusqlite::Result<Reply> {
    let before = before.as_microsecond();
    // Never the last batch, which numbers the next one, and none with a hold that is open.
    let sql = "SELECT coalesce(min(id), 0) FROM batch
               WHERE created >= ?1 OR id = (SELECT max(id) FROM batch)";
    let recent: u64 = transaction.query_row(sql, [before], |row| row.get(0))?;
    let sql = "SELECT coalesce(max(open_from), 0) FROM batch";
    let open_from: u64 = transaction.query_row(sql, [], |row| row.get(0))?;
    let first_kept = recent.min(open_from);
    let mut operations = 0;
    for (account, (count, posted)) in sums_before(transaction, first_kept)? {
        transaction.prepare_cached(REMEMBER)?.execute(params![account, count, posted])?;
        operations += count;
    }
    transaction.execute("DELETE FROM batch WHERE id < ?1", [first_kept])?;

    let ended = "SELECT account, count(*), sum(posted) FROM operation WHERE state <> 0 AND created < ?1
                 GROUP BY account";
    let mut statement = transaction.prepare(ended)?;
    let of_rows = statement
        .query_map([before], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (account, count, posted) in of_rows {
        transaction.prepare_cached(REMEMBER)?.execute(params![account, count, posted])?;
        operations += count;
    }
    transaction.execute("DELETE FROM operation WHERE state <> 0 AND created < ?1", [before])?;
    Ok(Reply::Pruned { operations })
}

/// What the operations of the batches before this one have posted. Some were settled in later batches,
/// which stay: what they say of a hold that is gone means nothing any more.
fn sums_before(connection: &Connection, first_kept: u64) -> rusqlite::Result<Sums> {
    let (mut sums, mut open) = (Sums::new(), HashMap::new());
    let mut statement = connection.prepare("SELECT id, entries FROM batch ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let is_kept = row.get::<_, u64>(0)? >= first_kept;
        if is_kept && open.is_empty() {
            break;
        }
        for entry in packed::read(row.get_ref(1)?.as_blob()?) {
            let unfit = |error| rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, Box::new(error));
            match entry.map_err(unfit)? {
                Entry::Held { hold, account, .. } if !is_kept => {
                    open.insert(hold, account.to_owned());
                }
                Entry::Held { .. } => {}
                Entry::Settled { hold, posted } | Entry::OutcomeUnknown { hold, posted } => {
                    if let Some(account) = open.remove(&hold) {
                        let sum = sums.entry(account).or_default();
                        *sum = (sum.0 + 1, sum.1 + posted);
                    }
                }
            }
        }
    }
    Ok(sums)
}
