//! One client connection: its requests, one after the other, and their responses.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use demur_admission::ConnectionCache;
use demur_contract::Condition;
use demur_engine::{MalformedRequest, Peer, RequestInfo};
use demur_http1::io::{After, Incoming, ServerStream, WriteError};
use http::{Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connections::{Activity, ConnectionTable, Phase};
use super::load_shed::SchedulerLag;
use super::malformed;
use super::proxy_protocol::{self, ProxyHeader};
use super::request_body::ClientBody;
use crate::access_log::{LoggedBody, LoggedTarget, RequestSummary, WorkerLog};
use crate::config::Listener;
use crate::metrics::WorkerMetrics;
use crate::proxy::{self, ProxyBody, Upstreams};
use crate::snapshot::Snapshot;
use crate::tls::accept::{Handshake, accept};
use crate::upstream::upgrade::UpgradeSlot;
use crate::worker_context::WorkerContext;

/// How long a connection without a request stays open during shutdown: a request may be on its way. On a new connection
/// one certainly is.
const LAST_REQUEST: Duration = Duration::from_millis(200);
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    /// The other end.
    pub(crate) peer: SocketAddr,
    pub(crate) listener: Arc<Listener>,
    /// There are more connections than the limit: its requests are rejected.
    pub(crate) overloaded: bool,
    pub(crate) activity: Activity,
}

/// What all connections of one worker share.
pub(crate) struct ConnectionContext {
    pub(super) context: WorkerContext,
    connections: ConnectionTable,
    /// What requests are served with that begin now.
    current: RefCell<Rc<WorkerSnapshot>>,
    lag: SchedulerLag,
    /// `None` without an operations listener.
    pub(super) metrics: Option<WorkerMetrics>,
    /// The shutdown timeout has elapsed.
    is_over: Rc<Cell<bool>>,
}

/// A snapshot, and what the worker has for it. A request keeps it to its end.
pub(crate) struct WorkerSnapshot {
    pub(crate) snapshot: Arc<Snapshot>,
    upstreams: Upstreams,
    pub(super) log: Rc<WorkerLog>,
}

impl WorkerSnapshot {
    /// The current snapshot for this worker. It takes over what `previous` has for the same upstreams.
    fn new(
        context: &WorkerContext,
        connections: &ConnectionTable,
        metrics: Option<&WorkerMetrics>,
        is_over: &Rc<Cell<bool>>,
        previous: Option<&Self>,
    ) -> Self {
        let WorkerContext { snapshots, clock, log, descriptors, .. } = context;
        let snapshot = snapshots.current();
        let previous = previous.map(|previous| &previous.upstreams);
        let counts = |api: &str| metrics.map(|metrics| metrics.connections(api)).unwrap_or_default();
        let upstreams = Upstreams::new(&snapshot, previous, descriptors, connections, *clock, counts);
        let (filters, engine) = (snapshot.filters, Arc::clone(&snapshot.engine));
        let metrics = metrics.map(|metrics| metrics.of_snapshot(&engine));
        let (log, is_over) = (log.clone(), Rc::clone(is_over));
        let log = Rc::new(WorkerLog { log, filters, engine, clock: *clock, is_over, metrics });
        Self { snapshot, upstreams, log }
    }
}

/// What the requests of one connection share.
#[derive(Clone, Copy)]
pub(super) struct ConnectionInfo<'c> {
    pub(super) stream: &'c ServerStream,
    pub(super) peer: &'c Peer,
    pub(super) activity: &'c Activity,
    pub(super) cache: &'c ConnectionCache,
    /// Of a request that is being upgraded.
    upgrade: &'c UpgradeSlot,
    pub(super) listener: Option<&'c str>,
    pub(super) overloaded: bool,
    /// It does not speak TLS on a TLS port: its request is rejected.
    pub(super) lacks_tls: bool,
    /// The connection has TLS.
    is_secure: bool,
}

impl ConnectionContext {
    pub(crate) fn new(
        context: WorkerContext,
        connections: ConnectionTable,
        metrics: Option<WorkerMetrics>,
    ) -> Rc<Self> {
        let is_over = Rc::default();
        let first = WorkerSnapshot::new(&context, &connections, metrics.as_ref(), &is_over, None);
        let current = RefCell::new(Rc::new(first));
        Rc::new(Self { context, connections, current, lag: SchedulerLag::new(), metrics, is_over })
    }

    /// What a request is served with that begins now.
    pub(crate) fn current(&self) -> Rc<WorkerSnapshot> {
        let current = Rc::clone(&self.current.borrow());
        if current.snapshot.generation >= self.context.snapshots.generation() {
            return current;
        }
        let (metrics, is_over) = (self.metrics.as_ref(), &self.is_over);
        let next = WorkerSnapshot::new(&self.context, &self.connections, metrics, is_over, Some(&current));
        let next = Rc::new(next);
        *self.current.borrow_mut() = Rc::clone(&next);
        next
    }

