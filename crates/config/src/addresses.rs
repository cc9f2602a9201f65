//! `addresses:` the client addresses from which an API may be called.

use demur_admission::{AddressFilter, parse_network};
use demur_source::{Fields, Node, Span};
use ipnet::IpNet;

use crate::reader::ConfigReader;

pub(crate) fn read_addresses(node: &Node, reader: &mut ConfigReader<'_>) -> AddressFilter {
    let Some(mut fields) = Fields::of(node, reader.source, "`addresses`", reader.found) else {
        return AddressFilter::default();
    };
    let [allow, deny] = ["allow", "deny"].map(|name| {
        let listed = fields.texts(name, reader.found);
        // An empty `allow` would allow everyone.
        if let Some(node) = fields.node(name).filter(|_| listed.is_empty()) {
            let message = format!("`{name}` is empty");
            reader.error(node.span, "address", message, format!("list networks, or remove `{name}`"));
        }
        let networks = listed.iter().filter_map(|(text, span)| read_network(text, *span, "address", reader));
        networks.collect::<Vec<IpNet>>()
    });
    if fields.node("allow").or(fields.node("deny")).is_none() {
        fields.missing("allow", reader.found);
    }
    let denied = AddressFilter::new([], deny.iter().copied());
    for (text, span) in fields.texts("allow", reader.found) {
        let network = parse_network(&text).ok().map(|network| network.trunc());
        let covers = |other: &IpNet| network.is_some_and(|network| other.contains(&network));
        if denied.denied().iter().any(covers) {
            let help = "`deny` takes precedence over `allow`: remove one of them".to_owned();
            reader.warning(span, "address", format!("`{text}` is denied as a whole"), help);
        }
    }
    fields.finish(reader.found);
    AddressFilter::new(allow, deny)
}

/// Reads a network, or an address as a network of its own.
pub(crate) fn read_network(
    text: &str,
    span: Span,
    check: &'static str,
    reader: &mut ConfigReader<'_>,
) -> Option<IpNet> {
    match parse_network(text) {
        Ok(network) => Some(network),
        Err(error) => {
            let help = "write `10.0.0.0/8` or `2001:db8::7`: names are not resolved".to_owned();
            reader.error(span, check, error.to_string(), help);
            None
        }
    }
}
