//! What an upstream can do wrong, over plain connections and over TLS: the response, the log, and the charge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod rows;

use std::sync::{Arc, Mutex};

use demur_e2e::{
    Authority, Client, Gateway, MockResponse, NewKey, Request, TestDir, Upstream, contract, refusing_address,
};
use rows::{Charge, ROWS, Row};
use serde_json::Value as Json;

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items: { get: { operationId: list, responses: { '200': { description: All. } } } }
";

/// How the client connects to the gateway, and the gateway to the upstream.
#[derive(Debug, Clone, Copy)]
struct Carrier {
    front: bool,
    upstream: bool,
}

/// A gateway in front of an upstream that does what a test sets.
struct Site {
    gateway: Gateway,
    client: Client,
    upstream: Upstream,
    next: Arc<Mutex<MockResponse>>,
    key: String,
}

impl Site {
    fn open(carrier: Carrier) -> Self {
        let (authority, folder) = (Authority::new(), TestDir::empty());
        let next = Arc::new(Mutex::new(MockResponse::default()));
        let current = Arc::clone(&next);
        let react = move |_: &demur_e2e::Received| current.lock().unwrap().clone();
        let certified = authority.issue(&["127.0.0.1", "shop.example"]);
        let upstream = if carrier.upstream {
            Upstream::start_tls(authority.server(&certified, false), react)
        } else {
            Upstream::start(react)
        };
        folder.write("shop.pem", &certified.certificate);
        folder.write_secret("shop.key", &certified.key);
        folder.write("roots.pem", authority.certificate());
        let url = if carrier.upstream {
            format!("https://{}\", tls: {{ roots: roots.pem }}, \"timeout\": \"1s", upstream.address())
        } else {
            format!("http://{}\", timeout: \"1s", upstream.address())
        };
        Self::serve(folder, &url, carrier, &authority, upstream, next)
    }

    fn serve(
        folder: TestDir,
        url: &str,
        carrier: Carrier,
        authority: &Authority,
        upstream: Upstream,
        next: Arc<Mutex<MockResponse>>,
    ) -> Self {
        let tls = if carrier.front {
            ", tls: { certificates: [{ certificate: shop.pem, key: shop.key }] }"
        } else {
            ""
        };
        folder.write("openapi.yaml", DOCUMENT);
        let config = format!(
            "demur: 2
listen: {{ address: \"127.0.0.1:0\"{tls} }}
store: sqlite:demur.db
access_log: all
# A busy machine is no fault of the upstream.
limits: {{ max_queue_delay: 1m }}
plans: {{ all: {{ credits: {{ monthly: 1000000 }} }} }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"{url}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ list: {{ credits: 1 }} }}
"
        );
        folder.write("demur.yaml", &config);
        folder.create_account("acme", "all");
        let key = NewKey { api: "shop", account: "acme", ..NewKey::default() };
        let key = folder.create_key(&key).secret;
        let gateway = Gateway::serve(folder);
        let client = Client::new(gateway.address(), "/shop", contract("problem"));
        let client = if carrier.front { client.secure(authority.client(), "shop.example") } else { client };
        Self { gateway, client, upstream, next, key }
    }

    fn posted(&self) -> u64 {
        self.gateway.folder().account("acme")["credits"]["posted"].as_u64().unwrap()
    }

    /// Waits until nothing is held any more: what was held has been charged or released.
    fn settled(&self) -> u64 {
        loop {
            let account = self.gateway.folder().account("acme");
            if account["credits"]["held"].as_u64() == Some(0) {
                return account["credits"]["posted"].as_u64().unwrap();
            }
        }
    }
}

/// Tries a row, and says what was different.
fn check(site: &Site, row: &Row) -> Result<(), String> {
    *site.next.lock().unwrap() = (row.fault)();
    let before = site.posted();
    let request = Request::new(row.method, "/items").key(&site.key);
    let response = site.client.try_send(&request);
    let (status, id) = match &response {
        Ok(response) => (response.status, response.header("x-request-id").to_owned()),
        // The response had begun.
        Err(_) => (0, String::new()),
    };
    if status != row.status {
        return Err(format!("status {status} instead of {}: {response:?}", row.status));
    }
    if !id.is_empty() {
        let logged: Json = site.gateway.logged(&id);
        let condition = logged["condition"].as_str().unwrap_or_default();
        let cause = logged["cause"].as_str().unwrap_or_default();
        if condition != row.condition || !cause.contains(row.cause) {
            return Err(format!("logged {logged}"));
        }
    }
    let charged = site.settled() - before;
    let expected = u64::from(row.charge == Charge::Captured);
    if charged != expected {
        return Err(format!("charged {charged} instead of {expected}"));
    }
    // The next request on a new connection is served: nothing is left of the fault.
    *site.next.lock().unwrap() = MockResponse::response(200, &[], "fine");
    let next = site.client.send(&Request::get("/items").key(&site.key));
    if next.text() != "fine" {
        return Err(format!("afterwards: {next:?}"));
    }
    site.settled();
    Ok(())
}

fn check_all(carrier: Carrier) {
    let site = Site::open(carrier);
    let failed: Vec<String> = ROWS
        .iter()
        .filter_map(|row| check(&site, row).err().map(|why| format!("{}: {why}", row.what)))
        .collect();
    assert!(
        failed.is_empty(),
        "{carrier:?}, {} of {} rows:\n{}",
        failed.len(),
        ROWS.len(),
        failed.join("\n")
    );
    assert!(site.upstream.count() >= ROWS.len());
}

#[test]
fn faults_over_plain_connections() {
    check_all(Carrier { front: false, upstream: false });
}

#[test]
fn faults_behind_tls_in_front() {
    check_all(Carrier { front: true, upstream: false });
}

#[test]
fn faults_of_an_upstream_over_tls() {
    check_all(Carrier { front: false, upstream: true });
}

#[test]
fn faults_between_tls_on_both_sides() {
    check_all(Carrier { front: true, upstream: true });
}

/// Before anything is sent.
#[test]
fn upstreams_that_cannot_be_reached() {
    let (refusing, _kept) = refusing_address();
    for (url, condition, cause) in [
        (format!("http://{refusing}"), "upstream.unreachable", "refused"),
        (format!("https://{refusing}"), "upstream.unreachable", "refused"),
        // RFC 6761, section 6.4: a name that never resolves.
        ("http://shop.invalid".to_owned(), "upstream.unreachable", ""),
        ("unix:/nowhere/shop.sock".to_owned(), "upstream.unreachable", "No such file"),
    ] {
        let (authority, folder) = (Authority::new(), TestDir::empty());
        folder.write("roots.pem", authority.certificate());
        let settings = match url.strip_prefix("https") {
            Some(_) => format!("{url}\", \"tls\": {{ roots: roots.pem }}, timeout: \"5s"),
            None => url.clone(),
        };
        let carrier = Carrier { front: false, upstream: false };
        let (upstream, next) = (Upstream::always(MockResponse::default()), Arc::default());
        let site = Site::serve(folder, &settings, carrier, &authority, upstream, next);
        let response = site.client.send(&Request::get("/items").key(&site.key));
        assert_eq!(response.status, 502, "{url}: {response:?}");
        let logged = site.gateway.logged(response.header("x-request-id"));
        assert_eq!(logged["condition"], condition, "{url}: {logged}");
        assert!(logged["cause"].as_str().unwrap().contains(cause), "{url}: {logged}");
        assert_eq!(site.settled(), 0, "{url}");
    }
}
