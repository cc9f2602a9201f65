//! What is known and not pressing: when keys were used, and digests under the current pepper. Written
//! behind, with what else there is to write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use demur_admission::{Digest, DirectoryChange, KeyId};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::directory::{self, StoredSecret};

/// More than so many are not noted: what is not pressing must not fill the memory while the disk is full.
const MOST: usize = 65_536;

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct WriteBehind(Mutex<WriteBehindBatch>);

/// What was noted until now.
#[derive(Debug, Default)]
pub(crate) struct WriteBehindBatch {
    used: HashMap<KeyId, Timestamp>,
    refreshed: HashMap<Digest, Digest>,
}

impl WriteBehind {
    pub(crate) fn used(&self, key: &KeyId, at: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.used.len() < MOST {
            noted.used.insert(key.clone(), at);
        }
    }

    pub(crate) fn refreshed(&self, stored: Digest, current: Digest) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.refreshed.len() < MOST {
            noted.refreshed.insert(stored, current);
        }
    }

    /// When a key was used last, as far as that is not written yet.
    pub(crate) fn last_used(&self, key: &KeyId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.get(key).copied()
    }

    /// At most so many of each.
    pub(crate) fn take(&self, most: usize) -> WriteBehindBatch {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.used.len() <= most && noted.refreshed.len() <= most {
            return std::mem::take(&mut *noted);
        }
        let used: Vec<KeyId> = noted.used.keys().take(most).cloned().collect();
        let used = used.into_iter().filter_map(|key| noted.used.remove_entry(&key)).collect();
        let refreshed: Vec<Digest> = noted.refreshed.keys().take(most).copied().collect();
        let refreshed =
            refreshed.into_iter().filter_map(|stored| noted.refreshed.remove_entry(&stored)).collect();
        WriteBehindBatch { used, refreshed }
    }

    /// After what was taken could not be written.
    pub(crate) fn put_back(&self, before: WriteBehindBatch) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let WriteBehindBatch { used, refreshed } = before;
        for (key, at) in used {
            noted.used.entry(key).or_insert(at);
        }
        noted.refreshed.extend(refreshed);
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
            directory::note_use(connection, key, *at)?;
        }
        let mut changes = Vec::new();
        for (stored, current) in &self.refreshed {
            directory::refresh_secret(connection, stored, &StoredSecret { digest: *current, pepper })?;
            changes.extend([DirectoryChange::Key(*stored), DirectoryChange::Key(*current)]);
        }
        Ok(changes)
    }
}
