//! Key sets over the network, and their faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Authority, MockResponse, Request, TestDir, Upstream, refusing_address};
use serde_json::{Value as Json, json};

use crate::issuer::{Issuer, claims};
use crate::shop::{self, Shop};

/// A server of a key set, whose response a test can replace.
struct KeyServer {
    authority: Authority,
    server: Upstream,
    response: Arc<Mutex<MockResponse>>,
    /// How often the key set was asked for.
    fetches: Arc<AtomicUsize>,
}

impl KeyServer {
    fn new(first: MockResponse) -> Self {
        let (authority, fetches) = (Authority::new(), Arc::new(AtomicUsize::new(0)));
        let response = Arc::new(Mutex::new(first));
        let (next, counted) = (Arc::clone(&response), Arc::clone(&fetches));
        let tls = authority.server(&authority.issue(&["127.0.0.1"]), false);
        let server = Upstream::start_tls(tls, move |received| {
            if received.target == "/jwks.json?v=1" {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            next.lock().unwrap().clone()
        });
        Self { authority, server, response, fetches }
    }

    fn answer(&self, response: MockResponse) {
        *self.response.lock().unwrap() = response;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A gateway that gets its keys here.
    fn serve(&self, settings: &str) -> Shop {
        self.serve_url(&format!("https://{}/jwks.json?v=1", self.server.address()), settings)
    }

    fn serve_url(&self, url: &str, settings: &str) -> Shop {
        let folder = TestDir::empty();
        folder.write("roots.pem", self.authority.certificate());
        let keys =
            format!("keys: {{ url: \"{url}\", roots: roots.pem{settings} }}\nalgorithms: [ES256, EdDSA]");
        shop::serve(folder, &keys)
    }
}

fn keys(keys: &Json) -> MockResponse {
    MockResponse::json(200, keys)
}

fn token(issuer: &Issuer, kid: &str) -> String {
    issuer.sign(&json!({ "alg": "ES256", "kid": kid }), &claims(json!({})))
}

const UNAVAILABLE: &str = "store.unavailable.token_keys";

/// A request waits for the keys, at the start and when its token names a new one. Tokens of a key that is gone are no longer
/// accepted, although they were verified before.
#[test]
fn rotated_keys_are_fetched_without_a_rejected_request() {
    let issuer = Issuer::new();
    let server = KeyServer::new(keys(&issuer.key_set("-1")).after(Duration::from_millis(200)));
    let shop = server.serve("");
    let (old, new) = (token(&issuer, "ec-1"), token(&issuer, "ec-2"));
    assert_eq!(shop.list(&old).status, 200);
    let received = server.server.last();
    assert_eq!(received.headers.first("authorization"), None);
    server.answer(keys(&issuer.key_set("-2")).after(Duration::from_millis(200)));
    let request = Request::get("/items").header("authorization", &format!("Bearer {new}"));
    let send = || {
        let (client, request) = (shop.client.clone(), request.clone());
        thread::spawn(move || client.send(&request).status)
    };
    let sent: Vec<_> = (0..8).map(|_| send()).collect();
    let statuses: Vec<u16> = sent.into_iter().map(|sent| sent.join().unwrap()).collect();
    assert_eq!(statuses, [200; 8]);
    assert_eq!(server.fetches(), 2, "one for all");
    let response = shop.list(&old);
    assert_eq!(shop.condition(&response), "credential.token.unknown_key");
    assert_eq!(response.status, 401);
}

#[test]
fn unknown_keys_cause_few_fetches() {
    let issuer = Issuer::new();
    let server = KeyServer::new(keys(&issuer.key_set("")));
    let shop = server.serve("");
    assert_eq!(shop.list(&token(&issuer, "ec")).status, 200);
    for number in 0..50 {
        let response = shop.list(&token(&issuer, &format!("unknown-{number}")));
        assert_eq!(shop.condition(&response), "credential.token.unknown_key");
    }
    assert_eq!(server.fetches(), 2, "one at the start, one for an unknown key");
    assert_eq!(shop.list(&token(&issuer, "ec")).status, 200);
}

/// Keys that were never loaded say nothing about a token: 503, and never 401.
#[test]
fn a_key_set_that_was_never_loaded_is_no_fault_of_the_token() {
    let issuer = Issuer::new();
    let token = token(&issuer, "ec");
    let good = issuer.key_set("").to_string();
    let large = format!("{{\"keys\":[],\"padding\":\"{}\"}}", "x".repeat(10 << 20));
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA" }] });
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "ec", "k": "A".repeat(64) }] });
    let html = MockResponse::response(200, &[("Content-Type", "text/html")], "<html></html>");
    for (what, response, cause) in [
        ("gone", MockResponse::html(404), "status 404"),
        ("failing", MockResponse::html(500), "status 500"),
        ("no content", MockResponse::response(204, &[], ""), "status 204"),
        (
            "a redirect",
            MockResponse::response(302, &[("Location", "/other")], ""),
            "redirects are not followed",
        ),
        (
            "a permanent redirect",
            MockResponse::response(308, &[("Location", "/other")], ""),
            "redirects are not followed",
        ),
        ("a page", html, "not a JSON object"),
        ("cut off", keys(&Json::Null).and_closes(), "not a JSON object"),
        ("an empty set", keys(&json!({ "keys": [] })), "no key"),
        ("no set", keys(&json!({ "issuer": "https://id.example" })), "no list `keys`"),
        ("private keys", keys(&private), "private key"),
        ("shared secrets", keys(&secret), "must not be published"),
        ("10 MB", MockResponse::response(200, &[], large), "larger than 256 KiB"),
        ("compressed", MockResponse::response(200, &[("Content-Encoding", "gzip")], &good), "compressed"),
        ("no HTTP", MockResponse::bytes("hello\r\n\r\n").and_closes(), "no valid response"),
        ("closed", MockResponse::closes(), "no valid response"),
        ("slow", MockResponse::silence(), "no complete response within 5 seconds"),
        (
            "slow within the body",
            MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"keys\"").and_silence(),
            "no complete response within 5 seconds",
        ),
    ] {
        let server = KeyServer::new(response);
        let shop = server.serve("");
        let started = Instant::now();
        let response = shop.list(&token);
        assert_eq!(shop.condition(&response), UNAVAILABLE, "{what}");
        assert_eq!((response.status, response.header("www-authenticate")), (503, ""), "{what}");
        assert!(!response.header("retry-after").is_empty(), "{what}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        shop.gateway.reveals("token keys unavailable");
        let log = shop.gateway.log();
        assert!(log.contains(cause), "{what}: {log}");
        assert!(
            server.server.received().iter().all(|received| received.target == "/jwks.json?v=1"),
            "{what}"
        );
        // Keys are still accepted.
        let folder = shop.gateway.folder();
        folder.create_account("known", "pro");
        let key =
            folder.create_key(&demur_e2e::NewKey { api: "shop", account: "known", ..Default::default() });
        assert_eq!(shop.list(&key.secret).status, 200, "{what}");
    }
}

