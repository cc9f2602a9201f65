//! Reads `securitySchemes` and `security`.
//!
//! The gateway's configuration decides how callers authenticate. The document's declarations are only compared with
//! it, so that clients that follow the document are admitted.

use demur_source::Node;

use super::reader::DocumentReader;
use crate::tree::Located;

/// A declared security scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityScheme {
    /// The name that operations refer to.
    pub name: String,
    /// How the credential is sent.
    pub kind: SecurityKind,
}

/// How a credential is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityKind {
    /// `Authorization: NAME …`, in lower case: `bearer`, `basic`. OAuth 2 and OpenID Connect are `bearer`.
    Authorization(String),
    /// In the header of this name, in lower case.
    Header(String),
    /// In the query parameter of this name.
    Query(String),
    /// In the cookie of this name.
    Cookie(String),
    /// By a TLS client certificate.
    Certificate,
}

/// The names of schemes that are required together. Empty for anonymous requests.
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
                    let message = format!("security scheme `{}` has an unknown or incomplete type", key.name);
                    let help = "use one of: http (with `scheme`), apiKey (with `in` and `name`), oauth2, openIdConnect, mutualTLS".to_owned();
                    self.fault(
                        key.span,
                        "security",
                        message,
                        Some(help),
                        "it is not compared with the configuration",
                    );
                }
            }
        }
        schemes
    }

    /// Reads `security`; `None` if it is absent.
    pub(super) fn requirements(&mut self, owner: &Located<'r>) -> Option<Vec<SecurityRequirement>> {
        let security = owner.member("security")?;
        let mut requirements = Vec::new();
        for item in security.items() {
            let names: SecurityRequirement = item.members().map(|(key, _)| key.name.clone()).collect();
            for (key, _) in item.members() {
                let schemes = self.root.at("/components/securitySchemes");
                if schemes.and_then(|schemes| schemes.member(&key.name)).is_none() {
                    let message = format!("unknown security scheme `{}`", key.name);
                    let help = "declare it under `components.securitySchemes`".to_owned();
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
        // This may be the `Authorization` header itself, whose authentication scheme is then unknown.
        ("apiKey", Some("header")) => SecurityKind::Header(text("name")?.to_ascii_lowercase()),
        ("apiKey", Some("query")) => SecurityKind::Query(text("name")?.to_owned()),
        ("apiKey", Some("cookie")) => SecurityKind::Cookie(text("name")?.to_owned()),
        ("mutualTLS", _) => SecurityKind::Certificate,
        _ => return None,
    })
}
