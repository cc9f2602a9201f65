//! JSON Web Tokens that an API accepts beside keys: what they must be, whose keys verify them, and whom they are for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use demur_jwt::{KeySetCell, LoadedKeys, Policy};

use super::scheme::Scheme;

/// The tokens that an API accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// How a token is sent.
    pub scheme: Scheme,
    /// What a token must be.
    pub policy: Policy,
    /// Where the keys come from.
    pub source: KeySource,
    /// The keys. Empty until they are fetched, unless they come from a file.
    pub keys: Arc<KeySetCell>,
    /// The claims that say whom a token is for.
    pub claims: ClaimNames,
    /// The plan of accounts that are not in the store, if no claim names one.
    pub plan: Option<String>,
}

/// Where the keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, which was read with the configuration.
    File(PathBuf),
    /// The network. A gateway fetches them; a service calls [`KeySetCell::set`].
    Url(KeySetUrl),
}

/// A JWK set on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetUrl {
    /// Its URL, with `https`.
    pub url: String,
    /// A file with the certificates to trust, in PEM, in place of the root certificates of the system.
    pub roots: Option<PathBuf>,
    /// How often it is fetched.
    pub refresh: Duration,
    /// For how long it is used if it cannot be fetched again.
    pub max_age: Duration,
}

/// The claims that say whom a token is for, by their names or JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The ID of the account.
    pub account: String,
    /// The plan of an account that is not in the store.
    pub plan: Option<String>,
    /// The scopes.
    pub scopes: String,
}

impl Default for ClaimNames {
    /// `sub` and `scope` (RFC 9068).
    fn default() -> Self {
        Self { account: "sub".to_owned(), plan: None, scopes: "scope".to_owned() }
    }
}

impl TokenSettings {
    /// The keys, unless there are none yet or they are too old.
    pub(crate) fn current_keys(&self, now: Duration) -> Option<Arc<LoadedKeys>> {
        self.keys.current(self.max_age(), now)
    }

    /// The revision of the keys, unless there are none yet or they are too old.
    pub(crate) fn key_revision(&self, now: Duration) -> Option<u64> {
        self.keys.revision(self.max_age(), now)
    }

    fn max_age(&self) -> Duration {
        match &self.source {
            KeySource::File(_) => Duration::MAX,
            KeySource::Url(url) => url.max_age,
        }
    }

    /// Takes over what the settings of the previous configuration know of the same key set.
    pub(crate) fn succeed(&mut self, previous: &Self) {
        if !matches!(self.source, KeySource::Url(_)) || self.source != previous.source {
            return;
        }
        let fresh = std::mem::replace(&mut self.keys, Arc::clone(&previous.keys));
        if self != previous {
            fresh.adopt(&previous.keys);
            self.keys = fresh;
        }
    }
}
