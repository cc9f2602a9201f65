//! Bodies: the request body that the service reads, and the response body that it returns.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{BodyError, RequestBody};
use http_body::{Body, Frame, SizeHint};
use http_body_util::LengthLimitError;

use crate::error_chain::sources;

/// A request body as it arrives, with classified errors.
#[derive(Debug)]
pub struct IncomingBody<B>(B);

impl<B> IncomingBody<B> {
    pub(crate) fn new(body: B) -> Self {
        Self(body)
    }
}

impl<B> Body for IncomingBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|error| classify(&*error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn classify(error: &(dyn std::error::Error + 'static)) -> BodyError {
    for source in sources(error) {
        if source.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        let io = source.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return BodyError::Slow;
        }
    }
    BodyError::Broken(error.to_string())
}

/// A request body as the service reads it, with limits.
pub type LimitedBody<B> = RequestBody<IncomingBody<B>>;

/// A response body of the service.
#[derive(Debug)]
pub struct ServiceBody<R>(BodyForm<R>);

#[derive(Debug)]
enum BodyForm<R> {
    /// The body of the service, untouched.
    Service(R),
    /// The start of an error response, buffered to classify it.
    Buffered(Option<Bytes>),
}

impl<R> ServiceBody<R> {
    pub(crate) fn service(body: R) -> Self {
        Self(BodyForm::Service(body))
    }

    pub(crate) fn buffered(body: Bytes) -> Self {
        Self(BodyForm::Buffered((!body.is_empty()).then_some(body)))
    }

    pub(crate) fn empty() -> Self {
        Self(BodyForm::Buffered(None))
    }
}

impl<R: Body<Data = Bytes> + Unpin> Body for ServiceBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match &mut self.0 {
            BodyForm::Service(body) => Pin::new(body).poll_frame(cx),
            BodyForm::Buffered(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyForm::Service(body) => body.is_end_stream(),
            BodyForm::Buffered(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyForm::Service(body) => body.size_hint(),
            BodyForm::Buffered(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
