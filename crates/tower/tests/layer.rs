//! Every failure of a service is rendered in its contract: rows of a request, the service, and the error that the
//! client must get.
//! Long because the table has a row for each failure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as InPath, Query};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use demur_tower::{Condition, DemurLayer, InMemoryKeys, Raise, RequestRecord, ServiceConfig};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value as Json_, json};
use std::sync::Arc;
use tower::{ServiceBuilder, ServiceExt};

fn config() -> ServiceConfig {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop/demur.yaml");
    ServiceConfig::read(&file).unwrap_or_else(|error| panic!("{error}")).0
}

fn layer() -> (DemurLayer, InMemoryKeys) {
    DemurLayer::in_memory(config()).unwrap()
}

/// A response as the client receives it.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: http::HeaderMap,
    body: Json_,
    record: Option<Arc<RequestRecord>>,
}

async fn seen<B>(response: Response<B>) -> Seen
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Seen {
        status: head.status.as_u16(),
        body: serde_json::from_slice(&bytes).unwrap_or(Json_::Null),
        record: head.extensions.get::<Arc<RequestRecord>>().cloned(),
        headers: head.headers,
    }
}

fn request(keys: &InMemoryKeys, method: Method, path: &str, body: &str) -> Request<Body> {
    let secret = keys.issue("shop", "acme", "free").unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", secret.expose()));
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[derive(Deserialize)]
struct Basket {
    #[expect(dead_code, reason = "it is only read from the content")]
    items: Vec<u32>,
}

#[derive(Deserialize)]
struct Paging {
    #[expect(dead_code, reason = "it is only read from the query")]
    page: u32,
}

async fn basket(_: Json<Basket>) {}
async fn paging(_: Query<Paging>) {}
async fn number(_: InPath<u32>) {}
async fn numbers(_: InPath<(u32, u32)>) {}
async fn whole(_: bytes::Bytes) {}
async fn panics() {
    panic!("secret of the house")
}

/// The name, the service; media type and body of the request; the expected status, code and parameter.
type Row = (&'static str, Router, (&'static str, String), u16, &'static str, Option<&'static str>);

