//! What the fields of a head say about framing, host and expectations: RFC 9112, 5 and 6. Not here: any
//! field that does not bear on where the message ends or to whom it goes.

use crate::ParseError;
use crate::characters::{TOKEN, all_in_value, is, trim};
use crate::target::{Absolute, Authority};

/// Where the content of a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is none.
    None,
    /// After that many bytes; never zero.
    Length(u64),
    /// With its last chunk.
    Chunked,
}

/// The versions that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// What the fields read so far say.
#[derive(Debug, Default)]
pub(crate) struct HeaderFacts<'a> {
    host: Option<Authority<'a>>,
    length: Option<u64>,
    encoding: Option<TransferCoding>,
}

/// The transfer codings so far.
#[derive(Debug, Clone, Copy, Default)]
struct TransferCoding {
    chunked: usize,
    unknown: usize,
    chunked_last: bool,
}

impl<'a> HeaderFacts<'a> {
    /// Takes one field line, without its line end.
    pub(crate) fn take(&mut self, line: &'a [u8]) -> Result<(), ParseError> {
        let (name, value) = split(line)?;
        // The length first: it tells nearly all other fields apart for next to nothing.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.host.is_some() {
                    return Err(ParseError::HostRepeated);
                }
                self.host = Some(Authority::read(value).ok_or(ParseError::HostInvalid)?);
            }
            6 if name.eq_ignore_ascii_case(b"expect") && !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(ParseError::Expectation);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(ParseError::LengthRepeated);
                }
                self.length = Some(length(value).ok_or(ParseError::LengthInvalid)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.encoding.get_or_insert_default().take(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the fields say together.
    pub(crate) fn framing(
        self,
        version: Version,
        target: Option<Absolute<'_>>,
    ) -> Result<Framing, ParseError> {
        match (&self.host, target) {
            (None, _) if version == Version::Http11 => return Err(ParseError::HostMissing),
            (Some(host), Some(target)) if !target.agrees_with(host) => return Err(ParseError::HostDisagrees),
            _ => {}
        }
        match (self.length, self.encoding) {
            (Some(_), Some(_)) => Err(ParseError::LengthAndEncoding),
            // RFC 9112, 6.1: nobody can have meant it, so the framing is faulty.
            (_, Some(_)) if version == Version::Http10 => Err(ParseError::EncodingInOldVersion),
            (_, Some(encoding)) => encoding.framing(),
            (None | Some(0), None) => Ok(Framing::None),
            (Some(length), None) => Ok(Framing::Length(length)),
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

    /// RFC 9112, 6.3: without chunked at the end nobody can tell where the message ends, which is a 400
    /// whatever the codings are; only then 6.1 asks for a 501 for a coding that is not understood.
    fn framing(self) -> Result<Framing, ParseError> {
        if self.chunked > 1 {
            Err(ParseError::EncodingRepeated)
        } else if !self.chunked_last {
            Err(ParseError::EncodingNotLast)
        } else if self.unknown > 0 {
            Err(ParseError::EncodingUnknown)
        } else {
            Ok(Framing::Chunked)
        }
    }
}

/// Name and trimmed value of a field line.
fn split(line: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    // Names are short: walking over one is cheaper than a search for the colon, and checks it at once.
    let end = line.iter().position(|&byte| !is(byte, TOKEN)).unwrap_or(line.len());
    match line.split_at_checked(end) {
        Some((name @ [_, ..], [b':', value @ ..])) if all_in_value(value) => Ok((name, trim(value))),
        _ => Err(wrong(line, end)),
    }
}

/// What is wrong with a field line that has a token of that length at its start.
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

/// Digits only: no sign, no list, and no number that a signed 64-bit reader behind us would see as another.
fn length(value: &[u8]) -> Option<u64> {
    // Leading zeros are digits too, but no client needs so many that the bound would be felt.
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(length).is_ok().then_some(length)
}

/// The value of the first valid `Host` in lines that may be bad otherwise: for choosing a voice, never for
/// routing.
pub(crate) fn find_host(lines: &[u8]) -> Option<&[u8]> {
    lines.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = split(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
        (name.eq_ignore_ascii_case(b"host") && Authority::read(value).is_some()).then_some(value)
    })
}
