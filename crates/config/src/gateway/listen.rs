//! `listen:` where requests arrive.

use std::net::SocketAddr;

use demur_gateway::{DEFAULT_LISTEN, Listener};
use demur_source::{Fields, Key, Node};

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

fn read_address(node: &Node, reader: &mut ConfigReader<'_>) -> Option<SocketAddr> {
    let text = node.scalar_text().unwrap_or_default();
    let address = text.parse::<SocketAddr>().ok();
    if address.is_none() {
        let message = format!("`{text}` is not an IP address and port");
        let help = "write an IP address and a port, such as `127.0.0.1:8080`: names are not resolved";
        reader.error(node.span, "address", message, help.to_owned());
    }
    address
}

/// An address, or addresses by names. What cannot be read is reported and left out.
pub(super) fn read_listeners(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<Listener> {
    let Some(node) = fields.node("listen") else {
        return vec![Listener { name: None, address: DEFAULT_LISTEN }];
    };
    let mut listeners: Vec<Listener> = Vec::new();
    let named = node.as_map().map(|entries| entries.iter().map(|(key, node)| (Some(key), node)).collect());
    let named: Vec<(Option<&Key>, &Node)> = named.unwrap_or_else(|| vec![(None, node)]);
    if named.is_empty() {
        let help = "remove it, or add an address".to_owned();
        reader.error(node.span, "address", "`listen` has no address", help);
    }
    for (key, node) in named {
        let Some(address) = read_address(node, reader) else { continue };
        if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
            reader.error(node.span, "address", format!("duplicate address `{address}`"), None);
        }
        listeners.push(Listener { name: key.map(|key| key.name.as_str().into()), address });
    }
    listeners
}
