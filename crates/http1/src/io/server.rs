//! A client's connection: one request at a time, its response, and what follows.
//! Long because what reads a request and what writes its response share one state.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::{
    BadRequest, BodyLength, Decoded, Framing, Headers, Limits, Next, ParseError, RequestHead,
    ServerConnection,
};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{header_map, is_framing, trailer_map};
use super::socket::{ReadError, Socket};

/// Limits of a client's connection.
#[derive(Debug, Clone, Copy)]
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

/// One connection from a client. Shared by what reads the request's body and what writes the response, in one task.
#[derive(Clone)]
pub struct ServerStream(Rc<Shared>);

struct Shared {
    limits: ServerLimits,
    state: RefCell<State>,
}

struct State {
    socket: Socket,
    http: ServerConnection,
    headers: Headers,
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
    pub fn new(socket: TcpStream, read: &[u8], limits: ServerLimits) -> Self {
        let state = State {
            socket: Socket::new(socket, read),
            http: ServerConnection::new(),
            headers: Headers::new(),
        };
        Self(Rc::new(Shared { limits, state: RefCell::new(state) }))
    }

    /// The socket of a connection that speaks another protocol now, and what was read of it already. `None` while a
    /// request's body still uses the connection.
    pub fn into_tunnel(self) -> Option<(TcpStream, Bytes)> {
        let shared = Rc::try_unwrap(self.0).ok()?;
        Some(shared.state.into_inner().socket.into_parts())
    }

