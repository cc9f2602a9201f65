//! Keys, counts and credits in memory, for a service that keeps none of its own.

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

/// The keys of a service that keeps them in memory.
#[derive(Clone)]
pub struct InMemoryKeys {
    directory: Arc<MemoryDirectory>,
    ledger: Arc<MemoryLedger>,
    counters: Arc<LocalCounters>,
    pepper: Pepper,
    /// For each API what its keys begin with.
    prefixes: Arc<HashMap<String, Prefixes>>,
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// The configuration has no API of that name.
    UnknownApi(String),
    /// An account's id has 1 to 128 visible ASCII characters.
    InvalidAccount(String),
    /// The operating system gave no randomness.
    NoRandomness,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::UnknownApi(name) => write!(f, "the configuration has no API `{name}`"),
            KeyError::InvalidAccount(id) => write!(f, "`{id}` is no account's id"),
            KeyError::NoRandomness => NoRandomness.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl InMemoryKeys {
    /// None yet, for the APIs of this configuration.
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

    /// Makes a key of an API for an account on a plan; of the first environment, where the API has some. The secret is
    /// nowhere else.
    pub fn issue(&self, api: &str, account: &str, plan: &str) -> Result<Secret, KeyError> {
        self.issue_with(api, account, plan, |_| {})
    }

    /// The same with what the key allows, and until when, said by `arrange`.
    pub fn issue_with(
        &self,
        api: &str,
        account: &str,
        plan: &str,
        arrange: impl FnOnce(&mut KeyRecord),
    ) -> Result<Secret, KeyError> {
        let prefixes = self.prefixes.get(api).ok_or_else(|| KeyError::UnknownApi(api.to_owned()))?;
        let secret = Secret::generate(prefixes.first()).map_err(|_| KeyError::NoRandomness)?;
        self.adopt(&secret, api, account, plan, arrange)?;
        Ok(secret)
    }

    /// Takes in a key that was made elsewhere.
    pub fn adopt(
        &self,
        secret: &Secret,
        api: &str,
        account: &str,
        plan: &str,
        arrange: impl FnOnce(&mut KeyRecord),
    ) -> Result<(), KeyError> {
        let id: AccountId = account.parse().map_err(|_| KeyError::InvalidAccount(account.to_owned()))?;
        let mut key = KeyRecord {
            id: KeyId::generate(),
            account: id.clone(),
            api: api.to_owned(),
            // The public prefix and nothing beyond: a hint is shown and logged. A key from elsewhere may not
            // even have it.
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
        arrange(&mut key);
        let account = Account { id, name: account.to_owned(), plan: plan.to_owned() };
        self.directory.insert(self.pepper.digest(secret.expose()), key, account);
        Ok(())
    }

    /// The directory, to revoke a key or to change an account's plan.
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

    /// The pepper under which its keys are digested.
    pub fn pepper(&self) -> Pepper {
        self.pepper.clone()
    }
}

impl fmt::Debug for InMemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("apis", &self.prefixes.keys()).finish_non_exhaustive()
    }
}