    pub(super) fn is_ending(&self) -> bool {
        self.context.is_ending.load(Ordering::Relaxed)
    }

    /// The shutdown timeout has elapsed: what is still in progress is ended by the gateway.
    pub(crate) fn give_up(&self) {
        self.is_over.set(true);
    }

    /// Closes up to `count` idle connections to upstreams. Returns how many were closed.
    pub(crate) fn close_idle_upstreams(&self, count: usize) -> usize {
        self.current().upstreams.close_idle(count)
    }

    /// Serves a connection to its end. During shutdown, requests in progress and requests that are on their way are
    /// answered.
    pub(crate) async fn serve(self: Rc<Self>, accepted: Accepted) {
        let Accepted { mut socket, peer, listener, overloaded, activity } = accepted;
        // Only an optimization, so errors are ignored.
        let _ = socket.set_nodelay(true);
        let mut address = peer.ip().to_canonical();
        let mut first = Vec::new();
        // What was in force when the connection was accepted.
        let at_accept = self.current();
        let Snapshot { limits, trusted_proxies, .. } = &*at_accept.snapshot;
        let limits = limits.connection;
        if trusted_proxies.proxy_protocol && trusted_proxies.contains(address) {
            let header = proxy_protocol::read(&mut socket, limits.head_timeout);
            let ProxyHeader { client, rest } = match Box::pin(header).await {
                Ok(header) => header,
                Err(error) => {
                    tracing::debug!(%error, peer = %address, "proxy header invalid");
                    return;
                }
            };
            (address, first) = (client.unwrap_or(address), rest);
        }
        let handshake = match &listener.tls {
            None => Ok(Handshake::Done(socket.into(), first)),
            // Boxed: plain connections have no room for it.
            Some(tls) => Box::pin(accept(tls, socket, first, limits.head_timeout)).await,
        };
        let (transport, first, lacks_tls) = match handshake {
            Ok(Handshake::Done(transport, first)) => (transport, first, false),
            Ok(Handshake::NotTls(socket, first)) => (socket.into(), first, true),
            Err(error) => {
                tracing::info!(%error, client = %address, "tls handshake failed");
                return;
            }
        };
        let stream = &ServerStream::new(transport, &first, limits);
        drop((first, at_accept));
        let is_secure = listener.tls.is_some() && !lacks_tls;
        let (peer, cache) = (&Peer::new(address).secure(is_secure), &ConnectionCache::default());
        let upgrade = &UpgradeSlot::default();
        let (listener, activity) = (listener.name.as_deref(), &activity);
        let info = ConnectionInfo {
            stream,
            peer,
            activity,
            cache,
            upgrade,
            listener,
            overloaded,
            lacks_tls,
            is_secure,
        };
        while self.request_comes(stream, activity).await {
            activity.phase.set(Phase::Head);
            let incoming = stream.next().await;
            let current = self.current();
            let (request, rejection) = match incoming {
                Incoming::Request(request) => {
                    let min_rate = current.snapshot.limits.min_body_rate;
                    (request.map(|body| ClientBody::new(body, min_rate)), None)
                }
                Incoming::Bad(bad) => {
                    let (request, rejection) = malformed::from_bad(*bad);
                    (request, Some(rejection))
                }
                Incoming::Closed => break,
            };
            activity.phase.set(Phase::Message);
            // Boxed: an idle connection has room for it otherwise.
            let response = Box::pin(self.respond(current, request, rejection, info));
            if !response.await {
                return;
            }
            activity.phase.set(Phase::Idle);
        }
        stream.finish();
    }

    /// Waits for the next request. `false` if none comes. During shutdown it is waited for shortly.
    async fn request_comes(&self, stream: &ServerStream, activity: &Activity) -> bool {
        let comes = poll_fn(|cx| {
            if let Poll::Ready(comes) = stream.poll_first_byte(cx) {
                return Poll::Ready(Some(comes));
            }
            if self.is_ending() {
                return Poll::Ready(None);
            }
            let waker = activity.waker.take().filter(|waker| waker.will_wake(cx.waker()));
            activity.waker.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
            Poll::Pending
        });
        match comes.await {
            Some(comes) => comes,
            None => {
                let grace = if activity.is_used.get() { LAST_REQUEST } else { FIRST_REQUEST };
                let grace = grace.min(self.current().snapshot.limits.shutdown_timeout / 2);
                let comes = poll_fn(|cx| stream.poll_first_byte(cx));
                // Boxed: rare, and every connection has room for it otherwise.
                Box::pin(timeout(grace, comes)).await.unwrap_or_else(|_| stream.has_arrived())
            }
        }
    }

