//! Tokens in a Tower layer, without a gateway.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use demur_e2e::{TestDir, Upstream};
use demur_tower::{DemurLayer, RequestRecord, ServiceConfig};
use serde_json::json;
use tower::ServiceExt;

use crate::issuer::{Issuer, claims};
use crate::shop;

fn layer(folder: &TestDir, tokens: &str) -> (ServiceConfig, usize) {
    let upstream = Upstream::always(demur_e2e::MockResponse::response(200, &[], ""));
    folder.write("demur.yaml", &shop::configuration(tokens, &upstream));
    folder.write(
        "openapi.yaml",
        "openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\npaths:\n  /items:\n    get: { operationId: list, responses: { '200': { description: All. } } }\n    post: { operationId: add, responses: { '200': { description: Made. } } }\n  /reports: { get: { operationId: report, responses: { '200': { description: One. } } } }\n",
    );
    let (config, warnings) = ServiceConfig::read(&folder.config()).unwrap();
    (config, warnings.iter().count())
}

async fn send(layer: &DemurLayer, token: &str) -> (u16, Option<String>) {
    let app = Router::new().route("/shop/items", get(|| async { "all" })).layer(layer.clone());
    let request = http::Request::get("/shop/items").header("authorization", format!("Bearer {token}"));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let record = response.extensions().get::<std::sync::Arc<RequestRecord>>();
    let condition = record.and_then(|record| record.rejection()?.condition);
    (response.status().as_u16(), condition.map(|condition| condition.name().to_owned()))
}

#[tokio::test]
async fn the_layer_accepts_and_rejects_tokens_like_the_gateway() {
    let (issuer, folder) = (Issuer::new(), TestDir::empty());
    folder.write("keys.json", &issuer.key_set("").to_string());
    let (config, _) = layer(&folder, "keys: { file: keys.json }\nalgorithms: [ES256]");
    let (layer, _keys) = DemurLayer::in_memory(config).unwrap();
    let sign = |header: serde_json::Value, changes| issuer.sign(&header, &claims(changes));
    let es256 = || json!({ "alg": "ES256", "kid": "ec" });
    for (token, expected) in [
        (sign(es256(), json!({})), (200, None)),
        (sign(es256(), json!({ "exp": 1 })), (401, Some("credential.token.expired"))),
        (sign(es256(), json!({ "aud": "x" })), (401, Some("credential.token.audience"))),
        (sign(json!({ "alg": "none" }), json!({})), (401, Some("credential.token.algorithm"))),
        (sign(json!({ "alg": "ES256", "kid": "x" }), json!({})), (401, Some("credential.token.unknown_key"))),
    ] {
        let (status, condition) = send(&layer, &token).await;
        assert_eq!((status, condition.as_deref()), expected);
    }
}

/// A service fetches no keys: whoever runs it does, and puts them into the cell.
#[tokio::test]
async fn the_keys_of_a_layer_can_be_replaced() {
    use demur_engine::settings::TokenSettings;
    use demur_jwt::{KeyOrigin, KeySet};

    let (issuer, folder) = (Issuer::new(), TestDir::empty());
    let tokens = "keys: { url: \"https://id.example/jwks.json\" }\nalgorithms: [ES256]";
    let (config, warnings) = layer(&folder, tokens);
    assert!(warnings > 0, "the service is warned");
    let settings = config.apis[0].authentication.tokens.clone();
    let cell = settings.map(|tokens: std::sync::Arc<TokenSettings>| tokens.keys.clone()).unwrap();
    let (layer, _keys) = DemurLayer::in_memory(config).unwrap();
    let token = issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims(json!({})));
    let before = tokio::time::timeout(Duration::from_secs(10), send(&layer, &token)).await.unwrap();
    assert_eq!(before, (503, Some("store.unavailable.token_keys".to_owned())));
    let set = |suffix: &str| {
        KeySet::parse(issuer.key_set(suffix).to_string().as_bytes(), KeyOrigin::Network).unwrap()
    };
    cell.set(set(""));
    assert_eq!(send(&layer, &token).await, (200, None));
    cell.set(set("-2"));
    let after = send(&layer, &token).await;
    assert_eq!(after, (401, Some("credential.token.unknown_key".to_owned())));
}
