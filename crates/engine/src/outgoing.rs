//! Content on its way out, and the settling that its end brings about.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use demur_admission::{Hold, Taken};
use http_body::{Body, Frame, SizeHint};

use crate::answer::Looked;

/// The content of a response: the gateway's own, or the upstream's passing through.
#[derive(Debug)]
pub enum Outgoing<R> {
    /// In one piece; `None` once it was taken.
    Whole(Option<Bytes>),
    /// Untouched from the upstream. Boxed: a server keeps the room for an answer while its connection is idle, and
    /// an answer is moved several times before it is sent.
    Passing(Box<Passing<R>>),
}

/// An upstream's content, which settles the request as it ends.
///
/// At its end the credits are posted, and on an error they are released: the upstream is known to have
/// failed. Dropped in between they are posted, since the client went away from work that was done. The
/// concurrency slot is free when this is dropped.
#[derive(Debug)]
pub struct Passing<R> {
    body: Looked<R>,
    hold: Option<Hold>,
    _taken: Option<Taken>,
}

impl<R> Outgoing<R> {
    pub(crate) fn whole(content: Vec<u8>) -> Self {
        Outgoing::Whole((!content.is_empty()).then(|| content.into()))
    }

    pub(crate) fn passing(body: Looked<R>, hold: Hold, taken: Option<Taken>) -> Self
    where
        R: Body<Data = Bytes> + Unpin,
    {
        let mut passing = Passing { body, hold: Some(hold), _taken: taken };
        // Nobody polls content that is empty.
        if passing.body.is_end_stream() {
            passing.posted();
        }
        Outgoing::Passing(Box::new(passing))
    }
}

impl<R> Passing<R> {
    fn posted(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.post();
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
            Outgoing::Passing(passing) => {
                let frame = ready!(Pin::new(&mut passing.body).poll_frame(cx));
                match &frame {
                    None => passing.posted(),
                    Some(Ok(_)) if passing.body.is_end_stream() => passing.posted(),
                    Some(Ok(_)) => {}
                    Some(Err(_)) => {
                        if let Some(hold) = passing.hold.take() {
                            hold.release();
                        }
                    }
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(content) => content.is_none(),
            Outgoing::Passing(passing) => passing.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Outgoing::Passing(passing) => passing.body.size_hint(),
        }
    }
}
