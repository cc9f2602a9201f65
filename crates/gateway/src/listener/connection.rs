//! One client connection: the guard parses it strictly, hyper frames it, the engine answers.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use demur_admission::{Clock, ConnectionCache};
use demur_contract::Condition;
use demur_engine::{Peer, RequestInfo};
use demur_guard::{Guard, Phase};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::connections::Activity;
use super::load_shed::SchedulerLag;
use super::malformed;
use super::proxy_protocol::{self, ProxyHeader};
use super::request_body::ClientBody;
use crate::access_log::{AccessLog, LogFilter, LoggedBody, LoggedTarget, RequestSummary};
use crate::http1::{DEFAULT_MAX_HEADERS, MIN_BUFFER};
use crate::proxy::{self, ProxyBody, Upstreams};
use crate::snapshot::Snapshot;

/// How long a connection without a request stays open during shutdown: a request may be on its way. On a new connection
/// one certainly is.
const LAST_REQUEST: Duration = Duration::from_millis(200);
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// The name of its listener.
    pub(crate) listener: Option<Arc<str>>,
    /// There are more connections than the limit: its requests are rejected.
    pub(crate) overloaded: bool,
    pub(crate) activity: Activity,
}

/// What all connections of one worker share.
pub(crate) struct ConnectionContext {
    snapshot: Arc<Snapshot>,
    clock: Clock,
    upstreams: Upstreams,
    log: AccessLog,
    lag: SchedulerLag,
    /// The gateway shuts down: every response closes its connection.
    is_ending: Arc<AtomicBool>,
}

/// What the requests of one connection share.
#[derive(Clone, Copy)]
struct ConnectionInfo<'c> {
    peer: &'c Peer,
    activity: &'c Activity,
    cache: &'c ConnectionCache,
    listener: Option<&'c str>,
    overloaded: bool,
}

impl ConnectionContext {
    pub(crate) fn new(
        snapshot: Arc<Snapshot>,
        clock: Clock,
        upstreams: Upstreams,
        log: AccessLog,
        is_ending: Arc<AtomicBool>,
    ) -> Rc<Self> {
        let lag = SchedulerLag::new(snapshot.limits.backlog);
        Rc::new(Self { snapshot, clock, upstreams, log, lag, is_ending })
    }

    /// Closes up to `count` idle connections to upstreams. Returns how many were closed.
    pub(crate) fn close_idle_upstreams(&self, count: usize) -> usize {
        self.upstreams.close_idle(count)
    }

