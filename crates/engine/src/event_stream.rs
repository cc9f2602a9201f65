//! Error events inside an upstream's `text/event-stream`: their text is for operators, not for clients.
//!
//! A stream's status is sent before its first event, so an error in the middle of it cannot become an error response.
//! What is in it is replaced by the contract's answer to `upstream.failed`; every other event passes byte for byte.
//! An event is known only at its end, since its name may come last, so each is held back until then, within a bound.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use memchr::memchr2;

use crate::exchange::Exchange;
use crate::response_body::ResponseBody;
use crate::upstream_error;

/// What becomes of error events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventStreamErrors {
    /// Their text is replaced.
    #[default]
    Redact,
    /// They pass as they are.
    Pass,
}

/// An event that is larger is passed on without being held back. Error events are small.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The longest name of an error event that is passed on.
const MAX_NAME_BYTES: usize = 64;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Has error events of an event stream replaced, if the API's settings say so.
pub(crate) fn redact<R>(
    exchange: &mut Exchange,
    response: Response<ResponseBody<R>>,
) -> Response<ResponseBody<R>>
where
    R: Body<Data = Bytes> + Unpin,
{
    let is_stream = is_event_stream(response.headers()) && !response.body().is_end_stream();
    let redacts = exchange.api().is_some_and(|api| {
        api.settings.event_stream_errors == EventStreamErrors::Redact && !api.settings.observe
    });
    if !is_stream || !redacts {
        return response;
    }
    let codings = response.headers().get_all(CONTENT_ENCODING);
    if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        exchange.remarks.push("error events of a compressed event stream cannot be redacted".to_owned());
        return response;
    }
    let (mut head, inner) = response.into_parts();
    // The length changes with what is replaced.
    head.headers.remove(CONTENT_LENGTH);
    let said = Arc::new(OnceLock::new());
    exchange.stream_error = Some(Arc::clone(&said));
    let filter = Filter::new(exchange.stream_failure(), said);
    let stream = Redacted { inner, filter, trailers: None, is_over: false };
    Response::from_parts(head, ResponseBody::Stream(Box::new(stream)))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// An event stream without the text of its error events.
#[derive(Debug)]
pub struct Redacted<R> {
    inner: ResponseBody<R>,
    filter: Filter,
    trailers: Option<HeaderMap>,
    is_over: bool,
}

impl<R> Redacted<R> {
    pub(crate) fn is_end_stream(&self) -> bool {
        self.is_over && self.trailers.is_none()
    }
}

impl<R: Body<Data = Bytes> + Unpin> Redacted<R> {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let mut out = BytesMut::new();
        loop {
            if self.is_over {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.filter.push(&data, &mut out),
                    Err(other) => {
                        self.is_over = true;
                        self.trailers = other.into_trailers().ok();
                        self.filter.finish(&mut out);
                    }
                },
                Some(Err(error)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.is_over = true;
                    self.filter.finish(&mut out);
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
            }
        }
    }
}

/// Reads an event stream (HTML, section 9.2.6) in pieces of any size.
#[derive(Debug)]
struct Filter {
    /// What the data of an error event is replaced by.
    replacement: Vec<u8>,
    /// What the first error event said.
    said: Arc<OnceLock<String>>,
    mode: StreamMode,
    /// The event under way.
    event: BytesMut,
    /// Where its last line begins.
    line_start: usize,
    /// How long the line is so far.
    line_length: usize,
    /// Whether a line feed would belong to the line end before it.
    after_return: bool,
    /// Whether the last name of the event is that of an error.
    is_error: bool,
    is_first_line: bool,
}

/// What happens to the bytes of the event under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamMode {
    /// They are held back.
    Hold,
    /// It is too large to be held back.
    Pass,
    /// It is an error and too large: the rest is dropped.
    Drop,
}

impl Filter {
    fn new(replacement: Vec<u8>, said: Arc<OnceLock<String>>) -> Self {
        Self {
            replacement,
            said,
            mode: StreamMode::Hold,
            event: BytesMut::new(),
            line_start: 0,
            line_length: 0,
            after_return: false,
            is_error: false,
            is_first_line: true,
        }
    }

