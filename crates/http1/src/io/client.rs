//! One exchange with an upstream: the request is sent while the response is awaited, and its body while the response's body
//! arrives.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};

use super::maps::{data_or_trailers, header_map, pairs, trailer_map};
use super::scratch::{with_headers, with_write_buffer};
use super::socket::{ReadError, Socket};
use super::transport::Transport;
use crate::{BodyLength, ClientConnection, Decoded, EncodeError, Framing, HeadWriter, Limits, ParseError};

/// Status, version, framing and headers of a response.
type ReceivedHead = (StatusCode, Version, Framing, HeaderMap);

/// A connection to an upstream, idle.
pub struct ClientStream {
    pub(super) socket: Socket,
    http: ClientConnection,
}

/// Why a request got no response.
#[derive(Debug)]
pub enum SendError<E> {
    /// The upstream closed the connection before it answered anything, as idle connections are closed. The request may be
    /// sent again where that is harmless (RFC 9110, section 9.2.2).
    Closed(ReadError),
    /// The response is invalid, or the connection failed within it.
    Invalid(ReadError),
    /// The request's own body failed.
    Body(E),
    /// The request cannot be written.
    Unwritable,
}

/// An exchange that has begun.
struct Exchange<B> {
    connection: ClientStream,
    /// What is left to be sent.
    body: Option<Pin<Box<B>>>,
    limits: Limits,
}

/// A response's body, which drives the rest of its request too.
pub struct ResponseBody<B> {
    /// `None` once the response is complete or broken.
    exchange: Option<Exchange<B>>,
    /// What the framing says of its length.
    length: Option<u64>,
    is_done: bool,
    /// The connection, once it is idle again.
    idle: Option<ClientStream>,
}

impl ClientStream {
    /// A connection that was just opened.
    pub fn new(transport: impl Into<Transport>) -> Self {
        Self { socket: Socket::new(transport.into(), &[]), http: ClientConnection::new() }
    }

    /// Whether the upstream has closed the idle connection or sent something unasked. Without a system call as long as
    /// nothing has happened on the socket.
    pub fn is_stale(&mut self) -> bool {
        self.socket.has_input()
    }

