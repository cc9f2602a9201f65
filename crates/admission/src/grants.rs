//! The grants of a key.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::AddressFilter;

/// What a key allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// The operations, by their IDs in the API's OpenAPI document.
    pub operations: Scope,
    /// The scopes of the key. A key without scopes can call operations that need none.
    pub scopes: BTreeSet<String>,
    /// The resources, as `kind:name`.
    pub resources: Scope,
    /// The client addresses from which the key may be used.
    #[serde(default, skip_serializing_if = "AddressFilter::admits_all")]
    pub addresses: AddressFilter,
}

/// Everything, or only listed names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, including what is added later.
    All,
    /// Only these names.
    Only(BTreeSet<String>),
}

impl Scope {
    /// Whether a name is covered.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(names) => names.contains(name),
        }
    }
}

impl Default for Grants {
    /// All operations, resources and addresses, and no scope.
    fn default() -> Self {
        Self {
            operations: Scope::All,
            scopes: BTreeSet::new(),
            resources: Scope::All,
            addresses: AddressFilter::default(),
        }
    }
}