#[test]
fn a_key_set_is_fetched_only_from_a_server_that_is_trusted() {
    let issuer = Issuer::new();
    let (server, other) = (KeyServer::new(keys(&issuer.key_set(""))), Authority::new());
    let folder = TestDir::empty();
    folder.write("roots.pem", other.certificate());
    let url = format!("https://{}/jwks.json?v=1", server.server.address());
    let shop =
        shop::serve(folder, &format!("keys: {{ url: \"{url}\", roots: roots.pem }}\nalgorithms: [ES256]"));
    let response = shop.list(&token(&issuer, "ec"));
    assert_eq!(shop.condition(&response), UNAVAILABLE);
    shop.gateway.reveals("UnknownIssuer");
    assert_eq!(server.fetches(), 0);
    let (refusing, _port) = refusing_address();
    let shop = server.serve_url(&format!("https://{refusing}/jwks.json"), "");
    let response = shop.list(&token(&issuer, "ec"));
    assert_eq!(shop.condition(&response), UNAVAILABLE);
    shop.gateway.reveals("no connection");
}

/// The last good set stays, whatever the server sends afterwards.
#[test]
fn a_fault_does_not_replace_the_last_good_set() {
    let issuer = Issuer::new();
    let large = "x".repeat(10 << 20);
    for (what, response, cause) in [
        ("gone", MockResponse::html(404), "status 404"),
        ("malformed", MockResponse::response(200, &[], "{\"keys\":[{}"), "not a JSON object"),
        ("without usable keys", keys(&json!({ "keys": [{ "kty": "XYZ" }] })), "no usable key"),
        ("10 MB", MockResponse::response(200, &[], large), "larger than 256 KiB"),
        ("slow", MockResponse::silence(), "no complete response"),
        (
            "a redirect",
            MockResponse::response(301, &[("Location", "/other")], ""),
            "redirects are not followed",
        ),
    ] {
        let server = KeyServer::new(keys(&issuer.key_set("")));
        let shop = server.serve("");
        assert_eq!(shop.list(&token(&issuer, "ec")).status, 200, "{what}");
        server.answer(response);
        // Has the set fetched again.
        let unknown = shop.list(&token(&issuer, "unknown"));
        assert_eq!(shop.condition(&unknown), "credential.token.unknown_key", "{what}");
        assert_eq!(server.fetches(), 2, "{what}");
        assert!(shop.gateway.log().contains(cause), "{what}: {}", shop.gateway.log());
        let again = issuer.sign(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims(json!({ "jti": what })));
        assert_eq!(shop.list(&again).status, 200, "{what}: a token that was not verified before");
    }
}

/// Keys are used for `max_age` after the last successful fetch.
#[test]
fn stale_keys_are_used_within_their_bound() {
    let issuer = Issuer::new();
    let server = KeyServer::new(keys(&issuer.key_set("")));
    let shop = server.serve(", refresh: 10s, max_age: 12s");
    let token = token(&issuer, "ec");
    assert_eq!(shop.list(&token).status, 200);
    server.answer(MockResponse::html(503));
    let started = Instant::now();
    let response = loop {
        let response = shop.list(&token);
        if response.status != 200 {
            break response;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the keys are still used");
        thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(shop.condition(&response), UNAVAILABLE);
    assert!(started.elapsed() > Duration::from_secs(5), "the keys were used for a time");
    assert!(server.fetches() > 1, "they were asked for again");
    // The server is back, and the keys are fetched again after a short time.
    server.answer(keys(&issuer.key_set("")));
    let started = Instant::now();
    while shop.list(&token).status != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "the keys were not fetched again");
        thread::sleep(Duration::from_millis(200));
    }
}
