//! Identifiers as separate types, so that an account ID cannot be used as a key ID.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The maximum length of an identifier, in bytes.
const MAX_LENGTH: usize = 128;

/// The text is not a valid identifier: it is empty, longer than 128 bytes, or contains a character outside visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("identifiers must have 1 to 128 visible ASCII characters")
    }
}

impl std::error::Error for InvalidId {}

fn is_identifier(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_identifier(text) { Ok(Self(text.into())) } else { Err(InvalidId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// The ID of an account.
    AccountId
}

identifier! {
    /// The public ID of a key, unrelated to its secret.
    KeyId
}

identifier! {
    /// The ID of an operation of an account, which is charged at most once: the client's `Idempotency-Key`, or else the
    /// request ID.
    OperationId
}

impl AccountId {
    /// Generates a new ID; IDs sort by time.
    pub fn generate() -> Self {
        Self(format!("acc_{}", uuid::Uuid::now_v7().simple()).into())
    }
}

impl KeyId {
    /// Generates a new ID; IDs sort by time.
    pub fn generate() -> Self {
        Self(format!("key_{}", uuid::Uuid::now_v7().simple()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_short_visible_ascii_identifiers() {
        let long = "x".repeat(129);
        for (text, accepted) in [
            ("a", true),
            ("acme-7", true),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
            (&long, false),
        ] {
            assert_eq!(text.parse::<AccountId>().is_ok(), accepted, "{text:?}");
        }
    }

    #[test]
    fn rejects_an_invalid_identifier_when_deserializing() {
        assert!(serde_json::from_str::<AccountId>("\"a b\"").is_err());
        assert_eq!(serde_json::from_str::<KeyId>("\"k\"").unwrap().as_str(), "k");
    }
}