/// What the service behind `/anything` does, and what a client gets.
#[tokio::test]
async fn every_failure_is_in_the_contract() {
    let post_json = |body: &str| ("application/json", body.to_owned());
    let oversized = "x".repeat(2000);
    let rows: Vec<Row> = vec![
        (
            "a declared error",
            Router::new().route("/anything", any(|| async { Err::<(), _>(Raise::error("not_found")) })),
            post_json(""),
            404,
            "not_found",
            None,
        ),
        (
            "an error with parameters",
            Router::new().route(
                "/anything",
                any(|| async {
                    Err::<(), _>(Raise::error("out_of_stock").with("item", "Tea").with("left", 2))
                }),
            ),
            post_json(""),
            409,
            "out_of_stock",
            None,
        ),
        (
            "an undeclared error",
            Router::new().route("/anything", any(|| async { Err::<(), _>(Raise::error("no_such_error")) })),
            post_json(""),
            500,
            "internal_error",
            None,
        ),
        (
            "a condition",
            Router::new().route(
                "/anything",
                any(|| async { Err::<(), _>(Raise::condition(Condition::ResourceGone)) }),
            ),
            post_json(""),
            404,
            "not_found",
            None,
        ),
        (
            "a panic",
            Router::new().route("/anything", any(panics)),
            post_json(""),
            500,
            "internal_error",
            None,
        ),
        (
            "a caught panic",
            Router::new()
                .route("/anything", any(panics))
                .layer(tower_http::catch_panic::CatchPanicLayer::new()),
            post_json(""),
            500,
            "internal_error",
            None,
        ),
        (
            "JSON that is none",
            Router::new().route("/anything", post(basket)),
            post_json("{"),
            400,
            "invalid_json",
            None,
        ),
        (
            "JSON of another shape",
            Router::new().route("/anything", post(basket)),
            post_json(r#"{"items":[1,"x"]}"#),
            400,
            "invalid_param",
            Some("items[1]"),
        ),
        (
            "JSON without a member",
            Router::new().route("/anything", post(basket)),
            post_json("{}"),
            400,
            "missing_param",
            Some("items"),
        ),
        (
            "another media type",
            Router::new().route("/anything", post(basket)),
            ("text/plain", "{}".to_owned()),
            415,
            "unsupported_media_type",
            None,
        ),
        (
            "a query without a parameter",
            Router::new().route("/anything", post(paging)),
            post_json(""),
            400,
            "missing_param",
            Some("page"),
        ),
        (
            "a path that is no number",
            Router::new().route("/{n}", post(number)),
            post_json(""),
            400,
            "invalid_param",
            None,
        ),
        (
            "paths without parameters",
            Router::new().route("/anything", post(numbers)),
            post_json(""),
            500,
            "internal_error",
            None,
        ),
        (
            "too much content, announced",
            Router::new().route("/anything", post(whole)),
            ("text/plain", oversized),
            413,
            "content_too_large",
            None,
        ),
        ("an unknown path", Router::new(), post_json(""), 404, "not_found", None),
        (
            "a method that there is not",
            Router::new().route("/anything", get(|| async {})),
            post_json(""),
            405,
            "method_not_allowed",
            None,
        ),
        (
            "a page of a proxy",
            Router::new()
                .route("/anything", any(|| async { (StatusCode::BAD_GATEWAY, "<html>nginx</html>") })),
            post_json(""),
            500,
            "internal_error",
            None,
        ),
        (
            "a time-out of tower-http",
            Router::new().route("/anything", any(std::future::pending::<()>)).layer(
                tower_http::timeout::TimeoutLayer::with_status_code(
                    StatusCode::REQUEST_TIMEOUT,
                    Duration::from_millis(5),
                ),
            ),
            post_json(""),
            504,
            "timeout",
            None,
        ),
    ];
    for (what, router, (media_type, body), status, code, param) in rows {
        let (layer, _) = layer();
        let request = Request::post("/anything").header("content-type", media_type);
        let request = match body.is_empty() {
            true => request.body(Body::empty()),
            false => request.header("content-length", body.len()).body(Body::from(body)),
        };
        let app = ServiceBuilder::new().layer(layer).service(router);
        let seen = seen(app.oneshot(request.unwrap()).await.unwrap()).await;
        assert_eq!(seen.status, status, "{what}: {seen:?}");
        assert_eq!(seen.body["error"]["code"], code, "{what}: {seen:?}");
        assert_eq!(seen.body["error"]["param"].as_str(), param, "{what}: {seen:?}");
        assert_eq!(
            seen.body["error"]["request_id"],
            seen.headers["x-request-id"].to_str().unwrap(),
            "{what}"
        );
        let text = seen.body.to_string();
        for secret in ["secret of the house", "nginx", "deserialize", "line 1"] {
            assert!(!text.contains(secret), "{what}: {seen:?}");
        }
        assert_eq!(seen.headers["cache-control"], "no-store", "{what}");
    }
}

#[tokio::test]
async fn parameters_are_in_the_message_and_causes_are_not() {
    let (layer, keys) = layer();
    let raised = || async {
        Err::<(), _>(Raise::error("out_of_stock").with("item", "Tea").with("left", 2).with_cause("shelf 7"))
    };
    let app = Router::new().route("/items", get(raised)).layer(layer);
    let seen = seen(app.oneshot(request(&keys, Method::GET, "/items", "")).await.unwrap()).await;
    assert_eq!(seen.body["error"]["message"], "Tea is sold out, 2 are left.");
    assert_eq!(seen.record.unwrap().rejection().unwrap().cause, "shelf 7");
}

#[tokio::test]
async fn an_open_message_is_the_handlers_and_a_closed_one_is_not() {
    for (name, message) in [("closed", "Back at nine."), ("not_found", "There is no such thing.")] {
        let (layer, keys) = layer();
        let raised = move || async move { Err::<(), _>(Raise::error(name).message("Back at nine.")) };
        let app = Router::new().route("/items", get(raised)).layer(layer);
        let seen = seen(app.oneshot(request(&keys, Method::GET, "/items", "")).await.unwrap()).await;
        assert_eq!(seen.body["error"]["message"], message);
    }
}

/// Errors of layers around the service, which are not responses.
#[tokio::test]
async fn errors_of_tower_are_in_the_contract() {
    let (layer, _) = layer();
    let slow = Router::new().route("/anything", any(std::future::pending::<()>));
    let anything = || Request::post("/anything").body(Body::empty()).unwrap();

    let timed =
        ServiceBuilder::new().layer(layer.clone()).timeout(Duration::from_millis(5)).service(slow.clone());
    let response = seen(timed.oneshot(anything()).await.unwrap()).await;
    assert_eq!((response.status, &response.body["error"]["code"]), (504, &json!("timeout")), "{response:?}");

    let shed = ServiceBuilder::new().layer(layer).load_shed().concurrency_limit(1).service(slow);
    let first = tokio::spawn(shed.clone().oneshot(anything()));
    tokio::task::yield_now().await;
    let response = seen(shed.oneshot(anything()).await.unwrap()).await;
    assert_eq!(
        (response.status, &response.body["error"]["code"]),
        (503, &json!("overloaded")),
        "{response:?}"
    );
    assert_eq!(response.headers["retry-after"], "1");
    first.abort();
}

/// A body without a length that turns out to be too large while the handler reads it.
#[tokio::test]
async fn limits_streamed_bodies() {
    let (layer, _) = layer();
    let app = Router::new().route("/anything", post(whole)).layer(layer);
    let pieces = (0..4).map(|_| Ok::<_, std::io::Error>("x".repeat(500)));
    let body = Body::from_stream(futures(pieces));
    let response = seen(app.oneshot(Request::post("/anything").body(body).unwrap()).await.unwrap()).await;
    assert_eq!(
        (response.status, &response.body["error"]["code"]),
        (413, &json!("content_too_large")),
        "{response:?}"
    );
}

/// A limit that another layer has set on the body, as a layer around this one may.
#[tokio::test]
async fn recognizes_body_limits_of_other_layers() {
    let (layer, keys) = layer();
    let app = Router::new().route("/anything", post(whole)).layer(layer);
    let request = request(&keys, Method::POST, "/anything", &"x".repeat(500));
    let limited = request.map(|body| Body::new(http_body_util::Limited::new(body, 100)));
    let seen = seen(app.oneshot(limited).await.unwrap()).await;
    assert_eq!((seen.status, &seen.body["error"]["code"]), (413, &json!("content_too_large")), "{seen:?}");
}

/// What a failure says is looked at, and no more of it than could be of use.
#[tokio::test]
async fn renders_an_error_for_an_endless_error_response() {
    let (layer, keys) = layer();
    let endless = || async {
        let pieces = std::iter::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(10_000)));
        (StatusCode::BAD_REQUEST, [("content-type", "text/plain")], Body::from_stream(futures(pieces)))
    };
    let app = Router::new().route("/anything", post(endless)).layer(layer);
    let responding = app.oneshot(request(&keys, Method::POST, "/anything", ""));
    let responded = tokio::time::timeout(Duration::from_secs(5), responding).await.unwrap().unwrap();
    assert_eq!(seen(responded).await.status, 400);
}

