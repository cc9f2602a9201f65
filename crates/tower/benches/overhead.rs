//! What the layer costs on an axum service that does nothing, beside `tower_governor` and a hand-written
//! authentication that does the same: a request id for the client and the service, a key looked up by its digest,
//! headers for the service with account, key and plan, a rate per account, and errors in JSON.
//!
//! `cargo bench -p demur-tower` prints both in nanoseconds of CPU time and their ratio, measured in turns on
//! one thread. `overhead layer 2000` (or `by-hand`, `bare`) serves so many requests and nothing else, for
//! callgrind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a program for a person to run"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use demur_tower::{DemurLayer, ServiceConfig};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, StatusCode};
use sha2::Sha256;
use tower::{Service, ServiceExt};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

const ROUNDS: usize = 15;
const REQUESTS: usize = 50_000;

fn service() -> Router {
    Router::new().route("/items", get(|| async { "nothing" }))
}

fn with_layer() -> (Router, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/demur.yaml");
    let (config, _) = ServiceConfig::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let (layer, keys) = DemurLayer::in_memory(config).unwrap();
    let secret = keys.issue("shop", "acme", "free").unwrap();
    (service().layer(layer), secret.expose().to_owned())
}

/// What is known of a key.
struct Principal {
    account: String,
    key: String,
    plan: String,
    is_revoked: bool,
    expires_at: Option<jiff::Timestamp>,
}

struct Keys {
    pepper: Hmac<Sha256>,
    known: RwLock<HashMap<[u8; 32], Arc<Principal>>>,
}

impl Keys {
    fn digest(&self, secret: &str) -> [u8; 32] {
        let mut mac = self.pepper.clone();
        mac.update(secret.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

async fn authenticate(State(keys): State<Arc<Keys>>, mut request: Request, next: Next) -> Response {
    let id = format!("req_{}", uuid::Uuid::now_v7().simple());
    let secret = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .filter(|secret| secret.starts_with("shp_") && secret.len() == 53);
    let principal = secret.and_then(|secret| {
        let digest = keys.digest(secret);
        keys.known.read().unwrap().get(&digest).cloned()
    });
    let is_alive = |principal: &Arc<Principal>| {
        !principal.is_revoked && principal.expires_at.is_none_or(|at| at > jiff::Timestamp::now())
    };
    let mut response = match principal.filter(is_alive) {
        Some(principal) => {
            let headers = request.headers_mut();
            headers.remove("authorization");
            headers.insert("account", HeaderValue::from_str(&principal.account).unwrap());
            headers.insert("key", HeaderValue::from_str(&principal.key).unwrap());
            headers.insert("plan", HeaderValue::from_str(&principal.plan).unwrap());
            headers.insert("x-request-id", HeaderValue::from_str(&id).unwrap());
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        None => {
            let body = serde_json::json!({ "error": { "code": "unauthorized", "request_id": id } });
            (StatusCode::UNAUTHORIZED, Json(body)).into_response()
        }
    };
    response.headers_mut().insert("x-request-id", HeaderValue::from_str(&id).unwrap());
    response
}

#[derive(Clone)]
struct ByAccount;

impl KeyExtractor for ByAccount {
    type Key = String;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<String, GovernorError> {
        let principal = request.extensions().get::<Arc<Principal>>();
        principal.map(|principal| principal.account.clone()).ok_or(GovernorError::UnableToExtractKey)
    }
}

fn by_hand() -> (Router, String) {
    let secret = format!("shp_{}", "x".repeat(49));
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..32].copy_from_slice(&[7; 32]);
    let keys = Keys { pepper: Hmac::new(&block), known: RwLock::default() };
    let principal = Principal {
        account: "acme".to_owned(),
        key: "key_0123456789".to_owned(),
        plan: "free".to_owned(),
        is_revoked: false,
        expires_at: None,
    };
    keys.known.write().unwrap().insert(keys.digest(&secret), Arc::new(principal));
    let limits = GovernorConfigBuilder::default()
        .per_nanosecond(1000)
        .burst_size(1_000_000)
        .key_extractor(ByAccount)
        .finish()
        .unwrap();
    let app =
        service().layer(GovernorLayer::new(limits)).layer(from_fn_with_state(Arc::new(keys), authenticate));
    (app, secret)
}

async fn ask(app: &mut Router, authorization: &HeaderValue) -> StatusCode {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/items");
    request.headers_mut().insert("host", HeaderValue::from_static("shop.example"));
    request.headers_mut().insert("authorization", authorization.clone());
    let service = ServiceExt::<Request>::ready(app).await.unwrap();
    let response = service.call(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    assert!(!body.is_empty());
    status
}

/// Nanoseconds that this thread has run so far.
fn cpu_nanos() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

struct Side {
    name: &'static str,
    app: Router,
    authorization: HeaderValue,
    status: StatusCode,
    nanos: Vec<f64>,
}

impl Side {
    fn new(name: &'static str, (app, secret): (Router, String), status: StatusCode) -> Self {
        let authorization = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
        Self { name, app, authorization, status, nanos: Vec::new() }
    }

    async fn serve(&mut self, requests: usize) {
        for _ in 0..requests {
            assert_eq!(ask(&mut self.app, &self.authorization).await, self.status);
        }
    }

    fn median(&mut self) -> f64 {
        self.nanos.sort_by(f64::total_cmp);
        self.nanos[self.nanos.len() / 2]
    }
}

fn sides() -> Vec<Side> {
    let rejected = |(app, _): (Router, String)| (app, format!("shp_{}", "y".repeat(49)));
    vec![
        Side::new("bare", (service(), "none".to_owned()), StatusCode::OK),
        Side::new("layer", with_layer(), StatusCode::OK),
        Side::new("by-hand", by_hand(), StatusCode::OK),
        Side::new("layer-refused", rejected(with_layer()), StatusCode::UNAUTHORIZED),
        Side::new("by-hand-refused", rejected(by_hand()), StatusCode::UNAUTHORIZED),
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut sides = sides();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [name, requests] = arguments.as_slice() {
        let side = sides.iter_mut().find(|side| side.name == name).unwrap();
        side.serve(requests.parse().unwrap()).await;
        return;
    }
    for round in 0..ROUNDS {
        for side in &mut sides {
            let begun = cpu_nanos();
            side.serve(REQUESTS).await;
            // The first rounds warm up caches and allocators.
            if round >= 5 {
                side.nanos.push((cpu_nanos() - begun) as f64 / REQUESTS as f64);
            }
        }
    }
    let medians: HashMap<&str, f64> = sides.iter_mut().map(|side| (side.name, side.median())).collect();
    let bare = medians["bare"];
    for (ours, theirs) in [("layer", "by-hand"), ("layer-refused", "by-hand-refused")] {
        let (ours_nanos, theirs_nanos) = (medians[ours], medians[theirs]);
        println!(
            "{ours}: {ours_nanos:.0} ns a request, {theirs}: {theirs_nanos:.0} ns ({:.2} x); bare {bare:.0} ns, \
             so the overhead is {:.2} x",
            ours_nanos / theirs_nanos,
            (ours_nanos - bare) / (theirs_nanos - bare)
        );
    }
}
