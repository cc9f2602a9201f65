//! Content on its way into the service and out of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_core::BoxError;
use bytes::Bytes;
use demur_engine::{BodyError, RequestBody};
use http_body::{Body, Frame, SizeHint};
use http_body_util::LengthLimitError;

use crate::error::sources;

/// A request's content as it arrives, with its errors named.
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
        Poll::Ready(frame.map(|frame| frame.map_err(|error| named(&*error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn named(error: &(dyn std::error::Error + 'static)) -> BodyError {
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

/// A request's content as the service reads it: bounded.
pub type RequestContent<B> = RequestBody<IncomingBody<B>>;

/// What the service answered with.
#[derive(Debug)]
pub struct ServiceBody<R>(BodyForm<R>);

#[derive(Debug)]
enum BodyForm<R> {
    /// The service's own content, untouched.
    Service(R),
    /// The beginning of a failed answer, which was read to see what it is.
    Read(Option<Bytes>),
}

impl<R> ServiceBody<R> {
    pub(crate) fn service(body: R) -> Self {
        Self(BodyForm::Service(body))
    }

    pub(crate) fn read(content: Bytes) -> Self {
        Self(BodyForm::Read((!content.is_empty()).then_some(content)))
    }

    pub(crate) fn nothing() -> Self {
        Self(BodyForm::Read(None))
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
            BodyForm::Read(content) => Poll::Ready(content.take().map(|content| Ok(Frame::data(content)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyForm::Service(body) => body.is_end_stream(),
            BodyForm::Read(content) => content.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyForm::Service(body) => body.size_hint(),
            BodyForm::Read(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |read| read.len() as u64))
            }
        }
    }
}
