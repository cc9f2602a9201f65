//! A client's connection: one request at a time, its response (`server_write.rs`), and what follows.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::maps::{header_map, trailer_map};
use super::scratch::{with_headers, with_write_buffer};
use super::socket::{ReadError, Socket};
use super::timer::Timer;
use super::transport::Transport;
use crate::{BadRequest, Decoded, Framing, Headers, Limits, ParseError, RequestHead, ServerConnection};

/// Bytes that are read before they are asked for: of a head with what follows it, and of further requests while one is
/// served. Small, since every connection may hold as many.
const AHEAD_BYTES: usize = 16 * 1024;

/// Limits of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Of heads.
    pub http: Limits,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// Without a byte between two requests, or before the first.
    pub idle_timeout: Duration,
    /// Without a byte of a response being taken.
    pub write_timeout: Duration,
    /// A body that nobody wants is read and dropped up to this length, so that the connection can go on.
    pub drain_bytes: u64,
    /// How long that may take.
    pub drain_timeout: Duration,
    /// How much is read and dropped after the last response, so that no reset destroys it on its way.
    pub linger_bytes: u64,
    /// How long that may take.
    pub linger_timeout: Duration,
}

/// The limits of a server on the open internet.
impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            http: Limits::default(),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            drain_bytes: 64 * 1024,
            drain_timeout: Duration::from_secs(5),
            linger_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(1),
        }
    }
}

/// One connection from a client. Shared by what reads the request's body and what writes the response, in one task.
#[derive(Clone)]
pub struct ServerStream(pub(super) Rc<Shared>);

pub(super) struct Shared {
    pub(super) limits: ServerLimits,
    pub(super) state: RefCell<State>,
}

pub(super) struct State {
    pub(super) socket: Socket,
    pub(super) http: ServerConnection,
    read_timer: Timer,
    pub(super) write_timer: Timer,
}

/// What a client sent.
pub enum Incoming {
    /// A request.
    Request(Box<Request<RequestBody>>),
    /// A head that is rejected. It is answered like a request, and nothing after it is read.
    Bad(Box<BadRequest>),
    /// Nothing more.
    Closed,
}

/// A request's body, which is read from the connection when it is polled.
pub struct RequestBody {
    connection: ServerStream,
    /// What the framing says is left of it.
    length: Option<u64>,
    is_done: bool,
}

pin_project! {
    /// See [`ServerStream::respond`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Respond<'c, F> {
        #[pin]
        future: F,
        connection: &'c ServerStream,
    }
}

impl<F: Future> Future for Respond<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => this.connection.poll_reset(cx).map(|()| None),
        }
    }
}

/// What became of a connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Another request may follow.
    Request,
    /// It is closed.
    Closed,
    /// It speaks another protocol now.
    Tunnel,
}

impl ServerStream {
    /// A connection of which `read` has been read already.
    pub fn new(transport: impl Into<Transport>, read: &[u8], limits: ServerLimits) -> Self {
        let state = State {
            socket: Socket::new(transport.into(), read),
            http: ServerConnection::new(),
            read_timer: Timer::new(),
            write_timer: Timer::new(),
        };
        Self(Rc::new(Shared { limits, state: RefCell::new(state) }))
    }

    /// Waits for the first byte of a request. `false` if the client closes the connection, or if the idle timeout elapses.
    pub fn poll_first_byte(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let State { socket, read_timer, .. } = &mut *self.0.state.borrow_mut();
        if socket.unread().is_empty() {
            let has_come = match socket.poll_fill_up_to(cx, AHEAD_BYTES) {
                Poll::Ready(read) => matches!(read, Ok(1..)),
                Poll::Pending => {
                    ready!(read_timer.poll(cx, self.0.limits.idle_timeout));
                    false
                }
            };
            read_timer.clear();
            return Poll::Ready(has_come);
        }
        Poll::Ready(true)
    }

    /// Whether bytes of a request have arrived, or the client's end, even if the runtime was not told yet.
    pub fn has_arrived(&self) -> bool {
        let state = self.0.state.borrow();
        !state.socket.unread().is_empty() || state.socket.has_arrived()
    }

    /// The next request.
    pub async fn next(&self) -> Incoming {
        if !poll_fn(|cx| self.poll_first_byte(cx)).await {
            return Incoming::Closed;
        }
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// The output of `future`, unless the client resets the connection before: then it is `None`, and the future is dropped
    /// with this one.
    pub fn respond<F: Future>(&self, future: F) -> Respond<'_, F> {
        Respond { future, connection: self }
    }

