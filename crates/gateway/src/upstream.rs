//! Connections to the services behind, one pool per worker: no lock and no other thread on the way.
//!
//! A connection goes back into the pool when the answer it carried has been read to its end, and is used
//! again once it is ready: never is it waited for, since content of the last request may still be on its way.
//! One that the upstream closed while it was idle is noticed before the request is sent, or hyper gives the
//! request back unsent, and another is tried.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::Clock;
use demur_engine::settings::ApiSettings;
use demur_engine::{BodyError, RequestBody, UpstreamFault, UpstreamTimeout};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::config::{Upstream, is_link_local};
use crate::connection::USUAL_FIELDS;
use crate::connections::ConnectionTable;
use crate::descriptors::Descriptors;
use crate::location::UpstreamOrigin;
use crate::upstream_body::UpstreamBody;
use crate::upstream_timeout::{ProgressBody, ResponseTimeout};

/// Idle connections that are kept for each API and worker.
const MAX_IDLE: usize = 128;
/// Shorter than what common servers keep an idle connection for.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// Connections that turn out closed before a fresh one is made.
const MAX_STALE: usize = 4;

/// A request's content as it is sent.
pub(crate) type UpstreamRequest<B> = ProgressBody<RequestBody<B>>;

/// The connections of one worker to one upstream.
pub(crate) struct Pool<B> {
    upstream: Upstream,
    host: HeaderValue,
    /// What a service says that is only watched is passed on, its failures too.
    is_watched: bool,
    /// For references in responses that name the upstream.
    origin: UpstreamOrigin,
    home: IdlePool<UpstreamRequest<B>>,
    descriptors: Descriptors,
    /// The worker's connections to clients, of which idle ones make room for one to the upstream.
    connections: ConnectionTable,
    clock: Clock,
}

/// Where connections wait: the one that was used last at the end, the one that has waited longest in front.
pub(crate) struct IdlePool<B>(Rc<RefCell<VecDeque<Idle<B>>>>);

struct Idle<B> {
    sender: SendRequest<B>,
    since: Instant,
}

