//! An upstream's content on its way back: it must keep coming, and when it has ended its connection is free.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::UpstreamFault;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Sleep, sleep};

use crate::upstream::Home;

/// An upstream's content. A silence longer than the upstream's time-out ends it with an error; the content
/// of a failure, which is only read to be understood, must have come whole within that time.
pub(crate) struct Answer<B> {
    body: Incoming,
    patience: Duration,
    is_failure: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    returning: Option<(SendRequest<B>, Home<B>)>,
}

impl<B> Answer<B> {
    pub(crate) fn new(
        body: Incoming,
        patience: Duration,
        is_failure: bool,
        returning: (SendRequest<B>, Home<B>),
    ) -> Self {
        Self { body, patience, is_failure, deadline: None, returning: Some(returning) }
    }

    fn ended(&mut self) {
        if let Some((sender, home)) = self.returning.take() {
            home.put(sender);
        }
    }
}

impl<B> Body for Answer<B> {
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The timer is made when there is something to wait for: most content is there at once.
            let patience = this.patience;
            let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(UpstreamFault::Timeout("its content stopped coming".to_owned()))));
        };
        if !this.is_failure {
            this.deadline = None;
        }
        match frame {
            None => {
                this.ended();
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                if this.body.is_end_stream() {
                    this.ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(UpstreamFault::Invalid(error.to_string())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Content that was empty from the start is never polled; its connection goes back all the same.
impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}
