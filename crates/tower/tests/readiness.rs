//! The layer is as ready as the inner service, and its futures are fused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::response::Response;
use demur_source::Source;
use demur_tower::{DemurLayer, InMemoryKeys, LimitedBody, ServiceConfig};
use futures_core::future::FusedFuture;
use http::{Request, StatusCode};
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::{Layer, Service, ServiceExt};

const CONFIG: &str = "
demur: 2
plans: { free: { rates: [{ name: burst, requests: 1000, per: 1s }] } }
apis:
  - name: shop
    contract: contract.yaml
    openapi: openapi.yaml
    authentication: { scheme: bearer, prefix: shp }
";

fn layer() -> (DemurLayer, InMemoryKeys) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop");
    let source = Source::new("demur.yaml", CONFIG.to_owned());
    let (config, _) = ServiceConfig::load(&source, &folder).unwrap_or_else(|found| panic!("{found}"));
    DemurLayer::in_memory(config).unwrap()
}

fn valid(keys: &InMemoryKeys) -> Request<Body> {
    let secret = keys.issue("shop", "acme", "free").unwrap();
    let request = Request::get("/items").header("authorization", format!("Bearer {}", secret.expose()));
    request.body(Body::empty()).unwrap()
}

fn without_key() -> Request<Body> {
    Request::get("/items").body(Body::empty()).unwrap()
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

const BUSY: u8 = 0;
const READY: u8 = 1;
const BROKEN: u8 = 2;
const PANICS: u8 = 3;

/// A service that is ready when the test says so, and only the instance that said so.
struct Gate {
    state: Arc<AtomicU8>,
    has_said_so: bool,
}

impl Clone for Gate {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), has_said_so: false }
    }
}

impl Service<Request<LimitedBody<Body>>> for Gate {
    type Response = Response;
    type Error = std::io::Error;
    type Future = Ready<Result<Response, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        match self.state.load(Ordering::SeqCst) {
            BUSY => Poll::Pending,
            READY => {
                self.has_said_so = true;
                Poll::Ready(Ok(()))
            }
            BROKEN => Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into())),
            _ => panic!("while asked whether it is ready"),
        }
    }

    fn call(&mut self, _: Request<LimitedBody<Body>>) -> Self::Future {
        assert!(std::mem::take(&mut self.has_said_so), "called without having been ready");
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_layer_is_ready_when_the_inner_service_is() {
    let (layer, keys) = layer();
    let state = Arc::new(AtomicU8::new(BUSY));
    let mut service = layer.layer(Gate { state: Arc::clone(&state), has_said_so: false });
    assert!(service.poll_ready(&mut context()).is_pending());
    state.store(READY, Ordering::SeqCst);
    for _ in 0..2 {
        service.ready().await.unwrap();
        assert_eq!(service.call(valid(&keys)).await.unwrap().status(), 200);
    }
}

/// The layer never fails, and a service that cannot be called is a failure of the service.
#[tokio::test]
async fn renders_errors_of_poll_ready_in_the_contract() {
    let (layer, keys) = layer();
    for state in [BROKEN, PANICS] {
        let gate = Gate { state: Arc::new(AtomicU8::new(state)), has_said_so: false };
        let mut service = layer.layer(gate);
        service.ready().await.unwrap();
        assert_eq!(service.call(valid(&keys)).await.unwrap().status(), 500);
        service.ready().await.unwrap();
        // A rejection has its own reason.
        assert_eq!(service.call(without_key()).await.unwrap().status(), 401);
    }
}

#[tokio::test]
async fn backpressure_of_the_inner_service_reaches_the_outside() {
    let (layer, keys) = layer();
    let slow = tower::service_fn(|_: Request<LimitedBody<Body>>| pending::<Result<Response, Infallible>>());
    let mut service = layer.layer(ConcurrencyLimit::new(slow, 1));
    // What a rejected request had reserved is free again.
    for _ in 0..3 {
        service.ready().await.unwrap();
        assert_eq!(service.call(without_key()).await.unwrap().status(), 401);
    }
    let mut shedding = LoadShed::new(service);
    shedding.ready().await.unwrap();
    let mut first = Box::pin(shedding.call(valid(&keys)));
    assert!(first.as_mut().poll(&mut context()).is_pending());
    shedding.ready().await.unwrap();
    let shed = shedding.call(valid(&keys)).await.unwrap_err();
    assert!(shed.is::<tower::load_shed::error::Overloaded>(), "{shed}");
    drop(first);
    shedding.ready().await.unwrap();
    assert!(
        Box::pin(shedding.call(valid(&keys))).as_mut().poll(&mut context()).is_pending(),
        "there is room again"
    );
}

#[tokio::test]
async fn futures_are_fused() {
    let (layer, keys) = layer();
    let fine = tower::service_fn(|_: Request<LimitedBody<Body>>| {
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    let mut service = layer.layer(fine);
    let body = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("{}")]));
    let (parts, ()) = valid(&keys).map(drop).into_parts();
    let mut with_body = Request::from_parts(parts, body);
    *with_body.method_mut() = http::Method::POST;
    for (request, status) in [
        (without_key(), Some(StatusCode::UNAUTHORIZED)),
        (valid(&keys), Some(StatusCode::OK)),
        (with_body, None),
    ] {
        let mut future = service.ready().await.unwrap().call(request);
        assert!(!future.is_terminated());
        let responded = (&mut future).await.unwrap().status();
        assert!(status.is_none_or(|status| status == responded), "{responded}");
        assert!(future.is_terminated());
        for _ in 0..2 {
            assert!(Pin::new(&mut future).poll(&mut context()).is_pending(), "{responded}");
        }
    }
}
