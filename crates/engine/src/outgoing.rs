//! Content on its way out, and the settling that its end brings about.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::answer::Looked;
use crate::charge::{Charge, End};
use crate::event_stream::Redacted;

/// The content of a response: the gateway's own, or the upstream's passing through.
#[derive(Debug)]
pub enum Outgoing<R> {
    /// In one piece; `None` once it was taken.
    Whole(Option<Bytes>),
    /// From the upstream, of an answer whose end changes nothing any more.
    Plain(Looked<R>),
    /// From the upstream, of an answer whose end settles something. Boxed: a server keeps the room for an answer while
    /// its connection is idle, and an answer is moved several times before it is sent.
    Passing(Box<Passing<R>>),
    /// One of these two, an event stream whose error events are redacted.
    Stream(Box<Redacted<R>>),
}

/// An upstream's content, which settles the request as it ends, by the operation's rules: at its end, on an error
/// (the upstream is known to have failed), or dropped in between (the client went away). The concurrency slot is
/// free when this is dropped.
#[derive(Debug)]
pub struct Passing<R> {
    body: Looked<R>,
    charge: Charge,
}

impl<R> Outgoing<R> {
    pub(crate) fn passing(body: Looked<R>, charge: Charge) -> Self {
        match charge.is_over() {
            true => Outgoing::Plain(body),
            false => Outgoing::Passing(Box::new(Passing { body, charge })),
        }
    }
}

impl<R> Body for Outgoing<R>
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
            Outgoing::Whole(content) => Poll::Ready(content.take().map(|content| Ok(Frame::data(content)))),
            Outgoing::Plain(body) => Pin::new(body).poll_frame(cx),
            Outgoing::Passing(passing) => {
                let Passing { body, charge } = &mut **passing;
                let mut frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                match &mut frame {
                    None => charge.ends(End::Whole),
                    Some(Err(_)) => charge.ends(End::Cut),
                    // Nothing comes after trailers, and nobody asks for it.
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            charge.passes(data);
                        }
                        match frame.trailers_mut() {
                            Some(trailers) => {
                                charge.hears(trailers);
                                charge.ends(End::Whole);
                            }
                            None if body.is_end_stream() => charge.ends(End::Whole),
                            None => {}
                        }
                    }
                }
                Poll::Ready(frame)
            }
            Outgoing::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(content) => content.is_none(),
            Outgoing::Plain(body) => body.is_end_stream(),
            Outgoing::Passing(passing) => passing.body.is_end_stream(),
            Outgoing::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Outgoing::Plain(body) => body.size_hint(),
            Outgoing::Passing(passing) => passing.body.size_hint(),
            Outgoing::Stream(_) => SizeHint::default(),
        }
    }
}
