//! The timeout of an upstream's response.
//!
//! It does not elapse while the upstream waits for the client to send the request's body; slow clients have a timeout of
//! their own. It does elapse while the upstream does not read a body that is there.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use demur_engine::UpstreamFault;
use demur_http1::io::Timer;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// The response timeout of one request.
pub(crate) struct ResponseTimeout {
    time: Duration,
    state: Rc<Cell<TimeoutState>>,
}

#[derive(Clone, Copy)]
struct TimeoutState {
    /// When the upstream last read something, or could first have responded.
    since: Instant,
    /// The next chunk of the body has to come from the client.
    awaits_client: bool,
}

impl ResponseTimeout {
    pub(crate) fn new(time: Duration, since: Instant) -> Self {
        Self { time, state: Rc::new(Cell::new(TimeoutState { since, awaits_client: false })) }
    }

    /// The timeout's duration.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Wraps a body, to restart the timeout with its progress.
    pub(crate) fn watch<B>(&self, body: B) -> ProgressBody<B> {
        ProgressBody { body, progress: UploadProgress(self.state.clone()) }
    }

    /// The output of `future`, unless the timeout elapses before.
    pub(crate) async fn enforce<F: Future + Unpin>(
        &self,
        timer: &mut Timer,
        mut future: F,
    ) -> Result<F::Output, UpstreamFault> {
        poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self
                .poll_elapsed(cx, timer)
                .map(|()| Err(UpstreamFault::Timeout(format!("no response within {:?}", self.time)))),
        })
        .await
    }

    fn poll_elapsed(&self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<()> {
        loop {
            let before = self.state.get();
            let since = if before.awaits_client { Instant::now() } else { before.since };
            let Some(deadline) = since.checked_add(self.time) else { return Poll::Pending };
            ready!(timer.poll_until(cx, deadline));
            if !before.awaits_client {
                return Poll::Ready(());
            }
        }
    }
}

/// The body of a request as the upstream reads it.
pub(crate) struct ProgressBody<B> {
    body: B,
    progress: UploadProgress,
}

/// The progress of a body. A body that is dropped is not waited for any more.
struct UploadProgress(Rc<Cell<TimeoutState>>);

impl<B: Body + Unpin> Body for ProgressBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.0.set(TimeoutState { since: Instant::now(), awaits_client: polled.is_pending() });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UploadProgress {
    fn drop(&mut self) {
        if self.0.get().awaits_client {
            self.0.set(TimeoutState { since: Instant::now(), awaits_client: false });
        }
    }
}
