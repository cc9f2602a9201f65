//! Accounts and keys as stores keep them, and the first of the three store traits.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Answer, Digest, Grants, KeyId, StoreError};

/// Looks keys up by their digests.
pub trait KeyDirectory: Send + Sync {
    /// The key with this digest, in whatever state, or `None` where there is none. Trouble is an error,
    /// never `None`: nobody is told that a key is unknown because a disk is full.
    fn find(&self, digest: &Digest) -> Answer<'static, Result<Option<Arc<Credential>>, StoreError>>;

    /// Has `watcher` told of every change, before the change is acknowledged to whoever made it.
    fn watch(&self, watcher: Arc<dyn Watch>);
}

/// Is told of changes, so that nothing outdated stays in a cache.
pub trait Watch: Send + Sync {
    /// Must be quick and must not call the store.
    fn changed(&self, change: &Change);
}

/// What has changed in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key with this digest: made, revoked, or otherwise.
    Key(Digest),
    /// The account, and with it all that is known of its keys.
    Account(AccountId),
}

/// A key together with its account: all that a look-up finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The digest of its secret.
    pub digest: Digest,
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
    pub hint: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is expired.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What it allows.
    pub grants: Grants,
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
}

impl KeyRecord {
    /// The state at this moment. Revoked outranks expired: it was somebody's decision.
    pub fn state(&self, at: Timestamp) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if self.expires.is_some_and(|expires| expires <= at) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}