    fn push(&mut self, mut rest: &[u8], out: &mut BytesMut) {
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                match self.mode {
                    // The event before it has ended, and so has been passed on.
                    StreamMode::Hold if self.event.is_empty() => out.extend_from_slice(b"\n"),
                    StreamMode::Hold => {
                        self.event.extend_from_slice(b"\n");
                        self.line_start = self.event.len();
                    }
                    StreamMode::Pass => out.extend_from_slice(b"\n"),
                    StreamMode::Drop => {}
                }
                rest = &rest[1..];
                continue;
            }
            let Some(at) = memchr2(b'\r', b'\n', rest) else {
                self.line_length += rest.len();
                self.part(rest, out);
                return;
            };
            let is_blank = self.line_length + at == 0;
            self.after_return = rest[at] == b'\r';
            self.part(&rest[..=at], out);
            self.line_length = 0;
            self.end_line(is_blank, &rest[at..=at], out);
            rest = &rest[at + 1..];
        }
    }

    fn part(&mut self, bytes: &[u8], out: &mut BytesMut) {
        match self.mode {
            StreamMode::Hold => {
                self.event.extend_from_slice(bytes);
                if self.event.len() > MAX_EVENT_BYTES {
                    self.mode = if self.is_error { StreamMode::Drop } else { StreamMode::Pass };
                    self.release(out);
                }
            }
            StreamMode::Pass => out.extend_from_slice(bytes),
            StreamMode::Drop => {}
        }
    }

    fn end_line(&mut self, is_blank: bool, end: &[u8], out: &mut BytesMut) {
        if self.mode == StreamMode::Hold {
            self.read_line();
        }
        self.is_first_line = false;
        if !is_blank {
            return;
        }
        match self.mode {
            StreamMode::Hold => self.release(out),
            StreamMode::Pass => {}
            StreamMode::Drop => out.extend_from_slice(end),
        }
        self.mode = StreamMode::Hold;
        self.is_error = false;
    }

    /// Looks at the last line of the event: of several names the last one counts.
    fn read_line(&mut self) {
        let mut line = self.event.get(self.line_start..).unwrap_or_default();
        if self.is_first_line {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if let (b"event", name) = field(line) {
            self.is_error = is_error(name);
        }
        self.line_start = self.event.len();
    }

    /// The stream has ended, within an event or not.
    fn finish(&mut self, out: &mut BytesMut) {
        if self.mode == StreamMode::Hold {
            self.read_line();
            self.release(out);
        }
    }

    /// Passes on what is held back.
    fn release(&mut self, out: &mut BytesMut) {
        let event = self.event.split();
        self.line_start = 0;
        if !self.is_error {
            out.extend_from_slice(&event);
            return;
        }
        let mut data: Vec<&[u8]> = Vec::new();
        for line in lines(&event) {
            let text = line.strip_prefix(BOM).unwrap_or(line);
            match field(text) {
                // An error's name, and what a client needs to come back, is no text of the upstream's.
                (b"event", name) if is_error(name) => out.extend_from_slice(line),
                (b"id" | b"retry", _) => out.extend_from_slice(line),
                (b"data", value) => {
                    if data.is_empty() {
                        out.extend_from_slice(b"data: ");
                        out.extend_from_slice(&self.replacement);
                        out.extend_from_slice(&line[trimmed(line).len()..]);
                    }
                    data.push(value);
                }
                (b"", b"") => out.extend_from_slice(line),
                _ => {}
            }
        }
        let _ = self.said.set(upstream_error::quoted(&data.join(&b'\n')));
    }
}

