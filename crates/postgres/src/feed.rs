//! The feed of changes for the caches of all nodes. A change is recorded in the transaction that makes it, under a number
//! without gaps, and announced with `NOTIFY`. A node reads the changes after the last one that it knows, when it is
//! notified and once a second: a lost notification costs a second, and a lost connection nothing but time.

use std::sync::Arc;
use std::time::Duration;

use demur_admission::{Digest, DirectoryChange, StoreError};
use tokio::sync::Notify;
use tokio_postgres::Client;

use crate::changes::latest;
use crate::connection::{STATEMENT_TIMEOUT, bounded, connect};
use crate::directory;
use crate::error::DbError;
use crate::rows::{digest, signed};
use crate::shared::Shared;

/// How often a node looks for changes that it was not notified of.
const POLL: Duration = Duration::from_secs(1);

/// The maximum number of changes that are read at once. A node that has missed more forgets everything.
const MAX_CHANGES: i64 = 1000;

/// Passes the changes of all nodes on to the listeners of this one.
pub(crate) async fn follow(shared: Arc<Shared>, mut known: i64) {
    let changed = Arc::new(Notify::new());
    loop {
        match connect(&shared.settings, Some(Arc::clone(&changed))).await {
            Ok(client) => known = follow_over(&client, &shared, &changed, known).await,
            Err(error) => {
                if shared.problem().is_none() {
                    tracing::warn!(%error, "store changes unavailable");
                }
                shared.set_problem(Some(error.to_string()));
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Returns the latest known change when the connection fails.
async fn follow_over(client: &Client, shared: &Shared, changed: &Notify, mut known: i64) -> i64 {
    if let Err(error) = bounded(STATEMENT_TIMEOUT, client.batch_execute("LISTEN demur_change")).await {
        shared.set_problem(Some(StoreError::from(error).to_string()));
        return known;
    }
    loop {
        match bounded(STATEMENT_TIMEOUT, read(client, shared, known)).await {
            Ok((latest, changes)) => {
                shared.announce(&changes);
                shared.set_problem(None);
                known = latest;
            }
            Err(error) => {
                shared.set_problem(Some(StoreError::from(error).to_string()));
                return known;
            }
        }
        // Either is a reason to read.
        let _ = tokio::time::timeout(POLL, changed.notified()).await;
    }
}

/// Reads the changes after `known`.
async fn read(client: &Client, shared: &Shared, known: i64) -> Result<(i64, Vec<DirectoryChange>), DbError> {
    let latest = latest(client).await?;
    if latest == known {
        return Ok((known, Vec::new()));
    }
    let sql = "SELECT number, digest, account FROM demur.change WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3";
    let rows = client.query(sql, &[&known, &latest, &(MAX_CHANGES + 1)]).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let account: Option<&str> = row.try_get(2)?;
        changes.push(match (row.try_get::<_, Option<&[u8]>>(1)?, account) {
            (Some(_), _) => DirectoryChange::Key(Digest::from_bytes(digest(row, 1)?)),
            (None, Some(account)) => match account.parse() {
                Ok(account) => DirectoryChange::Account(account),
                Err(_) => DirectoryChange::Everything,
            },
            (None, None) => DirectoryChange::Everything,
        });
    }
    // Some are deleted already, there are too many, or the database is another one.
    let is_complete = signed(rows.len() as u64) == latest - known;
    if !is_complete {
        changes = vec![DirectoryChange::Everything];
    }
    if changes.contains(&DirectoryChange::Everything) {
        shared.set_forms(directory::imported_forms(client).await?);
    }
    Ok((latest, changes))
}
