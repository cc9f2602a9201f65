//! One client's connection: the guard reads it strictly, hyper frames it, the engine answers.

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
use demur_engine::{Api, Engine, MalformedRequest, Peer, RequestInfo, ResponseBody};
use demur_guard::{Guard, Phase};
use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access_log::{AccessLog, LoggedBody, LoggedTarget, RequestSummary};
use crate::config::Upstream;
use crate::connections::{Activity, ConnectionTable};
use crate::descriptors::Descriptors;
use crate::limits::ListenerLimits;
use crate::load_shed::SchedulerLag;
use crate::proxy_protocol::{self, ProxyHeader};
use crate::request_body::ClientBody;
use crate::trusted_proxies::TrustedProxies;
use crate::upstream::{Pool, UpstreamRequest};
use crate::upstream_body::UpstreamBody;

/// hyper takes no smaller buffer.
const LEAST_BUFFER: usize = 8192;

/// As many fields hyper reads without being told, and for those it needs no memory of its own.
pub(crate) const USUAL_FIELDS: usize = 100;

/// How long a connection without a request stays when the gateway ends: a request that is on its way is answered. On a
/// connection that has just been opened one certainly is.
const LAST_REQUEST: Duration = Duration::from_millis(200);
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Where it came in.
    pub(crate) listener: Option<Arc<str>>,
    /// There are more connections than the bound.
    pub(crate) overloaded: bool,
    pub(crate) activity: Activity,
}

/// What every connection of one worker shares.
pub(crate) struct ConnectionContext {
    engine: Arc<Engine>,
    clock: Clock,
    bounds: ListenerLimits,
    /// What the guards of all its connections share.
    guarded: Arc<demur_guard::HeadLimits>,
    /// For each API. They are few, and told apart by where they lie.
    pools: Vec<(Arc<Api>, Pool<ClientBody>)>,
    proxies: Arc<TrustedProxies>,
    log: AccessLog,
    lag: SchedulerLag,
    /// The gateway ends: every response says that its connection does too.
    is_ending: Arc<AtomicBool>,
}

/// What a connection says of its requests.
#[derive(Clone, Copy)]
struct ConnectionInfo<'c> {
    peer: &'c Peer,
    activity: &'c Activity,
    acquaintance: &'c ConnectionCache,
    listener: Option<&'c str>,
    overloaded: bool,
}

type GatewayResponse = Response<LoggedBody<ResponseBody<Box<UpstreamBody<UpstreamRequest<ClientBody>>>>>>;

impl ConnectionContext {
    pub(crate) fn new(
        engine: Arc<Engine>,
        clock: Clock,
        bounds: ListenerLimits,
        (upstreams, descriptors, connections): (&[(Arc<Api>, Upstream)], &Descriptors, &ConnectionTable),
        proxies: Arc<TrustedProxies>,
        log: AccessLog,
        is_ending: Arc<AtomicBool>,
    ) -> Rc<Self> {
        let pool = |(api, upstream): &(Arc<Api>, Upstream)| {
            (Arc::clone(api), Pool::new(upstream.clone(), api.settings(), descriptors, connections, clock))
        };
        let pools = upstreams.iter().map(pool).collect();
        let (guarded, lag) = (Arc::new(bounds.head), SchedulerLag::new(bounds.backlog));
        Rc::new(Self { engine, clock, bounds, guarded, pools, proxies, log, lag, is_ending })
    }

    /// Closes so many idle connections to upstreams, and answers how many there were.
    pub(crate) fn close_idle_upstreams(&self, count: usize) -> usize {
        self.pools.iter().fold(0, |closed, (_, pool)| closed + pool.close_idle(count - closed))
    }

