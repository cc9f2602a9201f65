//! Changes that may wait: when keys were used, and digests under the current pepper. They are written with a later batch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use demur_admission::{Digest, DirectoryChange, KeyId};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::directory::{self, StoredSecret};

/// The maximum number of pending changes of each kind, so that they do not fill the memory while the disk is full.
const MAX_PENDING: usize = 65_536;

/// The buffer of pending changes.
#[derive(Debug, Default)]
pub(crate) struct WriteBehind(Mutex<WriteBehindBatch>);

/// Pending changes, taken from the buffer.
#[derive(Debug, Default)]
pub(crate) struct WriteBehindBatch {
    used: HashMap<KeyId, Timestamp>,
    refreshed: HashMap<Digest, Digest>,
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
        if pending.refreshed.len() < MAX_PENDING {
            pending.refreshed.insert(stored, current);
        }
    }

    /// Returns when a key was last used, if that is not written yet.
    pub(crate) fn last_used(&self, key: &KeyId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.get(key).copied()
    }

    /// Takes at most `max` changes of each kind.
    pub(crate) fn take(&self, max: usize) -> WriteBehindBatch {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.used.len() <= max && pending.refreshed.len() <= max {
            return std::mem::take(&mut *pending);
        }
        let used: Vec<KeyId> = pending.used.keys().take(max).cloned().collect();
        let used = used.into_iter().filter_map(|key| pending.used.remove_entry(&key)).collect();
        let refreshed: Vec<Digest> = pending.refreshed.keys().take(max).copied().collect();
        let refreshed =
            refreshed.into_iter().filter_map(|stored| pending.refreshed.remove_entry(&stored)).collect();
        WriteBehindBatch { used, refreshed }
    }

    /// Puts changes back that could not be written.
    pub(crate) fn put_back(&self, unwritten: WriteBehindBatch) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let WriteBehindBatch { used, refreshed } = unwritten;
        for (key, at) in used {
            pending.used.entry(key).or_insert(at);
        }
        pending.refreshed.extend(refreshed);
    }
}

impl WriteBehindBatch {
    pub(crate) fn len(&self) -> usize {
        self.used.len().max(self.refreshed.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used.is_empty() && self.refreshed.is_empty()
    }

    pub(crate) fn write(
        &self,
        connection: &Connection,
        pepper: u32,
    ) -> rusqlite::Result<Vec<DirectoryChange>> {
        for (key, at) in &self.used {
            directory::record_use(connection, key, *at)?;
        }
        let mut changes = Vec::new();
        for (stored, current) in &self.refreshed {
            directory::refresh_secret(connection, stored, &StoredSecret { digest: *current, pepper })?;
            changes.extend([DirectoryChange::Key(*stored), DirectoryChange::Key(*current)]);
        }
        Ok(changes)
    }
}
