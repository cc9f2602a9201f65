//! Changes that may wait: when keys were used, and digests under the current pepper.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use demur_admission::{Digest, DirectoryChange, KeyId};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::changes;
use crate::error::DbError;

/// The maximum number of pending changes of each kind, so that they do not fill the memory during an outage.
const MAX_PENDING: usize = 65_536;

/// The buffer of pending changes.
#[derive(Debug, Default)]
pub(crate) struct WriteBehind(Mutex<Pending>);

/// Pending changes, taken from the buffer.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    used: BTreeMap<KeyId, Timestamp>,
    refreshed: Vec<(Digest, Digest)>,
}

impl WriteBehind {
    pub(crate) fn used(&self, key: &KeyId, at: Timestamp) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.used.len() < MAX_PENDING {
            pending.used.insert(key.clone(), at);
        }
    }

    pub(crate) fn refreshed(&self, stored: Digest, current: Digest) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.refreshed.len() < MAX_PENDING && !pending.refreshed.contains(&(stored, current)) {
            pending.refreshed.push((stored, current));
        }
    }

    /// Returns when a key was last used, if that is not written yet.
    pub(crate) fn last_used(&self, key: &KeyId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.get(key).copied()
    }

    pub(crate) fn take(&self) -> Pending {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts changes back that could not be written.
    pub(crate) fn put_back(&self, unwritten: Pending) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in unwritten.used {
            pending.used.entry(key).or_insert(at);
        }
        pending.refreshed.extend(unwritten.refreshed);
    }
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.used.is_empty() && self.refreshed.is_empty()
    }
}

/// Writes pending changes, and returns the changes of the directory.
pub(crate) async fn write(
    client: &Client,
    pending: &Pending,
    pepper: i32,
) -> Result<Vec<DirectoryChange>, DbError> {
    if !pending.used.is_empty() {
        let keys: Vec<&str> = pending.used.keys().map(KeyId::as_str).collect();
        let times: Vec<i64> = pending.used.values().map(|at| at.as_microsecond()).collect();
        // Locked in the order of their IDs, so that two nodes do not wait for each other.
        let sql = "WITH locked AS (SELECT id FROM demur.key WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
                   UPDATE demur.key k SET last_used = greatest(k.last_used, u.at)
                   FROM locked, unnest($1::text[], $2::bigint[]) AS u (id, at) WHERE k.id = locked.id AND k.id = u.id";
        client.execute(sql, &[&keys, &times]).await?;
    }
    if pending.refreshed.is_empty() {
        return Ok(Vec::new());
    }
    client.batch_execute("BEGIN").await?;
    let mut changes = Vec::new();
    for (stored, current) in &pending.refreshed {
        let sql = "UPDATE demur.secret SET digest = $2, pepper = $3 WHERE digest = $1
                   AND NOT EXISTS (SELECT 1 FROM demur.secret WHERE digest = $2)";
        client.execute(sql, &[&&stored.as_bytes()[..], &&current.as_bytes()[..], &pepper]).await?;
        changes.extend([DirectoryChange::Key(*stored), DirectoryChange::Key(*current)]);
    }
    changes::record(client, &changes).await?;
    client.batch_execute("COMMIT").await?;
    Ok(changes)
}
