//! The body of an upstream's response: its timeouts, and its beginning.
//!
//! The response is held back until the beginning of its body has come, so that an upstream that breaks off early is answered
//! in the contract: see [`UpstreamBody::begin`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use demur_engine::{UpstreamFault, is_event_stream};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::balancer::EndpointPermit;
use super::exchange::ExchangeBody;
use super::upgrade::{TunnelEnd, UpgradedUpstream};

/// Bodies up to this length are held back until they are complete.
const WHOLE_BYTES: usize = 16 * 1024;
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
    first: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// The upstream's body has ended.
    is_over: bool,
    /// The body stands for a connection that was upgraded.
    tunnel: Option<TunnelEnd>,
    /// Counts the request at its endpoint until the body has been sent.
    permit: EndpointPermit,
}

/// How much of a body is waited for before its head is passed on.
#[derive(Clone, Copy)]
struct Hold {
    bytes: usize,
    /// What comes until then is enough. `None`: it must come within the upstream's timeout.
    time: Option<Duration>,
}

impl Hold {
    /// A short body is of use only as a whole, and so is JSON; of others the first bytes say that the upstream works. The
    /// head of an event stream can be news.
    fn of(length: Option<u64>, headers: &HeaderMap) -> Option<Self> {
        match length.map(usize::try_from) {
            Some(Ok(length)) if length <= WHOLE_BYTES => Some(Self { bytes: length, time: None }),
            Some(_) => Some(Self { bytes: 1, time: None }),
            None if is_event_stream(headers) => None,
            None if is_json(headers) => Some(Self { bytes: WHOLE_BYTES, time: Some(HOLD) }),
            None => Some(Self { bytes: 1, time: Some(HOLD) }),
        }
    }
}

impl<B> UpstreamBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(
        body: ExchangeBody<B>,
        timeout: Duration,
        is_failure: bool,
        permit: EndpointPermit,
    ) -> Self {
        let (deadline, first, trailers, tunnel) = (None, None, None, None);
        Self { body, timeout, is_failure, deadline, first, trailers, is_over: false, tunnel, permit }
    }

    /// The connection, after 101 (Switching Protocols). From now on this body ends when the connection does.
    pub(crate) fn take_tunnel(&mut self) -> Option<UpgradedUpstream> {
        let stream = self.body.take_tunnel()?;
        let end = self.tunnel.insert(TunnelEnd::default()).clone();
        Some(UpgradedUpstream { stream, end })
    }

    /// Waits for the beginning of the body, and fails if it breaks off within it. A body of up to 16 KiB is waited for
    /// until it is complete; of a longer one the first bytes; where the length is not known, 50 ms at most.
    pub(crate) async fn begin(&mut self, headers: &HeaderMap) -> Result<(), UpstreamFault> {
        let Some(hold) = Hold::of(self.body.size_hint().exact(), headers) else { return Ok(()) };
        // Nearly always it is there.
        if !std::future::poll_fn(|cx| Poll::Ready(self.take(cx, hold))).await? {
            // Boxed: rare, and every request's future has room for it otherwise.
            Box::pin(self.wait(hold)).await?;
        }
        Ok(())
    }

    /// The body could not be held.
    pub(crate) fn failed(&self, fault: &UpstreamFault) {
        self.permit.failed(fault);
    }

    /// Takes what is there of the body. Returns whether it is enough.
    fn take(&mut self, cx: &mut Context<'_>, hold: Hold) -> Result<bool, UpstreamFault> {
        while self.lacks(hold) {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => self.hold(frame)?,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether more of the body may come, and is waited for.
    fn lacks(&self, hold: Hold) -> bool {
        !self.is_over && !self.body.is_end_stream() && self.held() < hold.bytes
    }

    fn held(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len)
    }

    fn hold(&mut self, frame: Option<Result<Frame<Bytes>, UpstreamFault>>) -> Result<(), UpstreamFault> {
        match frame.transpose()?.map(Frame::into_data) {
            None => self.is_over = true,
            Some(Err(frame)) => {
                self.is_over = true;
                self.trailers = frame.into_trailers().ok();
            }
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => {
                self.first = Some(match self.first.take() {
                    None => data,
                    Some(held) => {
                        let mut both = BytesMut::from(held);
                        both.extend_from_slice(&data);
                        both.freeze()
                    }
                });
            }
        }
        Ok(())
    }

    /// Waits until enough has come, or until it is not waited for any longer.
    async fn wait(&mut self, hold: Hold) -> Result<(), UpstreamFault> {
        let mut deadline = Instant::now() + hold.time.unwrap_or(self.timeout);
        while self.lacks(hold) {
            match timeout(deadline.saturating_duration_since(Instant::now()), self.body.frame()).await {
                Ok(frame) => self.hold(frame)?,
                Err(_) if hold.time.is_none() => {
                    return Err(UpstreamFault::Timeout("response body stalled".to_owned()));
                }
                Err(_) => return Ok(()),
            }
            if hold.time.is_none() {
                deadline = Instant::now() + self.timeout;
            }
        }
        Ok(())
    }
}

impl<B> Body for UpstreamBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = UpstreamFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(trailers) = this.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        if let Some(tunnel) = &this.tunnel {
            // Whoever sets the end polls after that.
            let Some(end) = tunnel.take() else { return Poll::Pending };
            this.is_over = true;
            return Poll::Ready(end.err().map(Err));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The timer is made only when there is something to wait for.
            let timeout = this.timeout;
            let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(UpstreamFault::Timeout("response body stalled".to_owned()))));
        };
        if !this.is_failure {
            this.deadline = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let is_sent = self.first.is_none() && self.trailers.is_none();
        is_sent && (self.is_over || (self.tunnel.is_none() && self.body.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        if self.tunnel.is_some() {
            return SizeHint::new();
        }
        let held = self.held() as u64;
        let rest = if self.is_over { SizeHint::with_exact(0) } else { self.body.size_hint() };
        let mut hint = SizeHint::new();
        hint.set_lower(held + rest.lower());
        // Trailers follow only a body without an announced length.
        if let (Some(upper), None) = (rest.upper(), &self.trailers) {
            hint.set_upper(held + upper);
        }
        hint
    }
}

/// Whether `Content-Type` is `application/json`, or another type whose name says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let suffix = essence.len().checked_sub(b"+json".len()).and_then(|start| essence.get(start..));
    essence.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}
