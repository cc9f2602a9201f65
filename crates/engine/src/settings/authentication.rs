//! How clients send their key or token, and the prefix of the keys.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

use super::prefixes::Prefixes;
use super::scheme::Scheme;
use super::tokens::TokenSettings;

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
    /// Tokens that are accepted beside keys.
    pub tokens: Option<Arc<TokenSettings>>,
    /// So many attempts of one peer address may fail in a time.
    pub failures: (NonZeroU32, Duration),
}

/// A thousand a minute: no hindrance to a whole office behind one address, and hopeless for guessing.
pub const DEFAULT_FAILURES: (NonZeroU32, Duration) =
    (NonZeroU32::MIN.saturating_add(999), Duration::from_secs(60));

impl Authentication {
    /// Keys with these prefixes, sent in one way; failed attempts are throttled as by default.
    pub fn new(scheme: Scheme, prefixes: Prefixes) -> Self {
        Self { scheme, also: Vec::new(), prefixes, query: None, tokens: None, failures: DEFAULT_FAILURES }
    }

    /// The ways in which a key may be sent.
    pub fn key_schemes(&self) -> impl Iterator<Item = &Scheme> + Clone {
        std::iter::once(&self.scheme).chain(&self.also)
    }

    /// The ways in which a key or a token may be sent, each once.
    pub fn schemes(&self) -> impl Iterator<Item = &Scheme> + Clone {
        let of_tokens = self.tokens.iter().map(|tokens| &tokens.scheme);
        let is_new = |scheme: &&Scheme| !self.key_schemes().any(|known| known == *scheme);
        self.key_schemes().chain(of_tokens.filter(is_new))
    }

    /// Whether a credential that was sent in this way is a token. Where keys are sent in the same way, a token is recognised
    /// by its form: the header of a JWT is a JSON object, which begins with `ey` or `ew` in base64url, and a `.` follows.
    pub(crate) fn is_token(&self, scheme: &Scheme, credential: &str) -> bool {
        let Some(tokens) = self.tokens.as_ref().filter(|tokens| tokens.scheme == *scheme) else {
            return false;
        };
        let is_object = || ["ey", "ew"].iter().any(|begin| credential.starts_with(begin));
        let has_form = || is_object() && credential.contains('.');
        !self.key_schemes().any(|known| *known == tokens.scheme) || has_form()
    }

    /// The fields in which a key or a token may stand, each once.
    pub fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        let fields = self.schemes().map(Scheme::field).enumerate();
        fields
            .filter(|(at, field)| !self.schemes().take(*at).any(|other| other.field() == *field))
            .map(|(_, field)| field)
    }
}
