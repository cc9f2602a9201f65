//! The holds of nodes that have gone: the upstream may have done the work, so they count as posted, with an unknown
//! outcome. A node has gone when its lease has ended by the clock of the database; from then on it cannot write.

use std::collections::BTreeSet;

use demur_admission::{AccountId, HoldId, Settlement};
use jiff::Timestamp;

use crate::books::{Books, hold_number, open_hold_of};
use crate::error::DbError;
use crate::rows::{parsed, unsigned};
use crate::session::{DELETE_HOLDS, Session};

/// The maximum number of holds that one transaction resolves.
const CHUNK: i64 = 1000;

/// Resolves holds of one node that has gone. Returns whether there may be more.
pub(crate) async fn sweep(session: &Session, own: Option<i64>, at: Timestamp) -> Result<bool, DbError> {
    let client = &session.client;
    client.batch_execute("BEGIN").await?;
    // A node that writes has its row locked, and lives.
    let sql = "SELECT epoch FROM demur.node WHERE lease_ends < clock_timestamp() AND epoch <> $1
               ORDER BY epoch LIMIT 1 FOR UPDATE SKIP LOCKED";
    let found = client.query_opt(sql, &[&own.unwrap_or(0)]).await?;
    let Some(row) = found else {
        client.batch_execute("COMMIT").await?;
        return Ok(false);
    };
    let epoch: i64 = row.try_get(0)?;
    let holds = resolve(session, epoch, at).await?;
    client.batch_execute("COMMIT").await?;
    tracing::warn!(epoch, holds, "node holds posted");
    Ok(true)
}

/// Ends the epoch of this node, and posts the holds that are still open.
pub(crate) async fn leave(session: &Session, epoch: i64, at: Timestamp) -> Result<(), DbError> {
    let client = &session.client;
    loop {
        client.batch_execute("BEGIN").await?;
        client.query("SELECT 1 FROM demur.node WHERE epoch = $1 FOR UPDATE", &[&epoch]).await?;
        resolve(session, epoch, at).await?;
        let left = client.query_opt("SELECT 1 FROM demur.node WHERE epoch = $1", &[&epoch]).await?;
        client.batch_execute("COMMIT").await?;
        if left.is_none() {
            return Ok(());
        }
    }
}

/// Posts open holds of a node whose row is locked, and completes their claims. Deletes the row after the last ones.
async fn resolve(session: &Session, epoch: i64, at: Timestamp) -> Result<usize, DbError> {
    let client = &session.client;
    // From now on the node cannot renew its lease.
    client.execute("UPDATE demur.node SET lease_ends = '-infinity' WHERE epoch = $1", &[&epoch]).await?;
    let sql = "SELECT hold, account, operation, from_monthly, from_non_expiring, month, began, lease_ends
               FROM demur.hold WHERE epoch = $1 ORDER BY hold LIMIT $2";
    let rows = client.query(sql, &[&epoch, &CHUNK]).await?;
    let mut holds = Vec::with_capacity(rows.len());
    for row in &rows {
        holds.push((HoldId(unsigned(row, 0)?), open_hold_of(row, 1, false)?));
    }
    let sql = "SELECT account, id FROM demur.claim WHERE epoch = $1 AND state = 0 LIMIT $2";
    let mut claims = Vec::new();
    for row in client.query(sql, &[&epoch, &CHUNK]).await? {
        claims.push((parsed::<AccountId>(&row, 0)?, row.try_get::<_, String>(1)?));
    }
    let accounts: BTreeSet<&AccountId> = holds
        .iter()
        .map(|(_, open)| &open.account)
        .chain(claims.iter().map(|(account, _)| account))
        .collect();
    let mut books = Books::default();
    books.lock(client, &accounts.into_iter().collect::<Vec<_>>()).await?;
    for (_, open) in &holds {
        books.settle(open, Settlement::Post(u64::MAX), true, at);
    }
    books.write(client).await?;
    let numbers: Vec<i64> = holds.iter().map(|(hold, _)| hold_number(*hold)).collect();
    client.execute(DELETE_HOLDS, &[&numbers]).await?;
    let (names, ids): (Vec<&str>, Vec<&str>) =
        claims.iter().map(|(account, id)| (account.as_str(), id.as_str())).unzip();
    let sql = "UPDATE demur.claim c SET state = 1, hold = NULL, epoch = NULL
               FROM unnest($2::text[], $3::text[]) AS u (account, id)
               WHERE c.account = u.account AND c.id = u.id AND c.epoch = $1 AND c.state = 0";
    client.execute(sql, &[&epoch, &names, &ids]).await?;
    if rows.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX)
        && claims.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX)
    {
        client.execute("DELETE FROM demur.node WHERE epoch = $1", &[&epoch]).await?;
    }
    Ok(holds.len())
}
