//! Content on its way out, and the settling that its end brings about.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::event_stream::Redacted;
use crate::response_validation::PeekedBody;
use crate::settlement::{BodyEnd, PendingSettlement};

/// The content of a response: the gateway's own, or the upstream's passing through.
#[derive(Debug)]
pub enum ResponseBody<R> {
    /// In one piece; `None` once it was taken.
    Whole(Option<Bytes>),
    /// From the upstream, of an answer whose end changes nothing any more.
    Plain(PeekedBody<R>),
    /// From the upstream, of an answer whose end settles something. Boxed: a server keeps the room for an answer while
    /// its connection is idle, and an answer is moved several times before it is sent.
    Passing(Box<SettlingBody<R>>),
    /// One of these two, an event stream whose error events are redacted.
    Stream(Box<Redacted<R>>),
}

/// An upstream's content, which settles the request as it ends, by the operation's rules: at its end, on an error
/// (the upstream is known to have failed), or dropped in between (the client went away). The concurrency slot is
/// free when this is dropped.
#[derive(Debug)]
pub struct SettlingBody<R> {
    body: PeekedBody<R>,
    charge: PendingSettlement,
}

impl<R> ResponseBody<R> {
    pub(crate) fn passing(body: PeekedBody<R>, charge: PendingSettlement) -> Self {
        match charge.is_settled() {
            true => ResponseBody::Plain(body),
            false => ResponseBody::Passing(Box::new(SettlingBody { body, charge })),
        }
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match &mut *self {
            ResponseBody::Whole(content) => {
                Poll::Ready(content.take().map(|content| Ok(Frame::data(content))))
            }
            ResponseBody::Plain(body) => Pin::new(body).poll_frame(cx),
            ResponseBody::Passing(passing) => {
                let SettlingBody { body, charge } = &mut **passing;
                let mut frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                match &mut frame {
                    None => charge.settle(BodyEnd::Whole),
                    Some(Err(_)) => charge.settle(BodyEnd::Cut),
                    // Nothing comes after trailers, and nobody asks for it.
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            charge.passes(data);
                        }
                        match frame.trailers_mut() {
                            Some(trailers) => {
                                charge.on_trailers(trailers);
                                charge.settle(BodyEnd::Whole);
                            }
                            None if body.is_end_stream() => charge.settle(BodyEnd::Whole),
                            None => {}
                        }
                    }
                }
                Poll::Ready(frame)
            }
            ResponseBody::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Whole(content) => content.is_none(),
            ResponseBody::Plain(body) => body.is_end_stream(),
            ResponseBody::Passing(passing) => passing.body.is_end_stream(),
            ResponseBody::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ResponseBody::Plain(body) => body.size_hint(),
            ResponseBody::Passing(passing) => passing.body.size_hint(),
            ResponseBody::Stream(_) => SizeHint::default(),
        }
    }
}
