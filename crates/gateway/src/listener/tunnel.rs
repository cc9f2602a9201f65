//! A connection that speaks WebSocket: bytes are copied to and from the upstream until one of them ends it, or the gateway
//! does.
//!
//! The gateway ends it when it is idle for too long, when it has lasted for too long, when the caller's key is not valid any
//! more, and when the gateway shuts down. What the request holds (its slot, its place at the upstream, its credits) belongs
//! to the body of its response, which is kept until then.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use demur_contract::Condition;
use demur_engine::{Upgraded, UpstreamFault};
use demur_http1::io::{After, Timer, Tunnel, TunnelError};
use http::Response;
use http_body::Body;
use http_body_util::Empty;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::{ConnectionContext, ConnectionInfo};
use crate::access_log::{LoggedBody, ResponseEnd};
use crate::metrics::WorkerMetrics;
use crate::proxy::ProxyBody;
use crate::upstream::upgrade::UpgradedUpstream;

/// How often the caller's key is checked: a key that is revoked ends its connections within this time.
const KEY_INTERVAL: Duration = Duration::from_secs(1);
/// How long one side may take to end its direction after the other one has, without sending anything.
const HALF_CLOSED: Duration = Duration::from_secs(10);
/// During shutdown a connection is ended when it has been quiet for this long: no message is in transit then.
const QUIET: Duration = Duration::from_millis(500);

/// Why a tunnel has ended.
enum End {
    /// Both sides have ended it, or one of them has failed.
    Peers(Result<(), TunnelError>),
    Idle(Duration),
    Lifetime(Duration),
    /// The caller's key is not valid any more.
    Key(Condition),
    Shutdown,
}

impl ConnectionContext {
    /// Writes the 101, and copies bytes until the connection ends. The response's body is the request: its end settles it.
    pub(super) async fn tunnel(
        &self,
        mut response: Response<LoggedBody<ProxyBody>>,
        upstream: UpgradedUpstream,
        info: ConnectionInfo<'_>,
    ) {
        let Some(upgraded) = response.extensions_mut().remove::<Upgraded>() else { return };
        let (head, mut body) = response.into_parts();
        // Before the client knows of it.
        let _open = self.metrics.as_ref().map(WorkerMetrics::open_tunnel);
        body.begin_tunnel();
        let written = info.stream.write(Response::from_parts(head, Empty::<Bytes>::new())).await;
        if !matches!(written, Ok(After::Tunnel)) {
            return;
        }
        let UpgradedUpstream { stream, end: body_end } = upstream;
        let mut tunnel = Tunnel::new(info.stream, stream);
        let end = self.run(&mut tunnel, upgraded, info).await;
        if !matches!(end, End::Peers(Err(_))) {
            tunnel.finish();
        }
        body.count_tunnel(tunnel.forwarded());
        // A client that has gone drops the body, as with any response.
        let (result, logged) = match end {
            End::Peers(Err(TunnelError::Client(_))) => return,
            End::Peers(Err(TunnelError::Upstream(error))) => {
                (Err(UpstreamFault::Invalid(format!("connection broken after 101: {error}"))), None)
            }
            End::Peers(Ok(())) => (Ok(()), None),
            End::Idle(time) => (Ok(()), Some((None, format!("closed after {time:?} without a byte")))),
            End::Lifetime(time) => {
                (Ok(()), Some((None, format!("closed after its longest lifetime of {time:?}"))))
            }
            End::Key(condition) => {
                (Ok(()), Some((Some(condition), "closed: the key is not valid any more".to_owned())))
            }
            End::Shutdown => (Ok(()), Some((None, "closed: the gateway shuts down".to_owned()))),
        };
        body_end.set(result);
        // What is held is settled by this poll.
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        if let Some((condition, cause)) = logged {
            body.set_end(ResponseEnd::Closed(condition, cause));
        }
    }

    /// Copies bytes until the connection ends.
    async fn run(&self, tunnel: &mut Tunnel, mut upgraded: Upgraded, info: ConnectionInfo<'_>) -> End {
        let Upgraded { idle_timeout, max_lifetime, .. } = upgraded;
        let opened = Instant::now();
        let lifetime = async {
            match max_lifetime.and_then(|time| Some((time, opened.checked_add(time)?))) {
                Some((time, ends)) => {
                    sleep_until(ends).await;
                    End::Lifetime(time)
                }
                None => std::future::pending().await,
            }
        };
        let key = async {
            loop {
                sleep(KEY_INTERVAL).await;
                if let Err(condition) = upgraded.check_key(self.context.clock.now()).await {
                    return End::Key(condition);
                }
            }
        };
        let mut copying = Copying::new(idle_timeout);
        tokio::select! {
            end = poll_fn(|cx| copying.poll(cx, tunnel, self, info)) => end,
            end = lifetime => end,
            end = key => end,
        }
    }
}

/// Copies bytes, and watches for how long there are none.
struct Copying {
    idle_timeout: Duration,
    forwarded: u64,
    is_half_closed: bool,
    idle: Timer,
    /// When the connection is ended during shutdown, if bytes come all the time.
    shutdown: Option<Instant>,
    quiet: Timer,
    last: Timer,
}

impl Copying {
    fn new(idle_timeout: Duration) -> Self {
        let (idle, quiet, last) = (Timer::new(), Timer::new(), Timer::new());
        Self { idle_timeout, forwarded: 0, is_half_closed: false, idle, shutdown: None, quiet, last }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        tunnel: &mut Tunnel,
        connections: &ConnectionContext,
        info: ConnectionInfo<'_>,
    ) -> Poll<End> {
        if let Poll::Ready(ended) = tunnel.poll(cx) {
            return Poll::Ready(End::Peers(ended));
        }
        let forwarded = tunnel.forwarded();
        let forwarded = forwarded.from_client.wrapping_add(forwarded.to_client);
        let is_half_closed = tunnel.is_half_closed();
        if (forwarded, is_half_closed) != (self.forwarded, self.is_half_closed) {
            (self.forwarded, self.is_half_closed) = (forwarded, is_half_closed);
            self.idle.clear();
            self.quiet.clear();
        }
        let idle = if is_half_closed { self.idle_timeout.min(HALF_CLOSED) } else { self.idle_timeout };
        if self.idle.poll(cx, idle).is_ready() {
            return Poll::Ready(End::Idle(idle));
        }
        if !connections.is_ending() {
            info.activity.waker.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let limit = connections.current().snapshot.limits.shutdown_timeout / 2;
        let last = *self.shutdown.get_or_insert_with(|| Instant::now() + limit);
        if self.quiet.poll(cx, QUIET.min(limit)).is_ready() || self.last.poll_until(cx, last).is_ready() {
            return Poll::Ready(End::Shutdown);
        }
        Poll::Pending
    }
}