    /// The next request.
    pub async fn next(&self) -> Incoming {
        let limits = &self.0.limits;
        // The time for a head begins with its first byte.
        if self.0.state.borrow().socket.unread().is_empty() {
            match timeout(limits.idle_timeout, poll_fn(|cx| self.poll_first_byte(cx))).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return Incoming::Closed,
            }
        }
        match timeout(limits.head_timeout, poll_fn(|cx| self.poll_head(cx))).await {
            Ok(incoming) => incoming.unwrap_or(Incoming::Closed),
            Err(_) => self.interrupted(ParseError::HeadSlow),
        }
    }

    /// Answers with `future`'s response, unless the client resets the connection before: then the future is dropped, and
    /// with it whatever it holds, and `None` is returned.
    pub async fn respond<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut watches = true;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if watches {
                match self.poll_reset(cx) {
                    Poll::Ready(true) => return Poll::Ready(None),
                    // Pipelined bytes or a half-close: from here on nobody can tell without reading.
                    Poll::Ready(false) => watches = false,
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends an interim response at once, if the client may have it.
    pub fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        let mut state = self.0.state.borrow_mut();
        let mut out = Vec::new();
        let limits = self.0.limits.http;
        let is_written = state.http.write_interim(
            status.as_u16(),
            &limits,
            |writer| headers.iter().for_each(|(name, value)| writer.header(name, value)),
            &mut out,
        );
        if is_written {
            state.socket.queue(out);
            // What does not fit now is sent with the response.
            let _ = state.socket.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
        }
    }

    /// Nothing is read after the current request; the response says so.
    pub fn close(&self) {
        self.0.state.borrow_mut().http.close();
    }

    /// Writes a response and sees to the rest of the request. After 101 (Switching Protocols) the body is not written. An error of the response's body breaks the connection off, so
    /// that the client can tell.
    pub async fn write<B>(&self, response: Response<B>) -> Result<After, WriteError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let (head, body) = response.into_parts();
        let mut body = pin!(body);
        // With the head goes what is there of the body. A body that breaks off before anything was sent is the caller's.
        let mut first = poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
        if let Poll::Ready(Some(Err(error))) = first {
            return Err(WriteError::Body(error));
        }
        self.write_head(&head, &body, &first)?;
        if self.0.state.borrow_mut().http.advance() == Next::Tunnel {
            self.flush().await?;
            return Ok(After::Tunnel);
        }
        loop {
            let frame = match std::mem::replace(&mut first, Poll::Pending) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    // Send what there is before waiting for more.
                    self.flush().await?;
                    poll_fn(|cx| body.as_mut().poll_frame(cx)).await
                }
            };
            let mut state = self.0.state.borrow_mut();
            let State { socket, http, .. } = &mut *state;
            match frame.transpose().map_err(WriteError::Body)?.map(Frame::into_data) {
                Some(Ok(data)) => {
                    let frame = http.frame(data.len()).map_err(|_| WriteError::Length)?;
                    socket.queue(Bytes::copy_from_slice(frame.prefix()));
                    socket.queue(data);
                    socket.queue(frame.suffix());
                    if !body.is_end_stream() {
                        continue;
                    }
                    end(socket, http, &HeaderMap::new())?;
                }
                Some(Err(frame)) => end(socket, http, &frame.into_trailers().unwrap_or_default())?,
                None => end(socket, http, &HeaderMap::new())?,
            }
            break;
        }
        self.flush().await?;
        Ok(self.after().await)
    }

    fn write_head<B: Body<Data = Bytes>>(
        &self,
        head: &http::response::Parts,
        body: &B,
        first: &Poll<Option<Result<Frame<Bytes>, B::Error>>>,
    ) -> Result<(), WriteError<B::Error>> {
        let mut state = self.0.state.borrow_mut();
        let State { socket, http, .. } = &mut *state;
        let closes =
            head.headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        if closes || !self.can_drain(http, socket) {
            http.close();
        }
        let announced =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let here = match first {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        let length = match (body.size_hint().exact(), announced) {
            // A response to `HEAD` or a 304 has no body, and may say how long it would be.
            (Some(0), Some(announced)) if here == 0 => BodyLength::Known(announced),
            (Some(left), _) => BodyLength::Known(here + left),
            (None, _) if body.is_end_stream() => BodyLength::Known(here),
            (None, _) => BodyLength::Unknown,
        };
        let mut out = Vec::with_capacity(1024);
        let written = http.write_head(
            head.status.as_u16(),
            length,
            |writer| {
                for (name, value) in &head.headers {
                    if !is_framing(name) {
                        writer.header(name, value);
                    }
                }
            },
            &mut out,
        );
        written.map_err(|_| WriteError::Length)?;
        socket.queue(out);
        Ok(())
    }

    /// Writes what is queued. The time for it begins anew whenever the client takes something.
    async fn flush<E>(&self) -> Result<(), WriteError<E>> {
        loop {
            let limits = &self.0.limits;
            let before = self.0.state.borrow().socket.queued();
            let flushed =
                timeout(limits.write_timeout, poll_fn(|cx| self.0.state.borrow_mut().socket.poll_flush(cx)));
            match flushed.await {
                Ok(flushed) => return flushed.map_err(WriteError::Io),
                Err(_) if self.0.state.borrow().socket.queued() < before => {}
                Err(_) => return Err(WriteError::Io(io::ErrorKind::TimedOut.into())),
            }
        }
    }

    /// Drains the rest of the request, and says what follows.
    async fn after(&self) -> After {
        if !self.0.state.borrow().http.closes() {
            let limits = &self.0.limits;
            let drained = self.discard_body(limits.drain_bytes);
            let _ = timeout(limits.drain_timeout, drained).await;
        }
        let next = self.0.state.borrow_mut().http.advance();
        match next {
            Next::Request => After::Request,
            Next::Tunnel => After::Tunnel,
            Next::Pending | Next::Linger | Next::Close => {
                self.linger().await;
                After::Closed
            }
        }
    }

    /// Ends the writing side, and reads and drops for a while what the client still sends (RFC 9112, section 9.6).
    async fn linger(&self) {
        let limits = &self.0.limits;
        let lingered = async {
            let shut = poll_fn(|cx| self.0.state.borrow_mut().socket.poll_shutdown(cx)).await;
            let mut left = limits.linger_bytes;
            while shut.is_ok() {
                let read = poll_fn(|cx| {
                    let mut state = self.0.state.borrow_mut();
                    let unread = state.socket.unread().len();
                    state.socket.consume(unread);
                    state.socket.poll_fill(cx)
                });
                // `usize` is never wider than 64 bits.
                match read.await.map(|count| (count, left.checked_sub(count as u64))) {
                    Ok((1.., Some(rest))) => left = rest,
                    Ok(_) | Err(_) => return,
                }
            }
        };
        let _ = timeout(limits.linger_timeout, lingered).await;
    }
}

/// Why a response was not written to its end.
#[derive(Debug)]
pub enum WriteError<E> {
    /// Its body failed.
    Body(E),
    /// Its body is not as long as was announced, or its head cannot be written.
    Length,
    /// The client is gone, or takes nothing.
    Io(io::Error),
}

