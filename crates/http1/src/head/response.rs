//! Response heads (RFC 9112, section 4), read as strictly as request heads.

use super::facts::{ConnectionOptions, Facts, Version};
use super::headers::{Headers, Span};
use super::scan::{Scan, Scanned, lines};
use crate::body::Framing;
use crate::{Limits, ParseError};

/// What of a request decides how its responses are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestFacts {
    /// Whether the method is `HEAD`.
    pub is_head: bool,
    /// Whether the request asked for another protocol, so that 101 may follow.
    pub wants_upgrade: bool,
}

/// A valid response head. Its headers are in the [`Headers`] that it was parsed into; spans refer to the bytes that it was
/// parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    /// Bytes of the head.
    pub len: usize,
    /// The version.
    pub version: Version,
    /// The status code, from 100 to 599.
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: Span,
    /// How the body is framed.
    pub framing: Framing,
    /// What `Content-Length` says. For a response to `HEAD` or a 304 it describes a body that is not sent.
    pub content_length: Option<u64>,
    /// Options of the `Connection` header.
    pub connection: ConnectionOptions,
}

impl ResponseHead {
    /// Whether another response to the same request follows: 1xx, except 101.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Finds and parses the next response head of a connection.
#[derive(Debug, Clone, Default)]
pub struct ResponseParser {
    scan: Scan,
}

impl ResponseParser {
    /// Before the first byte of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the head at the start of `bytes`, which start where they started in the calls before, with more bytes behind
    /// them. `None`: the head is valid so far, and incomplete.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        request: RequestFacts,
        limits: &Limits,
        headers: &mut Headers,
    ) -> Result<Option<ResponseHead>, ParseError> {
        match self.scan.advance(bytes, limits, false) {
            Scanned::More => Ok(None),
            Scanned::End(end) => {
                let head = whole(bytes.get(..end).unwrap_or(bytes), request, headers)?;
                *self = Self::default();
                Ok(Some(head))
            }
            Scanned::Stop(error, _) => Err(error),
        }
    }
}

fn whole(bytes: &[u8], request: RequestFacts, headers: &mut Headers) -> Result<ResponseHead, ParseError> {
    headers.clear();
    let mut lines = lines(bytes);
    let (version, status, reason) = status_line(lines.next().unwrap_or_default())?;
    let mut facts = Facts::default();
    for header in lines {
        let header = header.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
        if !header.is_empty() {
            headers.push(facts.take(header, bytes, false)?);
        }
    }
    let chunked = facts.chunked(version)?;
    let has_no_body = matches!(status, 100..=199 | 204);
    if chunked && has_no_body {
        return Err(ParseError::EncodingForbidden);
    }
    if status == 101 && !request.wants_upgrade {
        return Err(ParseError::UpgradeUnexpected);
    }
    // RFC 9112, section 6.3, in its order.
    let framing = match facts.length {
        _ if has_no_body || status == 304 || request.is_head => Framing::None,
        _ if chunked => Framing::Chunked,
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    Ok(ResponseHead {
        len: bytes.len(),
        version,
        status,
        reason: Span::of(reason, bytes),
        framing,
        content_length: facts.length,
        connection: facts.connection,
    })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`; the second space may be missing where the reason is empty, as many
/// servers send it.
fn status_line(line: &[u8]) -> Result<(Version, u16, &[u8]), ParseError> {
    let line = line.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
    if memchr::memchr(b'\r', line).is_some() {
        return Err(ParseError::BareCarriageReturn);
    }
    let (version, rest) = line.split_at_checked(8).ok_or(ParseError::Version)?;
    let version = Version::read(version)?;
    let (digits, reason) = match rest {
        [b' ', a, b, c] => ([a, b, c], &[][..]),
        [b' ', a, b, c, b' ', reason @ ..] => ([a, b, c], reason),
        _ => return Err(ParseError::StatusLine),
    };
    if !digits.iter().all(|digit| digit.is_ascii_digit()) || !crate::characters::all_in_value(reason) {
        return Err(ParseError::StatusLine);
    }
    let status = digits.iter().fold(0, |status, &&digit| status * 10 + u16::from(digit - b'0'));
    if !(100..600).contains(&status) {
        return Err(ParseError::StatusCode);
    }
    Ok((version, status, reason))
}
