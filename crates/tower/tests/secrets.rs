//! No part of a secret beyond its public prefix is in anything public that can be shown: what a service has of
//! its keys, and what operators see of a request.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as InPath;
use axum::routing::get;
use demur_tower::{DemurLayer, InMemoryKeys, Raise, RequestRecord, ServiceConfig};
use http::{HeaderValue, Request, StatusCode};
use tower::ServiceExt;

/// So many characters of a secret beside each other are no accident.
const REVEALING: usize = 6;

fn reveals(text: &str, secret: &str) -> bool {
    let hidden = &secret[secret.rfind('_').unwrap() + 1..];
    (0..=hidden.len() - REVEALING).any(|at| text.contains(&hidden[at..at + REVEALING]))
}

fn layer() -> (DemurLayer, InMemoryKeys) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop/demur.yaml");
    DemurLayer::in_memory(ServiceConfig::read(&file).unwrap_or_else(|error| panic!("{error}")).0).unwrap()
}

#[test]
fn nothing_that_can_be_shown_shows_a_secret() {
    let (layer, keys) = layer();
    let issued = keys.issue("shop", "acme", "free").unwrap();
    let mut record = None;
    keys.issue_with("shop", "acme", "free", |made| record = Some(made.clone())).unwrap();
    let record = record.unwrap();
    // A public prefix of three characters: whatever more a hint shows is of the secret.
    assert_eq!(record.prefix, "shp");
    let raise = Raise::error("not_found");
    let service = tower::ServiceBuilder::new().layer(layer.clone()).service(());
    let shown = format!(
        "{keys:?} {layer:?} {service:?} {issued:?} {record:?} {raise:?} {:?} {:?} {:?}",
        keys.stores().keys.imported(),
        keys.pepper(),
        keys.issue("nowhere", "acme", "free").unwrap_err(),
    );
    assert!(!reveals(&shown, issued.expose()), "{shown}");
    assert!(reveals(issued.expose(), issued.expose()), "the test sees a secret that is there");
}

#[tokio::test]
async fn no_record_of_a_request_shows_its_key() {
    async fn quotes(InPath(id): InPath<String>) -> (StatusCode, String) {
        (StatusCode::NOT_FOUND, format!("no item {id}"))
    }
    async fn panics(InPath(id): InPath<String>) {
        panic!("no item {id}")
    }
    let quotes = Router::new().route("/items/{id}", get(quotes));
    let panics = Router::new().route("/items/{id}", get(panics));
    for (what, service, in_query, status) in [
        ("a quote", quotes.clone(), false, 404),
        ("a panic", panics, false, 500),
        ("a query", quotes, true, 401),
    ] {
        let (layer, keys) = layer();
        let key = keys.issue("shop", "acme", "free").unwrap();
        let target = if in_query {
            format!("/items/1?token={}", key.expose())
        } else {
            format!("/items/{}", key.expose())
        };
        let credentials = HeaderValue::try_from(format!("Bearer {}", key.expose())).unwrap();
        let request = Request::get(target).header("authorization", credentials).body(Body::empty()).unwrap();
        let response = service.layer(layer).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{what}");
        let record: &Arc<RequestRecord> = response.extensions().get().unwrap();
        let cause = &record.rejection().unwrap().cause;
        assert!(!reveals(&format!("{record:?}"), key.expose()), "{what}: {cause}");
        assert!(in_query || cause.contains("no item …"), "{what}: {cause}");
    }
}