fn futures<T>(items: impl Iterator<Item = T> + Send) -> impl futures_core::Stream<Item = T> + Send {
    futures_util::stream::iter(items)
}

/// A rejected request never reaches the service, so the service need not be ready for it.
#[tokio::test]
async fn renders_the_rejections_of_the_layer() {
    let (layer, keys) = layer();
    let app = Router::new().route("/items", any(panics)).route("/items/{id}", any(panics)).layer(layer);
    let limited = keys.issue("shop", "tiny", "slow").unwrap();
    let key = format!("Bearer {}", limited.expose());
    let bare = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let keyed = |path: &str| Request::get(path).header("authorization", &key).body(Body::empty()).unwrap();
    for (what, request, status, code) in [
        ("no key", bare("/items"), 401, "unauthorized"),
        ("a path that is not documented", bare("/nowhere"), 404, "not_found"),
        ("a parameter beyond its bound", keyed("/items?limit=101"), 400, "invalid_param"),
        ("more than the rate", keyed("/items"), 429, "too_many_requests"),
    ] {
        let response = seen(app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(
            (response.status, &response.body["error"]["code"]),
            (status, &json!(code)),
            "{what}: {response:?}"
        );
    }
}

#[tokio::test]
async fn charges_successes_and_releases_failures() {
    let (layer, keys) = layer();
    let buy = |InPath(id): InPath<String>| async move {
        match id.as_str() {
            "none" => Err(Raise::error("not_found")),
            // Failures of the service itself are not charged.
            "panic" => panic!("of the house"),
            _ => Ok("yours"),
        }
    };
    let app = Router::new().route("/items/{id}/buy", post(buy)).layer(layer);
    let secret = keys.issue("shop", "buyer", "free").unwrap();
    let mut statuses = Vec::new();
    for id in ["1", "none", "panic", "none", "panic", "2", "3", "4", "5", "6"] {
        let request = Request::post(format!("/items/{id}/buy"))
            .header("authorization", format!("Bearer {}", secret.expose()))
            .body(Body::empty());
        statuses.push(seen(app.clone().oneshot(request.unwrap()).await.unwrap()).await.status);
    }
    assert_eq!(statuses, [200, 404, 500, 404, 500, 200, 200, 200, 200, 402]);
}

#[tokio::test]
async fn what_a_caller_claims_to_be_never_arrives() {
    let (layer, keys) = layer();
    let who = |headers: http::HeaderMap| async move {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Json(json!({ "account": text("demur-account"), "key": text("authorization") }))
    };
    let app = Router::new().route("/items", get(who)).layer(layer);
    let mut request = request(&keys, Method::GET, "/items", "");
    request.headers_mut().insert("demur-account", "root".parse().unwrap());
    let response = seen(app.oneshot(request).await.unwrap()).await;
    assert_eq!(response.body, json!({ "account": "acme", "key": null }));
    assert_eq!(response.status, 200);
}