fn end<E>(
    socket: &mut Socket,
    http: &mut ServerConnection,
    trailers: &HeaderMap,
) -> Result<(), WriteError<E>> {
    let mut out = Vec::new();
    let pairs = trailers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    http.write_end(pairs, &mut out).map_err(|_| WriteError::Length)?;
    socket.queue(out);
    Ok(())
}

impl ServerStream {
    /// Whether there is a first byte; `false` where the client closes the connection.
    fn poll_first_byte(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let polled = ready!(self.0.state.borrow_mut().socket.poll_fill(cx));
        Poll::Ready(matches!(polled, Ok(1..)))
    }

    fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        loop {
            let mut state = self.0.state.borrow_mut();
            let State { socket, http, headers } = &mut *state;
            match http.receive_head(socket.unread(), &self.0.limits.http, headers) {
                Ok(Some(head)) => {
                    let bytes = socket.take(head.len);
                    return Poll::Ready(Some(match request(&head, headers, &bytes) {
                        Some(request) => Incoming::Request(Box::new(
                            request.map(|()| RequestBody::new(self, head.framing)),
                        )),
                        None => return Poll::Ready(None),
                    }));
                }
                Ok(None) => {}
                Err(bad) => {
                    http.reject(&bad);
                    return Poll::Ready(Some(Incoming::Bad(bad)));
                }
            }
            match ready!(socket.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) => {
                    drop(state);
                    return Poll::Ready(Some(self.interrupted(ParseError::HeadTruncated)));
                }
                Err(_) => return Poll::Ready(None),
            }
        }
    }

    /// No more of a head comes, or not in time.
    fn interrupted(&self, error: ParseError) -> Incoming {
        let mut state = self.0.state.borrow_mut();
        let State { socket, http, .. } = &mut *state;
        match http.interrupt(socket.unread(), &self.0.limits.http, error) {
            Some(bad) => {
                http.reject(&bad);
                Incoming::Bad(bad)
            }
            None => Incoming::Closed,
        }
    }

    /// Whether the client has reset the connection: `false` where something else happened on it.
    fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let state = self.0.state.borrow();
        // Bytes that are here already say nothing about the client, and its end was seen.
        if !state.socket.unread().is_empty() || state.socket.is_ended() || !state.http.is_request_complete() {
            return Poll::Pending;
        }
        if ready!(state.socket.poll_readable(cx)).is_err() {
            return Poll::Ready(true);
        }
        Poll::Ready(ready!(state.socket.poll_peek(cx)).is_err())
    }

    /// Whether what is left of the request's body may be read and dropped, so that the connection can go on. A client that
    /// waits to be told to send its body is not told so by draining it.
    fn can_drain(&self, http: &ServerConnection, socket: &Socket) -> bool {
        http.is_request_complete() || (!http.waits_for_continue() && !socket.is_ended())
    }

    /// Reads and drops the rest of the request's body.
    async fn discard_body(&self, limit: u64) {
        let mut left = limit;
        poll_fn(|cx| {
            let mut state = self.0.state.borrow_mut();
            let State { socket, http, .. } = &mut *state;
            loop {
                match http.receive_body(socket.unread()) {
                    Ok((consumed, decoded)) => {
                        let length = if let Decoded::Data(data) = decoded { data.len() as u64 } else { 0 };
                        let is_more = decoded == Decoded::More;
                        let is_end = decoded == Decoded::End;
                        socket.consume(consumed);
                        match left.checked_sub(length) {
                            Some(rest) if !is_end => left = rest,
                            _ => return Poll::Ready(()),
                        }
                        if !is_more {
                            continue;
                        }
                    }
                    Err(_) => return Poll::Ready(()),
                }
                if !matches!(ready!(socket.poll_fill(cx)), Ok(1..)) {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

/// The types of the crate `http` for a head. `None` where they cannot hold it, which the checks of the head rule out.
fn request(head: &RequestHead, headers: &Headers, bytes: &Bytes) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.in_bytes(bytes)).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice_ref(head.target.in_bytes(bytes))).ok()?;
    *request.version_mut() =
        if head.version == crate::Version::Http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.headers_mut() = header_map(headers, bytes);
    Some(request)
}

impl RequestBody {
    fn new(connection: &ServerStream, framing: Framing) -> Self {
        let length = match framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        };
        Self { connection: connection.clone(), length, is_done: framing == Framing::None }
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
            let mut out = Vec::new();
            http.write_continue(&mut out);
            socket.queue(out);
        }
        // An interim response that does not fit at once is sent on by the next poll, or with the response.
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