    /// Serves one request and writes its response. Returns whether another request may follow.
    async fn respond(
        &self,
        current: Rc<WorkerSnapshot>,
        request: Request<ClientBody>,
        rejection: Option<MalformedRequest>,
        info: ConnectionInfo<'_>,
    ) -> bool {
        if current.snapshot.simulator.is_some() && rejection.is_none() && !info.overloaded && !info.lacks_tls
        {
            return Box::pin(self.respond_simulated(current, request, info)).await;
        }
        // Pinned where they are made: futures are copied otherwise.
        let response = pin!(self.serve_request(current, request, rejection, info)).await;
        // A 101 that was rejected leaves its connection here, which is closed.
        if let Some(upstream) = info.upgrade.take()
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            Box::pin(self.tunnel(response, *upstream, info)).await;
            return false;
        }
        may_follow(pin!(info.stream.write(response)).await)
    }

    /// Serves one request. Everything up to the end of the engine's first phase runs at once, so that the future holds its
    /// result alone.
    pub(super) fn serve_request<'c>(
        &'c self,
        current: Rc<WorkerSnapshot>,
        request: Request<ClientBody>,
        malformed: Option<MalformedRequest>,
        connection: ConnectionInfo<'c>,
    ) -> impl Future<Output = Response<LoggedBody<ProxyBody>>> + use<'c> {
        let ConnectionInfo {
            stream,
            peer,
            activity,
            cache,
            upgrade,
            listener,
            overloaded,
            lacks_tls,
            is_secure,
        } = connection;
        let Snapshot { trusted_proxies, limits, .. } = &*current.snapshot;
        cache.prepare();
        let client = trusted_proxies.client(peer.address(), request.headers());
        let is_trusted_proxy = trusted_proxies.contains(peer.address());
        let proxied = (peer.address() != client).then(|| Peer::new(client).secure(peer.is_secure()));
        let now = self.context.clock.now();
        activity.last_used.set(now.monotonic);
        activity.is_used.set(true);
        let lag = self.lag.at(now.monotonic);
        let rejection = match malformed {
            Some(malformed) => Some(malformed),
            None if lacks_tls => Some(malformed::lacks_tls(&request)),
            None if overloaded => {
                self.metrics.iter().for_each(WorkerMetrics::shed_connection);
                Some(malformed::overloaded(&request, "connection limit reached"))
            }
            None if self.lag.must_shed(now.monotonic, limits.max_queue_delay) => {
                self.metrics.iter().for_each(WorkerMetrics::shed_queued);
                Some(malformed::overloaded(&request, "gateway overloaded: request queued for too long"))
            }
            None => None,
        };
        let rejection = rejection.map(Box::new);
        if let Some(metrics) = &self.metrics {
            metrics.set_lag(lag);
        }
        let is_observed = current.log.filters.take_any() || self.metrics.is_some();
        let summary = is_observed.then(|| {
            let target = match &rejection {
                None => LoggedTarget::Parsed(request.method().clone(), request.uri().clone()),
                Some(rejection) => LoggedTarget::Rejected(rejection.path.clone()),
            };
            let active = self.metrics.as_ref().map(|metrics| metrics.begin(request.method()));
            RequestSummary { since: now, client: Some(client), target, is_secure, _active: active }
        });
        async move {
            let peer = Some(proxied.as_ref().unwrap_or(peer));
            let connection_cache = Some(cache);
            let info =
                RequestInfo { now, peer, is_trusted_proxy, connection_cache, listener, rejection, lag };
            let WorkerSnapshot { snapshot, upstreams, log } = &*current;
            let served = proxy::serve(&snapshot.engine, upstreams, request, info, (stream, upgrade));
            let (response, record) = pin!(served).await;
            if overloaded || lacks_tls || self.is_ending() {
                stream.close();
            }
            log.watch(summary, record, response)
        }
    }
}

/// Whether another request may follow on a connection on which a response was written.
pub(super) fn may_follow<E: fmt::Debug>(written: Result<After, WriteError<E>>) -> bool {
    match written {
        Ok(After::Request) => true,
        Ok(After::Closed | After::Tunnel) => false,
        Err(error) => {
            let condition = match error {
                WriteError::Io(_) => Condition::ClientGone,
                WriteError::Body(_) | WriteError::Length => Condition::UpstreamInvalidResponse,
            };
            tracing::debug!(condition = condition.name(), ?error, "connection closed early");
            false
        }
    }
}
