//! The timeout of an upstream's response.
//!
//! It does not elapse while the upstream waits for the client to send the request's body; slow clients have a timeout of
//! their own. It does elapse while the upstream does not read a body that is there.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};

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

    /// Waits until the timeout has elapsed.
    pub(crate) async fn elapsed(&self) {
        loop {
            let TimeoutState { since, awaits_client } = self.state.get();
            if awaits_client {
                sleep(self.time).await;
            } else if since.elapsed() >= self.time {
                return;
            } else {
                sleep_until(since + self.time).await;
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

impl<B> ProgressBody<B> {
    /// The body, if it was not sent.
    pub(crate) fn into_inner(self) -> B {
        self.body
    }
}

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