impl<B> Clone for IdlePool<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> IdlePool<B> {
    /// Takes a connection back. One that has waited too long goes: where connections come and go, the clock
    /// is looked at once for each.
    pub(crate) fn release(&self, sender: SendRequest<B>) {
        let mut idle = self.0.borrow_mut();
        let now = Instant::now();
        let is_old = |idle: &Idle<B>| now.duration_since(idle.since) > MAX_IDLE_TIME;
        while idle.front().is_some_and(is_old) {
            idle.pop_front();
        }
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push_back(Idle { sender, since: now });
        }
    }

    /// Closes so many of those that have waited for longest, and answers how many there were.
    fn close_idle(&self, count: usize) -> usize {
        let mut idle = self.0.borrow_mut();
        let count = count.min(idle.len());
        idle.drain(..count);
        count
    }

    /// The last that came back and is ready; nearly always the last.
    fn checkout(&self, now: Instant) -> Option<SendRequest<B>> {
        let mut idle = self.0.borrow_mut();
        let mut unready = idle.len();
        while unready > 0 {
            unready -= 1;
            let connection = idle.get(unready)?;
            if connection.sender.is_closed()
                || now.saturating_duration_since(connection.since) > MAX_IDLE_TIME
            {
                idle.remove(unready);
            } else if connection.sender.is_ready() {
                return idle.remove(unready).map(|idle| idle.sender);
            }
        }
        None
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin + 'static,
{
    pub(crate) fn new(
        upstream: Upstream,
        settings: &ApiSettings,
        descriptors: &Descriptors,
        connections: &ConnectionTable,
        clock: Clock,
    ) -> Self {
        // An authority consists of visible ASCII.
        let host = HeaderValue::from_str(upstream.authority.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self {
            origin: UpstreamOrigin::new(&upstream, &settings.mount.path),
            upstream,
            host,
            is_watched: settings.observe,
            home: IdlePool(Rc::default()),
            descriptors: descriptors.clone(),
            connections: connections.clone(),
            clock,
        }
    }

    /// Closes so many idle connections, and answers how many there were.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.home.close_idle(count)
    }

    /// Sends a request. Its target is a path within the API. Without a pool there is no upstream, which is an answer
    /// too.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn send(
        pool: Option<&Self>,
        mut request: Request<RequestBody<B>>,
    ) -> impl Future<Output = Result<Response<Box<UpstreamBody<UpstreamRequest<B>>>>, UpstreamFault>> {
        async move {
            let Some(this) = pool else {
                return Err(UpstreamFault::Unavailable("the API has no upstream".to_owned()));
            };
            request.headers_mut().insert(HOST, this.host.clone());
            *request.version_mut() = http::Version::HTTP_11;
            if !this.upstream.path.is_empty() {
                prefix(request.uri_mut(), &this.upstream.path)?;
            }
            let begun = Instant::now();
            let time = request
                .extensions()
                .get::<UpstreamTimeout>()
                .map_or(this.upstream.timeout, |within| within.0);
            let patience = ResponseTimeout::new(time, begun);
            for _ in 0..MAX_STALE {
                let Some(mut sender) = this.home.checkout(begun) else { break };
                let again = repeatable(&request);
                let sent = pin!(sender.try_send_request(request.map(|content| patience.watch(content))));
                match this.answered(sender, sent, &patience).await {
                    Ok(response) => return Ok(response),
                    Err(Failed::Unsent(unsent)) => request = unsent.map(ProgressBody::into_inner),
                    // The upstream closed the idle connection while the request was on its way.
                    Err(Failed::Closed(fault)) => request = again.ok_or(fault)?,
                    Err(Failed::Fault(fault)) => return Err(fault),
                }
            }
            // Boxed, as it is rare: every request's future has the room for it otherwise.
            Box::pin(this.send_on_new(request, &patience)).await
        }
    }

    /// Sends it on a connection of its own.
    async fn send_on_new(
        &self,
        request: Request<RequestBody<B>>,
        patience: &ResponseTimeout,
    ) -> Result<Response<Box<UpstreamBody<UpstreamRequest<B>>>>, UpstreamFault> {
        let mut sender = self.connect().await?;
        let sent = pin!(sender.try_send_request(request.map(|content| patience.watch(content))));
        match self.answered(sender, sent, patience).await {
            Ok(response) => Ok(response),
            Err(Failed::Closed(fault) | Failed::Fault(fault)) => Err(fault),
            Err(Failed::Unsent(_)) => {
                Err(UpstreamFault::Invalid("it closed the connection before the request was sent".to_owned()))
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<UpstreamRequest<B>>, UpstreamFault> {
        let wanted = self.descriptors.wanted();
        if wanted > 0 {
            let closed = self.connections.close_idle(wanted, self.clock.now().monotonic);
            self.descriptors.report_closed(closed);
        }
        let unreachable = |error: &dyn std::fmt::Display| UpstreamFault::Unreachable(error.to_string());
        let socket = match timeout(self.upstream.connect_timeout, open(&self.upstream.address)).await {
            Err(_) => return Err(unreachable(&"no connection within the time for it")),
            Ok(Err(error)) => return Err(unreachable(&error)),
            Ok(Ok(socket)) => socket,
        };
        // Small writes should not wait for one another; trouble with that is no reason to fail.
        let _ = socket.set_nodelay(true);
        if let Ok(address) = socket.peer_addr() {
            self.origin.resolved(address.ip());
        }
        let descriptor = self.descriptors.take();
        let mut http = http1::Builder::new();
        if self.upstream.fields > USUAL_FIELDS {
            http.max_headers(self.upstream.fields);
        }
        let (sender, connection) =
            http.handshake(TokioIo::new(socket)).await.map_err(|error| unreachable(&error))?;
        tokio::task::spawn_local(async move {
            // How it ended, the request that was on it has learnt.
            let _ = connection.await;
            drop(descriptor);
        });
        Ok(sender)
    }

    /// Waits for the answer to what was sent.
    async fn answered(
        &self,
        sender: SendRequest<UpstreamRequest<B>>,
        sent: Pin<
            &mut impl Future<Output = Result<Response<Incoming>, TrySendError<Request<UpstreamRequest<B>>>>>,
        >,
        patience: &ResponseTimeout,
    ) -> Result<Response<Box<UpstreamBody<UpstreamRequest<B>>>>, Failed<UpstreamRequest<B>>> {
        let answered = tokio::select! {
            biased;
            answered = sent => answered,
            () = patience.elapsed() => {
                let time = patience.time();
                return Err(Failed::Fault(UpstreamFault::Timeout(format!("no answer within {time:?}"))));
            }
        };
        match answered {
            Ok(response) => {
                let returning = (sender, self.home.clone());
                let status = response.status();
                let is_failure = status.is_client_error() || status.is_server_error();
                let is_failure = is_failure && !self.is_watched;
                let (mut head, body) = response.into_parts();
                if !self.is_watched {
                    self.origin.rewrite(&mut head.headers);
                }
                // Boxed, for a server keeps the room for an answer while its connection is idle.
                let mut answer = Box::new(UpstreamBody::new(body, patience.time(), is_failure, returning));
                // Of a failure nothing is passed on, and its status says enough; a service that is only watched is
                // heard as it speaks.
                if !is_failure && !self.is_watched && !answer.is_end_stream() {
                    answer.begin(&head.headers).await.map_err(Failed::Fault)?;
                }
                Ok(Response::from_parts(head, answer))
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => Err(Failed::Unsent(Box::new(unsent))),
                None => {
                    let error = error.into_error();
                    let closed = error.is_incomplete_message() || is_io(&error);
                    let fault = fault(&error);
                    let is_upstreams = matches!(fault, UpstreamFault::Invalid(_));
                    Err(if closed && is_upstreams { Failed::Closed(fault) } else { Failed::Fault(fault) })
                }
            },
        }
    }
}

/// The same request once more, for a connection that may turn out closed, where sending it twice does no harm
/// (RFC 9110, section 9.2.2) and its content is at hand.
fn repeatable<B>(request: &Request<RequestBody<B>>) -> Option<Request<RequestBody<B>>> {
    let content = match request.body() {
        RequestBody::Collected(bytes) => RequestBody::Collected(bytes.clone()),
        RequestBody::Streaming { .. } => return None,
    };
    if !request.method().is_idempotent() {
        return None;
    }
    let mut again = Request::new(content);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

enum Failed<B> {
    /// The connection was of no use; the request is as it was.
    Unsent(Box<Request<B>>),
    /// The connection ended before there was an answer.
    Closed(UpstreamFault),
    Fault(UpstreamFault),
}

fn is_io(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// Connects to the first address of a name that takes a connection. What a name resolves to is looked at like
/// what a configuration says: metadata services answer to names too.
async fn open(address: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host(address).await? {
        if is_link_local(address.ip()) {
            last = std::io::Error::other("the name resolves to a link-local address");
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What hyper's error means. An error of the request's own content comes wrapped in it.
fn fault(error: &hyper::Error) -> UpstreamFault {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(fault) = cause.downcast_ref::<BodyError>() {
            return UpstreamFault::Content(fault.clone());
        }
        source = cause.source();
    }
    UpstreamFault::Invalid(error.to_string())
}

fn prefix(uri: &mut Uri, path: &str) -> Result<(), UpstreamFault> {
    let target = format!("{path}{}", uri.path_and_query().map_or("/", |target| target.as_str()));
    *uri = target.parse().map_err(|error| UpstreamFault::Unavailable(format!("no target: {error}")))?;
    Ok(())
}
