//! Quota counts, written behind: the counters in memory, saved for the next process. They are read for one account when its
//! first key is looked up, so that a start takes no longer with a million accounts than with one.

use demur_admission::{AccountId, LocalCounters, Period, QuotaUse};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::directory::moment;

/// Restores an account's count of an earlier process, unless the counters have counted already.
pub(crate) fn restore(
    connection: &Connection,
    counters: &LocalCounters,
    account: &AccountId,
) -> rusqlite::Result<()> {
    if counters.knows(account) {
        return Ok(());
    }
    let sql = "SELECT day_start, day_end, used FROM quota_use WHERE account = ?1";
    let used = |row: &Row<'_>| {
        let day = Period { start: moment(row, 0)?, end: moment(row, 1)? };
        Ok(QuotaUse { account: account.clone(), day, used: row.get(2)? })
    };
    let found = connection.prepare_cached(sql)?.query_row([account.as_str()], used).optional()?;
    found.into_iter().for_each(|used| counters.restore(&used));
    Ok(())
}

/// Saves changed counts.
pub(crate) fn save(connection: &Connection, uses: &[QuotaUse]) -> rusqlite::Result<()> {
    if uses.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO quota_use (account, day_start, day_end, used) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (account) DO UPDATE
               SET day_start = excluded.day_start, day_end = excluded.day_end, used = excluded.used";
    let mut statement = connection.prepare_cached(sql)?;
    for QuotaUse { account, day, used } in uses {
        statement.execute(params![
            account.as_str(),
            day.start.as_microsecond(),
            day.end.as_microsecond(),
            used
        ])?;
    }
    Ok(())
}
