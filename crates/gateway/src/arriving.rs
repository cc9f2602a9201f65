//! A client's content, held to a least pace: whoever drips bytes occupies a connection for nothing.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::ContentFault;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

/// 500 bytes a second, looked at every 15 seconds.
const WINDOW: Duration = Duration::from_secs(15);
const BYTES_PER_WINDOW: u64 = 500 * WINDOW.as_secs();

/// Content that arrives.
pub(crate) struct Arriving {
    body: Incoming,
    window: Option<Pin<Box<Sleep>>>,
    in_window: u64,
}

impl Arriving {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, window: None, in_window: 0 }
    }

    /// Whether the window's end has come with too little in it. A window begins when there is something to
    /// wait for; one that ran out while nobody read is no sign of a slow client.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let window = self.window.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + WINDOW)));
        while window.as_mut().poll(cx).is_ready() {
            if self.in_window < BYTES_PER_WINDOW {
                return true;
            }
            self.in_window = 0;
            window.as_mut().reset(Instant::now() + WINDOW);
        }
        false
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = ContentFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentFault>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.is_late(cx) => Poll::Ready(Some(Err(ContentFault::Slow))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                if self.window.as_ref().is_some_and(|window| window.deadline() < Instant::now()) {
                    (self.window, self.in_window) = (None, 0);
                }
                self.in_window += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(ContentFault::Broken(error.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
