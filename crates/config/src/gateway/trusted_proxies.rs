//! `trusted_proxies:` proxies in front of the gateway, and how they report the client.

use demur_gateway::{ForwardedHeader, TrustedProxies};
use demur_source::{Fields, Node, Span};
use ipnet::IpNet;

use crate::addresses;
use crate::reader::ConfigReader;

const HEADERS: &[(&str, ForwardedHeader)] =
    &[("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];

pub(super) fn read_trusted_proxies(node: &Node, reader: &mut ConfigReader<'_>) -> TrustedProxies {
    let mut proxies = TrustedProxies::default();
    let Some(mut fields) = Fields::of(node, reader.source, "`trusted_proxies`", reader.found) else {
        return proxies;
    };
    let networks = fields.texts("networks", reader.found);
    if networks.is_empty() {
        fields.missing("networks", reader.found);
    }
    proxies.from = networks.iter().filter_map(|(text, span)| read_network(text, *span, reader)).collect();
    if let Some(node) = fields.node("header") {
        let text = node.scalar_text().unwrap_or_default();
        match HEADERS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
            Some((_, header)) => proxies.header = *header,
            None => {
                let message = "`header` must be `x-forwarded-for` or `forwarded`";
                reader.error(node.span, "trusted-proxies", message, None);
            }
        }
    }
    proxies.proxy_protocol = fields.boolean("proxy_protocol", reader.found).unwrap_or(false);
    fields.finish(reader.found);
    proxies
}

fn read_network(text: &str, span: Span, reader: &mut ConfigReader<'_>) -> Option<IpNet> {
    let network = addresses::read_network(text, span, "trusted-proxies", reader)?;
    if network.prefix_len() == 0 {
        let message = format!("trusting `{text}` lets any client spoof its address");
        let help = "list the networks of your proxies".to_owned();
        reader.error(span, "trusted-proxies", message, help);
        return None;
    }
    Some(network.trunc())
}
