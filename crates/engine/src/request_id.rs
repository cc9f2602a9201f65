//! The request's id: fresh for every request, never taken from the client.

use std::fmt;

/// A prefix of the contract's, and a UUID of version 7 (so that ids sort by time) in 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    uuid: uuid::Uuid,
}

impl RequestId {
    /// A new one.
    pub fn fresh() -> Self {
        Self { uuid: uuid::Uuid::now_v7() }
    }

    /// As it stands in the field, in the content, and in the journal.
    pub fn with_prefix(self, prefix: &str) -> String {
        let mut digits = [0; 32];
        let digits: &str = self.uuid.simple().encode_lower(&mut digits);
        let mut text = String::with_capacity(prefix.len() + digits.len());
        text.push_str(prefix);
        text.push_str(digits);
        text
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_prefix(""))
    }
}
