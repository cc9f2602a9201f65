//! Generations: contracts in which one API answers at the same time, and the rule that picks one.
//!
//! ```yaml
//! contract: shop-2             # speaks where none of these is picked
//! generations:
//!   - contract: shop-1
//!     when: { path: /v1 }
//!   - contract: shop-beta
//!     when: { header: { name: Api-Version, value: beta } }
//! ```

use std::sync::Arc;

use demur_contract::Contract;
use demur_source::{Fields, Node, Span, did_you_mean};
use http::{HeaderMap, HeaderName};

use super::{Authentication, ConfigReader};
use crate::mount::{strip_mount, without_port};

/// A contract, and for which requests it speaks.
#[derive(Debug, Clone)]
pub struct ContractVersion {
    /// How it answers errors.
    pub contract: Arc<Contract>,
    /// For which requests.
    pub when: VersionMatch,
}

/// What a request must be like; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionMatch {
    /// Come in on this listener.
    pub listener: Option<String>,
    /// Sent to this host, in lower case and without port.
    pub host: Option<String>,
    /// Within this path of the API, which stays in the path.
    pub path: Option<String>,
    /// With this field, of just this value.
    pub header: Option<(HeaderName, String)>,
    /// With its key in this field.
    pub key_in: Option<HeaderName>,
}

/// What is known of a request when the generation is picked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestView<'a> {
    /// The name of the listener, where it has one.
    pub(crate) listener: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    /// Within the API.
    pub(crate) path: &'a str,
    /// `None` where the head could not be read.
    pub(crate) headers: Option<&'a HeaderMap>,
}

impl VersionMatch {
    pub(crate) fn holds(&self, asked: &RequestView<'_>) -> bool {
        let host = || asked.host.map(without_port);
        let is_host = |wanted: &String| host().is_some_and(|host| host.eq_ignore_ascii_case(wanted));
        let has = |name: &HeaderName| asked.headers.is_some_and(|headers| headers.contains_key(name));
        let has_value = |(name, wanted): &(HeaderName, String)| {
            let mut values = asked.headers.into_iter().flat_map(|headers| headers.get_all(name));
            values.any(|value| value.as_bytes().trim_ascii() == wanted.as_bytes())
        };
        self.listener.as_deref().is_none_or(|wanted| asked.listener == Some(wanted))
            && self.host.as_ref().is_none_or(is_host)
            && self.path.as_ref().is_none_or(|path| strip_mount(path, asked.path).is_some())
            && self.header.as_ref().is_none_or(has_value)
            && self.key_in.as_ref().is_none_or(has)
    }
}

/// Reads `generations:`.
pub(super) fn read_generations(
    fields: &mut Fields<'_>,
    authentication: Option<&Authentication>,
    reading: &mut ConfigReader<'_>,
) -> Vec<(ContractVersion, Span)> {
    let items = fields.list("generations", reading.found);
    let mut generations: Vec<(ContractVersion, Span)> = Vec::new();
    for node in items {
        let Some(generation) = read_generation(node, authentication, reading) else { continue };
        if let Some((twin, _)) = generations.iter().find(|(other, _)| other.when == generation.when) {
            let message = format!("`{}` is picked by the same rule", twin.contract.name());
            let help = "the first that fits speaks, so this one never does".to_owned();
            reading.error(node.span, "duplicate-generation", message, help);
        }
        generations.push((generation, node.span));
    }
    generations
}

fn read_generation(
    node: &Node,
    authentication: Option<&Authentication>,
    reading: &mut ConfigReader<'_>,
) -> Option<ContractVersion> {
    let mut fields = Fields::of(node, reading.source, "a generation", reading.found)?;
    let contract = fields.node("contract").map(|node| (node.scalar_text().unwrap_or_default(), node.span));
    if contract.is_none() {
        fields.missing("contract", reading.found);
    }
    let when = fields.node("when").map(|node| read_when(node, authentication, reading));
    if when.is_none() {
        fields.missing("when", reading.found);
    }
    fields.finish(reading.found);
    let (name, span) = contract?;
    Some(ContractVersion { contract: reading.contract(&name, span)?, when: when?? })
}

