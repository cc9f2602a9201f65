//! A client's content: held to a least pace, for whoever drips bytes occupies a connection for nothing; and
//! drained when nobody wants the rest of it, so that the connection can go on.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::BodyError;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// The least pace of a client's content, and what is read of it when nobody wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The pace is looked at once in this time.
    pub window: Duration,
    /// Bytes that must have come in it.
    pub bytes_per_window: u64,
    /// Unwanted content up to this length is read and dropped. A connection with more is closed.
    pub drain_bytes: u64,
    /// How long that may take.
    pub drain_timeout: Duration,
}

impl Default for BodyLimits {
    /// 500 bytes a second, looked at every 15 seconds.
    fn default() -> Self {
        let window = Duration::from_secs(15);
        Self {
            window,
            bytes_per_window: 500 * window.as_secs(),
            drain_bytes: 64 * 1024,
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// Content that arrives; nothing where there is none. Boxed, since a request is moved from hand to hand and most have
/// no content.
pub(crate) struct ClientBody(Option<Box<ClientBodyInner>>);

struct ClientBodyInner {
    /// `None` once it was given up.
    body: Option<Incoming>,
    bounds: BodyLimits,
    window: Option<Pin<Box<Sleep>>>,
    in_window: u64,
    rest: Rc<UnreadBody>,
}

/// Where the rest of a request's content is put when whoever had it wants no more of it.
pub(crate) struct UnreadSlot(Option<Rc<UnreadBody>>);

#[derive(Default)]
struct UnreadBody {
    body: RefCell<Option<Incoming>>,
    /// The client waits to be told to send it (RFC 9110, section 10.1.1).
    is_awaited: Cell<bool>,
    /// It came too slowly: its client is not waited for any longer (RFC 9110, section 15.5.9).
    is_late: Cell<bool>,
}

impl ClientBody {
    /// The content of a request, and where its rest is put.
    pub(crate) fn of(mut request: Request<Incoming>, bounds: BodyLimits) -> (Request<Self>, UnreadSlot) {
        canonical_length(request.headers_mut());
        if request.body().is_end_stream() {
            return (request.map(|_| Self(None)), UnreadSlot(None));
        }
        let rest = Rc::new(UnreadBody::default());
        rest.is_awaited.set(request.headers().contains_key(EXPECT));
        let left = UnreadSlot(Some(rest.clone()));
        let coming = |body| ClientBodyInner { body: Some(body), bounds, window: None, in_window: 0, rest };
        (request.map(|body| Self(Some(Box::new(coming(body))))), left)
    }

    fn body(&self) -> Option<&Incoming> {
        self.0.as_ref()?.body.as_ref()
    }
}

impl ClientBodyInner {
    /// Whether the window's end has come with too little in it. A window begins when there is something to
    /// wait for; one that ran out while nobody read is no sign of a slow client.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let length = self.bounds.window;
        let window = self.window.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + length)));
        while window.as_mut().poll(cx).is_ready() {
            if self.in_window < self.bounds.bytes_per_window {
                return true;
            }
            self.in_window = 0;
            window.as_mut().reset(Instant::now() + length);
        }
        false
    }
}

impl UnreadSlot {
    /// Sees to what nobody has read of the content. Answers whether the connection can carry another request:
    /// what is left of this one is being drained, or there is nothing.
    ///
    /// A client that waits to be told to send its content is not told so by draining it.
    pub(crate) fn drain(&self, bounds: BodyLimits) -> bool {
        let Some(rest) = &self.0 else { return true };
        // Whoever had the content may have it still.
        if rest.is_late.get() {
            return false;
        }
        let Some(body) = rest.body.take() else { return true };
        if body.is_end_stream() {
            return true;
        }
        let is_large = body.size_hint().upper().is_some_and(|length| length > bounds.drain_bytes);
        if is_large || rest.is_awaited.get() {
            return false;
        }
        tokio::task::spawn_local(timeout(bounds.drain_timeout, drain(body, bounds.drain_bytes)));
        true
    }
}

/// Writes a length with leading zeros, which the guard lets pass, without them: some recipients read octal numbers.
fn canonical_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes) else { return };
    if length.len() > 1 && length.starts_with(b"0") {
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<u64>().ok());
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
}

/// Reads and drops. What is too much, or breaks, is given up, and hyper closes the connection.
async fn drain(mut body: Incoming, mut most: u64) {
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match most.checked_sub(length) {
            Some(rest) => most = rest,
            None => return,
        }
    }
}

impl Drop for ClientBodyInner {
    fn drop(&mut self) {
        self.rest.body.replace(self.body.take());
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(this) = &mut self.0 else { return Poll::Ready(None) };
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // Polling it tells the client to send it.
        this.rest.is_awaited.set(false);
        match Pin::new(body).poll_frame(cx) {
            Poll::Pending if this.is_late(cx) => {
                this.rest.is_late.set(true);
                Poll::Ready(Some(Err(BodyError::Slow)))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                if this.window.as_ref().is_some_and(|window| window.deadline() < Instant::now()) {
                    (this.window, this.in_window) = (None, 0);
                }
                this.in_window += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
