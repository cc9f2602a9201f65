//! `versions:` contracts in which one API answers at the same time, and the match that selects one.
//!
//! ```yaml
//! contract: shop-2             # where none of these matches
//! versions:
//!   - contract: shop-1
//!     match: { path: /v1 }
//!   - contract: shop-beta
//!     match: { header: { name: Api-Version, value: beta } }
//! ```

use demur_contract::Contract;
use demur_engine::settings::{Authentication, ContractVersion, VersionMatch};
use demur_source::{Fields, Node, Span};
use http::HeaderName;

use crate::reader::{ConfigReader, suggestion};

/// Reads `versions:`.
pub(crate) fn read_versions(
    fields: &mut Fields<'_>,
    authentication: Option<&Authentication>,
    reader: &mut ConfigReader<'_>,
) -> Vec<(ContractVersion, Span)> {
    let items = fields.list("versions", reader.found);
    let mut versions: Vec<(ContractVersion, Span)> = Vec::new();
    for node in items {
        let Some(version) = read_version(node, authentication, reader) else { continue };
        if versions.iter().any(|(other, _)| other.condition == version.condition) {
            let message = "unreachable: an earlier version has the same `match`";
            let help = "change its `match`, or remove it".to_owned();
            reader.error(node.span, "unreachable-version", message, help);
        }
        versions.push((version, node.span));
    }
    versions
}

fn read_version(
    node: &Node,
    authentication: Option<&Authentication>,
    reader: &mut ConfigReader<'_>,
) -> Option<ContractVersion> {
    let mut fields = Fields::of(node, reader.source, "a version", reader.found)?;
    let contract = fields.node("contract").map(|node| (node.scalar_text().unwrap_or_default(), node.span));
    if contract.is_none() {
        fields.missing("contract", reader.found);
    }
    let when = fields.node("match").map(|node| read_match(node, authentication, reader));
    if when.is_none() {
        fields.missing("match", reader.found);
    }
    fields.finish(reader.found);
    let (name, span) = contract?;
    Some(ContractVersion { contract: reader.contract(&name, span)?, condition: when?? })
}

fn read_match(
    node: &Node,
    authentication: Option<&Authentication>,
    reader: &mut ConfigReader<'_>,
) -> Option<VersionMatch> {
    let mut fields = Fields::of(node, reader.source, "`match`", reader.found)?;
    let mut when = VersionMatch {
        host: fields.text("host", reader.found).map(|host| host.to_ascii_lowercase()),
        ..VersionMatch::default()
    };
    if let Some(node) = fields.node("listener") {
        when.listener = read_listener(node, reader);
    }
    if let Some((_, node)) = fields.entry("path") {
        let path = fields.text("path", reader.found).unwrap_or_default();
        if !path.starts_with('/') {
            let help = format!("write `/{path}`");
            reader.error(node.span, "path", format!("path prefix `{path}` must start with `/`"), help);
        }
        when.path = Some(path.trim_end_matches('/').to_owned());
    }
    if let Some(node) = fields.node("header") {
        let mut header = Fields::of(node, reader.source, "`header`", reader.found)?;
        let name = header.text("name", reader.found);
        let value = header.text("value", reader.found);
        for (member, is_there) in [("name", name.is_some()), ("value", value.is_some())] {
            if !is_there {
                header.missing(member, reader.found);
            }
        }
        header.finish(reader.found);
        when.header = Some((reader.header_name(&name?, node.span)?, value?));
    }
    if let Some(node) = fields.node("key_header") {
        when.key_header = Some(read_key_header(node, authentication, reader)?);
    }
    let span = fields.span();
    fields.finish(reader.found);
    if when == VersionMatch::default() {
        let help = "add `listener`, `host`, `path`, `header` or `key_header`".to_owned();
        reader.error(span, "match", "`match` is empty, and would match every request", help);
        return None;
    }
    Some(when)
}

/// A header from which the API reads keys.
fn read_key_header(
    node: &Node,
    authentication: Option<&Authentication>,
    reader: &mut ConfigReader<'_>,
) -> Option<HeaderName> {
    let name = reader.header_name(&node.scalar_text().unwrap_or_default(), node.span)?;
    if let Some(authentication) = authentication {
        let known: Vec<&str> = authentication.fields().map(HeaderName::as_str).collect();
        if !known.contains(&name.as_str()) {
            let help = suggestion(name.as_str(), &known)
                .unwrap_or_else(|| format!("keys are read from: {}", known.join(", ")));
            reader.error(node.span, "key-header", format!("no key is read from the header `{name}`"), help);
        }
    }
    Some(name)
}

/// The name of a listener, which must exist where the listeners are known.
fn read_listener(node: &Node, reader: &mut ConfigReader<'_>) -> Option<String> {
    let name = node.scalar_text().unwrap_or_default();
    if let Some(known) = &reader.listeners
        && !known.contains(&name)
    {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = match suggestion(&name, &names) {
            Some(help) => help,
            None if names.is_empty() => {
                "name the listeners: `listen: { public: 127.0.0.1:8080, partners: 127.0.0.1:8081 }`"
                    .to_owned()
            }
            None => format!("listeners: {}", names.join(", ")),
        };
        reader.error(node.span, "listener", format!("unknown listener `{name}`"), help);
    }
    Some(name)
}

/// Every version must answer what the API itself raises: a rule or an upstream raises it by one name, whatever version
/// is selected.
pub(crate) fn check_claims(
    main: (&Contract, Span),
    versions: &[(ContractVersion, Span)],
    reader: &mut ConfigReader<'_>,
) {
    let all: Vec<(&Contract, Span)> =
        std::iter::once(main).chain(versions.iter().map(|(it, span)| (&*it.contract, *span))).collect();
    for (contract, span) in &all {
        for (other, _) in &all {
            for condition in other.api_conditions() {
                if contract.named(condition).is_some() {
                    continue;
                }
                let name = contract.name();
                let message = format!("`{condition}` is claimed by `{}`, but not by `{name}`", other.name());
                let help = format!(
                    "add `on: [{condition}]` to an error of `{name}`, or declare an error of that name"
                );
                reader.error(*span, "unclaimed-by-version", message, help);
            }
        }
    }
}
