//! Keys, counters and credits in memory, for a service without a store.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use demur_admission::memory::{MemoryDirectory, MemoryLedger};
use demur_admission::{
    Account, AccountId, Grants, KeyId, KeyRecord, LocalCounters, NoRandomness, Pepper, Secret, Stores,
};
use demur_engine::settings::Prefixes;
use jiff::Timestamp;

use crate::config::ServiceConfig;

/// API keys in memory. Clones share the keys.
#[derive(Clone)]
pub struct InMemoryKeys {
    directory: Arc<MemoryDirectory>,
    ledger: Arc<MemoryLedger>,
    counters: Arc<LocalCounters>,
    pepper: Pepper,
    /// The key prefixes of each API.
    prefixes: Arc<HashMap<String, Prefixes>>,
}

/// Why a key could not be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The configuration has no API with this name.
    UnknownApi(String),
    /// The account ID is invalid: it must have 1 to 128 visible ASCII characters.
    InvalidAccount(String),
    /// The operating system provides no randomness.
    NoRandomness,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::UnknownApi(name) => write!(f, "unknown API `{name}`"),
            KeyError::InvalidAccount(id) => write!(f, "invalid account ID `{id}`"),
            KeyError::NoRandomness => NoRandomness.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl InMemoryKeys {
    /// An empty set of keys for the APIs of this configuration.
    pub fn new(config: &ServiceConfig) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let prefixes = config.apis.iter().map(|api| (api.name.clone(), api.authentication.prefixes.clone()));
        Ok(Self {
            directory: Arc::default(),
            ledger: Arc::default(),
            counters: Arc::new(LocalCounters::new()),
            pepper: Pepper::from_bytes(&bytes),
            prefixes: Arc::new(prefixes.collect()),
        })
    }

    /// Creates a key of an API for an account on a plan, in the first environment if the API has environments. The secret
    /// is not stored.
    pub fn issue(&self, api: &str, account: &str, plan: &str) -> Result<Secret, KeyError> {
        self.issue_with(api, account, plan, |_| {})
    }

    /// Creates a key that `configure` changes, such as its grants or expiry.
    pub fn issue_with(
        &self,
        api: &str,
        account: &str,
        plan: &str,
        configure: impl FnOnce(&mut KeyRecord),
    ) -> Result<Secret, KeyError> {
        let prefixes = self.prefixes.get(api).ok_or_else(|| KeyError::UnknownApi(api.to_owned()))?;
        let secret = Secret::generate(prefixes.first()).map_err(|_| KeyError::NoRandomness)?;
        self.insert(&secret, api, account, plan, configure)?;
        Ok(secret)
    }

    /// Adds a key that was created elsewhere.
    pub fn insert(
        &self,
        secret: &Secret,
        api: &str,
        account: &str,
        plan: &str,
        configure: impl FnOnce(&mut KeyRecord),
    ) -> Result<(), KeyError> {
        let id: AccountId = account.parse().map_err(|_| KeyError::InvalidAccount(account.to_owned()))?;
        let mut key = KeyRecord {
            id: KeyId::generate(),
            account: id.clone(),
            api: api.to_owned(),
            // Only the public prefix, because it is displayed and logged. A key from elsewhere may have none.
            prefix: self
                .prefixes
                .get(api)
                .map(|prefixes| prefixes.of_key(secret.expose()))
                .filter(|prefix| secret.expose().starts_with(*prefix))
                .unwrap_or_default()
                .to_owned(),
            created: Timestamp::now(),
            expires: None,
            revoked: None,
            disabled: None,
            metadata: BTreeMap::new(),
            grants: Grants::default(),
        };
        configure(&mut key);
        let account = Account { id, name: account.to_owned(), plan: plan.to_owned(), grant_day: None };
        self.directory.insert(self.pepper.digest(secret.expose()), key, account);
        Ok(())
    }

    /// The key directory, to revoke a key or change the plan of an account.
    pub fn directory(&self) -> &Arc<MemoryDirectory> {
        &self.directory
    }

    /// The ledger, to top up an account.
    pub fn ledger(&self) -> &Arc<MemoryLedger> {
        &self.ledger
    }

    /// The stores, for an engine.
    pub fn stores(&self) -> Stores {
        Stores { keys: self.directory.clone(), limits: self.counters.clone(), credits: self.ledger.clone() }
    }

    /// The pepper of the key digests.
    pub fn pepper(&self) -> Pepper {
        self.pepper.clone()
    }
}

impl fmt::Debug for InMemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryKeys").field("apis", &self.prefixes.keys()).finish_non_exhaustive()
    }
}
