//! Where a head ends. A scan remembers how far it has looked, so that a head that arrives byte by byte costs no more than
//! one that arrives whole. It accepts any line ends, because it must find the end of invalid heads too.

use crate::characters::{TOKEN, is};
use crate::{Limits, ParseError};

/// RFC 9112, section 2.2, asks servers to ignore one empty line before a request line; old clients send two.
const LEADING_EMPTY_LINES: usize = 2;

/// How far a head has been scanned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    /// Bytes of empty lines before the head.
    pub(super) skipped: usize,
    started: bool,
    scanned: usize,
    line_start: usize,
    lines: usize,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// No end yet.
    More,
    /// The end of the head, counted from the start of the bytes.
    End(usize),
    /// There is no end, or none within the limits: the error, and where it was certain. What follows that place has not
    /// been scanned, however much of it has arrived already.
    Stop(ParseError, usize),
}

impl Scan {
    /// Continues over `bytes`, which start where they started the last time.
    pub(super) fn advance(&mut self, bytes: &[u8], limits: &Limits, is_request: bool) -> Scanned {
        if !self.started {
            match self.start(bytes, is_request) {
                Ok(true) => {}
                Ok(false) => return Scanned::More,
                Err(error) => return Scanned::Stop(error, bytes.len().min(self.skipped + 2)),
            }
        }
        let limit = self.skipped.saturating_add(limits.head_bytes);
        let within = bytes.get(..limit).unwrap_or(bytes);
        let from = self.scanned;
        let unseen = within.get(from..).unwrap_or_default();
        for at in memchr::memchr_iter(b'\n', unseen) {
            let end = from + at;
            let line = within.get(self.line_start..end).unwrap_or_default();
            match self.lines {
                0 if !is_plausible(line, is_request) => return Scanned::Stop(ParseError::NotHttp, end + 1),
                0 => {}
                _ if matches!(line, [] | [b'\r']) => return Scanned::End(end + 1),
                headers if headers > limits.headers => {
                    return Scanned::Stop(ParseError::TooManyHeaders, end + 1);
                }
                _ => {}
            }
            self.lines += 1;
            self.line_start = end + 1;
        }
        self.scanned = within.len();
        if bytes.len() >= limit { Scanned::Stop(ParseError::HeadTooLarge, limit) } else { Scanned::More }
    }

    /// Skips empty lines and checks the first byte: a TLS client waits for an answer to its hello, so bytes that cannot
    /// become a start line are rejected without waiting for its end.
    fn start(&mut self, bytes: &[u8], is_request: bool) -> Result<bool, ParseError> {
        loop {
            match bytes.get(self.skipped..).unwrap_or_default() {
                [] => return Ok(false),
                [b'\r' | b'\n', ..] if !is_request => return Err(ParseError::NotHttp),
                [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] if self.skipped / 2 == LEADING_EMPTY_LINES => {
                    return Err(ParseError::LeadingEmptyLines);
                }
                [b'\r', b'\n', ..] => self.skipped += 2,
                [b'\r', ..] => return Err(ParseError::BareCarriageReturn),
                [b'\n', ..] => return Err(ParseError::BareLineFeed),
                // The content type of a TLS handshake record.
                [0x16, ..] if is_request => return Err(ParseError::Tls),
                [first, ..] if !is(*first, TOKEN) => return Err(ParseError::NotHttp),
                _ => break,
            }
        }
        self.started = true;
        self.scanned = self.skipped;
        self.line_start = self.skipped;
        Ok(true)
    }
}

/// Whether a first line is worth waiting for the headers that follow it. One without a version has none (HTTP/0.9, other
/// protocols), and its sender waits for an answer now.
fn is_plausible(line: &[u8], is_request: bool) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !is_request {
        return line.starts_with(b"HTTP/");
    }
    let last = memchr::memrchr(b' ', line).map_or(0, |at| at + 1);
    last > 0 && line.get(last..).is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// The lines of a head that ends in its empty line, without their line feeds.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', head).map(move |end| {
        let line = head.get(start..end).unwrap_or_default();
        start = end + 1;
        line
    })
}
