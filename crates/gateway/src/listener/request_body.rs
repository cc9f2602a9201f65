//! A client's request body: it must arrive at a minimum rate, and what is not read of it is drained, so that the connection
//! can be reused.

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

/// The minimum rate of request bodies, and how much of an unread body is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The rate is checked at this interval.
    pub window: Duration,
    /// The minimum of bytes in each interval.
    pub bytes_per_window: u64,
    /// Unread bodies up to this length are drained. A connection with a longer one is closed.
    pub drain_bytes: u64,
    /// The timeout of draining.
    pub drain_timeout: Duration,
}

impl Default for BodyLimits {
    /// 500 bytes a second, checked every 15 seconds.
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

/// The body of a request; `None` if it has none. Boxed, since requests are moved several times and most have no body.
pub(crate) struct ClientBody(Option<Box<ClientBodyInner>>);

struct ClientBodyInner {
    /// `None` once it was dropped.
    body: Option<Incoming>,
    bounds: BodyLimits,
    window: Option<Pin<Box<Sleep>>>,
    in_window: u64,
    rest: Rc<UnreadBody>,
}

/// Receives the rest of a request's body when the body is dropped.
pub(crate) struct UnreadSlot(Option<Rc<UnreadBody>>);

#[derive(Default)]
struct UnreadBody {
    body: RefCell<Option<Incoming>>,
    /// The client waits for a 100 Continue before it sends the body (RFC 9110, section 10.1.1).
    expects_continue: Cell<bool>,
    /// It came too slowly, and the connection is closed (RFC 9110, section 15.5.9).
    is_slow: Cell<bool>,
}

impl ClientBody {
    /// Wraps the body of a request. The slot receives its rest.
    pub(crate) fn of(mut request: Request<Incoming>, bounds: BodyLimits) -> (Request<Self>, UnreadSlot) {
        canonical_length(request.headers_mut());
        if request.body().is_end_stream() {
            return (request.map(|_| Self(None)), UnreadSlot(None));
        }
        let rest = Rc::new(UnreadBody::default());
        rest.expects_continue.set(request.headers().contains_key(EXPECT));
        let left = UnreadSlot(Some(rest.clone()));
        let coming = |body| ClientBodyInner { body: Some(body), bounds, window: None, in_window: 0, rest };
        (request.map(|body| Self(Some(Box::new(coming(body))))), left)
    }

    fn body(&self) -> Option<&Incoming> {
        self.0.as_ref()?.body.as_ref()
    }
}

impl ClientBodyInner {
    /// Whether too little has come in an interval. An interval begins when the body is waited for; one that elapsed while
    /// nothing was read is ignored.
    fn is_slow(&mut self, cx: &mut Context<'_>) -> bool {
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
    /// Drains the rest of the body. Returns whether the connection can be reused.
    ///
    /// A body that the client has not sent yet, because it waits for a 100 Continue, is not drained.
    pub(crate) fn drain(&self, bounds: BodyLimits) -> bool {
        let Some(rest) = &self.0 else { return true };
        if rest.is_slow.get() {
            return false;
        }
        let Some(body) = rest.body.take() else { return true };
        if body.is_end_stream() {
            return true;
        }
        let is_large = body.size_hint().upper().is_some_and(|length| length > bounds.drain_bytes);
        if is_large || rest.expects_continue.get() {
            return false;
        }
        tokio::task::spawn_local(timeout(bounds.drain_timeout, drain(body, bounds.drain_bytes)));
        true
    }
}

/// Removes leading zeros of a Content-Length, which the guard accepts: some recipients would read an octal number.
fn canonical_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes) else { return };
    if length.len() > 1 && length.starts_with(b"0") {
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<u64>().ok());
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
}

/// Reads and discards up to `left` bytes. If the body is longer, or breaks off, hyper closes the connection.
async fn drain(mut body: Incoming, mut left: u64) {
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
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
        // Polling sends the 100 Continue.
        this.rest.expects_continue.set(false);
        match Pin::new(body).poll_frame(cx) {
            Poll::Pending if this.is_slow(cx) => {
                this.rest.is_slow.set(true);
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
