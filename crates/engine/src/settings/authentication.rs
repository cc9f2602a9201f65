//! `authentication:` where a key may stand, and what it begins with.

use std::num::NonZeroU32;
use std::time::Duration;

use demur_source::{Fields, Node, Span};
use http::header::{AUTHORIZATION, HeaderName};

use super::ConfigReader;
use super::plan::{need, positive, read_duration};
use super::prefixes::{Prefixes, read_prefixes};

/// Where the key stands, and what it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// How the key is sent.
    pub scheme: Scheme,
    /// Another way in which it may be sent. A request with keys in both is malformed.
    pub also: Option<Scheme>,
    /// What this API's keys begin with.
    pub prefixes: Prefixes,
    /// A parameter of the query in which a key may come too. In any other it is refused: queries stand in
    /// the logs of everything between here and there.
    pub query: Option<String>,
    /// So many attempts of one peer address may fail in a time.
    pub failures: (NonZeroU32, Duration),
}

/// A thousand a minute: no hindrance to a whole office behind one address, and hopeless for guessing.
const FAILURES: (NonZeroU32, Duration) = (NonZeroU32::MIN.saturating_add(999), Duration::from_secs(60));

/// How a key is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: NAME KEY`; `Bearer` mostly.
    Authorization(String),
    /// In a field of its own.
    Field(HeaderName),
}

impl Authentication {
    /// The ways in which a key may be sent.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = &Scheme> + Clone {
        std::iter::once(&self.scheme).chain(&self.also)
    }

    /// The fields in which a key may stand.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.schemes().map(Scheme::field)
    }
}

impl Scheme {
    /// The field in which the key stands.
    pub(crate) fn field(&self) -> &HeaderName {
        match self {
            Scheme::Authorization(_) => &AUTHORIZATION,
            Scheme::Field(name) => name,
        }
    }
}

pub(super) fn read_authentication(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Authentication> {
    let mut fields = Fields::of(node, reading.source, "`authentication`", reading.found)?;
    let scheme = read_scheme(&mut fields, node.span, reading);
    let also = fields.node("also").map(|node| {
        let mut fields = Fields::of(node, reading.source, "`also`", reading.found)?;
        let scheme = read_scheme(&mut fields, node.span, reading);
        fields.finish(reading.found);
        scheme.map(|scheme| (scheme, node.span))
    });
    let prefixes = fields.node("prefix").map(|node| read_prefixes(node, reading));
    if prefixes.is_none() {
        fields.missing("prefix", reading.found);
    }
    let query = fields.text("query", reading.found);
    let failures = fields.node("failures").and_then(|node| read_failures(node, reading));
    fields.finish(reading.found);
    let scheme = scheme?;
    let also = match also {
        None => None,
        Some(also) => {
            let (also, span) = also?;
            if also.field() == scheme.field() {
                let message = format!("keys come in `{}` already", also.field());
                reading.error(span, "scheme", message, "name another field, or leave it out".to_owned());
            }
            Some(also)
        }
    };
    let failures = failures.unwrap_or(FAILURES);
    Some(Authentication { scheme, also, prefixes: prefixes??, query, failures })
}

fn read_failures(node: &Node, reading: &mut ConfigReader<'_>) -> Option<(NonZeroU32, Duration)> {
    let mut fields = Fields::of(node, reading.source, "`failures`", reading.found)?;
    let requests = positive(&mut fields, "requests", reading);
    let per = read_duration(&mut fields, "per", reading);
    for name in ["requests", "per"] {
        need(name, &mut fields, reading);
    }
    fields.finish(reading.found);
    Some((requests?, per?))
}

fn read_scheme(fields: &mut Fields<'_>, span: Span, reading: &mut ConfigReader<'_>) -> Option<Scheme> {
    let scheme = fields.text("scheme", reading.found);
    let field = fields.text("field", reading.found);
    match (scheme, field) {
        (Some(_), Some(_)) => {
            let help = "`scheme` reads Authorization, `field` another field".to_owned();
            reading.error(span, "scheme", "a key comes by `scheme` or in a `field`, not both", help);
            None
        }
        (None, Some(field)) => match field.parse() {
            Ok(name) if !is_taken(&name) => Some(Scheme::Field(name)),
            Ok(_) => {
                let message = format!("`{field}` has a meaning of its own, and cannot carry a key");
                reading.error(span, "field-name", message, "use a field such as `X-Api-Key`".to_owned());
                None
            }
            Err(_) => {
                reading.error(span, "field-name", format!("`{field}` is no header field's name"), None);
                None
            }
        },
        (Some(scheme), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Some(Scheme::Authorization("Bearer".to_owned()))
        }
        (Some(scheme), None) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            Some(Scheme::Authorization(scheme))
        }
        (Some(scheme), None) => {
            reading.error(span, "scheme", format!("`{scheme}` is no authentication scheme"), None);
            None
        }
        (None, None) => Some(Scheme::Authorization("Bearer".to_owned())),
    }
}

/// Fields that HTTP needs for itself.
fn is_taken(name: &HeaderName) -> bool {
    use http::header::{
        ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE,
    };
    let taken =
        [ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE];
    taken.contains(name)
}
