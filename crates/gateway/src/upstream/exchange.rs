//! One exchange with an upstream: a request and its response. The one file here that knows the HTTP implementation, which
//! is hyper's HTTP/1 client.
//!
//! An [`Exchange`] is checked out of a [`Pool`](super::pool::Pool). It owns its connection; with HTTP/2 it would own a
//! stream. [`send`](Exchange::send) sends head and body, and receives the head of the response. Body and trailers are the
//! frames of the [`ExchangeBody`]; at its end the connection returns to the pool. Dropping the future or the body before
//! cancels the exchange and closes the connection. Interim responses (1xx) are received between the two heads; hyper
//! discards them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::{BodyError, UpstreamFault};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http1::DEFAULT_MAX_HEADERS;
use crate::listener::descriptors::Descriptor;

/// Idle connections that are kept for each API and worker.
const MAX_IDLE: usize = 128;
/// Shorter than the idle timeout of common servers.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// A connection on which one request may be sent.
pub(crate) struct Exchange<B> {
    sender: SendRequest<B>,
    pool: IdlePool<B>,
}

/// The body of a response. Its trailers are its last frame.
pub(crate) struct ExchangeBody<B> {
    incoming: Incoming,
    /// `None` once the connection has returned to the pool.
    exchange: Option<Exchange<B>>,
}

/// Why there is no response.
pub(crate) enum SendError<B> {
    /// The connection was closed before. The request was not sent.
    Unsent(Box<Request<B>>),
    /// The connection was closed before a response came. The upstream may have received the request.
    Closed(UpstreamFault),
    /// Anything else.
    Failed(UpstreamFault),
}

impl<B> Exchange<B> {
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the previous exchange on the connection has ended, its request's body included.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Returns the connection to its pool.
    fn release(self) {
        let pool = self.pool.clone();
        pool.release(self);
    }
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin + 'static,
{
    /// An exchange on a new connection, which is driven by a task of its own and counted as `descriptor`.
    pub(crate) async fn connect(
        socket: TcpStream,
        max_headers: usize,
        descriptor: Descriptor,
        pool: IdlePool<B>,
    ) -> Result<Self, UpstreamFault> {
        let mut builder = http1::Builder::new();
        if max_headers > DEFAULT_MAX_HEADERS {
            builder.max_headers(max_headers);
        }
        let handshake = builder.handshake(TokioIo::new(socket)).await;
        let (sender, connection) =
            handshake.map_err(|error| UpstreamFault::Unreachable(error.to_string()))?;
        tokio::task::spawn_local(async move {
            // The request on the connection has received its error.
            let _ = connection.await;
            drop(descriptor);
        });
        Ok(Self { sender, pool })
    }

    /// Sends head and body, and receives the head of the response.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn send(
        mut self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<ExchangeBody<B>>, SendError<B>>> {
        async move {
            match self.sender.try_send_request(request).await {
                Ok(response) => Ok(response.map(|incoming| ExchangeBody { incoming, exchange: Some(self) })),
                Err(mut error) => Err(match error.take_message() {
                    Some(unsent) => SendError::Unsent(Box::new(unsent)),
                    None => SendError::of(&error.into_error()),
                }),
            }
        }
    }
}

impl<B> ExchangeBody<B> {
    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.release();
        }
    }
}

impl<B> Body for ExchangeBody<B> {
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let is_last = frame.is_none() || self.incoming.is_end_stream();
        let frame = frame.map(|frame| frame.map_err(|error| UpstreamFault::Invalid(error.to_string())));
        if is_last && !matches!(frame, Some(Err(_))) {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An empty body is never polled; its connection returns to the pool all the same.
impl<B> Drop for ExchangeBody<B> {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        }
    }
}

/// Idle connections, the one that was used last at the end.
pub(crate) struct IdlePool<B>(Rc<RefCell<VecDeque<IdleConnection<B>>>>);

struct IdleConnection<B> {
    exchange: Exchange<B>,
    since: Instant,
}

impl<B> Clone for IdlePool<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> IdlePool<B> {
    /// Takes a connection back, and closes those that have been idle for too long.
    pub(crate) fn release(&self, exchange: Exchange<B>) {
        let mut idle = self.0.borrow_mut();
        let now = Instant::now();
        let is_old = |idle: &IdleConnection<B>| now.duration_since(idle.since) > MAX_IDLE_TIME;
        while idle.front().is_some_and(is_old) {
            idle.pop_front();
        }
        if idle.len() < MAX_IDLE && !exchange.is_closed() {
            idle.push_back(IdleConnection { exchange, since: now });
        }
    }

    /// The connection that was used last and is ready. None is waited for: the body of its last request may still be on
    /// its way.
    pub(crate) fn checkout(&self, now: Instant) -> Option<Exchange<B>> {
        let mut idle = self.0.borrow_mut();
        let mut unready = idle.len();
        while unready > 0 {
            unready -= 1;
            let connection = idle.get(unready)?;
            if connection.exchange.is_closed()
                || now.saturating_duration_since(connection.since) > MAX_IDLE_TIME
            {
                idle.remove(unready);
            } else if connection.exchange.is_ready() {
                return idle.remove(unready).map(|idle| idle.exchange);
            }
        }
        None
    }

    /// Closes up to `count` of the connections that have been idle for longest. Returns how many were closed.
    pub(crate) fn close(&self, count: usize) -> usize {
        let mut idle = self.0.borrow_mut();
        let count = count.min(idle.len());
        idle.drain(..count);
        count
    }
}

impl<B> Default for IdlePool<B> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<B> SendError<B> {
    fn of(error: &hyper::Error) -> Self {
        let is_io = error.source().is_some_and(|source| source.is::<std::io::Error>());
        let is_closed = error.is_incomplete_message() || is_io;
        match fault(error) {
            fault @ UpstreamFault::Invalid(_) if is_closed => SendError::Closed(fault),
            fault => SendError::Failed(fault),
        }
    }
}

/// The fault for hyper's error, which may wrap an error of the request's own body.
fn fault(error: &hyper::Error) -> UpstreamFault {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<BodyError>() {
            return UpstreamFault::Content(error.clone());
        }
        source = cause.source();
    }
    UpstreamFault::Invalid(error.to_string())
}
