//! The numbered changes of the directory, which the feed of every node reads.

use demur_admission::DirectoryChange;
use tokio_postgres::Client;

use crate::error::DbError;
use crate::rows::signed;

/// Records changes in the current transaction. Must be its last statement: from here on, transactions that record changes
/// wait for each other.
pub(crate) async fn record(client: &Client, changes: &[DirectoryChange]) -> Result<(), DbError> {
    if changes.is_empty() {
        return Ok(());
    }
    let (mut digests, mut accounts) = (Vec::<Option<&[u8]>>::new(), Vec::<Option<&str>>::new());
    for change in changes {
        let (digest, account): (Option<&[u8]>, Option<&str>) = match change {
            DirectoryChange::Key(digest) => (Some(digest.as_bytes()), None),
            DirectoryChange::Account(account) => (None, Some(account.as_str())),
            DirectoryChange::Everything => (None, None),
        };
        digests.push(digest);
        accounts.push(account);
    }
    let sql =
        "WITH numbered AS (UPDATE demur.store SET changes = changes + $3 RETURNING changes - $3 AS before)
        INSERT INTO demur.change (number, digest, account)
        SELECT numbered.before + u.position, u.digest, u.account
        FROM numbered, unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS u (digest, account, position)";
    client.execute(sql, &[&digests, &accounts, &signed(changes.len() as u64)]).await?;
    client.execute("SELECT pg_notify('demur_change', '')", &[]).await?;
    Ok(())
}

/// Deletes changes that every node has read long ago.
pub(crate) async fn forget_old(client: &Client) -> Result<(), DbError> {
    client.execute("DELETE FROM demur.change WHERE at < now() - interval '1 hour'", &[]).await?;
    Ok(())
}

/// Returns the number of the latest change.
pub(crate) async fn latest(client: &Client) -> Result<i64, DbError> {
    Ok(client.query_one("SELECT changes FROM demur.store", &[]).await?.try_get(0)?)
}
