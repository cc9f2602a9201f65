//! Accounts and keys as stores keep them, and the first of the three store traits.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Candidates, Digest, Grants, ImportedForms, KeyId, MaybeFuture, StoreError};

/// Looks keys up by their digests.
pub trait KeyDirectory: Send + Sync {
    /// The key with one of these digests, in whatever state, or `None` where there is none. Trouble is an
    /// error, never `None`: nobody is told that a key is unknown because a disk is full.
    fn find(&self, digests: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>>;

    /// Has `watcher` told of every change, before the change is acknowledged to whoever made it.
    fn watch(&self, watcher: Arc<dyn InvalidationListener>);

    /// The forms of keys that other systems made and whose hashes were imported; none where nothing was.
    fn imported(&self) -> Option<Arc<ImportedForms>> {
        None
    }

    /// A key has been used. Told now and then, not for each request; written when there is time.
    fn used(&self, key: &KeyId, at: Timestamp) {
        let _ = (key, at);
    }

    /// A secret that is stored under an older pepper has been seen, and has this digest under the current
    /// one. Written when there is time.
    fn refresh(&self, stored: &Digest, current: &Digest) {
        let _ = (stored, current);
    }
}

/// Is told of changes, so that nothing outdated stays in a cache.
pub trait InvalidationListener: Send + Sync {
    /// Must be quick and must not call the store.
    fn invalidate(&self, change: &DirectoryChange);
}

/// What has changed in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryChange {
    /// The key with this digest: made, revoked, or otherwise.
    Key(Digest),
    /// The account, and with it all that is known of its keys.
    Account(AccountId),
    /// Too much to be listed.
    Everything,
}

/// A key together with its account: all that a look-up finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The digest of its secret, as it is stored.
    pub digest: Digest,
    /// From when on this secret opens no more, since another one was made in its place.
    pub replaced: Option<Timestamp>,
    /// The key.
    pub key: KeyRecord,
    /// Whose it is.
    pub account: Account,
}

/// An account: who pays, and whom limits count for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// For people.
    pub name: String,
    /// The name of its plan in the configuration.
    pub plan: String,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id, unrelated to the secret.
    pub id: KeyId,
    /// Whose it is.
    pub account: AccountId,
    /// For which API.
    pub api: String,
    /// The public prefix of the secret, and nothing beyond it.
    pub prefix: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is expired.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When it was disabled, if it is.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
    /// What it allows.
    pub grants: Grants,
    /// What its owner wrote on it. Rules can read it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// The state of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It opens.
    Active,
    /// Taken back by its owner or an operator; for good.
    Revoked,
    /// Its time is over.
    Expired,
    /// Out of use until it is enabled again.
    Disabled,
}

impl KeyRecord {
    /// The state at this moment. Revoked outranks expired, since it was somebody's decision; and what lasts
    /// outranks disabled, which does not.
    pub fn state(&self, at: Timestamp) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if self.expires.is_some_and(|expires| expires <= at) {
            KeyState::Expired
        } else if self.disabled.is_some() {
            KeyState::Disabled
        } else {
            KeyState::Active
        }
    }
}
