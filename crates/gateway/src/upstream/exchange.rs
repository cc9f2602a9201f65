//! One exchange with an upstream: a request and its response.
//!
//! A [`Connection`] is checked out of a [`Pool`](super::pool::Pool); with HTTP/2 it would be a stream. Sending on it gives
//! the head of the response and an [`ExchangeBody`], whose frames are body and trailers; at its end the connection returns
//! to the pool. Dropping the future or the body before cancels the exchange and closes the connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_engine::{BodyError, UpstreamFault};
use demur_http1::Limits;
use demur_http1::io::{self, ClientStream, SendError};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::pool::{Connection, IdlePool, Lease};
use super::timeout::{ProgressBody, ResponseTimeout};

/// The body of a response. Its trailers are its last frame.
pub(crate) struct ExchangeBody<B> {
    body: io::ResponseBody<B>,
    /// `None` once the connection has returned to the pool.
    lease: Option<Lease>,
}

/// Why there is no response.
pub(crate) enum ExchangeError {
    /// The connection was closed before a response came. The upstream may have received the request.
    Closed(UpstreamFault),
    /// Anything else.
    Failed(UpstreamFault),
}

impl Connection {
    /// Sends head and body, and receives the head of the response. `interim` gets the interim responses before it.
    pub(crate) async fn send<B>(
        self,
        head: &Parts,
        body: B,
        timeout: &ResponseTimeout,
        limits: Limits,
        interim: impl FnMut(StatusCode, HeaderMap),
    ) -> Result<Response<ExchangeBody<ProgressBody<B>>>, ExchangeError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let Self { stream, mut lease } = self;
        lease.timer.clear();
        let sent = std::pin::pin!(stream.send(head, timeout.watch(body), limits, interim));
        let response = timeout.enforce(&mut lease.timer, sent).await;
        let response = response.map_err(ExchangeError::Failed)??;
        Ok(response.map(|body| ExchangeBody::new(body, lease)))
    }
}

impl From<SendError<BodyError>> for ExchangeError {
    fn from(error: SendError<BodyError>) -> Self {
        match error {
            SendError::Closed(error) => Self::Closed(UpstreamFault::Invalid(error.to_string())),
            SendError::Invalid(error) => Self::Failed(UpstreamFault::Invalid(error.to_string())),
            SendError::Body(error) => Self::Failed(UpstreamFault::Body(error)),
            SendError::Unwritable => {
                let cause = "the request cannot be written as HTTP/1.1";
                Self::Failed(UpstreamFault::Unavailable(cause.to_owned()))
            }
        }
    }
}

impl<B> ExchangeBody<B> {
    fn new(body: io::ResponseBody<B>, lease: Lease) -> Self {
        let mut body = Self { body, lease: Some(lease) };
        body.release();
        body
    }

    /// The connection, after 101 (Switching Protocols). What belongs to it stays here.
    pub(crate) fn take_tunnel(&mut self) -> Option<ClientStream> {
        self.body.take_tunnel()
    }

    /// Returns the connection to its pool once the exchange is complete.
    fn release(&mut self) {
        if let Some(stream) = self.body.take_idle()
            && let Some(lease) = self.lease.take()
        {
            IdlePool::release(Connection { stream, lease });
        }
    }
}

impl<B> Body for ExchangeBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.release();
        Poll::Ready(frame.map(|frame| frame.map_err(|error| UpstreamFault::Invalid(error.to_string()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
