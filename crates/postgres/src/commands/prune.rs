//! Pruning of ended operations, which changes no balance.

use demur_admission::Reply;
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::error::DbError;
use crate::rows::unsigned;

/// How many accounts one transaction prunes, so that none is locked for long.
const CHUNK: i64 = 100;

/// Deletes operations that ended before a moment, keeps the totals that they posted, and deletes their claims, so that
/// their IDs can be used again.
pub(super) async fn prune(client: &Client, before: Timestamp) -> Result<Reply, DbError> {
    let before = before.as_microsecond();
    let (mut last, mut operations) = (String::new(), 0);
    loop {
        client.batch_execute("BEGIN").await?;
        let sql = "SELECT id FROM demur.account WHERE id > $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE";
        let rows = client.query(sql, &[&last, &CHUNK]).await?;
        let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
        let Some(end) = ids.last() else {
            client.batch_execute("COMMIT").await?;
            break;
        };
        let sql = "WITH ended AS (
                DELETE FROM demur.claim c USING demur.entry e
                WHERE c.account = ANY($1) AND c.state > 0
                    AND e.account = c.account AND e.name = c.id AND e.kind >= 6 AND e.at < $2
                RETURNING c.account, c.id, c.size)
            UPDATE demur.account a SET claims = a.claims - s.claims, claim_bytes = a.claim_bytes - s.bytes
            FROM (SELECT account, count(*) AS claims, sum(size)::bigint AS bytes FROM ended GROUP BY account) s
            WHERE a.id = s.account";
        client.execute(sql, &[&ids, &before]).await?;
        let sql = "WITH gone AS (
                DELETE FROM demur.entry WHERE account = ANY($1) AND kind >= 6 AND at < $2
                RETURNING account, kind, amount, from_monthly),
            totals AS (
                SELECT account, count(*) AS entries, coalesce(sum(amount) FILTER (WHERE kind <> 7), 0)::bigint AS posted,
                    coalesce(sum(from_monthly) FILTER (WHERE kind <> 7), 0)::bigint AS monthly
                FROM gone GROUP BY account),
            kept AS (
                UPDATE demur.account a SET pruned_entries = pruned_entries + t.entries,
                    pruned_posted = pruned_posted + t.posted, pruned_monthly = pruned_monthly + t.monthly
                FROM totals t WHERE a.id = t.account)
            SELECT coalesce(sum(entries), 0)::bigint FROM totals";
        operations += unsigned(&client.query_one(sql, &[&ids, &before]).await?, 0)?;
        client.batch_execute("COMMIT").await?;
        end.clone_into(&mut last);
    }
    Ok(Reply::Pruned { operations })
}
