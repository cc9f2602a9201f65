//! The layer and its service. All decisions are made by the engine.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_core::BoxError;
use bytes::Bytes;
use demur_admission::{Admission, CacheConfig, Clock, NoRandomness, Pepper, Plans, Stores};
use demur_engine::{Api, Engine, Peer, RequestInfo, RequestOutcome, ResponseBody, catch_panic};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{IncomingBody, LimitedBody, ServiceBody};
use crate::config::ServiceConfig;
use crate::future::{self, NotReady, ResponseFuture};
use crate::keys::InMemoryKeys;
use crate::peer::peer_address;

/// A Tower layer that runs the engine in front of a service. Clones share keys, counters and credits.
///
/// If the extensions of a request contain the `SocketAddr` of its connection (or axum's `ConnectInfo<SocketAddr>`, with the
/// feature `axum`), the service receives the address in the same headers that a gateway would set.
#[derive(Clone)]
pub struct DemurLayer {
    engine: Arc<Engine>,
    clock: Clock,
}

impl DemurLayer {
    /// A layer with keys, counters and credits in memory, lost when the process ends. For tests, and for services that
    /// create their keys at startup.
    pub fn in_memory(config: ServiceConfig) -> Result<(Self, InMemoryKeys), NoRandomness> {
        let keys = InMemoryKeys::new(&config)?;
        let layer = Self::with_stores(config, keys.stores(), keys.pepper());
        Ok((layer, keys))
    }

    /// A layer with keys, counters and credits in these stores.
    pub fn with_stores(config: ServiceConfig, stores: Stores, pepper: Pepper) -> Self {
        let plans = Arc::new(Plans::new(config.plans));
        let admission = Admission::new(stores, pepper, plans, CacheConfig::default());
        let apis = config.apis.into_iter().map(Api::new).collect();
        Self::new(Engine::new(apis, admission, config.default_contract), Clock::start())
    }

    /// A layer with an existing engine. Use one clock per process: the times of two clocks are not comparable.
    pub fn new(engine: Arc<Engine>, clock: Clock) -> Self {
        Self { engine, clock }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl fmt::Debug for DemurLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemurLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for DemurLayer {
    type Service = DemurService<S>;

    fn layer(&self, inner: S) -> DemurService<S> {
        DemurService { inner, not_ready: None, engine: Arc::clone(&self.engine), clock: self.clock }
    }
}

/// A service behind the engine. Never fails: every failure becomes a response in the contract.
pub struct DemurService<S> {
    inner: S,
    /// Why the inner service is not ready and never will be: the answer to the next call.
    not_ready: Option<NotReady>,
    engine: Arc<Engine>,
    clock: Clock,
}

impl<S: Clone> Clone for DemurService<S> {
    fn clone(&self) -> Self {
        let (inner, engine) = (self.inner.clone(), Arc::clone(&self.engine));
        // A failure concerns the service that failed.
        Self { inner, not_ready: None, engine, clock: self.clock }
    }
}

impl<S: fmt::Debug> fmt::Debug for DemurService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemurService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for DemurService<S>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    S: Service<Request<LimitedBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Response = Response<ResponseBody<ServiceBody<R>>>;
    type Error = Infallible;
    type Future = ResponseFuture<R>;

    /// Ready when the inner service is, so that its backpressure reaches whoever calls the layer. A service that fails here
    /// makes the layer ready: its next call is answered with the failure, in the contract.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.not_ready.is_none() {
            self.not_ready = match catch_panic(|| self.inner.poll_ready(context)) {
                Ok(polled) => ready!(polled).err().map(|error| NotReady::Failed(error.into())),
                Err(panic) => Some(NotReady::Panicked(panic)),
            };
        }
        Poll::Ready(Ok(()))
    }

    /// Admits the request and, if nothing has to be awaited, calls the inner service. Dropping the future cancels a
    /// request that has started. A rejected request gives back what the inner service had reserved.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is called; the clone has to become ready again.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let not_ready = self.not_ready.take();
        let forward = move |request, in_flight| match not_ready {
            Some(failure) => future::forward_to_failed(in_flight, failure),
            None => future::forward(inner, request, in_flight),
        };
        let peer = peer_address(request.extensions()).map(|address| Peer::new(address.ip()));
        let info = RequestInfo {
            is_trusted_proxy: false,
            now: self.clock.now(),
            peer: peer.as_ref(),
            connection_cache: None,
            listener: None,
            rejection: None,
            lag: Duration::ZERO,
        };
        ResponseFuture::new(match self.engine.receive(request.map(IncomingBody::new), info) {
            RequestOutcome::Forward(request, in_flight) => forward(request, in_flight),
            RequestOutcome::Respond(response, record) => {
                future::done(response.map(ResponseBody::Whole), record)
            }
            RequestOutcome::Suspended(mut waiting) => Box::pin(async move {
                loop {
                    match waiting.resume().await {
                        RequestOutcome::Forward(request, in_flight) => {
                            return forward(request, in_flight).await;
                        }
                        RequestOutcome::Respond(response, record) => {
                            return future::done(response.map(ResponseBody::Whole), record).await;
                        }
                        RequestOutcome::Suspended(more) => waiting = more,
                    }
                }
            }),
        })
    }
}
