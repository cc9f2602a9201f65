//! The layer and its service: they carry the engine, and decide nothing.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_core::BoxError;
use bytes::Bytes;
use demur_admission::{Admission, Clock, NoRandomness, Pepper, PlanBook, Settings, Stores};
use demur_engine::{Api, Arrival, Engine, Outgoing, Peer, Record, UpstreamFault};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::config::ServiceConfig;
use crate::content::{Answered, Arriving, Faulted, RequestContent};
use crate::keys::Keys;
use crate::{fault, rejection};

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
    pub fn in_memory(config: ServiceConfig) -> Result<(Self, Keys), NoRandomness> {
        let keys = Keys::new(&config)?;
        let layer = Self::with_stores(config, keys.stores(), keys.pepper());
        Ok((layer, keys))
    }

    /// With keys, counts and credits in these stores.
    pub fn with_stores(config: ServiceConfig, stores: Stores, pepper: Pepper) -> Self {
        let plans = Arc::new(PlanBook::new(config.plans));
        let admission = Arc::new(Admission::new(stores, pepper, plans, Settings::default()));
        let apis = config.apis.into_iter().map(Api::new).collect();
        Self::new(Arc::new(Engine::new(apis, admission, config.voice)), Clock::start())
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
    type Response = Response<Outgoing<Answered<R>>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always ready. A request that is refused needs no room behind, and one that is not waits for it on its
    /// own way: a busy service must not keep others from being told why they may not pass.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut inner, engine) = (self.inner.clone(), Arc::clone(&self.engine));
        let peer = request.extensions().get::<SocketAddr>().map(|address| Peer::new(address.ip()));
        let now = self.clock.now();
        let request = request.map(Arriving::new);
        Box::pin(async move {
            let (peer, lag) = (peer.as_ref(), Duration::ZERO);
            let arrival = Arrival { now, peer, listener: None, rejection: None, lag };
            let forward = |api: &Arc<Api>, request: Request<_>| {
                // What a service that is only watched says goes on as it is.
                let observes = api.settings().observe;
                let faulted = Faulted::default();
                let request = request.map(|content| RequestContent::new(content, faulted.clone()));
                async move {
                    if let Err(error) = poll_fn(|context| inner.poll_ready(context)).await {
                        return fault::answer(&*error.into());
                    }
                    match pin!(inner.call(request)).await.map_err(Into::into) {
                        Ok(response) if is_failure(response.status()) && !observes => {
                            failure(response, &faulted).await
                        }
                        Ok(response) => Ok(response.map(Answered::service)),
                        Err(error) => fault::answer(&*error),
                    }
                }
            };
            let (mut response, record) = pin!(engine.serve(request, arrival, forward)).await;
            if record.is_notable() {
                response.extensions_mut().insert::<Arc<Record>>(record.into());
            }
            Ok(response)
        })
    }
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// What the service's failure was, for the engine.
async fn failure<R>(response: Response<R>, faulted: &Faulted) -> Result<Response<Answered<R>>, UpstreamFault>
where
    R: Body<Data = Bytes> + Unpin,
{
    // A service whose content could not be read to its end says so in its own way; we know what it was.
    match faulted.fault() {
        Some(fault) => Err(UpstreamFault::Content(fault)),
        // Boxed, as it is rare: every request's future has the room for it otherwise.
        None => Ok(Box::pin(rejection::named(response)).await),
    }
}
