//! Where a head ends. The scan remembers how far it has looked, so that a head that drips in byte by byte
//! costs no more than one that comes whole. It is lenient about line ends on purpose: it must find the end of
//! bad heads too; [`check`](crate::check) judges what is in between.

use crate::characters::{TOKEN, is};
use crate::{HeadLimits, ParseError};

/// RFC 9112, 2.2 asks for one empty line to be ignored before a request line; clients of old send two.
const LEADING_EMPTY_LINES: usize = 2;

/// How far a head has been looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    /// Empty lines before the head, in bytes.
    pub(crate) skipped: usize,
    begun: bool,
    looked: usize,
    line_start: usize,
    lines: usize,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanResult {
    /// No end yet.
    More,
    /// The end of the head, counted from the start of the bytes.
    End(usize),
    /// There will be no end, or none within bounds: the fault, and where it was certain. What stands
    /// behind that place has not been looked at, however much of it has come already.
    Stop(ParseError, usize),
}

impl Scan {
    /// Goes on over `bytes`, which start where they started the last time.
    pub(crate) fn advance(&mut self, bytes: &[u8], bounds: &HeadLimits) -> ScanResult {
        if !self.begun {
            match self.begin(bytes) {
                Ok(true) => {}
                Ok(false) => return ScanResult::More,
                Err(fault) => return ScanResult::Stop(fault, bytes.len().min(self.skipped + 2)),
            }
        }
        let bound = self.skipped.saturating_add(bounds.head_bytes);
        let within = bytes.get(..bound).unwrap_or(bytes);
        let from = self.looked;
        let unseen = within.get(from..).unwrap_or_default();
        for at in memchr::memchr_iter(b'\n', unseen) {
            let end = from + at;
            let line = within.get(self.line_start..end).unwrap_or_default();
            let empty = matches!(line, [] | [b'\r']);
            match self.lines {
                0 if !plausible(line) => return ScanResult::Stop(ParseError::NotHttp, end + 1),
                0 => {}
                _ if empty => return ScanResult::End(end + 1),
                fields if fields > bounds.fields => {
                    return ScanResult::Stop(ParseError::TooManyHeaders, end + 1);
                }
                _ => {}
            }
            self.lines += 1;
            self.line_start = end + 1;
        }
        self.looked = within.len();
        if bytes.len() >= bound {
            ScanResult::Stop(ParseError::HeadTooLarge, bound)
        } else {
            ScanResult::More
        }
    }

    /// Skips empty lines and looks at the first byte: a TLS client waits for an answer to its hello, so bytes
    /// that cannot become a request line are refused without waiting for its end.
    fn begin(&mut self, bytes: &[u8]) -> Result<bool, ParseError> {
        loop {
            match bytes.get(self.skipped..).unwrap_or_default() {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] if self.skipped / 2 == LEADING_EMPTY_LINES => {
                    return Err(ParseError::LeadingEmptyLines);
                }
                [b'\r', b'\n', ..] => self.skipped += 2,
                [b'\r', ..] => return Err(ParseError::BareCarriageReturn),
                [b'\n', ..] => return Err(ParseError::BareLineFeed),
                // The content type of a TLS handshake record.
                [0x16, ..] => return Err(ParseError::Tls),
                [first, ..] if !is(*first, TOKEN) => return Err(ParseError::NotHttp),
                _ => break,
            }
        }
        self.begun = true;
        self.looked = self.skipped;
        self.line_start = self.skipped;
        Ok(true)
    }
}

/// Whether a first line is worth waiting for the fields that follow it. One that ends in no version has none
/// (HTTP/0.9, other protocols), and its sender waits for an answer now.
fn plausible(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let last = memchr::memrchr(b' ', line).map_or(0, |at| at + 1);
    last > 0 && line.get(last..).is_some_and(|version| version.starts_with(b"HTTP/"))
}
