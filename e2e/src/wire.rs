//! Reads HTTP/1.1 messages from a socket: responses for a client, requests for an upstream.
//!
//! Strict where a mistake of the gateway could hide: missing or duplicate framing is an error.

use std::io::{self, ErrorKind, Read};

use serde_json::Value as Json;

use crate::Headers;

const MAX_HEADERS: usize = 200;
const PIECE: usize = 16 * 1024;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body, its chunks put together.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads the final response to a request with this method from bytes, without any check.
    pub fn read(bytes: &[u8], method: &str) -> io::Result<Self> {
        Reader::new(bytes).response(method)
    }

    /// The body as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.first(name).unwrap_or_default()
    }
}

/// The head of a request.
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
}

/// Reads messages one after the other, and keeps bytes of the next one.
pub(crate) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: Read> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The final response to a request with this method; interim responses (1xx) are skipped.
    pub(crate) fn response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let (status, headers) = self.head(|bytes| {
                let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                Ok(match response.parse(bytes).map_err(invalid)? {
                    httparse::Status::Complete(length) => {
                        Some((length, (response.code.unwrap_or_default(), Headers::parsed(response.headers))))
                    }
                    httparse::Status::Partial => None,
                })
            })?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let body = if method == "HEAD" || matches!(status, 101 | 204 | 304) {
                Vec::new()
            } else {
                match self.framed(&headers)? {
                    Some(body) => body,
                    None => self.rest()?,
                }
            };
            return Ok(Response { status, headers, body });
        }
    }

    /// Reads the head of the next request.
    pub(crate) fn request_head(&mut self) -> io::Result<RequestHead> {
        self.head(|bytes| {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            Ok(match request.parse(bytes).map_err(invalid)? {
                httparse::Status::Complete(length) => Some((
                    length,
                    RequestHead {
                        method: request.method.unwrap_or_default().to_owned(),
                        target: request.path.unwrap_or_default().to_owned(),
                        headers: Headers::parsed(request.headers),
                    },
                )),
                httparse::Status::Partial => None,
            })
        })
    }

    /// A request's body. Without framing there is none.
    pub(crate) fn request_body(&mut self, headers: &Headers) -> io::Result<Vec<u8>> {
        Ok(self.framed(headers)?.unwrap_or_default())
    }

    /// Reads until the peer closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn head<T>(&mut self, parse: impl Fn(&[u8]) -> io::Result<Option<(usize, T)>>) -> io::Result<T> {
        loop {
            if let Some((length, head)) = parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            self.more()?;
        }
    }

    /// A body by its framing; `None` without framing.
    fn framed(&mut self, headers: &Headers) -> io::Result<Option<Vec<u8>>> {
        let lengths: Vec<&str> = headers.all("content-length").collect();
        let codings: Vec<&str> = headers.all("transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(None),
            ([length], []) => {
                let length = length.parse().map_err(invalid)?;
                self.exactly(length).map(Some)
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => self.chunks().map(Some),
            framing => Err(invalid(format!("framing that is not one: {framing:?}"))),
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(invalid)?;
            if size == 0 {
                // Trailers, up to the empty line.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).map_err(invalid);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => {
                let so_far = String::from_utf8_lossy(&self.buffer).into_owned();
                Err(io::Error::new(ErrorKind::UnexpectedEof, format!("closed after {so_far:?}")))
            }
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        loop {
            match self.stream.read(&mut piece) {
                Ok(length) => {
                    self.buffer.extend_from_slice(&piece[..length]);
                    return Ok(length);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}
