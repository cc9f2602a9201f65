//! Forwards requests to one upstream.
//!
//! An idle connection may turn out to be closed. If the request was not sent, or may be sent twice, another connection is
//! tried.

use std::pin::pin;

use bytes::Bytes;
use demur_admission::Clock;
use demur_engine::settings::ApiSettings;
use demur_engine::{BodyError, RequestBody, UpstreamFault, UpstreamTimeout, is_failure};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use tokio::time::Instant;

use super::body::UpstreamBody;
use super::exchange::{Exchange, SendError};
use super::location::UpstreamOrigin;
use super::pool::Pool;
use super::timeout::{ProgressBody, ResponseTimeout};
use crate::config::Upstream;
use crate::listener::connections::ConnectionTable;
use crate::listener::descriptors::Descriptors;

/// Idle connections that turn out closed before a new one is made.
const MAX_STALE: usize = 4;

/// The body of a request as it is sent.
pub(crate) type UpstreamRequestBody<B> = ProgressBody<RequestBody<B>>;

/// The response of an upstream. Its body is boxed: a server reserves room for a response while its connection is idle.
pub(crate) type UpstreamResponse<B> = Response<Box<UpstreamBody<UpstreamRequestBody<B>>>>;

/// One worker's client of one upstream.
pub(crate) struct UpstreamClient<B> {
    upstream: Upstream,
    host: HeaderValue,
    /// In monitor mode responses are passed on as they are, failures included.
    is_monitor_mode: bool,
    /// Finds references to the upstream in its responses.
    origin: UpstreamOrigin,
    pool: Pool<UpstreamRequestBody<B>>,
}

impl<B> UpstreamClient<B>
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
        // An authority is visible ASCII.
        let host = HeaderValue::from_str(upstream.authority.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self {
            origin: UpstreamOrigin::new(&upstream, &settings.mount.path),
            upstream,
            host,
            is_monitor_mode: settings.monitor,
            pool: Pool::new(descriptors, connections, clock),
        }
    }

    /// Closes up to `count` idle connections. Returns how many were closed.
    pub(crate) fn close_idle(&self, count: usize) -> usize {
        self.pool.close_idle(count)
    }

    /// Forwards a request, whose target is a path within the API.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn forward(
        &self,
        mut request: Request<RequestBody<B>>,
    ) -> impl Future<Output = Result<UpstreamResponse<B>, UpstreamFault>> {
        async move {
            request.headers_mut().insert(HOST, self.host.clone());
            *request.version_mut() = http::Version::HTTP_11;
            if !self.upstream.path.is_empty() {
                prefix(request.uri_mut(), &self.upstream.path)?;
            }
            let start = Instant::now();
            let own_timeout = request.extensions().get::<UpstreamTimeout>();
            let timeout = own_timeout.map_or(self.upstream.timeout, |timeout| timeout.0);
            let timeout = ResponseTimeout::new(timeout, start);
            for _ in 0..MAX_STALE {
                let Some(exchange) = self.pool.checkout_idle(start) else { break };
                let retry = repeatable(&request);
                match self.send(exchange, request, &timeout).await {
                    Ok(response) => return Ok(response),
                    Err(SendError::Unsent(unsent)) => request = unsent.map(ProgressBody::into_inner),
                    // The upstream closed the idle connection while the request was on its way.
                    Err(SendError::Closed(fault)) => request = retry.ok_or(fault)?,
                    Err(SendError::Failed(fault)) => return Err(fault),
                }
            }
            // Boxed: rare, and every request's future has room for it otherwise.
            Box::pin(self.send_on_new(request, &timeout)).await
        }
    }

    async fn send_on_new(
        &self,
        request: Request<RequestBody<B>>,
        timeout: &ResponseTimeout,
    ) -> Result<UpstreamResponse<B>, UpstreamFault> {
        let exchange = self.pool.checkout_new(&self.upstream, &self.origin).await?;
        match self.send(exchange, request, timeout).await {
            Ok(response) => Ok(response),
            Err(SendError::Closed(fault) | SendError::Failed(fault)) => Err(fault),
            Err(SendError::Unsent(_)) => Err(UpstreamFault::Invalid(
                "the upstream closed the connection before the request was sent".to_owned(),
            )),
        }
    }

    /// Sends a request, and waits for the head of its response and the beginning of its body.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    fn send(
        &self,
        exchange: Exchange<UpstreamRequestBody<B>>,
        request: Request<RequestBody<B>>,
        timeout: &ResponseTimeout,
    ) -> impl Future<Output = Result<UpstreamResponse<B>, SendError<UpstreamRequestBody<B>>>> {
        async move {
            let sent = pin!(exchange.send(request.map(|body| timeout.watch(body))));
            let response = tokio::select! {
                biased;
                response = sent => response?,
                () = timeout.elapsed() => {
                    let time = timeout.time();
                    let fault = UpstreamFault::Timeout(format!("no response within {time:?}"));
                    return Err(SendError::Failed(fault));
                }
            };
            let is_failure = is_failure(response.status()) && !self.is_monitor_mode;
            let (mut head, body) = response.into_parts();
            if !self.is_monitor_mode {
                self.origin.rewrite(&mut head.headers);
            }
            let mut body = Box::new(UpstreamBody::new(body, timeout.time(), is_failure));
            // The bodies of failures are not passed on. In monitor mode everything is passed on as it comes.
            if !is_failure && !self.is_monitor_mode && !body.is_end_stream() {
                body.begin(&head.headers).await.map_err(SendError::Failed)?;
            }
            Ok(Response::from_parts(head, body))
        }
    }
}

/// A copy of the request, if it may be sent twice (RFC 9110, section 9.2.2) and its body is buffered.
fn repeatable<B>(request: &Request<RequestBody<B>>) -> Option<Request<RequestBody<B>>> {
    let body = match request.body() {
        RequestBody::Collected(bytes) => RequestBody::Collected(bytes.clone()),
        RequestBody::Streaming { .. } => return None,
    };
    if !request.method().is_idempotent() {
        return None;
    }
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn prefix(uri: &mut Uri, path: &str) -> Result<(), UpstreamFault> {
    let target = format!("{path}{}", uri.path_and_query().map_or("/", |target| target.as_str()));
    *uri = target.parse().map_err(|error| UpstreamFault::Unavailable(format!("invalid target: {error}")))?;
    Ok(())
}
