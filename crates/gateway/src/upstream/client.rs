//! Forwards requests to one upstream.
//!
//! An idle connection may be closed by the upstream while a request is on its way. The request is then sent again, once and
//! on a new connection, if it may be sent twice. A request that cannot be sent to one endpoint, or gets no response on a
//! new connection and may be sent twice, is sent to another one, within a budget.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use demur_admission::Clock;
use demur_engine::settings::ApiSettings;
use demur_engine::{BodyError, RequestBody, UpstreamFault, UpstreamTimeout, is_failure, strip_hop_by_hop};
use demur_http1::Limits;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body::Body;
use tokio::time::Instant;

use super::balancer::{EndpointPermit, EndpointState, Random, SharedUpstream};
use super::body::UpstreamBody;
use super::counts::ConnectionCounts;
use super::exchange::{ExchangeBody, ExchangeError};
use super::health_check;
use super::location::UpstreamOrigin;
use super::pool::{Connection, Pool};
use super::settings::{HostHeader, Upstream};
use super::timeout::{ProgressBody, ResponseTimeout};
use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::Descriptors;

/// The largest head of a response.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// The body of a request as it is sent.
pub(crate) type UpstreamRequestBody<B> = ProgressBody<RequestBody<B>>;

/// The response of an upstream. Its body is boxed: a response is moved several times before it is sent.
pub(crate) type UpstreamResponse<B> = Response<Box<UpstreamBody<UpstreamRequestBody<B>>>>;

/// The body of a response before it is held.
type SentBody<B> = ExchangeBody<UpstreamRequestBody<B>>;

/// One worker's client of one upstream.
pub(crate) struct UpstreamClient {
    upstream: Arc<SharedUpstream>,
    /// The value of `Host`, by endpoint.
    hosts: Vec<HeaderValue>,
    random: Random,
    /// In monitor mode responses are passed on as they are, failures included.
    is_monitor_mode: bool,
    /// The path of the API, under which references to the upstream are rewritten.
    mount: String,
    /// Finds references to the upstream in its responses.
    origin: UpstreamOrigin,
    pool: Pool,
    limits: Limits,
}

impl UpstreamClient {
    pub(crate) fn new(
        upstream: Arc<SharedUpstream>,
        settings: &ApiSettings,
        descriptors: &Descriptors,
        connections: &ConnectionTable,
        clock: Clock,
        counts: Arc<ConnectionCounts>,
    ) -> Self {
        // An authority is visible ASCII.
        let own_host = |state: &EndpointState| HeaderValue::from_str(state.endpoint.authority.as_str());
        let host = |state: &EndpointState| match &upstream.settings.host {
            HostHeader::Fixed(host) => host.clone(),
            HostHeader::Endpoint | HostHeader::Client => {
                own_host(state).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
            }
        };
        health_check::start(&upstream);
        let max_headers = upstream.settings.max_headers;
        Self {
            origin: UpstreamOrigin::new(&upstream.settings, &settings.mount.path),
            pool: Pool::new(&upstream, descriptors, connections, clock, counts),
            limits: Limits { head_bytes: MAX_HEAD_BYTES, headers: max_headers, ..Limits::default() },
            hosts: upstream.endpoints.iter().map(host).collect(),
            random: Random::new(),
            upstream,
            is_monitor_mode: settings.monitor,
            mount: settings.mount.path.clone(),
        }
    }

    /// Whether a client of this upstream would be the same.
    pub(crate) fn is_for(&self, upstream: &Upstream, settings: &ApiSettings) -> bool {
        self.upstream.settings == *upstream
            && self.is_monitor_mode == settings.monitor
            && self.mount == settings.mount.path
    }

