//! How long an upstream may take: from when it could have answered.
//!
//! While the client is still sending its content, and slowly, the upstream is not late; whether the client is
//! too slow is judged where its content arrives. While the upstream does not take content that is there, it
//! is.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};

/// The time that one request gives its upstream.
pub(crate) struct ResponseTimeout {
    time: Duration,
    state: Rc<Cell<TimeoutState>>,
}

#[derive(Clone, Copy)]
struct TimeoutState {
    /// When the upstream last took something, or could first have answered.
    since: Instant,
    /// The next piece of content has yet to come from the client.
    awaits_client: bool,
}

impl ResponseTimeout {
    pub(crate) fn new(time: Duration, since: Instant) -> Self {
        Self { time, state: Rc::new(Cell::new(TimeoutState { since, awaits_client: false })) }
    }

    /// How long that is.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Content whose progress is noticed.
    pub(crate) fn watch<B>(&self, body: B) -> ProgressBody<B> {
        ProgressBody { body, progress: UploadProgress(self.state.clone()) }
    }

    /// Ends when the upstream has had its time.
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

/// A request's content as an upstream takes it.
pub(crate) struct ProgressBody<B> {
    body: B,
    progress: UploadProgress,
}

/// How far the content has come. Content that is given up is not waited for.
struct UploadProgress(Rc<Cell<TimeoutState>>);

impl<B> ProgressBody<B> {
    /// The content, once it is known that nobody has begun to take it.
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
