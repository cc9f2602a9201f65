//! The header in which a key or a token is sent.

use http::header::{AUTHORIZATION, HeaderName};

/// How a key or a token is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: NAME KEY`; `Bearer` mostly. With `Basic`, the key is the user or the password (RFC 7617).
    Authorization(String),
    /// In a field of its own.
    Field(HeaderName),
}

impl Scheme {
    /// The field in which the key stands.
    pub fn field(&self) -> &HeaderName {
        match self {
            Scheme::Authorization(_) => &AUTHORIZATION,
            Scheme::Field(name) => name,
        }
    }
}
