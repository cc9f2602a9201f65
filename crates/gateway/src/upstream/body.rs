//! The body of an upstream's response: its timeouts, and its beginning.
//!
//! The response is held back until the first bytes of its body have come, so that an upstream that breaks off at once is
//! answered in the contract: see [`UpstreamBody::begin`].

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
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::exchange::ExchangeBody;

/// How long a response without a length is held back.
const HOLD: Duration = Duration::from_millis(50);

/// The body of an upstream's response. It fails if nothing comes for longer than the upstream's timeout. The body of an
/// error response, which is only read to be understood, must be complete within that time.
pub(crate) struct UpstreamBody<B> {
    body: ExchangeBody<B>,
    timeout: Duration,
    is_failure: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    /// What came while the head was held back.
    first: Option<Frame<Bytes>>,
    /// The upstream's body has ended.
    is_over: bool,
    /// Why it broke off, returned after what came before it.
    fault: Option<UpstreamFault>,
}

impl<B> UpstreamBody<B> {
    pub(crate) fn new(body: ExchangeBody<B>, timeout: Duration, is_failure: bool) -> Self {
        Self { body, timeout, is_failure, deadline: None, first: None, is_over: false, fault: None }
    }

    /// Waits for the first bytes of the body, and fails if it breaks off before.
    ///
    /// A body with a length is waited for until the upstream's timeout, since its head alone is of no use. Others are
    /// waited for up to 50 ms, and event streams not at all: their head can be news.
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
                Some(Err(fault)) => return Err(fault),
                None => self.is_over = true,
            }
        }
        Ok(())
    }

    /// The next frame, or nothing if it is not waited for any longer.
    async fn wait(
        &mut self,
        headers: &HeaderMap,
        since: Instant,
    ) -> Result<Option<Option<Result<Frame<Bytes>, UpstreamFault>>>, UpstreamFault> {
        let must_come = headers.contains_key(CONTENT_LENGTH);
        let time = if must_come { self.timeout } else { HOLD };
        match timeout(time.saturating_sub(since.elapsed()), self.body.frame()).await {
            Ok(frame) => Ok(Some(frame)),
            Err(_) if must_come => Err(UpstreamFault::Timeout("no response body".to_owned())),
            Err(_) => Ok(None),
        }
    }

    /// The body breaks off. The error is returned with the next poll: hyper's server discards what it has not sent yet
    /// when it gets an error, and the client would see an empty response.
    fn broken(
        &mut self,
        cx: &mut Context<'_>,
        fault: UpstreamFault,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        self.fault = Some(fault);
        cx.waker().wake_by_ref();
        Poll::Pending
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
            // The timer is made only when there is something to wait for.
            let timeout = this.timeout;
            let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(deadline.as_mut().poll(cx));
            return this.broken(cx, UpstreamFault::Timeout("response body stalled".to_owned()));
        };
        if !this.is_failure {
            this.deadline = None;
        }
        match frame {
            Some(Err(fault)) => this.broken(cx, fault),
            frame => Poll::Ready(frame),
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
