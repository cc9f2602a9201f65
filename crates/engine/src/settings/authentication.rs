//! How clients send their key, and the prefix of the keys.

use std::num::NonZeroU32;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName};

use super::prefixes::Prefixes;

/// Where the key stands, and what it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// How the key is sent.
    pub scheme: Scheme,
    /// Other ways in which it may be sent. A request with two keys is malformed.
    pub also: Vec<Scheme>,
    /// What this API's keys begin with.
    pub prefixes: Prefixes,
    /// A parameter of the query in which a key may come too. In any other it is refused: queries stand in
    /// the logs of everything between here and there.
    pub query: Option<String>,
    /// So many attempts of one peer address may fail in a time.
    pub failures: (NonZeroU32, Duration),
}

/// A thousand a minute: no hindrance to a whole office behind one address, and hopeless for guessing.
pub const DEFAULT_FAILURES: (NonZeroU32, Duration) =
    (NonZeroU32::MIN.saturating_add(999), Duration::from_secs(60));

/// How a key is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: NAME KEY`; `Bearer` mostly. With `Basic`, the key is the user or the password (RFC 7617).
    Authorization(String),
    /// In a field of its own.
    Field(HeaderName),
}

impl Authentication {
    /// Keys with these prefixes, sent in one way; failed attempts are throttled as by default.
    pub fn new(scheme: Scheme, prefixes: Prefixes) -> Self {
        Self { scheme, also: Vec::new(), prefixes, query: None, failures: DEFAULT_FAILURES }
    }

    /// The ways in which a key may be sent.
    pub fn schemes(&self) -> impl Iterator<Item = &Scheme> + Clone {
        std::iter::once(&self.scheme).chain(&self.also)
    }

    /// The fields in which a key may stand, each once.
    pub fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        let fields = self.schemes().map(Scheme::field).enumerate();
        fields
            .filter(|(at, field)| !self.schemes().take(*at).any(|other| other.field() == *field))
            .map(|(_, field)| field)
    }
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
