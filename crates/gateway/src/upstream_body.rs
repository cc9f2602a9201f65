//! An upstream's content on its way back: it must keep coming, and when it has ended its connection is free.
//!
//! Until the first bytes of it are there the response is held back, so that an upstream which breaks off at once is
//! answered in the contract: see [`Answer::begin`].

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::UpstreamFault;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::upstream::IdlePool;

/// How long a response is held back while nothing has come of content without a length.
const HOLD: Duration = Duration::from_millis(50);

/// An upstream's content. A silence longer than the upstream's time-out ends it with an error; the content
/// of a failure, which is only read to be understood, must have come whole within that time.
pub(crate) struct UpstreamBody<B> {
    body: Incoming,
    patience: Duration,
    is_failure: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    /// What came before the head was let through.
    first: Option<Frame<Bytes>>,
    /// The upstream's content has ended.
    is_over: bool,
    /// Why it broke off, to be told when what came before has been sent.
    fault: Option<UpstreamFault>,
    returning: Option<(SendRequest<B>, IdlePool<B>)>,
}

impl<B> UpstreamBody<B> {
    pub(crate) fn new(
        body: Incoming,
        patience: Duration,
        is_failure: bool,
        returning: (SendRequest<B>, IdlePool<B>),
    ) -> Self {
        Self {
            body,
            patience,
            is_failure,
            deadline: None,
            first: None,
            is_over: false,
            fault: None,
            returning: Some(returning),
        }
    }

    /// Waits for the first bytes of the content, and fails where it breaks off before.
    ///
    /// Of content with a length they are waited for as long as the upstream's timeout lets it, since a head alone is of
    /// no use to anyone; of other content for 50 ms, and of an event stream not at all: there the head can be news.
    pub(crate) async fn begin(&mut self, headers: &HeaderMap) -> Result<(), UpstreamFault> {
        let since = Instant::now();
        while !self.is_over && !self.body.is_end_stream() {
            // Nearly always they are there.
            let now = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.body).poll_frame(cx)));
            let frame = match now.await {
                Poll::Ready(frame) => frame,
                Poll::Pending if is_event_stream(headers) => break,
                Poll::Pending => match Box::pin(self.wait(headers, since)).await? {
                    Some(frame) => frame,
                    None => break,
                },
            };
            match frame {
                Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Some(Ok(frame)) => {
                    self.first = Some(frame);
                    break;
                }
                Some(Err(error)) => return Err(UpstreamFault::Invalid(error.to_string())),
                None => self.is_over = true,
            }
        }
        if self.is_over || self.body.is_end_stream() {
            self.ended();
        }
        Ok(())
    }

    /// The next piece, or nothing where it is not waited for any longer.
    async fn wait(
        &mut self,
        headers: &HeaderMap,
        since: Instant,
    ) -> Result<Option<Option<Result<Frame<Bytes>, hyper::Error>>>, UpstreamFault> {
        let must_come = headers.contains_key(CONTENT_LENGTH);
        let time = if must_come { self.patience } else { HOLD };
        match timeout(time.saturating_sub(since.elapsed()), self.body.frame()).await {
            Ok(frame) => Ok(Some(frame)),
            Err(_) if must_come => Err(UpstreamFault::Timeout("its content did not come".to_owned())),
            Err(_) => Ok(None),
        }
    }

    /// The content breaks off. The error comes with the next poll: a server that is told so at once drops what it has
    /// not sent yet, and its client would see an empty response where a part of it was there.
    fn broken(
        &mut self,
        cx: &mut Context<'_>,
        fault: UpstreamFault,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        self.fault = Some(fault);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn ended(&mut self) {
        if let Some((sender, home)) = self.returning.take() {
            home.release(sender);
        }
    }
}

impl<B> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let this = &mut *self;
        if let Some(frame) = this.first.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(fault) = this.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The timer is made when there is something to wait for: most content is there at once.
            let patience = this.patience;
            let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(deadline.as_mut().poll(cx));
            return this.broken(cx, UpstreamFault::Timeout("its content stopped coming".to_owned()));
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
            Some(Err(error)) => this.broken(cx, UpstreamFault::Invalid(error.to_string())),
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_sent = self.first.is_none() && self.fault.is_none();
        is_sent && (self.is_over || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.first.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(held + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(held + upper);
        }
        hint
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let name = b"text/event-stream";
    content_type.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

/// Content that was empty from the start is never polled; its connection goes back all the same.
impl<B> Drop for UpstreamBody<B> {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}
