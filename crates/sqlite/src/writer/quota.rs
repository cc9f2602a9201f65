//! Quotas, written behind: what the counters in memory have counted, for the next process.

use demur_admission::{LocalCounters, Period, QuotaUse};
use rusqlite::{Connection, Row, params};

use crate::directory::{moment, parsed};

/// Hands what an earlier process had counted to the counters.
pub(super) fn load(connection: &Connection, counters: &LocalCounters) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT account, day_start, day_end, used FROM quota_use")?;
    let used = |row: &Row<'_>| {
        let day = Period { start: moment(row, 1)?, end: moment(row, 2)? };
        Ok(QuotaUse { account: parsed(row, 0)?, day, used: row.get(3)? })
    };
    let uses = statement.query_map([], used)?.collect::<rusqlite::Result<Vec<_>>>()?;
    counters.restore(uses);
    Ok(())
}

/// Writes what has changed.
pub(super) fn save(connection: &Connection, uses: &[QuotaUse]) -> rusqlite::Result<()> {
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
