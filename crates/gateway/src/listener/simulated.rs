//! Requests of a mock: rejections, delays, truncated bodies and resets, as its simulator decides.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use demur_engine::{RequestInfo, ResponseBody, SimulatedRejection};
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::connection::{ConnectionContext, ConnectionInfo, WorkerSnapshot, may_follow};
use super::request_body::ClientBody;
use crate::access_log::{LoggedBody, LoggedTarget, RequestSummary};
use crate::proxy::ProxyBody;
use crate::simulator::Simulation;
use crate::snapshot::Snapshot;

impl ConnectionContext {
    /// Serves one request as the simulator decides. Returns whether another request may follow.
    pub(super) async fn respond_simulated(
        &self,
        current: Rc<WorkerSnapshot>,
        request: Request<ClientBody>,
        info: ConnectionInfo<'_>,
    ) -> bool {
        let (parts, body) = request.into_parts();
        let Snapshot { engine, simulator, .. } = &*current.snapshot;
        let simulation =
            simulator.as_ref().map(|simulator| simulator.simulate(engine, &parts, info.listener));
        let Simulation { rejection, delay, truncate_at, resets } = simulation.unwrap_or_default();
        let rejected =
            rejection.and_then(|rejection| self.reject_simulated(&current, &parts, rejection, info));
        let response = match rejected {
            Some(response) => response,
            None => {
                self.serve_request(Rc::clone(&current), Request::from_parts(parts, body), None, info).await
            }
        };
        if !delay.is_zero() && info.stream.respond(tokio::time::sleep(delay)).await.is_none() {
            return false;
        }
        if resets {
            info.stream.reset();
            return false;
        }
        match truncate_at {
            Some(length) => {
                let truncated = response.map(|body| TruncatedBody::new(body, length));
                may_follow(info.stream.write(truncated).await)
            }
            None => may_follow(info.stream.write(response).await),
        }
    }

    fn reject_simulated(
        &self,
        current: &WorkerSnapshot,
        parts: &Parts,
        rejection: SimulatedRejection<'_>,
        connection: ConnectionInfo<'_>,
    ) -> Option<Response<LoggedBody<ProxyBody>>> {
        let ConnectionInfo { stream, peer, activity, listener, .. } = connection;
        let now = self.context.clock.now();
        activity.last_used.set(now.monotonic);
        activity.is_used.set(true);
        let info = RequestInfo {
            now,
            peer: Some(peer),
            is_trusted_proxy: false,
            connection_cache: None,
            listener,
            rejection: None,
            lag: std::time::Duration::ZERO,
        };
        let (response, record) = current.snapshot.engine.simulate(parts, &info, rejection)?;
        if self.is_ending() {
            stream.close();
        }
        let is_observed = current.log.filters.take_any() || self.metrics.is_some();
        let summary = is_observed.then(|| RequestSummary {
            since: now,
            client: Some(peer.address()),
            target: LoggedTarget::Parsed(parts.method.clone(), parts.uri.clone()),
            is_secure: peer.is_secure(),
            _active: self.metrics.as_ref().map(|metrics| metrics.begin(&parts.method)),
        });
        Some(current.log.watch(summary, record, response.map(ResponseBody::Whole)))
    }
}

/// A body that breaks off after a number of bytes.
struct TruncatedBody<B> {
    body: B,
    /// What is left of the bytes that are sent.
    left: u64,
    /// The announced length, less what was sent.
    announced: Option<u64>,
    /// The head has been written: it is as soon as the body has nothing for now.
    is_head_written: bool,
}

/// The body was truncated.
#[derive(Debug)]
pub(super) struct Truncated;

impl<B: Body> TruncatedBody<B> {
    fn new(body: B, length: u64) -> Self {
        let announced = body.size_hint().exact();
        Self { body, left: length, announced, is_head_written: false }
    }

    /// Whether it is at least as long as what is sent of it.
    fn is_truncated(&self) -> bool {
        self.announced.is_none_or(|announced| self.left < announced)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for TruncatedBody<B> {
    type Data = Bytes;
    type Error = Truncated;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Truncated>>> {
        let this = &mut *self;
        if this.left == 0 && this.is_truncated() {
            if !std::mem::replace(&mut this.is_head_written, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(Truncated)));
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx).map_err(|_| Truncated);
        this.is_head_written = true;
        polled.map_ok(|frame| {
            frame.map_data(|mut data| {
                let length = usize::try_from(this.left).unwrap_or(usize::MAX).min(data.len());
                data.truncate(length);
                this.left -= length as u64;
                this.announced = this.announced.map(|announced| announced - length as u64);
                data
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.is_truncated()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
