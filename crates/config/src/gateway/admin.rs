//! `admin:` where the admin API is served, and where its tokens and its audit log are.

use std::net::SocketAddr;
use std::time::Duration;

use demur_gateway::{AdminConfig, Listener};
use demur_source::{Fields, Node};

use super::listen::{read_address, read_tls};
use crate::reader::ConfigReader;

const DEFAULT_FILE: &str = "admin.db";
const DEFAULT_AUDIT_AGE: Duration = Duration::from_secs(365 * 86_400);

/// An address, or a mapping with more. `others` are addresses that are in use.
pub(super) fn read_admin(
    node: &Node,
    others: &[SocketAddr],
    reader: &mut ConfigReader<'_>,
) -> Option<AdminConfig> {
    let admin = |listener, reader: &ConfigReader<'_>| AdminConfig {
        listener,
        hosts: Vec::new(),
        path: reader.folder.join(DEFAULT_FILE),
        audit_max_age: DEFAULT_AUDIT_AGE,
    };
    let read = if node.as_map().is_none() {
        admin(Listener::new(read_address(node, reader)?), reader)
    } else {
        let mut fields = Fields::of(node, reader.source, "`admin`", reader.found)?;
        let address = fields.node("address");
        if address.is_none() {
            fields.missing("address", reader.found);
        }
        let tls = fields.node("tls").map(|node| read_tls(node, reader));
        let hosts = fields.texts("hosts", reader.found);
        let path = fields.text("path", reader.found);
        let audit_max_age = reader.duration(&mut fields, "audit_max_age");
        fields.finish(reader.found);
        for (host, span) in &hosts {
            if !is_host_name(host) {
                let help = "write a host name without scheme and port, such as `admin.example.com`";
                reader.error(*span, "host", format!("`{host}` is not a host name"), help.to_owned());
            }
        }
        let address = address.and_then(|node| read_address(node, reader))?;
        // Without its certificates it must not serve in the clear; what is wrong with them has been reported.
        let tls = match tls {
            None => None,
            Some(tls) => Some(tls?.into()),
        };
        let default = admin(Listener { tls, ..Listener::new(address) }, reader);
        AdminConfig {
            hosts: hosts.into_iter().map(|(host, _)| host).collect(),
            path: path.map_or_else(|| default.path.clone(), |path| reader.folder.join(path)),
            audit_max_age: audit_max_age.unwrap_or(DEFAULT_AUDIT_AGE),
            ..default
        }
    };
    check(&read, others, node, reader);
    Some(read)
}

/// The file alone, for a command that uses it while the gateway serves. What else is wrong in the file does not keep operators
/// from revoking a token.
pub(super) fn read_admin_file(node: &Node, reader: &ConfigReader<'_>) -> AdminConfig {
    let path = node.get("path").and_then(Node::as_str).unwrap_or(DEFAULT_FILE);
    AdminConfig {
        listener: Listener::new(SocketAddr::from(([127, 0, 0, 1], 0))),
        hosts: Vec::new(),
        path: reader.folder.join(path),
        audit_max_age: DEFAULT_AUDIT_AGE,
    }
}

fn check(admin: &AdminConfig, others: &[SocketAddr], node: &Node, reader: &mut ConfigReader<'_>) {
    let address = admin.listener.address;
    let span = node.get("address").map_or(node.span, |node| node.span);
    if address.port() != 0 && others.contains(&address) {
        let help = "use another port: the admin API has an address of its own".to_owned();
        reader.error(span, "address", format!("`{address}` is used by another listener"), help);
    }
    if address.ip().is_loopback() {
        return;
    }
    if admin.listener.tls.is_none() {
        let message = format!("the admin API at `{address}` needs TLS: other machines can reach it");
        let help =
            "add `tls` with a certificate, or use an address of this machine, such as `127.0.0.1:8092`";
        reader.error(span, "admin-tls", message, help.to_owned());
    }
    if admin.hosts.is_empty() {
        let message = format!("the admin API at `{address}` needs `hosts`");
        let help = "list the names under which it is reached: requests for others are rejected";
        reader.error(span, "admin-hosts", message, help.to_owned());
    }
}

/// A host name or an address, without a port.
fn is_host_name(text: &str) -> bool {
    let is_address = text.parse::<std::net::Ipv4Addr>().is_ok()
        || text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    is_address || (text.len() <= 253 && text.split('.').all(is_label))
}