    /// Closes up to `count` idle connections. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.pool.close_idle(count)
    }

    /// Forwards a request, whose target is a path within the API. `interim` gets the upstream's interim responses.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn forward<B>(
        &self,
        request: Request<RequestBody<B>>,
        interim: impl Fn(StatusCode, HeaderMap),
    ) -> impl Future<Output = Result<UpstreamResponse<B>, UpstreamFault>>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        async move {
            let (mut head, mut body) = request.into_parts();
            let Upstream { host, path, timeout, .. } = &self.upstream.settings;
            if !path.is_empty() {
                prefix(&mut head.uri, path)?;
            }
            // A client of HTTP/1.0 may have sent none.
            let keeps_host = *host == HostHeader::Client && head.headers.contains_key(HOST);
            let start = Instant::now();
            let own_timeout = head.extensions.get::<UpstreamTimeout>();
            let timeout = own_timeout.map_or(*timeout, |timeout| timeout.0);
            let timeout = ResponseTimeout::new(timeout, start);
            let mut permit = self.upstream.choose(&self.random, start, None)?;
            let mut idle = self.pool.checkout_idle(permit.index, start);
            let mut is_retry = false;
            loop {
                if !keeps_host && let Some(host) = self.hosts.get(permit.index) {
                    head.headers.insert(HOST, host.clone());
                }
                let (was_idle, connection) = match idle.take() {
                    Some(connection) => (true, connection),
                    // Boxed: rare, and every request's future has room for it otherwise.
                    None => {
                        let new = self.pool.checkout_new(&self.upstream, permit.index, &self.origin);
                        match Box::pin(new).await {
                            Ok(connection) => (false, connection),
                            Err(fault) => {
                                permit.failed(&fault);
                                // Nothing was sent.
                                permit = self.another(&permit, &mut is_retry).ok_or(fault)?;
                                idle = self.pool.checkout_idle(permit.index, Instant::now());
                                continue;
                            }
                        }
                    }
                };
                let may_repeat = was_idle || (!is_retry && self.upstream.endpoints.len() > 1);
                let again = if may_repeat { repeatable(&head, &body) } else { None };
                match pin!(self.send(connection, &head, body, &timeout, &interim)).await {
                    Ok((mut head, body, is_failure)) => {
                        permit.succeeded();
                        if !self.is_monitor_mode {
                            self.origin.rewrite(&mut head.headers);
                        }
                        let mut body = Box::new(UpstreamBody::new(body, timeout.time(), is_failure, permit));
                        // The bodies of failures are not passed on. In monitor mode everything is passed on as it comes.
                        if !is_failure && !self.is_monitor_mode {
                            body.begin(&head.headers).await.inspect_err(|fault| body.failed(fault))?;
                        }
                        return Ok(Response::from_parts(head, body));
                    }
                    Err(ExchangeError::Failed(fault)) => {
                        permit.failed(&fault);
                        return Err(fault);
                    }
                    Err(ExchangeError::Closed(fault)) if was_idle => body = again.ok_or(fault)?,
                    Err(ExchangeError::Closed(fault)) => {
                        permit.failed(&fault);
                        let Some(again) = again else { return Err(fault) };
                        permit = self.another(&permit, &mut is_retry).ok_or(fault)?;
                        idle = self.pool.checkout_idle(permit.index, Instant::now());
                        body = again;
                    }
                }
            }
        }
    }

    /// Another endpoint for a request, once and within the budget.
    fn another(&self, failed: &EndpointPermit, is_retry: &mut bool) -> Option<EndpointPermit> {
        if std::mem::replace(is_retry, true) || !self.upstream.takes_retry() {
            return None;
        }
        self.upstream.choose(&self.random, Instant::now(), Some(failed.index)).ok()
    }

    /// Sends a request, and waits for the head of its response. Returns whether it is a failure too.
    async fn send<B>(
        &self,
        connection: Connection,
        head: &Parts,
        body: RequestBody<B>,
        timeout: &ResponseTimeout,
        interim: impl Fn(StatusCode, HeaderMap),
    ) -> Result<(http::response::Parts, SentBody<B>, bool), ExchangeError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let interim = |status, headers| {
            if let Some(headers) = self.interim_headers(status, headers) {
                interim(status, headers);
            }
        };
        let response = pin!(connection.send(head, body, timeout, self.limits, interim)).await?;
        let is_failure = is_failure(response.status()) && !self.is_monitor_mode;
        let (head, body) = response.into_parts();
        Ok((head, body, is_failure))
    }

    /// The headers with which an interim response is passed on. `None` for 100 (Continue): the gateway itself answers
    /// `Expect` and did not ask the upstream for it (RFC 9110, section 15.2).
    fn interim_headers(&self, status: StatusCode, mut headers: HeaderMap) -> Option<HeaderMap> {
        if status == StatusCode::CONTINUE {
            return None;
        }
        strip_hop_by_hop(&mut headers);
        if !self.is_monitor_mode {
            self.origin.rewrite(&mut headers);
        }
        Some(headers)
    }
}

/// A copy of the request's body, if the request may be sent twice: its method is idempotent (RFC 9110, section 9.2.2), and
/// its body is buffered.
fn repeatable<B>(head: &Parts, body: &RequestBody<B>) -> Option<RequestBody<B>>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let is_buffered = matches!(body, RequestBody::Collected(_)) || body.is_end_stream();
    (is_buffered && head.method.is_idempotent()).then(|| {
        RequestBody::Collected(match body {
            RequestBody::Collected(bytes) => bytes.clone(),
            RequestBody::Streaming { .. } => None,
        })
    })
}

fn prefix(uri: &mut Uri, path: &str) -> Result<(), UpstreamFault> {
    let target = format!("{path}{}", uri.path_and_query().map_or("/", |target| target.as_str()));
    *uri = target.parse().map_err(|error| UpstreamFault::Unavailable(format!("invalid target: {error}")))?;
    Ok(())
}
