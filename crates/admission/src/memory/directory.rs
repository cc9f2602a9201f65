//! Keys and accounts in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Account, AccountId, AccountLookup, Candidates, Credential, Digest, DirectoryChange, GrantDay,
    ImportedForms, InvalidationListener, KeyDirectory, KeyId, KeyRecord, KeyState, MaybeFuture, StoreError,
};

/// A key directory in memory.
#[derive(Default)]
pub struct MemoryDirectory {
    credentials: RwLock<HashMap<Digest, Arc<Credential>>>,
    listeners: Mutex<Vec<Arc<dyn InvalidationListener>>>,
    imported: RwLock<Option<Arc<ImportedForms>>>,
    last_used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl MemoryDirectory {
    /// Creates an empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts a key with its account, or replaces the one with this digest.
    pub fn insert(&self, digest: Digest, key: KeyRecord, account: Account) {
        let credential = Arc::new(Credential { digest, replaced: None, key, account });
        self.credentials.write().unwrap_or_else(PoisonError::into_inner).insert(digest, credential);
        self.notify(&DirectoryChange::Key(digest));
    }

    /// Revokes a key at once. Returns whether the key exists.
    pub fn revoke(&self, key: &KeyId, at: Timestamp) -> bool {
        self.change(key, |key| {
            key.revoked.get_or_insert(at);
        })
    }

    /// Changes a key at once, for example to disable it or to set its expiry. Returns whether the key exists.
    pub fn change(&self, key: &KeyId, change: impl Fn(&mut KeyRecord)) -> bool {
        self.change_secrets(key, |credential| change(&mut credential.key))
    }

    /// Rotates a key. Its current secret stays valid for `grace`; an older one becomes invalid at once. Returns whether the
    /// key exists and is active: another key's new secret would not be valid.
    pub fn rotate(&self, key: &KeyId, digest: Digest, at: Timestamp, grace: Duration) -> bool {
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let is_active_key = |credential: &&Arc<Credential>| {
            credential.key.id == *key && credential.key.state(at) == KeyState::Active
        };
        let Some(found) = known.values().find(is_active_key).cloned() else {
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

    /// Accepts imported keys of these forms, once their hashes are inserted under
    /// [`Pepper::imported_digest`](crate::Pepper::imported_digest).
    pub fn accept_imported(&self, forms: ImportedForms) {
        *self.imported.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(forms));
        self.notify(&DirectoryChange::Everything);
    }

    /// Returns when a key was last used, to the minute.
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
        changes.iter().for_each(|change| self.notify(change));
        !changes.is_empty()
    }

    /// Sets the plan of an account at once.
    pub fn set_plan(&self, account: &AccountId, plan: &str) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        for credential in credentials.values_mut().filter(|credential| credential.account.id == *account) {
            plan.clone_into(&mut Arc::make_mut(credential).account.plan);
        }
        drop(credentials);
        self.notify(&DirectoryChange::Account(account.clone()));
    }

    /// Sets the grant day of an account at once.
    pub fn set_grant_day(&self, account: &AccountId, grant_day: Option<GrantDay>) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        for credential in credentials.values_mut().filter(|credential| credential.account.id == *account) {
            Arc::make_mut(credential).account.grant_day = grant_day;
        }
        drop(credentials);
        self.notify(&DirectoryChange::Account(account.clone()));
    }

    fn notify(&self, change: &DirectoryChange) {
        for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.invalidate(change);
        }
    }
}

impl KeyDirectory for MemoryDirectory {
    fn find(&self, digests: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        MaybeFuture::Ready(Ok(digests.iter().find_map(|digest| credentials.get(digest).cloned())))
    }

    /// Accounts are known through their keys.
    fn account(&self, id: &AccountId) -> MaybeFuture<Result<AccountLookup, StoreError>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let account = credentials.values().find(|credential| credential.account.id == *id);
        let found = account.map(|credential| AccountLookup::Found(credential.account.clone()));
        MaybeFuture::Ready(Ok(found.unwrap_or(AccountLookup::Unknown)))
    }

    fn imported(&self) -> Option<Arc<ImportedForms>> {
        self.imported.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn used(&self, key: &KeyId, at: Timestamp) {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), at);
    }

    fn watch(&self, listener: Arc<dyn InvalidationListener>) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}
