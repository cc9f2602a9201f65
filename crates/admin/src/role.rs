//! Roles: what a token may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role of a token. A later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads accounts, keys, plans and the journal.
    Viewer,
    /// Also makes, rotates and revokes keys, and adds and refunds credits.
    Support,
    /// Also changes accounts, and reads and reloads the configuration.
    Operator,
}

/// The text is not the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRole;

impl Role {
    /// All roles, from the least to the most.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Support, Role::Operator];

    /// The name, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Support => "support",
            Role::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use one of: viewer, support, operator")
    }
}

impl std::error::Error for UnknownRole {}
