//! One head: good, bad, or not yet whole. A pure function over bytes.

use crate::characters::{TOKEN, all};
use crate::fields::{HeaderFacts, Version};
use crate::limits::METHOD_BYTES;
use crate::scan::{Scan, ScanResult};
use crate::target::{self, Absolute};
use crate::{Framing, HeadLimits, ParseError, RejectedRequest};

/// What the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadVerdict {
    /// A head that is good as far as it goes; more bytes are needed.
    Incomplete,
    /// A whole head that breaks no rule.
    Good(Head),
    /// A head that is to be refused. Where it ends does not matter: nothing after it is to be believed.
    Bad(RejectedRequest),
}

/// A good head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Bytes of empty lines before it; they belong to no message.
    pub skipped: usize,
    /// Its own bytes, from the request line to the last empty line.
    pub len: usize,
    /// Where the content ends that follows.
    pub framing: Framing,
}

/// Judges the head at the start of `bytes`; what follows the head is not looked at.
///
/// The verdict depends on the bytes alone: splitting them anywhere, and asking again with more of them, leads
/// to the same one.
pub fn check(bytes: &[u8], bounds: &HeadLimits) -> HeadVerdict {
    resume(&mut Scan::default(), bytes, bounds)
}

/// As [`check`], without looking twice for the end of a head that comes in pieces.
pub(crate) fn resume(scan: &mut Scan, bytes: &[u8], bounds: &HeadLimits) -> HeadVerdict {
    match scan.advance(bytes, bounds) {
        ScanResult::More => HeadVerdict::Incomplete,
        ScanResult::End(end) => {
            let head = bytes.get(scan.skipped..end).unwrap_or_default();
            match whole(head, bounds) {
                Ok(framing) => HeadVerdict::Good(Head { skipped: scan.skipped, len: head.len(), framing }),
                Err(fault) => HeadVerdict::Bad(RejectedRequest::new(fault, head)),
            }
        }
        ScanResult::Stop(fault, end) => {
            let bytes = bytes.get(..end).unwrap_or(bytes);
            HeadVerdict::Bad(match fault {
                ParseError::HeadTooLarge | ParseError::TooManyHeaders => {
                    interrupted(scan, bytes, bounds, fault)
                }
                _ => RejectedRequest::new(fault, bytes.get(scan.skipped..).unwrap_or_default()),
            })
        }
    }
}

/// The rejection of a head of which no more will be read. What is wrong with its request line outweighs that
/// its end is missing.
pub(crate) fn interrupted(
    scan: &Scan,
    bytes: &[u8],
    bounds: &HeadLimits,
    fault: ParseError,
) -> RejectedRequest {
    let head = bytes.get(scan.skipped..).unwrap_or_default();
    let fault = match memchr::memchr(b'\n', head).and_then(|end| head.get(..end)) {
        Some(line) => request_line(line, bounds).err().unwrap_or(fault),
        None if fault == ParseError::HeadTooLarge => endless_line(head, bounds),
        None => fault,
    };
    RejectedRequest::new(fault, head)
}

/// What to call a request line that fills the whole bound.
fn endless_line(head: &[u8], bounds: &HeadLimits) -> ParseError {
    match memchr::memchr(b' ', head).and_then(|at| head.split_at_checked(at)) {
        Some((method, _)) if !all(method, TOKEN) => ParseError::Method,
        Some((_, target)) if target.len() > bounds.target_bytes => ParseError::TargetTooLong,
        _ => ParseError::RequestLine,
    }
}

/// Checks a head that ends in its empty line.
fn whole(head: &[u8], bounds: &HeadLimits) -> Result<Framing, ParseError> {
    let mut start = 0;
    let mut ends = memchr::memchr_iter(b'\n', head);
    let mut next_line = || {
        let end = ends.next()?;
        let line = head.get(start..end);
        start = end + 1;
        line
    };
    let (version, absolute) = request_line(next_line().unwrap_or_default(), bounds)?;
    let mut fields = HeaderFacts::default();
    while let Some(line) = next_line() {
        let line = line.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
        if !line.is_empty() {
            fields.take(line)?;
        }
    }
    fields.framing(version, absolute)
}

fn request_line<'a>(
    line: &'a [u8],
    bounds: &HeadLimits,
) -> Result<(Version, Option<Absolute<'a>>), ParseError> {
    let line = line.strip_suffix(b"\r").ok_or(ParseError::BareLineFeed)?;
    // No part of the line may hold a CR, so that it is looked for only where something is wrong.
    pieces(line, bounds).map_err(|fault| match memchr::memchr(b'\r', line) {
        Some(_) => ParseError::BareCarriageReturn,
        None => fault,
    })
}

fn pieces<'a>(line: &'a [u8], bounds: &HeadLimits) -> Result<(Version, Option<Absolute<'a>>), ParseError> {
    // From both ends: a space within the target is the target's fault.
    let first = memchr::memchr(b' ', line).ok_or(ParseError::RequestLine)?;
    let last = memchr::memrchr(b' ', line).ok_or(ParseError::RequestLine)?;
    let method = line.get(..first).unwrap_or_default();
    let version = line.get(last + 1..).unwrap_or_default();
    if !all(method, TOKEN) {
        return Err(ParseError::Method);
    }
    let target =
        line.get(first + 1..last).filter(|target| !target.is_empty()).ok_or(ParseError::RequestLine)?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(ParseError::VersionUnsupported);
        }
        _ => return Err(ParseError::Version),
    };
    if method.len() > METHOD_BYTES {
        return Err(ParseError::MethodTooLong);
    }
    if target.len() > bounds.target_bytes {
        return Err(ParseError::TargetTooLong);
    }
    if method == b"CONNECT" {
        return Err(ParseError::Connect);
    }
    if memchr::memchr(b' ', target).is_some() {
        return Err(ParseError::RequestLine);
    }
    Ok((version, target::check(method, target)?))
}