fn read_when(
    node: &Node,
    authentication: Option<&Authentication>,
    reading: &mut ConfigReader<'_>,
) -> Option<VersionMatch> {
    let mut fields = Fields::of(node, reading.source, "`when`", reading.found)?;
    let mut when = VersionMatch {
        host: fields.text("host", reading.found).map(|host| host.to_ascii_lowercase()),
        ..VersionMatch::default()
    };
    if let Some(node) = fields.node("listener") {
        when.listener = read_listener(node, reading);
    }
    if let Some((key, _)) = fields.entry("path") {
        let path = fields.text("path", reading.found).unwrap_or_default();
        if !path.starts_with('/') {
            let help = format!("write `/{path}`");
            reading.error(key.span, "path", "a path prefix begins with `/`", help);
        }
        when.path = Some(path.trim_end_matches('/').to_owned());
    }
    if let Some(node) = fields.node("header") {
        let mut header = Fields::of(node, reading.source, "`header`", reading.found)?;
        let name = header.text("name", reading.found);
        let value = header.text("value", reading.found);
        for (member, is_there) in [("name", name.is_some()), ("value", value.is_some())] {
            if !is_there {
                header.missing(member, reading.found);
            }
        }
        header.finish(reading.found);
        when.header = Some((field_name(&name?, node.span, reading)?, value?));
    }
    if let Some(node) = fields.node("key_in") {
        let name = field_name(&node.scalar_text().unwrap_or_default(), node.span, reading)?;
        let known: Vec<HeaderName> = authentication
            .map(|authentication| authentication.fields().cloned().collect())
            .unwrap_or_default();
        if authentication.is_some() && !known.contains(&name) {
            let names = || known.iter().map(HeaderName::as_str);
            let help = match did_you_mean(name.as_str(), names()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("keys come in: {}", names().collect::<Vec<_>>().join(", ")),
            };
            reading.error(node.span, "key-field", format!("no key comes in `{name}`"), help);
        }
        when.key_in = Some(name);
    }
    let span = fields.span();
    fields.finish(reading.found);
    if when == VersionMatch::default() {
        let help = "give `listener`, `host`, `path`, `header` or `key_in`".to_owned();
        reading.error(span, "when", "this picks every request", help);
        return None;
    }
    Some(when)
}

/// A listener's name, which must be one where it is known what listeners there are.
fn read_listener(node: &Node, reading: &mut ConfigReader<'_>) -> Option<String> {
    let name = node.scalar_text().unwrap_or_default();
    if let Some(known) = &reading.listeners
        && !known.contains(&name)
    {
        let help = match did_you_mean(&name, known.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None if known.is_empty() => {
                "give listeners names: `listen: { public: 127.0.0.1:8080, partners: 127.0.0.1:8081 }`"
                    .to_owned()
            }
            None => format!("there are: {}", known.join(", ")),
        };
        reading.error(node.span, "listener", format!("no listener is called `{name}`"), help);
    }
    Some(name)
}

fn field_name(name: &str, span: Span, reading: &mut ConfigReader<'_>) -> Option<HeaderName> {
    let read = name.parse().ok();
    if read.is_none() {
        reading.error(span, "field-name", format!("`{name}` is no header field's name"), None);
    }
    read
}

/// What the API itself raises, every generation must answer: a rule or an upstream raises it by one name,
/// whatever contract speaks.
pub(super) fn check_claims(
    main: (&Contract, Span),
    generations: &[(ContractVersion, Span)],
    reading: &mut ConfigReader<'_>,
) {
    let all: Vec<(&Contract, Span)> =
        std::iter::once(main).chain(generations.iter().map(|(it, span)| (&*it.contract, *span))).collect();
    for (contract, span) in &all {
        for (other, _) in &all {
            for condition in other.api_conditions() {
                if contract.named(condition).is_some() {
                    continue;
                }
                let name = contract.name();
                let message =
                    format!("`{condition}`, which `{}` answers, is not claimed by `{name}`", other.name());
                let help = format!("claim it in `{name}`: `on: [{condition}]`, or an error of that name");
                reading.error(*span, "unclaimed-by-generation", message, help);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn all_that_is_given_must_hold() {
        let version = |value: &str| Some((HeaderName::from_static("api-version"), value.to_owned()));
        let key_in = Some(HeaderName::from_static("x-api-key"));
        let mut headers = HeaderMap::new();
        headers.insert("api-version", HeaderValue::from_static(" 1 "));
        headers.insert("x-api-key", HeaderValue::from_static("k"));
        let (host, listener) = (Some("Old.example:8080"), Some("public"));
        let asked = RequestView { listener, host, path: "/v1/items", headers: Some(&headers) };
        let unread = RequestView { headers: None, ..asked };
        for (when, holds, holds_unread) in [
            (VersionMatch { host: Some("old.example".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { listener: Some("public".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { listener: Some("partners".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { host: Some("new.example".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { path: Some("/v1".into()), ..VersionMatch::default() }, true, true),
            (VersionMatch { path: Some("/v".into()), ..VersionMatch::default() }, false, false),
            (VersionMatch { header: version("1"), ..VersionMatch::default() }, true, false),
            (VersionMatch { header: version("2"), ..VersionMatch::default() }, false, false),
            (VersionMatch { key_in: key_in.clone(), ..VersionMatch::default() }, true, false),
            (
                VersionMatch { path: Some("/v1".into()), header: version("2"), ..VersionMatch::default() },
                false,
                false,
            ),
            (
                VersionMatch {
                    path: Some("/v1".into()),
                    header: version("1"),
                    key_in,
                    ..VersionMatch::default()
                },
                true,
                false,
            ),
        ] {
            assert_eq!(when.holds(&asked), holds, "{when:?}");
            assert_eq!(when.holds(&unread), holds_unread, "{when:?}");
        }
    }
}
