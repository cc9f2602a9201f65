//! The rules of keys that operators create, rotate and import, the same for every store.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::{AccountId, CommandFault, Grants, KeyId, KeyRecord};

/// The maximum grace period of a rotated secret.
pub const MAX_GRACE: Duration = Duration::from_secs(366 * 24 * 3600);

/// The maximum size of a key's metadata, in bytes.
const MAX_METADATA: usize = 4096;

/// A key to be created.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// The name of the API.
    pub api: &'a str,
    /// The prefix of its secret.
    pub prefix: &'a str,
    /// The account that owns it.
    pub account: &'a AccountId,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// What it allows.
    pub grants: &'a Grants,
    /// Free-form metadata of the owner.
    pub metadata: BTreeMap<String, String>,
}

impl NewKey<'_> {
    /// Rejects metadata that is too large.
    pub fn check_metadata(&self) -> Result<(), CommandFault> {
        let size: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size <= MAX_METADATA {
            return Ok(());
        }
        let cause = format!("metadata must have at most {MAX_METADATA} bytes, found {size}");
        Err(CommandFault::Unreadable { cause })
    }

    /// Returns the record of the key under a new ID.
    pub fn record(self, at: Timestamp) -> KeyRecord {
        KeyRecord {
            id: KeyId::generate(),
            account: self.account.clone(),
            api: self.api.to_owned(),
            prefix: self.prefix.to_owned(),
            created: at,
            expires: self.expires,
            revoked: None,
            disabled: None,
            grants: self.grants.clone(),
            metadata: self.metadata,
        }
    }
}

/// Rejects a label that is empty, too long, or not on one line.
pub fn check_label(label: Option<&str>) -> Result<(), CommandFault> {
    const MAX_BYTES: usize = 200;
    let is_label = |label: &str| {
        (1..=MAX_BYTES).contains(&label.len())
            && !label.trim().is_empty()
            && !label.chars().any(char::is_control)
    };
    if label.is_none_or(is_label) {
        return Ok(());
    }
    let cause =
        format!("a label must have 1 to {MAX_BYTES} bytes, without line breaks and control characters");
    Err(CommandFault::Unreadable { cause })
}
