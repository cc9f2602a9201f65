//! A client's request body, which must arrive at a minimum rate.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_engine::BodyError;
use demur_http1::io::RequestBody;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The minimum rate of request bodies, so that no client can hold a connection by dripping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinBodyRate {
    /// The minimum of bytes in each interval.
    pub bytes: u64,
    /// The interval.
    pub per: Duration,
}

impl Default for MinBodyRate {
    /// 500 bytes a second, checked every 15 seconds.
    fn default() -> Self {
        let per = Duration::from_secs(15);
        Self { bytes: 500 * per.as_secs(), per }
    }
}

/// The body of a request; `None` if it has none. Boxed, since requests are moved several times and most have no body.
pub(crate) struct ClientBody(Option<Box<ClientBodyInner>>);

struct ClientBodyInner {
    body: RequestBody,
    min_rate: MinBodyRate,
    interval: Option<Pin<Box<Sleep>>>,
    in_interval: u64,
}

impl ClientBody {
    /// Of a request that has none.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new(body: RequestBody, min_rate: MinBodyRate) -> Self {
        if body.is_end_stream() {
            return Self::none();
        }
        Self(Some(Box::new(ClientBodyInner { body, min_rate, interval: None, in_interval: 0 })))
    }
}

impl ClientBodyInner {
    /// Whether too little has come in an interval. An interval begins when the body is waited for; one that elapsed while
    /// nothing was read is ignored.
    fn is_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let MinBodyRate { bytes, per } = self.min_rate;
        let interval = self.interval.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + per)));
        while interval.as_mut().poll(cx).is_ready() {
            if self.in_interval < bytes {
                return true;
            }
            self.in_interval = 0;
            interval.as_mut().reset(Instant::now() + per);
        }
        false
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(this) = &mut self.0 else { return Poll::Ready(None) };
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending if this.is_slow(cx) => {
                // The connection is closed (RFC 9110, section 15.5.9).
                this.body.abandon();
                Poll::Ready(Some(Err(BodyError::Slow)))
            }
            Poll::Pending => Poll::Pending,
            // Trailers are not forwarded: nobody has checked them, and some servers read them as headers.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => {
                if this.interval.as_ref().is_some_and(|interval| interval.deadline() < Instant::now()) {
                    (this.interval, this.in_interval) = (None, 0);
                }
                this.in_interval += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|this| this.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |this| this.body.size_hint())
    }
}