    /// Sends an interim response at once, if the client may have it.
    pub fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        let State { socket, http, .. } = &mut *self.0.state.borrow_mut();
        with_write_buffer(|out| {
            let is_written =
                http.write_interim(status.as_u16(), &self.0.limits.http, |writer| writer.map(headers), out);
            if is_written {
                // What does not fit now is sent with the response. An error shows there too.
                let _ = socket.write_now(out);
            }
        });
    }

    /// Nothing is read after the current request; the response says so.
    pub fn close(&self) {
        self.0.state.borrow_mut().http.close();
    }

    /// The connection is reset when it is dropped, rather than closed: what is queued is lost.
    pub fn reset(&self) {
        self.0.state.borrow().socket.reset_on_drop();
    }

    /// The connection ends between two requests: over TLS, a `close_notify` shows that nothing is missing.
    pub fn finish(&self) {
        self.0.state.borrow_mut().socket.finish();
    }

    fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Incoming> {
        let (limits, state) = (&self.0.limits, &mut *self.0.state.borrow_mut());
        loop {
            let State { socket, http, read_timer, .. } = state;
            let incoming =
                with_headers(|headers| match http.receive_head(socket.unread(), &limits.http, headers) {
                    Ok(Some(head)) => {
                        let bytes = socket.take(head.len);
                        let body = RequestBody::new(self, head.framing);
                        Some(
                            request(&head, headers, &bytes, body).map_or(Incoming::Closed, Incoming::Request),
                        )
                    }
                    Ok(None) => None,
                    Err(bad) => {
                        http.reject(&bad);
                        Some(Incoming::Bad(bad))
                    }
                });
            if let Some(incoming) = incoming {
                read_timer.clear();
                return Poll::Ready(incoming);
            }
            match socket.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(state.interrupted(limits, ParseError::HeadTruncated));
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Incoming::Closed),
                Poll::Pending => {
                    ready!(read_timer.poll(cx, limits.head_timeout));
                    return Poll::Ready(state.interrupted(limits, ParseError::HeadSlow));
                }
            }
        }
    }

    /// Ready once the client has reset the connection. What it sends otherwise meanwhile is read, within a limit: bytes
    /// that wait in the socket would hide a reset.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        let State { socket, http, .. } = &mut *self.0.state.borrow_mut();
        while http.is_request_complete() && !socket.is_ended() && socket.unread().len() < AHEAD_BYTES {
            if ready!(socket.poll_fill_up_to(cx, AHEAD_BYTES)).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl State {
    /// No more of a head comes, or not in time.
    fn interrupted(&mut self, limits: &ServerLimits, error: ParseError) -> Incoming {
        let Self { socket, http, .. } = self;
        match http.interrupt(socket.unread(), &limits.http, error) {
            Some(bad) => {
                http.reject(&bad);
                Incoming::Bad(bad)
            }
            None => Incoming::Closed,
        }
    }
}

/// The types of the crate `http` for a head. `None` where they cannot hold it, which the checks of the head rule out.
fn request(
    head: &RequestHead,
    headers: &Headers,
    bytes: &Bytes,
    body: RequestBody,
) -> Option<Box<Request<RequestBody>>> {
    let mut request = Box::new(Request::new(body));
    *request.method_mut() = Method::from_bytes(head.method.in_bytes(bytes)).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice_ref(head.target.in_bytes(bytes))).ok()?;
    *request.version_mut() =
        if head.version == crate::Version::Http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = header_map(headers, bytes);
    Some(request)
}

impl RequestBody {
    fn new(connection: &ServerStream, framing: Framing) -> Self {
        Self { connection: connection.clone(), length: framing.length(), is_done: framing == Framing::None }
    }

    /// Gives the rest of the body up: nothing is read after it, and the response says so.
    pub fn abandon(&self) {
        self.connection.close();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        let this = &mut *self;
        if this.is_done {
            return Poll::Ready(None);
        }
        let mut state = this.connection.0.state.borrow_mut();
        let State { socket, http, .. } = &mut *state;
        if http.waits_for_continue() {
            // What does not fit at once is sent on by the next poll, or with the response.
            let _ = with_write_buffer(|out| {
                http.write_continue(out);
                socket.write_now(out)
            });
        }
        let _ = socket.poll_flush(cx);
        let polled = loop {
            match http.receive_body(socket.unread()) {
                Ok((consumed, Decoded::Data(data))) => {
                    let length = data.len();
                    socket.consume(consumed - length);
                    // `usize` is never wider than 64 bits.
                    this.length = this.length.map(|left| left.saturating_sub(length as u64));
                    this.is_done = this.length == Some(0);
                    return Poll::Ready(Some(Ok(Frame::data(socket.take(length)))));
                }
                Ok((consumed, Decoded::End)) => {
                    socket.consume(consumed);
                    break Ok(trailer_map(http.trailers()));
                }
                Ok((consumed, Decoded::More)) => socket.consume(consumed),
                Err(error) => break Err(error.into()),
            }
            match ready!(socket.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) => break Err(ParseError::BodyTruncated.into()),
                Err(error) => break Err(error.into()),
            }
        };
        if polled.is_err() {
            http.close();
        }
        this.is_done = true;
        Poll::Ready(polled.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
