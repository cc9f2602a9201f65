//! Request targets and authorities (RFC 9112, section 3.2; RFC 3986).

use std::net::Ipv6Addr;

use crate::ParseError;
use crate::characters::{HOST, PATH, QUERY, all, is};

/// A host with its port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

/// The authority of an absolute-form target, with the port that its scheme implies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absolute<'a> {
    authority: Authority<'a>,
    default_port: u16,
}

impl<'a> Authority<'a> {
    /// `uri-host [ ":" port ]`, without user information and percent-encoding. The host is not empty.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (host, port) = if bytes.first() == Some(&b'[') {
            let end = memchr::memchr(b']', bytes)?;
            let address = std::str::from_utf8(bytes.get(1..end)?).ok()?;
            address.parse::<Ipv6Addr>().ok()?;
            bytes.split_at_checked(end + 1)?
        } else {
            let (host, port) = bytes.split_at_checked(memchr::memchr(b':', bytes).unwrap_or(bytes.len()))?;
            // 255 is the longest DNS name.
            if host.len() > 255 || !all(host, HOST) {
                return None;
            }
            (host, port)
        };
        let port = match port {
            [] | [b':'] => None,
            [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
                Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { host, port })
    }
}

impl Absolute<'_> {
    /// Whether `Host` names the same authority. RFC 9112, section 3.2.2, lets a server use the target alone; two servers
    /// in a row that use different ones can be attacked.
    pub(super) fn agrees_with(&self, host: &Authority<'_>) -> bool {
        self.authority.host.eq_ignore_ascii_case(host.host)
            && self.authority.port.unwrap_or(self.default_port) == host.port.unwrap_or(self.default_port)
    }
}

/// Checks a target and returns its authority if it has one.
pub(super) fn check<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<Absolute<'a>>, ParseError> {
    match target {
        b"*" if method == b"OPTIONS" => Ok(None),
        b"*" => Err(ParseError::TargetAsterisk),
        [b'/', ..] => path_and_query(target).map(|()| None),
        _ => absolute(target).map(Some),
    }
}

/// Splits `scheme://authority` from the path and query that follow.
pub(super) fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b"://")?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    Some((scheme, authority, path))
}

fn absolute(target: &[u8]) -> Result<Absolute<'_>, ParseError> {
    let Some((scheme, authority, path)) = split_absolute(target) else {
        return Err(ParseError::TargetForm);
    };
    let well_formed = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !well_formed {
        return Err(ParseError::TargetForm);
    }
    let default_port = if scheme.eq_ignore_ascii_case(b"http") {
        80
    } else if scheme.eq_ignore_ascii_case(b"https") {
        443
    } else {
        return Err(ParseError::TargetScheme);
    };
    let authority = Authority::read(authority).ok_or(ParseError::TargetAuthority)?;
    path_and_query(path)?;
    Ok(Absolute { authority, default_port })
}

fn path_and_query(bytes: &[u8]) -> Result<(), ParseError> {
    let mut class = PATH;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if is(*byte, class) {
            continue;
        }
        match byte {
            b'?' => class = QUERY,
            b'#' => return Err(ParseError::TargetFragment),
            b'%' => match tail {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = after;
                }
                _ => return Err(ParseError::TargetPercent),
            },
            _ => return Err(ParseError::TargetCharacter),
        }
    }
    Ok(())
}
