//! The layer and its service: they carry the engine, and decide nothing.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_core::BoxError;
use bytes::Bytes;
use demur_admission::{Admission, CacheConfig, Clock, NoRandomness, Pepper, Plans, Stores};
use demur_engine::{Api, Engine, Peer, RequestInfo, RequestOutcome, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{IncomingBody, RequestContent, ServiceBody};
use crate::config::ServiceConfig;
use crate::future;
use crate::keys::InMemoryKeys;

/// Puts the engine around a service. Clones share keys, counts and credits.
///
/// Where a request's extensions have the `SocketAddr` of its connection, the service is told the address in
/// the fields that a gateway would set.
#[derive(Clone)]
pub struct DemurLayer {
    engine: Arc<Engine>,
    clock: Clock,
}

impl DemurLayer {
    /// With keys, counts and credits in memory: nothing outlives the process. For services whose keys are
    /// listed in their configuration or made at their start, and for tests.
    pub fn in_memory(config: ServiceConfig) -> Result<(Self, InMemoryKeys), NoRandomness> {
        let keys = InMemoryKeys::new(&config)?;
        let layer = Self::with_stores(config, keys.stores(), keys.pepper());
        Ok((layer, keys))
    }

    /// With keys, counts and credits in these stores.
    pub fn with_stores(config: ServiceConfig, stores: Stores, pepper: Pepper) -> Self {
        let plans = Arc::new(Plans::new(config.plans));
        let admission = Admission::new(stores, pepper, plans, CacheConfig::default());
        let apis = config.apis.into_iter().map(Api::new).collect();
        Self::new(Engine::new(apis, admission, config.default_contract), Clock::start())
    }

    /// Around an engine that stands already. One clock per process: moments of two cannot be compared.
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
        DemurService { inner, engine: Arc::clone(&self.engine), clock: self.clock }
    }
}

/// A service behind the engine. It never fails: every failure is an answer in the contract.
#[derive(Clone)]
pub struct DemurService<S> {
    inner: S,
    engine: Arc<Engine>,
    clock: Clock,
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
    S: Service<Request<RequestContent<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: Body<Data = Bytes> + Unpin + Send + 'static,
{
    type Response = Response<ResponseBody<ServiceBody<R>>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always ready. A request that is refused needs no room behind, and one that is not waits for it on its
    /// own way: a busy service must not keep others from being told why they may not pass.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// A request is admitted here and now, and its service asked where nothing must be waited for: whoever drops the
    /// future goes away from a request that has begun.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = request.extensions().get::<SocketAddr>().map(|address| Peer::new(address.ip()));
        let arrival = RequestInfo {
            is_trusted_proxy: false,
            now: self.clock.now(),
            peer: peer.as_ref(),
            acquaintance: None,
            listener: None,
            rejection: None,
            lag: Duration::ZERO,
        };
        match self.engine.receive(request.map(IncomingBody::new), arrival) {
            RequestOutcome::Forward(request, passage) => future::forward(&self.inner, request, passage),
            RequestOutcome::Answered(response, record) => {
                future::done(response.map(ResponseBody::Whole), record)
            }
            RequestOutcome::Waiting(mut waiting) => {
                let inner = self.inner.clone();
                Box::pin(async move {
                    loop {
                        match waiting.resume().await {
                            RequestOutcome::Forward(request, passage) => {
                                return future::forward(&inner, request, passage).await;
                            }
                            RequestOutcome::Answered(response, record) => {
                                return future::done(response.map(ResponseBody::Whole), record).await;
                            }
                            RequestOutcome::Waiting(more) => waiting = more,
                        }
                    }
                })
            }
        }
    }
}