    /// Sends a request and waits for the head of its final response. `interim` sees those before it.
    pub async fn send<B>(
        mut self,
        head: &Parts,
        body: B,
        limits: Limits,
        mut interim: impl FnMut(StatusCode, HeaderMap),
    ) -> Result<Response<ResponseBody<B>>, SendError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let length = match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) if !announces_body(&head.headers) => BodyLength::None,
            (true, _) => BodyLength::Known(0),
            (false, Some(length)) => BodyLength::Known(length),
            (false, None) => BodyLength::Unknown,
        };
        let mut body = (length != BodyLength::None).then(|| Box::pin(body));
        // What is there of the body goes with the head.
        let first = match &mut body {
            None => None,
            Some(body) => match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
                Poll::Ready(frame) => Some(frame.transpose().map_err(SendError::Body)?),
                Poll::Pending => None,
            },
        };
        with_write_buffer(|out| {
            self.write_head(head, length, out).map_err(|_| SendError::Unwritable)?;
            if let Some(frame) = first {
                let is_last = body.as_ref().is_none_or(|body| body.is_end_stream());
                if self.append(frame, is_last, out) {
                    body = None;
                }
            }
            // An error shows when the response is read: the upstream may have answered before it closed.
            if self.socket.write_now(out).is_err() {
                self.socket.discard_queue();
                body = None;
            }
            Ok::<_, SendError<B::Error>>(())
        })?;
        let mut exchange = Exchange { connection: self, body, limits };
        loop {
            let (status, version, framing, headers) = poll_fn(|cx| exchange.poll_head(cx)).await?;
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                interim(status, headers);
                continue;
            }
            let length = framing.length();
            let mut incoming = ResponseBody { exchange: Some(exchange), length, is_done: false, idle: None };
            incoming.finish_if_complete();
            let mut response = Response::new(incoming);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            *response.version_mut() = version;
            return Ok(response);
        }
    }

    fn write_head(&mut self, head: &Parts, length: BodyLength, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let wants_upgrade = head.headers.contains_key(http::header::UPGRADE);
        let write = |writer: &mut HeadWriter<'_>| writer.map(&head.headers);
        self.http.write_head(head.method.as_str(), target.as_bytes(), length, wants_upgrade, write, out)
    }

    /// Appends a frame of the request's body to `out`, and the end of the body after its last one. Returns whether the
    /// body has ended. One that is longer or shorter than it said ends here, and the request stays incomplete.
    fn append(&mut self, frame: Option<Frame<Bytes>>, is_last: bool, out: &mut Vec<u8>) -> bool {
        let Self { socket, http } = self;
        let trailers = match data_or_trailers(frame) {
            Ok(data) => {
                let Ok(frame) = http.frame(data.len()) else { return true };
                socket.append(frame, data, out);
                if !is_last {
                    return false;
                }
                HeaderMap::new()
            }
            Err(trailers) => trailers,
        };
        let _ = http.write_end(pairs(&trailers), out);
        true
    }
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes>,
{
    /// Sends as much of the request as the upstream takes. Trouble with that is reported by the reading side: the upstream
    /// may have answered before it closed.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), B::Error>> {
        loop {
            let socket = &mut self.connection.socket;
            match socket.poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    socket.discard_queue();
                    self.body = None;
                }
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let frame = ready!(body.as_mut().poll_frame(cx)).transpose()?;
            let is_last = body.is_end_stream();
            with_write_buffer(|out| {
                if self.connection.append(frame, is_last, out) {
                    self.body = None;
                }
                self.connection.socket.queue(Bytes::copy_from_slice(out));
            });
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ReceivedHead, SendError<B::Error>>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(SendError::Body(error)));
        }
        let ClientStream { socket, http } = &mut self.connection;
        loop {
            let received = with_headers(|headers| {
                let head = http.receive_head(socket.unread(), &self.limits, headers)?;
                Ok(head.map(|head| {
                    let bytes = socket.take(head.len);
                    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
                    let version = match head.version {
                        crate::Version::Http10 => Version::HTTP_10,
                        crate::Version::Http11 => Version::HTTP_11,
                    };
                    (status, version, head.framing, header_map(headers, &bytes))
                }))
            });
            match received {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(SendError::Invalid(ReadError::Parse(error)))),
            }
            match ready!(socket.poll_fill(cx)) {
                Ok(0) => {
                    let error = http.end_of_input().err().unwrap_or(ParseError::BeforeResponse);
                    return Poll::Ready(Err(match error {
                        ParseError::BeforeResponse => SendError::Closed(error.into()),
                        error => SendError::Invalid(error.into()),
                    }));
                }
                Ok(_) => {}
                Err(error) if socket.unread().is_empty() => {
                    return Poll::Ready(Err(SendError::Closed(error.into())));
                }
                Err(error) => return Poll::Ready(Err(SendError::Invalid(error.into()))),
            }
        }
    }

    /// The next data or trailers of the response; `None` at its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, ReadError>> {
        // A request whose body fails is given up; what the response is does not depend on it any more.
        let _ = self.poll_send(cx);
        let ClientStream { socket, http } = &mut self.connection;
        loop {
            let (consumed, decoded) = http.receive_body(socket.unread())?;
            match decoded {
                Decoded::Data(data) => {
                    let length = data.len();
                    socket.consume(consumed - length);
                    return Poll::Ready(Ok(Some(Frame::data(socket.take(length)))));
                }
                Decoded::End => {
                    socket.consume(consumed);
                    return Poll::Ready(Ok(None));
                }
                Decoded::More => socket.consume(consumed),
            }
            if ready!(socket.poll_fill(cx))? == 0 {
                http.end_of_input()?;
            }
        }
    }
}

impl<B> ResponseBody<B> {
    /// The connection, once the response is complete and another request may be sent over it.
    pub fn take_idle(&mut self) -> Option<ClientStream> {
        self.idle.take()
    }

    /// The connection, after 101 (Switching Protocols): it speaks another protocol from now on.
    pub fn take_tunnel(&mut self) -> Option<ClientStream> {
        let exchange = self.exchange.take_if(|exchange| exchange.connection.http.is_tunnel())?;
        self.is_done = true;
        Some(exchange.connection)
    }

    fn finish_if_complete(&mut self) {
        let is_complete =
            self.exchange.as_ref().is_some_and(|exchange| exchange.connection.http.is_response_complete());
        if is_complete {
            self.is_done = true;
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(Exchange { mut connection, .. }) = self.exchange.take() {
            let unread = connection.socket.unread();
            if connection.http.reuse(unread)
                && connection.socket.is_flushed()
                && !connection.socket.is_ended()
            {
                self.idle = Some(connection);
            }
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
{
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
        let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
        match ready!(exchange.poll_body(cx)) {
            Ok(Some(frame)) => {
                if let (Some(length), Some(data)) = (&mut this.length, frame.data_ref()) {
                    // `usize` is never wider than 64 bits.
                    *length = length.saturating_sub(data.len() as u64);
                }
                // A body with a length is known to be complete with its last byte: the connection is free at once. The end
                // of a chunked one may be here too, but its trailers have to be given first.
                if this.length == Some(0) {
                    this.finish_if_complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(None) => {
                let trailers = trailer_map(exchange.connection.http.trailers());
                this.is_done = true;
                this.release();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Err(error) => {
                this.is_done = true;
                this.exchange = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::CONTENT_LENGTH)
}

impl<E> From<io::Error> for SendError<E> {
    fn from(error: io::Error) -> Self {
        Self::Invalid(error.into())
    }
}
