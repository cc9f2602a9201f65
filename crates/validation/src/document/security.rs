//! Reads `securitySchemes` and `security`: how a document says that its callers are known.
//!
//! Who may ask is the gateway's own business; what the document says of it is compared with that when both
//! are loaded, so that callers who follow the document are let in.

use demur_source::Node;

use super::reader::DocumentReader;
use crate::tree::Located;

/// One way to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityScheme {
    /// By which operations name it.
    pub name: String,
    /// How the credential is sent.
    pub kind: SecurityKind,
}

/// How a credential is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityKind {
    /// `Authorization: NAME …`; in lower case: `bearer`, `basic`. OAuth 2 and OpenID Connect are `bearer`.
    Authorization(String),
    /// In a header field of this name, in lower case.
    Header(String),
    /// In the query.
    Query(String),
    /// In a cookie.
    Cookie(String),
    /// By a certificate of the connection.
    Certificate,
}

/// The names of schemes that must all be satisfied; none is asked of those who need not be known.
pub(crate) type SecurityRequirement = Vec<String>;

impl<'r> DocumentReader<'r> {
    pub(super) fn security_schemes(&mut self) -> Vec<SecurityScheme> {
        let mut schemes = Vec::new();
        let Some(declared) = self.root.at("/components/securitySchemes") else { return schemes };
        for (key, scheme) in declared.members() {
            let Some(scheme) = self.resolve(scheme, "a security scheme") else { continue };
            match kind(&scheme) {
                Some(kind) => schemes.push(SecurityScheme { name: key.name.clone(), kind }),
                None => {
                    let message = format!("the security scheme `{}` is of no known type", key.name);
                    let help = "one of: http, apiKey, oauth2, openIdConnect, mutualTLS".to_owned();
                    self.error(key.span, "security", message, Some(help));
                }
            }
        }
        schemes
    }

    /// `None` where nothing is said.
    pub(super) fn requirements(&mut self, owner: &Located<'r>) -> Option<Vec<SecurityRequirement>> {
        let security = owner.member("security")?;
        let mut requirements = Vec::new();
        for item in security.items() {
            let names: SecurityRequirement = item.members().map(|(key, _)| key.name.clone()).collect();
            for (key, _) in item.members() {
                let schemes = self.root.at("/components/securitySchemes");
                if schemes.and_then(|schemes| schemes.member(&key.name)).is_none() {
                    let message = format!("there is no security scheme `{}`", key.name);
                    let help = "declare it below `components: { securitySchemes: … }`".to_owned();
                    self.warning(key.span, "security", message, Some(help));
                }
            }
            requirements.push(names);
        }
        Some(requirements)
    }
}

fn kind(scheme: &Located<'_>) -> Option<SecurityKind> {
    let text = |name: &str| scheme.node.get(name).and_then(Node::as_str);
    Some(match (text("type")?, text("in")) {
        ("http", _) => SecurityKind::Authorization(text("scheme")?.to_ascii_lowercase()),
        ("oauth2" | "openIdConnect", _) => SecurityKind::Authorization("bearer".to_owned()),
        // A scheme may name the very field that carries credentials: then what follows there is not known.
        ("apiKey", Some("header")) => SecurityKind::Header(text("name")?.to_ascii_lowercase()),
        ("apiKey", Some("query")) => SecurityKind::Query(text("name")?.to_owned()),
        ("apiKey", Some("cookie")) => SecurityKind::Cookie(text("name")?.to_owned()),
        ("mutualTLS", _) => SecurityKind::Certificate,
        _ => return None,
    })
}