/// The lines of an event, each with its end.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = event;
    std::iter::from_fn(move || {
        let length = match memchr2(b'\r', b'\n', rest) {
            Some(at) if rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n') => at + 2,
            Some(at) => at + 1,
            None => rest.len(),
        };
        let (line, after) = rest.split_at(length);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

fn trimmed(line: &[u8]) -> &[u8] {
    let end = memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    &line[..end]
}

/// Name and value of a line; a comment has no name, a blank line neither.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trimmed(line);
    match memchr::memchr(b':', line) {
        Some(0) => (b"", line),
        Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
        None => (line, b""),
    }
}

/// `error`, and names that end in it as `response.error` does. Spaces around it and another case are taken for a
/// mistake of the upstream's, since some clients do not mind them.
fn is_error(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(byte);
    let name = name.trim_ascii();
    let last = name.rsplit(|byte| b"._-:/".contains(byte)).next().unwrap_or_default();
    name.len() <= MAX_NAME_BYTES && name.iter().all(is_plain) && last.eq_ignore_ascii_case(b"error")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a stream that comes in pieces of so many bytes.
    fn filtered(stream: &[u8], size: usize) -> (String, Option<String>) {
        let said = Arc::new(OnceLock::new());
        let mut filter = Filter::new(b"{}".to_vec(), Arc::clone(&said));
        let mut out = BytesMut::new();
        stream.chunks(size).for_each(|chunk| filter.push(chunk, &mut out));
        filter.finish(&mut out);
        (String::from_utf8_lossy(&out).into_owned(), said.get().cloned())
    }

    #[test]
    fn error_events_are_redacted_and_all_else_passes() {
        for (stream, expected, said) in [
            ("event: error\ndata: secret\n\n", "event: error\ndata: {}\n\n", "secret"),
            ("event:error\ndata:secret\n\n", "event:error\ndata: {}\n\n", "secret"),
            ("data: secret\nevent: error\n\n", "data: {}\nevent: error\n\n", "secret"),
            ("event: error\r\ndata: secret\r\n\r\n", "event: error\r\ndata: {}\r\n\r\n", "secret"),
            ("event: error\rdata: secret\r\r", "event: error\rdata: {}\r\r", "secret"),
            ("event: error\rdata: secret\n\r\n", "event: error\rdata: {}\n\r\n", "secret"),
            ("\u{feff}event: error\ndata: secret\n\n", "\u{feff}event: error\ndata: {}\n\n", "secret"),
            ("\u{feff}data: secret\nevent: error\n\n", "data: {}\nevent: error\n\n", "secret"),
            (
                "id: 7\nretry: 9\nevent: error\ndata: a\ndata: b\n: secret\nx: secret\n\ndata: c\n\n",
                "id: 7\nretry: 9\nevent: error\ndata: {}\n\ndata: c\n\n",
                "a b",
            ),
            (
                "data: a\n\nevent: Error \ndata: secret\n\n",
                "data: a\n\nevent: Error \ndata: {}\n\n",
                "secret",
            ),
            ("event: response.error\ndata: secret\n\n", "event: response.error\ndata: {}\n\n", "secret"),
            ("event: secret\nevent: error\ndata: x\n\n", "event: error\ndata: {}\n\n", "x"),
            // Cut off, which clients do not mind.
            ("event: error\ndata: secret", "event: error\ndata: {}", "secret"),
            ("data: secret\nevent: error", "data: {}\nevent: error", "secret"),
            ("event: error\ndata\n\n", "event: error\ndata: {}\n\n", ""),
        ] {
            for size in 1..=stream.len() {
                let found = filtered(stream.as_bytes(), size);
                assert_eq!(found, (expected.to_owned(), Some(said.to_owned())), "{stream:?} by {size}");
            }
        }
        for stream in [
            "",
            "\n\n\r\r\n\r\n",
            "data: error\n\n",
            "event: errors\ndata: a\n\n",
            "event: terror\ndata: a\n\n",
            "event: error\nevent: message\ndata: a\n\n",
            "event: error\nevent\ndata: a\n\n",
            "Event: error\ndata: a\n\n",
            " event: error\ndata: a\n\n",
            ": event: error\ndata: event: error\n\n",
            ": ping\n\n: ping\r\n\r\n",
            "event: message\r\ndata: {\"error\": null}\r\n\r\n\n",
            "\u{feff}: hello\rdata: a\r\rdata: b\r\n\r\n",
            "data: cut off",
            "\u{feff}",
        ] {
            for size in 1..=stream.len().max(1) {
                assert_eq!(filtered(stream.as_bytes(), size), (stream.to_owned(), None), "{size}");
            }
        }
    }

    #[test]
    fn events_are_held_back_within_a_bound() {
        let large = "x".repeat(MAX_EVENT_BYTES);
        for size in [1000, 4 * MAX_EVENT_BYTES] {
            let event = format!("data: {large}\ndata: y\n\nevent: error\ndata: secret\n\ndata: z\n\n");
            let (out, said) = filtered(event.as_bytes(), size);
            assert_eq!(out, event.replace("secret", "{}"));
            assert_eq!(said.as_deref(), Some("secret"));
            let event = format!("event: error\ndata: secret\ndata: {large}\ndata: {large}\n\ndata: z\n\n");
            assert_eq!(filtered(event.as_bytes(), size).0, "event: error\ndata: {}\n\ndata: z\n\n");
        }
        let mut filter = Filter::new(Vec::new(), Arc::default());
        let mut out = BytesMut::new();
        for _ in 0..100 {
            filter.push(large.as_bytes(), &mut out);
            assert!(filter.event.len() <= 2 * MAX_EVENT_BYTES);
        }
    }
}
