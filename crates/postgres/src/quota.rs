//! Quota counts. They are of this node alone; the database has the sum of all nodes, which a node begins with when it sees
//! an account for the first time. So a restart forgets nothing, and several nodes that run at the same time each count
//! what they admit themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use demur_admission::{AccountId, LocalCounters, Period, QuotaUse};
use tokio_postgres::Client;

use crate::error::DbError;
use crate::rows::{moment, signed, unsigned};

/// The maximum number of accounts whose saved counts are known; more are saved as if they began now.
const MAX_KNOWN: usize = 1_000_000;

/// How much of each count the database has already.
#[derive(Debug, Default)]
pub(crate) struct SavedQuotas(Mutex<HashMap<AccountId, (Period, u64)>>);

/// Reads an account's count, unless the counters have counted already.
pub(crate) async fn restore(
    client: &Client,
    counters: &LocalCounters,
    saved: &SavedQuotas,
    account: &AccountId,
) -> Result<(), DbError> {
    if counters.knows(account) {
        return Ok(());
    }
    let sql = "SELECT day_start, day_end, used FROM demur.quota_use WHERE account = $1";
    let Some(row) = client.query_opt(sql, &[&account.as_str()]).await? else { return Ok(()) };
    let day = Period { start: moment(&row, 0)?, end: moment(&row, 1)? };
    let used = unsigned(&row, 2)?;
    let mut known = saved.0.lock().unwrap_or_else(PoisonError::into_inner);
    // Another lookup may have been first, and requests been counted since.
    if !counters.knows(account) {
        counters.restore(&QuotaUse { account: account.clone(), day, used });
        known.insert(account.clone(), (day, used));
    }
    Ok(())
}

/// Adds what this node has counted since the last time.
pub(crate) async fn save(client: &Client, uses: &[QuotaUse], saved: &SavedQuotas) -> Result<(), DbError> {
    if uses.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&QuotaUse> = uses.iter().collect();
    sorted.sort_by(|one, other| one.account.cmp(&other.account));
    let (mut accounts, mut starts, mut ends, mut more) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    {
        let known = saved.0.lock().unwrap_or_else(PoisonError::into_inner);
        for QuotaUse { account, day, used } in &sorted {
            let before = known.get(account).filter(|(of, _)| of == day).map_or(0, |(_, before)| *before);
            accounts.push(account.as_str());
            starts.push(day.start.as_microsecond());
            ends.push(day.end.as_microsecond());
            // Less than before where requests were refunded.
            more.push(signed(*used) - signed(before));
        }
    }
    let sql = "INSERT INTO demur.quota_use AS q (account, day_start, day_end, used)
               SELECT account, day_start, day_end, greatest(more, 0)
               FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (account, day_start, day_end, more)
               ORDER BY account
               ON CONFLICT (account) DO UPDATE SET
                   day_start = excluded.day_start, day_end = excluded.day_end,
                   used = excluded.used + CASE WHEN q.day_start = excluded.day_start THEN q.used ELSE 0 END
               WHERE q.day_start <= excluded.day_start";
    client.execute(sql, &[&accounts, &starts, &ends, &more]).await?;
    let mut known = saved.0.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() + sorted.len() > MAX_KNOWN {
        known.clear();
    }
    known.extend(sorted.into_iter().map(|QuotaUse { account, day, used }| (account.clone(), (*day, *used))));
    Ok(())
}
