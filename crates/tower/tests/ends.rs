//! What a request has taken is settled however it ends, and only once nothing more can come.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::convert::Infallible;
use std::future::{Future, Ready, pending};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Router, response::Response};
use bytes::Bytes;
use demur_admission::Secret;
use demur_source::Source;
use demur_tower::{Condition, DemurLayer, InMemoryKeys, RejectionRecord, RequestRecord, ServiceConfig};
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, Service, ServiceExt};

const CONFIG: &str = "
demur: 2
plans:
  free: { rates: [{ name: burst, requests: 1000, per: 1s }], credits: { monthly: 5 } }
  narrow: { concurrency: 1, credits: { monthly: 5 } }
  daily: { quota: { requests: 1, counts: successes }, credits: { monthly: 5 } }
apis:
  - name: shop
    contract: contract.yaml
    openapi: openapi.yaml
    authentication: { scheme: bearer, prefix: shp, failures: { requests: 3, per: 60s } }
    overload: { in_flight: 2 }
    operations:
      listItems: { credits: 1, usage: { trailer: X-Used }, idempotency: upstream }
      showItem: { credits: 2 }
";

struct World {
    app: Router,
    keys: InMemoryKeys,
}

fn layer() -> (DemurLayer, InMemoryKeys) {
    configured(CONFIG.to_owned())
}

fn configured(config: String) -> (DemurLayer, InMemoryKeys) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop");
    let source = Source::new("demur.yaml", config);
    let (config, _) = ServiceConfig::load(&source, &folder).unwrap_or_else(|found| panic!("{found}"));
    DemurLayer::in_memory(config).unwrap()
}

fn world(service: Router) -> World {
    let (layer, keys) = layer();
    World { app: service.layer(layer), keys }
}

fn request(path: &str, secret: &Secret) -> Request<Body> {
    let authorization = format!("Bearer {}", secret.expose());
    Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap()
}

fn rejection<B>(response: &http::Response<B>) -> &RejectionRecord {
    response.extensions().get::<Arc<RequestRecord>>().unwrap().rejection().unwrap()
}

impl World {
    /// A request with a key of this account, on this plan.
    fn request(&self, path: &str, plan: &str) -> Request<Body> {
        request(path, &self.keys.issue("shop", "acme", plan).unwrap())
    }

    async fn ask(&self, request: Request<Body>) -> Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn status(&self, path: &str, plan: &str) -> u16 {
        self.ask(self.request(path, plan)).await.status().as_u16()
    }
}

/// A body that is never complete: it waits, or breaks off.
struct Unfinished {
    breaks: bool,
}

impl http_body::Body for Unfinished {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.breaks { Poll::Ready(Some(Err(std::io::Error::other("broken")))) } else { Poll::Pending }
    }
}

fn unfinished(breaks: bool) -> Router {
    let response = move || async move { Response::new(Body::new(Unfinished { breaks })) };
    Router::new()
        .route("/items", get(response))
        .route("/items/{id}", get(response))
        .route("/items/{id}/reviews", get(response))
}

#[tokio::test]
async fn releases_the_slot_at_the_end_of_the_response() {
    let world = world(unfinished(false));
    // One that costs nothing has nothing else to settle.
    for path in ["/items", "/items/1/reviews"] {
        let first = world.ask(world.request(path, "narrow")).await;
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(world.status(path, "narrow").await, 429, "the answer is still going out");
        drop(first);
        assert_eq!(world.status(path, "narrow").await, 200);
    }
}

#[tokio::test]
async fn releases_the_permit_when_the_service_has_responded() {
    let world = world(unfinished(false));
    for _ in 0..3 {
        let kept = world.ask(world.request("/items", "free")).await;
        assert_eq!(kept.status(), 200);
    }
}

#[tokio::test]
async fn charges_an_aborted_request_and_releases_its_permit() {
    let (layer, keys) = configured(CONFIG.replace("in_flight: 2", "in_flight: 1"));
    let world = World { app: Router::new().route("/items", get(pending::<()>)).layer(layer), keys };
    let mut app = world.app.clone();
    for _ in 0..5 {
        let mut asked = app.call(world.request("/items", "free"));
        assert!(Pin::new(&mut asked).poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        assert_eq!(world.status("/items", "free").await, 503, "there is room for one");
        drop(asked);
    }
    let asked = world.ask(world.request("/items", "free"));
    let response = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    assert_eq!(rejection(&response).condition, Some(Condition::CreditsExhausted));
}

#[tokio::test]
async fn renders_an_error_if_the_service_panics_in_call() {
    let (layer, keys) = layer();
    let service = tower::service_fn(|_| -> Ready<Result<Response, Infallible>> { panic!("on the way in") });
    let secret = keys.issue("shop", "acme", "free").unwrap();
    for _ in 0..6 {
        let response = layer.layer(service).oneshot(request("/items", &secret)).await.unwrap();
        assert_eq!(response.status(), 500, "and it costs nothing");
        assert_eq!(rejection(&response).condition, Some(Condition::Internal));
        assert_eq!(rejection(&response).cause, "on the way in");
    }
}

#[tokio::test]
async fn releases_the_charge_of_a_response_that_breaks_off() {
    let world = world(unfinished(true));
    // Five credits, of which each call would cost two.
    for _ in 0..4 {
        let response = world.ask(world.request("/items/1", "free")).await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().collect().await.is_err());
    }
    for _ in 0..2 {
        let response = world.ask(world.request("/items", "daily")).await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn removes_trailers_for_the_layer_after_an_early_charge() {
    let frames = || {
        let trailers = HeaderMap::from_iter([
            (http::HeaderName::from_static("x-used"), HeaderValue::from_static("1")),
            (http::HeaderName::from_static("x-sum"), HeaderValue::from_static("abc")),
        ]);
        let frames = [Frame::data(Bytes::from_static(b"[]")), Frame::trailers(trailers)];
        futures_util::stream::iter(frames.map(Ok::<_, Infallible>))
    };
    let response = move || async move { Response::new(Body::new(StreamBody::new(frames()))) };
    let world = world(Router::new().route("/items", get(response)));
    for _ in 0..2 {
        let mut request = world.request("/items", "free");
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("once"));
        let response = world.ask(request).await.into_body().collect().await.unwrap();
        let names: Vec<_> = response.trailers().unwrap().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-sum"]);
    }
}

#[tokio::test]
async fn throttles_peers_that_guess_keys() {
    let world = world(Router::new());
    let mut rejected = Vec::new();
    for attempt in 0..5 {
        let mut request = request("/items", &Secret::generate("shp").unwrap());
        request.extensions_mut().insert(SocketAddr::from(([127, 0, 0, 1], 4000 + attempt)));
        let response = world.ask(request).await;
        rejected.push(rejection(&response).condition.unwrap());
    }
    let (unknown, throttled) = (Condition::CredentialUnknown, Condition::CredentialThrottled);
    assert_eq!(rejected, [unknown, unknown, unknown, throttled, throttled]);
}
