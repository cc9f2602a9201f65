//! Accounts and keys as stores keep them, and the first of the three store traits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Candidates, Digest, GrantDay, Grants, ImportedForms, KeyId, MaybeFuture, MonthlyCredits, Plan,
    StoreError,
};

/// A store of keys and accounts.
pub trait KeyDirectory: Send + Sync {
    /// Finds the key with one of these digests, in any state; `None` if there is none. A failure is an error, never `None`, so
    /// that a full disk does not make keys unknown.
    fn find(&self, digests: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>>;

    /// Finds an account by its ID, for callers without a key of the directory. An unknown account has no state in the store,
    /// but its quota counts are restored like those of a known one. Stores without accounts need not implement this.
    fn account(&self, id: &AccountId) -> MaybeFuture<Result<AccountLookup, StoreError>> {
        let _ = id;
        MaybeFuture::Ready(Ok(AccountLookup::Unknown))
    }

    /// Registers a listener, which is notified of every change before the change is acknowledged.
    fn watch(&self, listener: Arc<dyn InvalidationListener>);

    /// Returns the forms of imported keys; `None` if there are no imported keys.
    fn imported(&self) -> Option<Arc<ImportedForms>> {
        None
    }

    /// Records that a key was used. Called at intervals, not for each request; written when there is time.
    fn used(&self, key: &KeyId, at: Timestamp) {
        let _ = (key, at);
    }

    /// Records the digest under the current pepper of a secret that is stored under an older one. Written when there is time.
    fn refresh(&self, stored: &Digest, current: &Digest) {
        let _ = (stored, current);
    }
}

/// Listens to changes, so that a cache can evict stale entries.
pub trait InvalidationListener: Send + Sync {
    /// Handles a change. Must be fast and must not call the store.
    fn invalidate(&self, change: &DirectoryChange);
}

/// A change in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryChange {
    /// The key with this digest was created or changed.
    Key(Digest),
    /// The account was changed, which affects all of its keys.
    Account(AccountId),
    /// Everything may have changed.
    Everything,
}

/// The result of looking up an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountLookup {
    /// The account exists.
    Found(Account),
    /// The account was deleted.
    Deleted,
    /// There has never been such an account.
    Unknown,
}

/// A key with its account: the result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The stored digest of its secret.
    pub digest: Digest,
    /// When this secret becomes invalid because the key was rotated.
    pub replaced: Option<Timestamp>,
    /// The key.
    pub key: KeyRecord,
    /// The account that owns the key.
    pub account: Account,
}

/// An account, which pays and which limits apply to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's ID.
    pub id: AccountId,
    /// A name for people.
    pub name: String,
    /// The name of its plan in the configuration.
    pub plan: String,
    /// The day on which its monthly credits are granted; `None` for the day of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_day: Option<GrantDay>,
}

impl Account {
    /// Returns the monthly credits of its plan, granted on its own day if it has one.
    pub fn monthly<'p>(&self, plan: &'p Plan) -> Option<Cow<'p, MonthlyCredits>> {
        let credits = plan.credits.as_ref()?;
        Some(match self.grant_day {
            None => Cow::Borrowed(credits),
            Some(day) => Cow::Owned(MonthlyCredits { grant_day: day.number(), ..credits.clone() }),
        })
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key's ID, unrelated to the secret.
    pub id: KeyId,
    /// The account that owns the key.
    pub account: AccountId,
    /// The name of the API.
    pub api: String,
    /// The public prefix of the secret, without any of its random part.
    pub prefix: String,
    /// When the key was created.
    pub created: Timestamp,
    /// When the key expires.
    pub expires: Option<Timestamp>,
    /// When the key was revoked.
    pub revoked: Option<Timestamp>,
    /// When the key was disabled, if it is.
    #[serde(default)]
    pub disabled: Option<Timestamp>,
    /// What the key allows.
    pub grants: Grants,
    /// Free-form metadata of the owner, which rules can read.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// The state of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The key is valid.
    Active,
    /// The key was revoked permanently by its owner or an operator.
    Revoked,
    /// The key has expired.
    Expired,
    /// The key is disabled until it is enabled again.
    Disabled,
}

impl KeyRecord {
    /// Returns the state at a moment. Revoked takes precedence over expired, since it was a decision; and both take precedence
    /// over disabled, which is temporary.
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
