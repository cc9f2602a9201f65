//! Replaces the data of error events in an upstream's `text/event-stream`.
//!
//! The status is sent before the first event, so a later error cannot become an error response. Its data is replaced by the
//! contract's error for `upstream.failed`; all other events pass unchanged. The name of an event may come last, so each
//! event is buffered until its end, up to a limit.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame};
use memchr::memchr2;

use crate::redact::{Redactor, quoted};

/// How error events in event streams are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventStreamErrors {
    /// Their data is replaced.
    #[default]
    Redact,
    /// They pass unchanged.
    Pass,
}

/// Larger events are passed on without being buffered. Error events are small.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The longest name of an error event that is passed on.
const MAX_NAME_BYTES: usize = 64;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Whether `Content-Type` is that of server-sent events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// An event stream without the data of its error events.
#[derive(Debug)]
pub struct Redacted<B> {
    inner: B,
    filter: Filter,
    trailers: Option<HeaderMap>,
    is_over: bool,
}

impl<B> Redacted<B> {
    /// `replacement` replaces the data of error events; the data of the first one goes to `error`, without API keys.
    pub(crate) fn new(
        inner: B,
        replacement: Vec<u8>,
        error: Arc<OnceLock<String>>,
        redactor: Arc<Redactor>,
    ) -> Self {
        let filter = Filter::new(replacement, error, Some(redactor));
        Self { inner, filter, trailers: None, is_over: false }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.is_over && self.trailers.is_none()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Redacted<B> {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
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

/// Parses an event stream (HTML, section 9.2.6) in chunks of any size.
#[derive(Debug)]
struct Filter {
    /// Replaces the data of error events.
    replacement: Vec<u8>,
    /// The data of the first error event.
    error: Arc<OnceLock<String>>,
    redactor: Option<Arc<Redactor>>,
    mode: StreamMode,
    /// The current event.
    event: BytesMut,
    /// The start of its last line.
    line_start: usize,
    /// The length of the line so far.
    line_length: usize,
    /// Whether a line feed would belong to the preceding line end.
    after_return: bool,
    /// Whether the last name of the event is an error's.
    is_error: bool,
    is_first_line: bool,
}

/// What happens to the bytes of the current event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamMode {
    /// They are buffered.
    Hold,
    /// It is too large to be buffered.
    Pass,
    /// It is an error and too large: the rest is discarded.
    Drop,
}

impl Filter {
    fn new(replacement: Vec<u8>, error: Arc<OnceLock<String>>, redactor: Option<Arc<Redactor>>) -> Self {
        Self {
            replacement,
            error,
            redactor,
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
                    // The previous event has ended and was passed on.
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

    /// Reads the last line of the event. Of several names the last one counts.
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

    /// Passes the buffered event on.
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
                // Kept: the name, and what a client needs to reconnect.
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
        let data = quoted(&data.join(&b'\n'));
        let data = match &self.redactor {
            Some(redactor) => redactor.redact(data, &[]),
            None => data,
        };
        // Of several errors the first one counts.
        let _ = self.error.set(data);
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

/// The name and value of a line. Comments and blank lines have no name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trimmed(line);
    match memchr::memchr(b':', line) {
        Some(0) => (b"", line),
        Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
        None => (line, b""),
    }
}

/// Whether a name is `error`, or ends in it as `response.error` does. Spaces and case are ignored, as some clients do.
fn is_error(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(byte);
    let name = name.trim_ascii();
    let last = name.rsplit(|byte| b"._-:/".contains(byte)).next().unwrap_or_default();
    name.len() <= MAX_NAME_BYTES && name.iter().all(is_plain) && last.eq_ignore_ascii_case(b"error")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters a stream that comes in chunks of `size` bytes.
    fn filtered(stream: &[u8], size: usize) -> (String, Option<String>) {
        let error = Arc::new(OnceLock::new());
        let mut filter = Filter::new(b"{}".to_vec(), Arc::clone(&error), None);
        let mut out = BytesMut::new();
        stream.chunks(size).for_each(|chunk| filter.push(chunk, &mut out));
        filter.finish(&mut out);
        (String::from_utf8_lossy(&out).into_owned(), error.get().cloned())
    }

    #[test]
    fn redacts_error_events_and_passes_all_others() {
        for (stream, expected, error) in [
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
            // Cut off, which clients accept.
            ("event: error\ndata: secret", "event: error\ndata: {}", "secret"),
            ("data: secret\nevent: error", "data: {}\nevent: error", "secret"),
            ("event: error\ndata\n\n", "event: error\ndata: {}\n\n", ""),
        ] {
            for size in 1..=stream.len() {
                let found = filtered(stream.as_bytes(), size);
                assert_eq!(found, (expected.to_owned(), Some(error.to_owned())), "{stream:?} by {size}");
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
    fn buffers_events_up_to_a_limit() {
        let large = "x".repeat(MAX_EVENT_BYTES);
        for size in [1000, 4 * MAX_EVENT_BYTES] {
            let event = format!("data: {large}\ndata: y\n\nevent: error\ndata: secret\n\ndata: z\n\n");
            let (out, error) = filtered(event.as_bytes(), size);
            assert_eq!(out, event.replace("secret", "{}"));
            assert_eq!(error.as_deref(), Some("secret"));
            let event = format!("event: error\ndata: secret\ndata: {large}\ndata: {large}\n\ndata: z\n\n");
            assert_eq!(filtered(event.as_bytes(), size).0, "event: error\ndata: {}\n\ndata: z\n\n");
        }
        let mut filter = Filter::new(Vec::new(), Arc::default(), None);
        let mut out = BytesMut::new();
        for _ in 0..100 {
            filter.push(large.as_bytes(), &mut out);
            assert!(filter.event.len() <= 2 * MAX_EVENT_BYTES);
        }
    }
}
