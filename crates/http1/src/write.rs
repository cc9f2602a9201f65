//! Writes heads. Separators and line ends are always written here: no line is copied from one side to the other as a
//! whole, so that nothing in it can be read differently.

use std::fmt;

use crate::characters::{TOKEN, all, all_in_value};
use crate::head::{HeadRef, KnownHeader};

/// A header that cannot be written: its name is not a token, or its value contains a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHeader;

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header name is not a token, or header value contains a control character")
    }
}

impl std::error::Error for InvalidHeader {}

/// Writes the header lines of one head.
#[derive(Debug)]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
    error: Option<InvalidHeader>,
}

impl<'o> HeadWriter<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, error: None }
    }

    /// Writes a header. An invalid one is not written, and makes the whole head fail.
    ///
    /// Headers about the connection and the framing are written by the connection itself.
    pub fn header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        if is_framing(KnownHeader::of(name)) || write_header(self.out, name, value).is_err() {
            self.error = Some(InvalidHeader);
        }
    }

    /// Writes the headers of a parsed head for which `keep` says so, except those about the connection and the framing.
    /// They were checked when they were read.
    pub fn relay(&mut self, head: HeadRef<'_>, mut keep: impl FnMut(&[u8], Option<KnownHeader>) -> bool) {
        for (name, value, known) in head.lines() {
            if !is_framing(known) && keep(name, known) {
                line(self.out, name, value);
            }
        }
    }

    /// Writes the headers of a map, except those about the connection and the framing. The types of the map hold valid
    /// headers alone.
    #[cfg(feature = "io")]
    pub(crate) fn map(&mut self, headers: &http::HeaderMap) {
        for (name, value) in headers {
            if !is_framing_name(name.as_str()) {
                line(self.out, name.as_str().as_bytes(), value.as_bytes());
            }
        }
    }

    /// Writes lines that were rendered before, each with its CR LF. They must be valid header lines.
    pub fn rendered(&mut self, lines: &[u8]) {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"), "a rendered line has no end");
        self.out.extend_from_slice(lines);
    }

    fn finish(self) -> Result<(), InvalidHeader> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Writes a start line and header lines. If a header is invalid, all of it is taken back.
pub(crate) fn head(
    out: &mut Vec<u8>,
    start_line: impl FnOnce(&mut Vec<u8>),
    headers: impl FnOnce(&mut HeadWriter<'_>),
) -> Result<(), InvalidHeader> {
    let start = out.len();
    start_line(out);
    let mut writer = HeadWriter::new(out);
    headers(&mut writer);
    writer.finish().inspect_err(|_| out.truncate(start))
}

/// Whether a header is written by the connection itself.
fn is_framing(known: Option<KnownHeader>) -> bool {
    matches!(
        known,
        Some(
            KnownHeader::Connection
                | KnownHeader::ContentLength
                | KnownHeader::KeepAlive
                | KnownHeader::ProxyConnection
                | KnownHeader::TransferEncoding
        )
    )
}

/// The same for a name in lower case.
#[cfg(feature = "io")]
fn is_framing_name(name: &str) -> bool {
    match name.len() {
        10 => matches!(name, "connection" | "keep-alive"),
        14 => name == "content-length",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

pub(crate) fn write_header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), InvalidHeader> {
    if !all(name, TOKEN) || !all_in_value(value) {
        return Err(InvalidHeader);
    }
    line(out, name, value);
    Ok(())
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a status line. The reason phrase means nothing to anybody, and is the usual one.
pub(crate) fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    number(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Writes a decimal number.
fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    while at > 0 {
        at -= 1;
        // A digit.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
