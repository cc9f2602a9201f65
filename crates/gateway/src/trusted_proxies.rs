//! The client of a connection from a trusted proxy.
//!
//! Each proxy appends the address that it received the request from. So the entries of the header are read from the last one
//! backwards, and the first address that is not a trusted proxy is the client. Entries before it may be forged.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Proxies in front of the gateway, and how they name the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their networks. Headers from other addresses are ignored.
    pub from: Vec<IpNet>,
    /// The header that they set.
    pub header: ForwardedHeader,
    /// Whether their connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

/// A header in which proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(&address))
    }

    /// The client of a request from this address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contains(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        let mut last = peer;
        let lines: Vec<&str> =
            headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        for entry in lines.iter().rev().flat_map(|line| entries(line).into_iter().rev()) {
            let address = match self.header {
                ForwardedHeader::XForwardedFor => node_address(entry),
                ForwardedHeader::Forwarded => forwarded_for(entry).and_then(node_address),
            };
            // `unknown`, obfuscated or malformed: the last known address is the proxy that wrote it.
            let Some(address) = address else { return last };
            last = address;
            if !self.contains(address) {
                return address;
            }
        }
        last
    }
}

/// The entries of a list; commas in quotes belong to their entry.
fn entries(line: &str) -> Vec<&str> {
    let mut is_quoted = false;
    line.split(|char| {
        is_quoted ^= char == '"';
        char == ',' && !is_quoted
    })
    .map(str::trim)
    .collect()
}

/// The value of `for` in an entry of `Forwarded`.
fn forwarded_for(entry: &str) -> Option<&str> {
    let pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
    let mut values =
        pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value);
    Some(values.next()?.trim().trim_matches('"'))
}

/// An address, with or without port and brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let address = node.parse::<IpAddr>().ok();
    let address = address.or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip()));
    let address = address.or_else(|| {
        node.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6)
    });
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let from = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let proxies = TrustedProxies { from, header, proxy_protocol: false };
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_str(line).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_last_that_is_no_proxy_of_ours() {
        for (peer, lines, expected) in [
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.1:4711"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["[2001:4860::1]:80"], "2001:4860::1"),
            ("10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1"),
            ("2001:db8::1", &["10.9.9.9"], "10.9.9.9"),
        ] {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        for (lines, expected) in [
            (&["for=203.0.113.1;proto=https;by=10.0.0.2"][..], "203.0.113.1"),
            (&["For=\"[2001:4860::1]:4711\""], "2001:4860::1"),
            (&["for=198.51.100.7, for=\"203.0.113.1:80\";host=\"a,b\", for=10.0.0.2"], "203.0.113.1"),
            (&["for=_hidden"], "10.0.0.1"),
            (&["proto=https"], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }
}
