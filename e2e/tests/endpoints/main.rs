//! Several endpoints of one upstream: which of them gets a request, and what happens when some of them fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

mod server;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Gateway, MockResponse, Request, TestDir, Upstream, contract, refusing_address};
use server::{Mode, Server};

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items:
    get: { operationId: list, responses: { '200': { description: All. } } }
    post: { operationId: add, responses: { '200': { description: Made. } } }
";
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves with these endpoints, and more settings of the upstream.
fn serve(endpoints: &[String], settings: &str) -> (Gateway, Client) {
    let folder = TestDir::empty();
    folder.write("openapi.yaml", DOCUMENT);
    let endpoints: Vec<String> = endpoints.iter().map(|it| format!("\"http://{it}\"")).collect();
    let config = format!(
        "demur: 2
store: sqlite:demur.db
# A busy machine is no fault of an endpoint.
limits: {{ max_queue_delay: 1m }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ endpoints: [{}]{settings} }}
    authentication: {{ scheme: bearer, prefix: shp }}
    # Requests that become slow are no overload here.
    overload: {{ adaptive: false }}
    operations: {{ list: {{ anonymous: true }}, add: {{ anonymous: true }} }}
",
        endpoints.join(", ")
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    (gateway, client)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One of three endpoints is killed, hung, slowed and revived in turn, under load.
#[test]
fn failing_endpoints_affect_only_the_requests_that_they_have() {
    const CLIENTS: usize = 8;
    let mut servers = [Server::start(), Server::start(), Server::start()];
    let addresses: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    let (gateway, client) = serve(
        &addresses,
        ", timeout: 15s, health_check: { path: /health, interval: 50ms, timeout: 2s }, ejection: { time: 200ms }",
    );
    let failures = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let failed = || std::mem::take(&mut *failures.lock().unwrap());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = client.connect();
                while !is_over.load(Ordering::Relaxed) {
                    let response = connection.send(&Request::get("/items"));
                    if response.status != 200 {
                        failures.lock().unwrap().push(response.status);
                    }
                }
            });
        }
        // A panic ends the test only if the clients end too.
        let _guard = server::OnDrop(|| is_over.store(true, Ordering::Relaxed));
        let all_serve = |servers: &[Server; 3]| {
            let before: Vec<usize> = servers.iter().map(Server::served).collect();
            wait_until("all serve", || {
                servers.iter().zip(&before).all(|(it, before)| it.served() > before + 20)
            });
        };
        let others_serve = |servers: &[Server; 3], one: usize| {
            let total = |_: ()| -> usize {
                servers.iter().enumerate().filter(|(at, _)| *at != one).map(|(_, it)| it.served()).sum()
            };
            let before = total(());
            wait_until("the others serve", || total(()) > before + 100);
        };
        all_serve(&servers);
        assert_eq!(failed(), [0; 0]);

        servers[0].kill();
        others_serve(&servers, 0);
        gateway.reveals("upstream endpoint unhealthy");
        others_serve(&servers, 0);
        servers[0].revive();
        all_serve(&servers);
        let while_killed = failed();
        println!("killed: {while_killed:?}");
        assert!(while_killed.len() <= CLIENTS, "{while_killed:?}");

        servers[1].set(Mode::Hung);
        // Those that it has wait for their timeout; the checks keep further ones away.
        wait_until("the checks see it", || gateway.log().contains("no response within"));
        let held = servers[1].received();
        others_serve(&servers, 1);
        let more = servers[1].received() - held;
        assert!(more <= CLIENTS, "{more} requests after it was seen to be hung");
        servers[1].set(Mode::Normal);
        all_serve(&servers);
        let while_hung = failed();
        println!("hung: {while_hung:?}");
        assert!(while_hung.len() <= CLIENTS, "{while_hung:?}");

        servers[2].set(Mode::Slow);
        let before: Vec<usize> = servers.iter().map(Server::served).collect();
        others_serve(&servers, 2);
        others_serve(&servers, 2);
        let served: Vec<usize> =
            servers.iter().zip(&before).map(|(it, before)| it.served() - before).collect();
        println!("slow: {served:?}");
        assert!(served[2] * 2 < served[0].min(served[1]), "the slow one got {served:?}");
        servers[2].set(Mode::Normal);
        all_serve(&servers);
        assert_eq!(failed(), [0; 0]);
    });
}

#[test]
fn without_a_healthy_endpoint_requests_are_rejected_in_the_contract() {
    let servers = [Server::start(), Server::start()];
    let addresses: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    let (gateway, client) =
        serve(&addresses, ", health_check: { path: /health, interval: 20ms, timeout: 2s }");
    let status = || client.send(&Request::get("/items")).status;
    assert_eq!(status(), 200);
    servers.iter().for_each(|server| server.set(Mode::Unhealthy));
    wait_until("rejected", || status() == 503);
    let rejected = client.send(&Request::get("/items"));
    let logged = gateway.logged(rejected.header("x-request-id"));
    assert_eq!(logged["condition"], "upstream.unhealthy", "{logged}");
    servers[1].set(Mode::Normal);
    wait_until("served again", || status() == 200);
}

#[test]
fn a_failing_endpoint_is_ejected_and_recovers() {
    let (one, two) = (Server::start(), Server::start());
    one.set(Mode::Broken);
    let addresses = [one.address().to_string(), two.address().to_string()];
    let (gateway, client) = serve(&addresses, ", ejection: { failures: 2, time: 100ms }");
    // Each failure is repeated at the other endpoint.
    for _ in 0..40 {
        assert_eq!(client.send(&Request::get("/items")).status, 200);
    }
    gateway.reveals("upstream endpoint ejected");
    one.set(Mode::Normal);
    wait_until("recovered", || {
        assert_eq!(client.send(&Request::get("/items")).status, 200);
        gateway.log().contains("upstream endpoint recovered")
    });
    let before = one.served();
    for _ in 0..40 {
        assert_eq!(client.send(&Request::get("/items")).status, 200);
    }
    assert!(one.served() > before);
}

/// At most one retry, and only where the request may be sent twice.
#[test]
fn requests_are_sent_again_only_where_it_is_safe() {
    for (method, may_repeat) in [("GET", true), ("POST", false)] {
        let one = Upstream::always(MockResponse::closes());
        let two = Upstream::always(MockResponse::closes());
        let addresses = [one.address().to_string(), two.address().to_string()];
        let (_gateway, client) = serve(&addresses, "");
        let request = Request::new(method, "/items").body("text/plain", "a");
        let request = if method == "GET" { Request::get("/items") } else { request };
        let response = client.send(&request);
        assert_eq!(response.status, 502, "{method}: {response:?}");
        assert_eq!(one.count() + two.count(), if may_repeat { 2 } else { 1 }, "{method}");
    }
    // Nothing was sent to the endpoint that refuses.
    let (refusing, _kept) = refusing_address();
    let alive = Upstream::always(MockResponse::response(200, &[], "ok"));
    let addresses = [refusing.to_string(), alive.address().to_string()];
    let (_gateway, client) = serve(&addresses, "");
    for number in 0..20 {
        let request = Request::post("/items").body("text/plain", "a");
        let response = client.send(&request);
        assert_eq!(response.status, 200, "{number}: {response:?}");
    }
    assert_eq!(alive.count(), 20);
}
