//! What the headers of a head say about framing, host, expectations and the connection (RFC 9112, sections 5 to 9).

use super::headers::{HeaderSpan, KnownHeader, Span};
use super::target::{Absolute, Authority};
use crate::ParseError;
use crate::characters::{TOKEN, all_in_value, is, trim};

/// A version of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// Reads `HTTP/1.1` or `HTTP/1.0`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes {
            b"HTTP/1.1" => Ok(Version::Http11),
            b"HTTP/1.0" => Ok(Version::Http10),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Err(ParseError::VersionUnsupported)
            }
            _ => Err(ParseError::Version),
        }
    }
}

/// Options of the `Connection` header that concern the connection itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionOptions {
    /// `close`.
    pub close: bool,
    /// `keep-alive`.
    pub keep_alive: bool,
    /// `upgrade`.
    pub upgrade: bool,
    /// Any other option: the name of a header that ends at this hop.
    pub names_headers: bool,
}

impl ConnectionOptions {
    fn take(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim).filter(|option| !option.is_empty()) {
            match option.len() {
                5 if option.eq_ignore_ascii_case(b"close") => self.close = true,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                7 if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ => self.names_headers = true,
            }
        }
    }

    /// Whether the connection persists after the message (RFC 9112, section 9.3).
    pub fn persists(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// What the header lines read so far say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) host: Option<Span>,
    pub(super) length: Option<u64>,
    encoding: Option<TransferCoding>,
    pub(super) expects_continue: bool,
    pub(super) connection: ConnectionOptions,
    pub(super) has_upgrade: bool,
    pub(super) accepts_trailers: bool,
}

/// The transfer codings so far.
#[derive(Debug, Clone, Copy, Default)]
struct TransferCoding {
    chunked: usize,
    unknown: usize,
    chunked_last: bool,
}

impl Facts {
    /// Takes one header line, without its line end, of a head that starts at the beginning of `whole`.
    pub(super) fn take(
        &mut self,
        line: &[u8],
        whole: &[u8],
        is_request: bool,
    ) -> Result<HeaderSpan, ParseError> {
        let (name, value) = header_line(line)?;
        let known = KnownHeader::of(name);
        match known {
            Some(KnownHeader::Host) if is_request => {
                if self.host.is_some() {
                    return Err(ParseError::HostRepeated);
                }
                Authority::read(value).ok_or(ParseError::HostInvalid)?;
                self.host = Some(Span::of(value, whole));
            }
            Some(KnownHeader::Expect) if is_request => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(ParseError::Expectation);
                }
                self.expects_continue = true;
            }
            Some(KnownHeader::ContentLength) if is_request => {
                if self.length.is_some() {
                    return Err(ParseError::LengthRepeated);
                }
                self.length = Some(length(value).ok_or(ParseError::LengthInvalid)?);
            }
            // A server that repeats one number means that number (RFC 9110, section 8.6).
            Some(KnownHeader::ContentLength) => {
                for value in value.split(|&byte| byte == b',').map(trim) {
                    let length = length(value).ok_or(ParseError::LengthInvalid)?;
                    if self.length.is_some_and(|known| known != length) {
                        return Err(ParseError::LengthRepeated);
                    }
                    self.length = Some(length);
                }
            }
            Some(KnownHeader::TransferEncoding) => self.encoding.get_or_insert_default().take(value)?,
            Some(KnownHeader::Connection) => self.connection.take(value),
            Some(KnownHeader::Upgrade) => self.has_upgrade = true,
            Some(KnownHeader::Te) => {
                let mut codings = value.split(|&byte| byte == b',').map(trim);
                self.accepts_trailers |= codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            _ => {}
        }
        Ok(HeaderSpan { name: Span::of(name, whole), value: Span::of(value, whole), known })
    }

    /// Whether the host is there and agrees with the target.
    pub(super) fn check_host(
        &self,
        version: Version,
        target: Option<Absolute<'_>>,
        whole: &[u8],
    ) -> Result<(), ParseError> {
        let Some(host) = self.host else {
            return if version == Version::Http11 { Err(ParseError::HostMissing) } else { Ok(()) };
        };
        let host = Authority::read(host.in_bytes(whole)).ok_or(ParseError::HostInvalid)?;
        match target {
            Some(target) if !target.agrees_with(&host) => Err(ParseError::HostDisagrees),
            _ => Ok(()),
        }
    }

    /// Whether the body is chunked; `None` without a transfer coding.
    pub(super) fn chunked(&self, version: Version) -> Result<bool, ParseError> {
        match (self.length, self.encoding) {
            (_, None) => Ok(false),
            (Some(_), Some(_)) => Err(ParseError::LengthAndEncoding),
            // RFC 9112, section 6.1: nobody can have meant it, so the framing is faulty.
            (None, Some(_)) if version == Version::Http10 => Err(ParseError::EncodingInOldVersion),
            (None, Some(encoding)) => encoding.check().map(|()| true),
        }
    }
}

impl TransferCoding {
    fn take(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for coding in value.split(|&byte| byte == b',').map(trim) {
            if coding.is_empty() {
                return Err(ParseError::EncodingInvalid);
            }
            self.chunked_last = coding.eq_ignore_ascii_case(b"chunked");
            if self.chunked_last {
                self.chunked += 1;
            } else {
                self.unknown += 1;
            }
        }
        Ok(())
    }

    /// RFC 9112, section 6.3: without chunked at the end nobody can tell where the message ends, which is a 400 whatever
    /// the codings are; only then section 6.1 asks for a 501 for a coding that is not understood.
    fn check(self) -> Result<(), ParseError> {
        if self.chunked > 1 {
            Err(ParseError::EncodingRepeated)
        } else if !self.chunked_last {
            Err(ParseError::EncodingNotLast)
        } else if self.unknown > 0 {
            Err(ParseError::EncodingUnknown)
        } else {
            Ok(())
        }
    }
}

/// Name and trimmed value of a header line.
pub(crate) fn header_line(line: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    // Names are short: walking over one is cheaper than a search for the colon, and checks it at once.
    let end = line.iter().position(|&byte| !is(byte, TOKEN)).unwrap_or(line.len());
    match line.split_at_checked(end) {
        Some((name @ [_, ..], [b':', value @ ..])) if all_in_value(value) => Ok((name, trim(value))),
        _ => Err(wrong(line, end)),
    }
}

/// What is wrong with a header line that starts with a token of that length.
fn wrong(line: &[u8], token: usize) -> ParseError {
    let rest = line.get(token..).unwrap_or_default();
    match (token, rest) {
        _ if memchr::memchr(b'\r', line).is_some() => ParseError::BareCarriageReturn,
        (0, [b' ' | b'\t', ..]) => ParseError::Folded,
        (1.., [b':', ..]) => ParseError::HeaderValue,
        (1.., _) if trim(rest).starts_with(b":") => ParseError::SpaceBeforeColon,
        _ if memchr::memchr(b':', line).is_some() => ParseError::HeaderName,
        _ => ParseError::HeaderLine,
    }
}

/// Digits only: no sign, no list, and below 2^63. It is written anew without the leading zeros that it may have.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(length).is_ok().then_some(length)
}

/// The value of the first valid `Host` in lines that may be invalid otherwise.
pub(super) fn find_host(lines: &[u8]) -> Option<&[u8]> {
    lines.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = header_line(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
        (name.eq_ignore_ascii_case(b"host") && Authority::read(value).is_some()).then_some(value)
    })
}
