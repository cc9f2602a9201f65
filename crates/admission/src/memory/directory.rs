//! Keys and accounts in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Account, AccountId, Candidates, Credential, Digest, DirectoryChange, ImportedForms, InvalidationListener,
    KeyDirectory, KeyId, KeyRecord, KeyState, MaybeFuture, StoreError,
};

/// A key directory in memory.
#[derive(Default)]
pub struct MemoryDirectory {
    credentials: RwLock<HashMap<Digest, Arc<Credential>>>,
    watchers: Mutex<Vec<Arc<dyn InvalidationListener>>>,
    foreign: RwLock<Option<Arc<ImportedForms>>>,
    last_used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl MemoryDirectory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key with its account, or replaces what is there under this digest.
    pub fn insert(&self, digest: Digest, key: KeyRecord, account: Account) {
        let credential = Arc::new(Credential { digest, replaced: None, key, account });
        self.credentials.write().unwrap_or_else(PoisonError::into_inner).insert(digest, credential);
        self.tell(&DirectoryChange::Key(digest));
    }

    /// Revokes a key, at once; whether there is one.
    pub fn revoke(&self, key: &KeyId, at: Timestamp) -> bool {
        self.change(key, |key| {
            key.revoked.get_or_insert(at);
        })
    }

    /// Changes a key, at once: disables it, says when it expires. Whether there is one.
    pub fn change(&self, key: &KeyId, change: impl Fn(&mut KeyRecord)) -> bool {
        self.change_secrets(key, |credential| change(&mut credential.key))
    }

    /// Gives a key another secret. The one that it has opens for `grace` still; one before that is closed at once.
    /// Whether there is such a key, and it is active: for another a secret would open nothing.
    pub fn rotate(&self, key: &KeyId, digest: Digest, at: Timestamp, grace: Duration) -> bool {
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |credential: &&Arc<Credential>| {
            credential.key.id == *key && credential.key.state(at) == KeyState::Active
        };
        let Some(found) = known.values().find(is_meant).cloned() else {
            return false;
        };
        drop(known);
        let ends = at.checked_add(grace).unwrap_or(Timestamp::MAX);
        self.change_secrets(key, |credential| {
            credential.replaced = Some(credential.replaced.map_or(ends, |before| before.min(at)));
        });
        self.insert(digest, found.key.clone(), found.account.clone());
        true
    }

    /// Accepts keys of these forms, once their hashes are inserted under
    /// [`Pepper::imported_digest`](crate::Pepper::imported_digest).
    pub fn accept_imported(&self, forms: ImportedForms) {
        *self.foreign.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(forms));
        self.tell(&DirectoryChange::Everything);
    }

    /// When the key was used last, to the minute.
    pub fn last_used(&self, key: &KeyId) -> Option<Timestamp> {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn change_secrets(&self, key: &KeyId, change: impl Fn(&mut Credential)) -> bool {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Vec::new();
        for credential in credentials.values_mut().filter(|credential| credential.key.id == *key) {
            let credential = Arc::make_mut(credential);
            change(credential);
            changes.push(DirectoryChange::Key(credential.digest));
        }
        drop(credentials);
        changes.iter().for_each(|change| self.tell(change));
        !changes.is_empty()
    }

    /// Puts an account on another plan, at once.
    pub fn set_plan(&self, account: &AccountId, plan: &str) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        for credential in credentials.values_mut().filter(|credential| credential.account.id == *account) {
            plan.clone_into(&mut Arc::make_mut(credential).account.plan);
        }
        drop(credentials);
        self.tell(&DirectoryChange::Account(account.clone()));
    }

    fn tell(&self, change: &DirectoryChange) {
        for watcher in self.watchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            watcher.invalidate(change);
        }
    }
}

impl KeyDirectory for MemoryDirectory {
    fn find(&self, digests: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        MaybeFuture::Ready(Ok(digests.iter().find_map(|digest| credentials.get(digest).cloned())))
    }

    fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.foreign.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn used(&self, key: &KeyId, at: Timestamp) {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), at);
    }

    fn watch(&self, watcher: Arc<dyn InvalidationListener>) {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }
}
