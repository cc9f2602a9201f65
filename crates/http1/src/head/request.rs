//! Request heads (RFC 9112, section 3).

use super::facts::{ConnectionOptions, Facts, Version, find_host};
use super::headers::{Headers, Span};
use super::scan::{Scan, Scanned, lines};
use super::target::{self, Absolute, Authority, split_absolute};
use crate::body::Framing;
use crate::characters::{TOKEN, all};
use crate::{Limits, ParseError};

/// No known method is longer; RFC 9112, section 3, asks for a 501 for those that are.
const METHOD_BYTES: usize = 64;
/// Longer paths of bad requests are cut.
const SHOWN_PATH_BYTES: usize = 1024;

/// A valid request head. Its headers are in the [`Headers`] that it was parsed into; spans refer to the bytes that it was
/// parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes of the head, with the empty lines before it.
    pub len: usize,
    /// The method.
    pub method: Span,
    /// The request target as it was sent.
    pub target: Span,
    /// The version.
    pub version: Version,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the client waits for `100 Continue` before it sends the body. Never true without a body or in HTTP/1.0
    /// (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
    /// Options of the `Connection` header.
    pub connection: ConnectionOptions,
    /// Whether another protocol is requested: an `Upgrade` header and the connection option for it.
    pub wants_upgrade: bool,
    /// Whether trailers of the response are welcome: `TE: trailers` (RFC 9110, section 6.5.1).
    pub accepts_trailers: bool,
}

/// A request head that is rejected, with what of it could be read. For choosing how to answer, never for routing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRequest {
    /// What is wrong.
    pub error: ParseError,
    /// The method, if one could be read.
    pub method: Option<String>,
    /// The path of the target, if one could be read: without the query, which may contain secrets, without scheme and
    /// authority, and cut after 1 KiB.
    pub path: Option<String>,
    /// The host with its port, from the target or from the first valid `Host`, if one could be read.
    pub host: Option<String>,
    /// The version, if it was readable.
    pub version: Option<Version>,
}

/// Finds and parses the next request head of a connection. Small: it lives as long as the connection.
#[derive(Debug, Clone, Default)]
pub struct RequestParser {
    scan: Scan,
}

impl RequestParser {
    /// Before the first byte of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the head at the start of `bytes`, which start where they started in the calls before, with more bytes behind
    /// them. `None`: the head is valid so far, and incomplete.
    ///
    /// The result depends on the bytes alone: however they are split over calls, it is the same.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        headers: &mut Headers,
    ) -> Result<Option<RequestHead>, Box<BadRequest>> {
        match self.scan.advance(bytes, limits, true) {
            Scanned::More => Ok(None),
            Scanned::End(end) => {
                let skipped = self.scan.skipped;
                match whole(bytes.get(..end).unwrap_or(bytes), skipped, limits, headers) {
                    Ok(head) => {
                        *self = Self::default();
                        Ok(Some(head))
                    }
                    Err(error) => Err(BadRequest::read(error, bytes.get(skipped..end).unwrap_or_default())),
                }
            }
            Scanned::Stop(error, end) => {
                let bytes = bytes.get(..end).unwrap_or(bytes);
                Err(match error {
                    ParseError::HeadTooLarge | ParseError::TooManyHeaders => {
                        self.interrupted(bytes, limits, error)
                    }
                    _ => BadRequest::read(error, bytes.get(self.scan.skipped..).unwrap_or_default()),
                })
            }
        }
    }

    /// No more bytes come, or not in time: the error that answers a head which is incomplete. `None` where `bytes` are
    /// empty lines at most, which begin no head.
    pub fn interrupt(&self, bytes: &[u8], limits: &Limits, error: ParseError) -> Option<Box<BadRequest>> {
        let is_empty = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        (!is_empty).then(|| self.interrupted(bytes, limits, error))
    }

    /// What is wrong with the request line outweighs that the end of the head is missing.
    fn interrupted(&self, bytes: &[u8], limits: &Limits, error: ParseError) -> Box<BadRequest> {
        let head = bytes.get(self.scan.skipped..).unwrap_or_default();
        let error = match memchr::memchr(b'\n', head).and_then(|end| head.get(..end)) {
            Some(line) => request_line(line, limits).err().unwrap_or(error),
            None if error == ParseError::HeadTooLarge => endless_line(head, limits),
            None => error,
        };
        BadRequest::read(error, head)
    }
}

/// The error of a request line that fills the whole limit.
fn endless_line(head: &[u8], limits: &Limits) -> ParseError {
    match memchr::memchr(b' ', head).and_then(|at| head.split_at_checked(at)) {
        Some((method, _)) if !all(method, TOKEN) => ParseError::Method,
        Some((_, target)) if target.len() > limits.target_bytes => ParseError::TargetTooLong,
        _ => ParseError::RequestLine,
    }
}

