//! One exchange with an upstream: the request is sent while the response is awaited, and its body while the response's body
//! arrives.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::{BodyLength, ClientConnection, Decoded, Headers, Limits, ParseError, ResponseHead};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::net::TcpStream;

use super::socket::{ReadError, Socket};

/// A connection to an upstream, idle.
pub struct ClientStream {
    socket: Socket,
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
    pub fn new(socket: TcpStream) -> Self {
        Self { socket: Socket::new(socket, &[]), http: ClientConnection::new() }
    }

    /// Whether the upstream has closed the idle connection or sent something unasked. Without a system call as long as
    /// nothing has happened on the socket.
    pub fn is_stale(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.socket.poll_readable(&mut cx).is_ready() && self.socket.poll_peek(&mut cx).is_ready()
    }

    /// Sends a request and waits for the head of its final response. `interim` sees those before it.
    pub async fn send<B>(
        mut self,
        request: Request<B>,
        limits: Limits,
        mut interim: impl FnMut(StatusCode, &HeaderMap),
    ) -> Result<Response<ResponseBody<B>>, SendError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let (head, body) = request.into_parts();
        let length = match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) if !announces_body(&head.headers) => BodyLength::None,
            (true, _) => BodyLength::Known(0),
            (false, Some(length)) => BodyLength::Known(length),
            (false, None) => BodyLength::Unknown,
        };
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let wants_upgrade = head.headers.contains_key(http::header::UPGRADE);
        let mut out = Vec::with_capacity(1024);
        let written = self.http.write_head(
            head.method.as_str(),
            target.as_bytes(),
            length,
            wants_upgrade,
            |writer| {
                for (name, value) in &head.headers {
                    if !is_framing(name) {
                        writer.header(name, value);
                    }
                }
            },
            &mut out,
        );
        written.map_err(|_| SendError::Unwritable)?;
        self.socket.queue(out);
        let body = (length != BodyLength::None).then(|| Box::pin(body));
        let mut exchange = Exchange { connection: self, body, limits };
        let mut headers = Headers::new();
        loop {
            let head = poll_fn(|cx| exchange.poll_head(cx, &mut headers)).await?;
            let bytes = exchange.connection.socket.take(head.len);
            let map = header_map(&headers, &bytes);
            let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
            if head.is_interim() {
                interim(status, &map);
                continue;
            }
            let length = match head.framing {
                crate::Framing::None => Some(0),
                crate::Framing::Length(length) => Some(length),
                crate::Framing::Chunked | crate::Framing::UntilClose => None,
            };
            let mut incoming = ResponseBody { exchange: Some(exchange), length, is_done: false, idle: None };
            incoming.finish_if_complete();
            let mut response = Response::new(incoming);
            *response.status_mut() = status;
            *response.headers_mut() = map;
            *response.version_mut() =
                if head.version == crate::Version::Http10 { Version::HTTP_10 } else { Version::HTTP_11 };
            return Ok(response);
        }
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
            let ClientStream { socket, http } = &mut self.connection;
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
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => {
                    // A body that is longer than it said ends here, and the request stays incomplete.
                    let Ok(frame) = http.frame(data.len()) else {
                        self.body = None;
                        continue;
                    };
                    socket.queue(Bytes::copy_from_slice(frame.prefix()));
                    socket.queue(data);
                    socket.queue(frame.suffix());
                    if is_last {
                        self.end(&HeaderMap::new());
                    }
                }
                Some(Err(frame)) => self.end(&frame.into_trailers().unwrap_or_default()),
                None => self.end(&HeaderMap::new()),
            }
        }
    }

    /// The request's body is complete.
    fn end(&mut self, trailers: &HeaderMap) {
        let mut out = Vec::new();
        let pairs = trailers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        if self.connection.http.write_end(pairs, &mut out).is_ok() {
            self.connection.socket.queue(out);
        }
        self.body = None;
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut Headers,
    ) -> Poll<Result<ResponseHead, SendError<B::Error>>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(SendError::Body(error)));
        }
        let ClientStream { socket, http } = &mut self.connection;
        loop {
            match http.receive_head(socket.unread(), &self.limits, headers) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(SendError::Invalid(error.into()))),
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

/// Whether a header is about the connection or the framing, which the engine writes itself.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::CONTENT_LENGTH)
}

/// The headers of a head, without a copy of their values.
pub(crate) fn header_map(headers: &Headers, bytes: &Bytes) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.in_bytes(bytes).iter() {
        // They were checked when they were read.
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        let Ok(value) = HeaderValue::from_maybe_shared(bytes.slice_ref(value)) else { continue };
        map.append(name, value);
    }
    map
}

/// Trailers as a map; `None` where there are none.
pub(crate) fn trailer_map<'t>(trailers: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    (!map.is_empty()).then_some(map)
}

impl<E> From<io::Error> for SendError<E> {
    fn from(error: io::Error) -> Self {
        Self::Invalid(error.into())
    }
}
