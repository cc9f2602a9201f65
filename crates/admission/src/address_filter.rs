//! Allow and deny lists of client addresses.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// Which client addresses are allowed: those in `allow`, or all if it is empty, without those in `deny`.
///
/// ```
/// # use demur_admission::AddressFilter;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let filter = AddressFilter::new(["10.0.0.0/8".parse()?], ["10.9.0.0/16".parse()?]);
/// assert!(filter.admits(Some("10.1.2.3".parse()?)));
/// assert!(!filter.admits(Some("10.9.2.3".parse()?)), "`deny` takes precedence");
/// assert!(filter.admits(Some("::ffff:10.1.2.3".parse()?)), "an IPv4 address in its IPv6 form");
/// assert!(!filter.admits(None), "an unknown address is not in `allow`");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lists", into = "Lists")]
pub struct AddressFilter {
    /// Networks without host bits, none of which is IPv4 in its IPv6 form.
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

/// The lists as they are stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNetwork(pub String);

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an address or a network", self.0)
    }
}

impl std::error::Error for InvalidNetwork {}

/// Parses a network such as `10.0.0.0/8`, or an address as a network of its own.
pub fn parse_network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| InvalidNetwork(text.to_owned()))
}

impl TryFrom<Lists> for AddressFilter {
    type Error = InvalidNetwork;

    fn try_from(Lists { allow, deny }: Lists) -> Result<Self, InvalidNetwork> {
        Self::parse(&allow, &deny)
    }
}

impl From<AddressFilter> for Lists {
    fn from(AddressFilter { allow, deny }: AddressFilter) -> Self {
        let texts = |networks: Vec<IpNet>| networks.iter().map(IpNet::to_string).collect();
        Self { allow: texts(allow), deny: texts(deny) }
    }
}

impl AddressFilter {
    /// Creates a filter. An empty `allow` allows every address that is not in `deny`.
    pub fn new(allow: impl IntoIterator<Item = IpNet>, deny: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            allow: allow.into_iter().map(canonical).collect(),
            deny: deny.into_iter().map(canonical).collect(),
        }
    }

    /// Creates a filter from texts.
    pub fn parse(allow: &[String], deny: &[String]) -> Result<Self, InvalidNetwork> {
        let parsed =
            |texts: &[String]| texts.iter().map(|text| parse_network(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self::new(parsed(allow)?, parsed(deny)?))
    }

    /// Whether both lists are empty.
    pub fn admits_all(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether this address is allowed. An unknown one is in neither list.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        if self.admits_all() {
            return true;
        }
        let address = address.map(|address| address.to_canonical());
        let is_in = |networks: &[IpNet]| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
        };
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }

    /// Returns the allowed networks; all if there are none.
    pub fn allowed(&self) -> &[IpNet] {
        &self.allow
    }

    /// Returns the denied networks.
    pub fn denied(&self) -> &[IpNet] {
        &self.deny
    }
}

/// The network without host bits. An IPv4 network in its IPv6 form (`::ffff:10.0.0.0/104`) becomes an IPv4 network, since
/// addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let network = network.trunc();
    let as_ipv4 = || {
        let IpNet::V6(network) = network else { return None };
        let length = network.prefix_len().checked_sub(MAPPED_BITS)?;
        Ipv4Net::new(network.addr().to_ipv4_mapped()?, length).ok()
    };
    as_ipv4().map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use super::*;

    #[test]
    fn deny_takes_precedence_over_allow() {
        for (allow, deny, address, expected) in [
            (&[][..], &[][..], Some("192.0.2.1"), true),
            (&[], &[], None, true),
            (&["192.0.2.0/24"], &[], Some("192.0.2.1"), true),
            (&["192.0.2.0/24"], &[], Some("192.0.3.1"), false),
            (&["192.0.2.0/24"], &[], Some("2001:db8::1"), false),
            (&["192.0.2.0/24"], &[], None, false),
            (&["192.0.2.7/24"], &[], Some("192.0.2.1"), true),
            (&["192.0.2.0/24"], &["192.0.2.0/24"], Some("192.0.2.1"), false),
            (&["192.0.2.0/24"], &["192.0.2.128/25"], Some("192.0.2.200"), false),
            (&["192.0.2.128/25"], &["192.0.2.0/24"], Some("192.0.2.200"), false),
            (&[], &["192.0.2.0/24"], Some("192.0.2.1"), false),
            (&[], &["192.0.2.0/24"], Some("198.51.100.1"), true),
            (&[], &["192.0.2.0/24"], None, true),
            (&[], &["192.0.2.0/24"], Some("::ffff:192.0.2.1"), false),
            (&["::ffff:192.0.2.0/120"], &[], Some("192.0.2.1"), true),
            (&["::ffff:192.0.2.0/120"], &[], Some("192.0.3.1"), false),
            (&[], &["::ffff:0:0/96"], Some("203.0.113.9"), false),
            (&["2001:db8::/32"], &["2001:db8:1::/48"], Some("2001:db8::1"), true),
            (&["2001:db8::/32"], &["2001:db8:1::/48"], Some("2001:db8:1::1"), false),
            (&["0.0.0.0/0"], &[], Some("2001:db8::1"), false),
            (&["::/0"], &[], Some("192.0.2.1"), false),
        ] {
            let networks =
                |texts: &[&str]| -> Vec<IpNet> { texts.iter().map(|text| text.parse().unwrap()).collect() };
            let filter = AddressFilter::new(networks(allow), networks(deny));
            let parsed = address.map(|address| address.parse().unwrap());
            assert_eq!(filter.admits(parsed), expected, "{allow:?} {deny:?} {address:?}");
            let stored = serde_json::to_string(&filter).unwrap();
            assert_eq!(serde_json::from_str::<AddressFilter>(&stored).unwrap(), filter);
        }
    }
}
