//! Keys and accounts in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

use crate::{
    Account, AccountId, Answer, Change, Credential, Digest, KeyDirectory, KeyId, KeyRecord, StoreError, Watch,
};

/// A key directory in memory.
#[derive(Default)]
pub struct MemoryDirectory {
    credentials: RwLock<HashMap<Digest, Arc<Credential>>>,
    watchers: Mutex<Vec<Arc<dyn Watch>>>,
}

impl MemoryDirectory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key with its account, or replaces what is there under this digest.
    pub fn insert(&self, digest: Digest, key: KeyRecord, account: Account) {
        let credential = Arc::new(Credential { digest, key, account });
        self.credentials.write().unwrap_or_else(PoisonError::into_inner).insert(digest, credential);
        self.tell(&Change::Key(digest));
    }

    /// Revokes a key, at once; whether there is one.
    pub fn revoke(&self, key: &KeyId, at: Timestamp) -> bool {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        let Some(credential) = credentials.values_mut().find(|credential| credential.key.id == *key) else {
            return false;
        };
        let credential = Arc::make_mut(credential);
        credential.key.revoked.get_or_insert(at);
        let change = Change::Key(credential.digest);
        drop(credentials);
        self.tell(&change);
        true
    }

    /// Puts an account on another plan, at once.
    pub fn set_plan(&self, account: &AccountId, plan: &str) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        for credential in credentials.values_mut().filter(|credential| credential.account.id == *account) {
            plan.clone_into(&mut Arc::make_mut(credential).account.plan);
        }
        drop(credentials);
        self.tell(&Change::Account(account.clone()));
    }

    fn tell(&self, change: &Change) {
        for watcher in self.watchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            watcher.changed(change);
        }
    }
}

impl KeyDirectory for MemoryDirectory {
    fn find(&self, digest: &Digest) -> Answer<'static, Result<Option<Arc<Credential>>, StoreError>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        Answer::Ready(Ok(credentials.get(digest).cloned()))
    }

    fn watch(&self, watcher: Arc<dyn Watch>) {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }
}
