//! Hosts and authorities of URLs, as browsers read them (WHATWG URL, host parsing).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// In lower case and without a trailing dot.
    Name(String),
}

impl Host {
    pub(crate) fn parse(host: &[u8]) -> Self {
        let decoded: Vec<u8> = percent_decoded(host);
        let name = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            // A zone has no meaning on other machines.
            let address = address.split('%').next().unwrap_or_default();
            if let Ok(address) = address.parse::<Ipv6Addr>() {
                return Host::Address(IpAddr::V6(address).to_canonical());
            }
        }
        match ipv4(name) {
            Some(address) => Host::Address(address.into()),
            None => Host::Name(name.to_owned()),
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Host::Address(address) => address.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// Whether it cannot name a public service: an address, or a name without a public suffix.
    pub(crate) fn is_internal(&self) -> bool {
        match self {
            Host::Address(_) => true,
            Host::Name(name) => {
                !name.contains('.')
                    || [".local", ".internal", ".localhost", ".svc"].iter().any(|end| name.ends_with(end))
            }
        }
    }
}

/// An IPv4 address in any of the forms that browsers and resolvers take: one to four numbers, each decimal, octal or
/// hexadecimal, the last of which fills what is left.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(ipv4_number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >= 1 << room {
        return None;
    }
    let high = leading.iter().fold(0u32, |all, part| all << 8 | part);
    Some(Ipv4Addr::from_bits(u32::try_from(u64::from(high) << room).ok()? | last))
}

fn ipv4_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => Some(0),
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?,
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(byte));
        rest = if value.is_some() { &behind[2..] } else { behind };
    }
    decoded
}

pub(crate) fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Whether a reference with an authority is `https`, its authority, and what follows; `None` for one without an
/// authority. As in browsers, leading whitespace is ignored and a backslash is a slash.
pub(crate) fn split_authority(reference: &[u8]) -> Option<(Option<bool>, &[u8], &[u8])> {
    let reference = reference.trim_ascii();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = reference.iter().take_while(|byte| is_scheme(byte)).count();
    let (is_https, rest) = match reference.split_at_checked(length) {
        Some((scheme, [b':', rest @ ..])) if !scheme.is_empty() => {
            let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
            (Some(is(b"https") || is(b"wss")), rest)
        }
        _ => (None, reference),
    };
    let slashes = rest.iter().take_while(|byte| is_slash(**byte)).count();
    // Browsers do not need the slashes after `http:` and `https:`.
    let is_web = reference.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http"));
    if slashes < 2 && !(is_https.is_some() && is_web) {
        return None;
    }
    let rest = &rest[slashes..];
    let end = rest.iter().position(|byte| is_slash(*byte) || matches!(byte, b'?' | b'#'));
    let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
    Some((is_https, authority, rest))
}