/// Parses a head that ends in its empty line.
fn whole(
    bytes: &[u8],
    skipped: usize,
    limits: &Limits,
    headers: &mut Headers,
) -> Result<RequestHead, ParseError> {
    headers.clear();
    let mut lines = lines(bytes.get(skipped..).unwrap_or_default());
    let line = request_line(lines.next().unwrap_or_default(), limits)?;
    let mut facts = Facts::default();
    for header in lines {
        let header = header.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
        if !header.is_empty() {
            headers.push(facts.take(header, bytes, true)?);
        }
    }
    facts.check_host(line.version, line.absolute, bytes)?;
    let framing = match (facts.chunked(line.version)?, facts.length) {
        (true, _) => Framing::Chunked,
        (false, None | Some(0)) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
    };
    let is_current = line.version == Version::Http11;
    Ok(RequestHead {
        len: bytes.len(),
        method: Span::of(line.method, bytes),
        target: Span::of(line.target, bytes),
        version: line.version,
        framing,
        expects_continue: facts.expects_continue && is_current && framing != Framing::None,
        connection: facts.connection,
        wants_upgrade: facts.has_upgrade && facts.connection.upgrade && is_current,
        accepts_trailers: facts.accepts_trailers,
    })
}

struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: Version,
    absolute: Option<Absolute<'a>>,
}

fn request_line<'a>(line: &'a [u8], limits: &Limits) -> Result<RequestLine<'a>, ParseError> {
    let line = line.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
    // No part of the line may contain a CR, so it is searched only where something is wrong.
    pieces(line, limits).map_err(|error| match memchr::memchr(b'\r', line) {
        Some(_) => ParseError::BareCarriageReturn,
        None => error,
    })
}

fn pieces<'a>(line: &'a [u8], limits: &Limits) -> Result<RequestLine<'a>, ParseError> {
    // From both ends: a space within the target is an error of the target.
    let first = memchr::memchr(b' ', line).ok_or(ParseError::RequestLine)?;
    let last = memchr::memrchr(b' ', line).ok_or(ParseError::RequestLine)?;
    let method = line.get(..first).unwrap_or_default();
    if !all(method, TOKEN) {
        return Err(ParseError::Method);
    }
    let target =
        line.get(first + 1..last).filter(|target| !target.is_empty()).ok_or(ParseError::RequestLine)?;
    let version = Version::read(line.get(last + 1..).unwrap_or_default())?;
    if method.len() > METHOD_BYTES {
        return Err(ParseError::MethodTooLong);
    }
    if target.len() > limits.target_bytes {
        return Err(ParseError::TargetTooLong);
    }
    if method == b"CONNECT" {
        return Err(ParseError::Connect);
    }
    if memchr::memchr(b' ', target).is_some() {
        return Err(ParseError::RequestLine);
    }
    Ok(RequestLine { method, target, version, absolute: target::check(method, target)? })
}

impl BadRequest {
    /// Reads what can be read of an invalid head, from its request line on.
    fn read(error: ParseError, head: &[u8]) -> Box<Self> {
        let mut bad = Box::new(Self { error, method: None, path: None, host: None, version: None });
        let line_end = memchr::memchr(b'\n', head);
        let (line, headers) = head.split_at_checked(line_end.unwrap_or(head.len())).unwrap_or_default();
        bad.host = find_host(headers.strip_prefix(b"\n").unwrap_or(headers)).map(text);

        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut pieces = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target)) = (pieces.next(), pieces.next()) else { return bad };
        let version = pieces.next();
        if all(method, TOKEN) && method.len() <= METHOD_BYTES {
            bad.method = Some(text(method));
        }
        // A target whose end has not arrived could be the beginning of another path.
        if version.is_some() || line_end.is_some() || target.len() > SHOWN_PATH_BYTES {
            bad.read_target(target);
        }
        bad.version = version.and_then(|version| Version::read(version).ok());
        bad
    }

    fn read_target(&mut self, target: &[u8]) {
        let path = match split_absolute(target) {
            Some((_, authority, path)) if !target.starts_with(b"/") => {
                if Authority::read(authority).is_some() {
                    self.host = Some(text(authority));
                }
                if path.starts_with(b"/") { path } else { b"/" }
            }
            _ => target,
        };
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
        let path = path.get(..end.min(SHOWN_PATH_BYTES)).unwrap_or_default();
        if path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic) {
            self.path = Some(text(path));
        }
    }
}

/// Everything that is kept has been checked to be ASCII.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