    /// Serves a connection to its end. `ending` becomes true when the gateway shuts down: requests in progress and requests
    /// that are on their way are answered.
    pub(crate) async fn serve(self: Rc<Self>, accepted: Accepted, mut ending: watch::Receiver<bool>) {
        let Accepted { mut socket, peer, listener, overloaded, activity } = accepted;
        // Only an optimization, so errors are ignored.
        let _ = socket.set_nodelay(true);
        let mut address = peer.ip().to_canonical();
        let mut first = Vec::new();
        let Snapshot { limits, head_limits, trusted_proxies, .. } = &*self.snapshot;
        if trusted_proxies.proxy_protocol && trusted_proxies.contains(address) {
            let header = proxy_protocol::read(&mut socket, limits.head.head_timeout);
            let ProxyHeader { client, rest } = match Box::pin(header).await {
                Ok(header) => header,
                Err(error) => {
                    tracing::debug!(%error, peer = %address, "proxy header invalid");
                    return;
                }
            };
            (address, first) = (client.unwrap_or(address), rest);
        }
        let peer = Peer::new(address);
        let cache = &ConnectionCache::default();
        let info = ConnectionInfo {
            peer: &peer,
            activity: &activity,
            cache,
            listener: listener.as_deref(),
            overloaded,
        };
        let service = service_fn(|request| {
            // Boxed: hyper reserves room for it while the connection is idle.
            let response = Box::pin(self.serve_request(request, info));
            async move { Ok::<_, Infallible>(response.await) }
        });
        let guard =
            |socket| Guard::with_first(socket, first, Arc::clone(head_limits), activity.rejections.clone());
        // Pinned where it is made: a named value would take its room twice.
        let mut connection = pin!(self.http().serve_connection(guard(socket), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = ending.wait_for(|ending| *ending) => {
                // Boxed: rare, and every connection has room for it otherwise.
                Box::pin(self.end(connection, &activity)).await
            }
        };
        if let Err(error) = ended {
            // The client has gone, or has broken its framing.
            tracing::debug!(%error, condition = Condition::ClientGone.name(), "connection closed early");
        }
    }

    /// Serves a connection to its end during shutdown. Further requests are answered with `Connection: close`; an idle
    /// connection is closed.
    async fn end<C: Ending>(&self, mut connection: Pin<&mut C>, activity: &Activity) -> C::Output {
        let mut was_idle = false;
        loop {
            let grace = if activity.is_used.get() { LAST_REQUEST } else { FIRST_REQUEST };
            // Checked twice in that time, so that a connection that has just become idle stays open for a part of it.
            let interval = grace.min(self.snapshot.limits.shutdown / 2) / 2;
            if let Ok(ended) = timeout(interval, connection.as_mut()).await {
                return ended;
            }
            let is_idle = activity.rejections.phase() == Phase::Idle;
            if is_idle && was_idle {
                connection.as_mut().shut_down();
                return connection.await;
            }
            was_idle = is_idle;
        }
    }

    /// hyper's limits are those of the guard, which rejects first: hyper's rejections are in no contract.
    fn http(&self) -> http1::Builder {
        let head_limits = &self.snapshot.head_limits;
        let mut http = http1::Builder::new();
        http.half_close(true).max_buf_size(head_limits.head_bytes.max(MIN_BUFFER) + 1);
        if head_limits.fields > DEFAULT_MAX_HEADERS {
            http.max_headers(head_limits.fields);
        }
        http
    }

    /// Serves one request. Everything up to the end of the engine's first phase runs at once, so that the future holds its
    /// result alone.
    fn serve_request<'c>(
        &'c self,
        request: Request<Incoming>,
        connection: ConnectionInfo<'c>,
    ) -> impl Future<Output = Response<LoggedBody<ProxyBody>>> + use<'c> {
        let ConnectionInfo { peer, activity, cache, listener, overloaded } = connection;
        let Snapshot { engine, limits, trusted_proxies, log_filter, .. } = &*self.snapshot;
        cache.prepare();
        let client = trusted_proxies.client(peer.address(), request.headers());
        let is_trusted_proxy = trusted_proxies.contains(peer.address());
        let proxied = (peer.address() != client).then(|| Peer::new(client));
        let now = self.clock.now();
        activity.last_used.set(now.monotonic);
        activity.is_used.set(true);
        let lag = self.lag.at(now.monotonic);
        let rejection = match activity.rejections.next() {
            Some(rejected) => Some(malformed::from_guard(rejected)),
            None if overloaded => Some(malformed::overloaded(&request, "connection limit reached")),
            None if self.lag.must_shed(now.monotonic) => {
                Some(malformed::overloaded(&request, "gateway overloaded: request queued for too long"))
            }
            None => None,
        };
        let rejection = rejection.map(Box::new);
        let summary = (*log_filter != LogFilter::None).then(|| {
            let target = match &rejection {
                None => LoggedTarget::Parsed(request.method().clone(), request.uri().clone()),
                Some(rejection) => LoggedTarget::Rejected(rejection.path.clone()),
            };
            RequestSummary { since: now, client: Some(client), target }
        });
        let (request, unread) = ClientBody::of(request, limits.content);
        async move {
            let peer = Some(proxied.as_ref().unwrap_or(peer));
            let connection_cache = Some(cache);
            let info =
                RequestInfo { now, peer, is_trusted_proxy, connection_cache, listener, rejection, lag };
            let (mut response, record) = pin!(proxy::serve(engine, &self.upstreams, request, info)).await;
            // A response may be sent while the request's body is still being read.
            if !unread.drain(limits.content) || overloaded || self.is_ending.load(Ordering::Relaxed) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let entry = summary.and_then(|summary| {
                let status = response.status().as_u16();
                self.log.entry(*log_filter, engine, self.clock, summary, status, record)
            });
            response.map(|body| LoggedBody::new(body, entry))
        }
    }
}

/// A connection that can be shut down gracefully.
trait Ending: Future {
    fn shut_down(self: Pin<&mut Self>);
}

impl<I, S> Ending for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
