//! `listen:` where requests arrive.

use std::net::SocketAddr;
use std::sync::Arc;

use demur_gateway::{DEFAULT_LISTEN, Listener, ListenerTls};
use demur_source::{Fields, Key, Node};

use super::certificates::read_certificate;
use crate::reader::ConfigReader;

/// The address of the operations listener.
pub(super) fn read_operations_listener(
    fields: &mut Fields<'_>,
    listeners: &[Listener],
    reader: &mut ConfigReader<'_>,
) -> Option<SocketAddr> {
    let node = fields.node("operations_listener")?;
    let address = read_address(node, reader)?;
    if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
        let help = "use another port: it serves health and metrics, not APIs".to_owned();
        reader.error(node.span, "address", format!("`{address}` is an address of `listen` too"), help);
    }
    Some(address)
}

/// An address, a mapping with `address` and more, or several of both by names. What cannot be read is reported and left out.
pub(super) fn read_listeners(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<Listener> {
    let Some(node) = fields.node("listen") else { return vec![Listener::new(DEFAULT_LISTEN)] };
    let mut listeners: Vec<Listener> = Vec::new();
    let entries = node.as_map().filter(|_| !is_listener(node));
    let named = entries.map(|entries| entries.iter().map(|(key, node)| (Some(key), node)).collect());
    let named: Vec<(Option<&Key>, &Node)> = named.unwrap_or_else(|| vec![(None, node)]);
    if named.is_empty() {
        let help = "remove it, or add an address".to_owned();
        reader.error(node.span, "address", "`listen` has no address", help);
    }
    for (key, node) in named {
        let Some(listener) = read_listener(node, reader) else { continue };
        let address = listener.address;
        if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
            reader.error(node.span, "address", format!("duplicate address `{address}`"), None);
        }
        listeners.push(Listener { name: key.map(|key| key.name.as_str().into()), ..listener });
    }
    listeners
}

/// Whether a mapping describes one listener; otherwise it has listeners by their names.
fn is_listener(node: &Node) -> bool {
    node.get("address").is_some() || node.get("tls").is_some()
}

fn read_listener(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Listener> {
    if !is_listener(node) {
        return read_address(node, reader).map(Listener::new);
    }
    let mut fields = Fields::of(node, reader.source, "a listener", reader.found)?;
    let address = fields.node("address");
    if address.is_none() {
        fields.missing("address", reader.found);
    }
    let tls = fields.node("tls").map(|node| read_tls(node, reader));
    fields.finish(reader.found);
    let address = address.and_then(|node| read_address(node, reader))?;
    // Without its certificates it must not serve in the clear; what is wrong with them has been reported.
    let tls = match tls {
        None => None,
        Some(tls) => Some(Arc::new(tls?)),
    };
    Some(Listener { tls, ..Listener::new(address) })
}

pub(super) fn read_address(node: &Node, reader: &mut ConfigReader<'_>) -> Option<SocketAddr> {
    let text = node.scalar_text().unwrap_or_default();
    let address = text.parse::<SocketAddr>().ok();
    if address.is_none() {
        let message = format!("`{text}` is not an IP address and port");
        let help = "write an IP address and a port, such as `127.0.0.1:8080`: names are not resolved";
        reader.error(node.span, "address", message, help.to_owned());
    }
    address
}

pub(super) fn read_tls(node: &Node, reader: &mut ConfigReader<'_>) -> Option<ListenerTls> {
    let mut fields = Fields::of(node, reader.source, "`tls`", reader.found)?;
    let nodes = fields.list("certificates", reader.found);
    if nodes.is_empty() {
        fields.missing("certificates", reader.found);
    }
    fields.finish(reader.found);
    let read: Vec<_> = nodes.iter().map(|node| read_certificate(node, reader)).collect();
    ListenerTls::new(read.into_iter().collect::<Option<_>>()?)
}
