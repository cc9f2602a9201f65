//! Deletes old entries: those beyond the age, and the oldest ones beyond the size.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::settings::JournalSettings;

/// The most entries that are deleted at once, so that writing does not wait for long.
const CHUNK: i64 = 20_000;

/// Deletes one chunk at most. Returns whether there is more to delete.
pub(super) fn apply(
    connection: &mut Connection,
    settings: &JournalSettings,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let max_age = i64::try_from(settings.max_age.as_millis()).unwrap_or(i64::MAX);
    let oldest = now.as_millisecond().saturating_sub(max_age);
    let expired = connection.execute(
        "DELETE FROM entries WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM entries ORDER BY seq LIMIT ?1) WHERE at < ?2)",
        params![CHUNK, oldest],
    )?;
    connection.execute("DELETE FROM losses WHERE at < ?1", params![oldest])?;
    let mut deleted = expired;
    if expired == 0 && used_bytes(connection)? > settings.max_bytes {
        // A tenth of the entries, but no more than a chunk.
        let range = "SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM entries";
        let (first, last): (i64, i64) =
            connection.query_row(range, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let count = ((last - first) / 10).clamp(1, CHUNK);
        deleted = connection.execute("DELETE FROM entries WHERE seq < ?1", params![first + count])?;
    }
    if deleted > 0 {
        // Some pages at a time; the rest is used for new entries.
        connection.execute_batch("PRAGMA incremental_vacuum(2000)")?;
    }
    Ok(deleted > 0)
}

/// The size of the pages that are in use.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or_default())
}