    /// Serves a connection to its end. `ending` turns true when the gateway shuts down: the request under way is
    /// answered, and one that is on its way already.
    pub(crate) async fn serve(self: Rc<Self>, accepted: Accepted, mut ending: watch::Receiver<bool>) {
        let Accepted { mut socket, peer, listener, overloaded, activity } = accepted;
        // Small answers should not wait for one another; trouble with that is no reason to fail.
        let _ = socket.set_nodelay(true);
        let mut address = peer.ip().to_canonical();
        let mut first = Vec::new();
        if self.proxies.proxy_protocol && self.proxies.contains(address) {
            let introduced = proxy_protocol::read(&mut socket, self.bounds.head.head_timeout);
            let ProxyHeader { client, rest } = match Box::pin(introduced).await {
                Ok(introduced) => introduced,
                Err(error) => {
                    tracing::debug!(%error, peer = %address, "proxy header invalid");
                    return;
                }
            };
            (address, first) = (client.unwrap_or(address), rest);
        }
        let peer = Peer::new(address);
        let acquaintance = &ConnectionCache::default();
        let connected = ConnectionInfo {
            peer: &peer,
            activity: &activity,
            acquaintance,
            listener: listener.as_deref(),
            overloaded,
        };
        let service = service_fn(|request| {
            // Boxed, for hyper keeps room for it while the connection is idle.
            let answered = Box::pin(self.answer(request, connected));
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let guard =
            |socket| Guard::with_first(socket, first, Arc::clone(&self.guarded), activity.rejections.clone());
        // Pinned where it is made, and made of nothing that has a name: what has one has its room twice.
        let mut connection = pin!(self.http().serve_connection(guard(socket), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = ending.wait_for(|ending| *ending) => {
                // Rare, so not in the room that every connection takes.
                Box::pin(self.end(connection, &activity)).await
            }
        };
        if let Err(error) = ended {
            // The client went away, or broke its own framing: nothing that an operator could mend.
            tracing::debug!(%error, condition = Condition::ClientGone.name(), "connection closed early");
        }
    }

    /// Serves a connection to its end while the gateway ends. Requests that come are answered, and told that the
    /// connection ends with the response; a connection on which none comes is closed.
    async fn end<C: Ending>(&self, mut connection: Pin<&mut C>, activity: &Activity) -> C::Output {
        let mut was_idle = false;
        loop {
            let grace = if activity.is_used.get() { LAST_REQUEST } else { FIRST_REQUEST };
            // Looked at twice in that time, so that one that has just become idle stays for some of it.
            let look = grace.min(self.bounds.shutdown / 2) / 2;
            if let Ok(ended) = timeout(look, connection.as_mut()).await {
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

    /// The guard is the one to refuse: hyper, which would do so without a contract, is given as much room.
    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.half_close(true).max_buf_size(self.guarded.head_bytes.max(LEAST_BUFFER) + 1);
        if self.guarded.fields > USUAL_FIELDS {
            http.max_headers(self.guarded.fields);
        }
        http
    }

    /// Answers one request. What must be known before the engine begins is worked out at once, so that the future
    /// holds the request alone.
    fn answer<'c>(
        &'c self,
        request: Request<Incoming>,
        connected: ConnectionInfo<'c>,
    ) -> impl Future<Output = GatewayResponse> + use<'c> {
        let ConnectionInfo { peer, activity, acquaintance, listener, overloaded } = connected;
        acquaintance.prepare();
        let client = self.proxies.client(peer.address(), request.headers());
        let is_trusted_proxy = self.proxies.contains(peer.address());
        let behind = (peer.address() != client).then(|| Peer::new(client));
        let rejection = activity.rejections.next().map(|rejection| MalformedRequest {
            condition: rejection.condition(),
            cause: rejection.cause().to_owned(),
            host: rejection.host,
            path: rejection.target,
        });
        let now = self.clock.now();
        activity.last_used.set(now.monotonic);
        activity.is_used.set(true);
        let lag = self.lag.at(now.monotonic);
        let rejection = match rejection {
            None if overloaded => Some(overload(&request, "more connections than the listener's bound")),
            None if self.lag.is_too_long(now.monotonic) => Some(overload(
                &request,
                "it has waited too long for its turn: the gateway has too much to do",
            )),
            rejection => rejection,
        };
        let rejection = rejection.map(Box::new);
        let asked = self.log.is_on().then(|| {
            let what = match &rejection {
                None => LoggedTarget::Read(request.method().clone(), request.uri().clone()),
                Some(rejection) => LoggedTarget::Refused(rejection.path.clone()),
            };
            RequestSummary { since: now, client: Some(client), what }
        });
        let (request, left) = ClientBody::of(request, self.bounds.content);
        async move {
            let peer = Some(behind.as_ref().unwrap_or(peer));
            let acquaintance = Some(acquaintance);
            let arrival = RequestInfo { now, peer, is_trusted_proxy, acquaintance, listener, rejection, lag };
            let forward = |api: &Arc<Api>, request| {
                let pool = self.pools.iter().find(|(known, _)| Arc::ptr_eq(known, api));
                Pool::send(pool.map(|(_, pool)| pool), request)
            };
            let (mut response, record) = pin!(self.engine.serve(request, arrival, forward)).await;
            // A response that is on its way while its request still is has the content in use.
            if !left.drain(self.bounds.content) || overloaded || self.is_ending.load(Ordering::Relaxed) {
                let close = http::HeaderValue::from_static("close");
                response.headers_mut().insert(http::header::CONNECTION, close);
            }
            let status = response.status().as_u16();
            let due = asked.and_then(|asked| self.log.due(self.clock, asked, status, record));
            response.map(|content| LoggedBody::new(content, due))
        }
    }
}

/// A connection that can be told to end.
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

/// What is told to whom nothing else is looked at for, whatever they ask.
fn overload(request: &Request<Incoming>, cause: &str) -> MalformedRequest {
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    MalformedRequest {
        condition: Condition::Overloaded,
        cause: cause.to_owned(),
        host: request.uri().authority().map(|host| host.as_str()).or(field).map(str::to_owned),
        path: Some(request.uri().path().to_owned()),
    }
}
