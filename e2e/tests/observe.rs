//! An API in monitor mode responds as it did without the gateway, and receives what it received: its own keys, its own
//! errors, its own pages. Decisions that would have been made are logged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use demur_e2e::{Gateway, Headers, MockResponse, NewKey, Received, Response, TestDir, Upstream};
use serde_json::Value as Json;

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Rows, version: '1' }
paths:
  /rows/{row}:
    parameters: [{ name: row, in: path, required: true, schema: { type: string } }]
    get:
      operationId: row
      parameters: [{ name: limit, in: query, schema: { type: integer } }]
      responses: { '200': { description: It., content: { application/json: { schema: { type: object } } } } }
";

/// The key of the service, which the gateway does not know.
const OWN: &str = "Bearer of-the-service-itself";

/// A service with its own authentication and error format.
fn service(received: &Received) -> MockResponse {
    response(received).and_closes()
}

fn response(received: &Received) -> MockResponse {
    let is_known = received.headers.all("authorization").any(|value| value == OWN)
        || received.target.contains("token=of-the-service");
    let date = ("Date", "Fri, 20 Nov 2026 12:00:00 GMT");
    if received.method == "OPTIONS" {
        let headers = [date, ("Allow", "GET"), ("Access-Control-Allow-Origin", "https://theirs.example")];
        return MockResponse::response(204, &headers, "");
    }
    if !is_known {
        let headers = [date, ("Content-Type", "text/html"), ("WWW-Authenticate", "Basic realm=\"theirs\"")];
        return MockResponse::response(401, &headers, "<html>Who are you?</html>");
    }
    let row = received.target.trim_start_matches("/rows/").split('?').next().unwrap_or_default();
    match row {
        "missing" | "missing-too" => {
            let headers = [date, ("Content-Type", "text/html"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")];
            MockResponse::response(404, &headers, "<!doctype html><h1>No such row</h1>")
        }
        "broken" => MockResponse::response(
            500,
            &[date, ("Content-Type", "text/plain")],
            "Traceback (most recent call last):",
        ),
        "busy" => MockResponse::response(503, &[date, ("Retry-After", "soon"), ("ETag", "\"7\"")], ""),
        "paid" => {
            MockResponse::response(402, &[date, ("Content-Type", "application/json")], "{ \"pay\" :  1 }")
        }
        "raised" => MockResponse::response(
            409,
            &[date, ("Content-Type", "application/problem+json")],
            "{\"code\":\"taken\"}",
        ),
        "large" => MockResponse::response(400, &[date, ("Content-Type", "text/plain")], "x".repeat(200_000)),
        "chunked" => MockResponse::bytes(
            "HTTP/1.1 422 No\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno,\r\n4\r\n no!\r\n0\r\n\r\n",
        ),
        "named" => MockResponse::response(404, &[date, ("X-Request-Id", "theirs-0123456789abcdef")], "no"),
        "unsound" => MockResponse::response(200, &[date, ("Content-Type", "application/json")], "[1]"),
        "slow" => MockResponse::json(200, &serde_json::json!({})).after(Duration::from_millis(500)),
        "elsewhere" => MockResponse::response(302, &[date, ("Location", "/rows/here")], ""),
        _ => MockResponse::response(200, &[date, ("Content-Type", "application/json")], "{}"),
    }
}

fn ask(
    address: SocketAddr,
    host: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Response::read(&bytes, method).unwrap_or_else(|error| panic!("{target}: {error}"))
}

/// Headers by name, without hop-by-hop ones.
fn reported(headers: &Headers) -> BTreeMap<&str, Vec<&str>> {
    let mut reported: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in
        headers.iter().filter(|(name, _)| !matches!(*name, "connection" | "transfer-encoding"))
    {
        reported.entry(name).or_default().push(value);
    }
    reported
}

struct World {
    upstream: Upstream,
    gateway: Gateway,
    key: String,
}

fn world() -> World {
    let upstream = Upstream::start(service);
    let folder = TestDir::empty();
    folder.write("openapi.yaml", DOCUMENT);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
plans: {{ poor: {{ credits: {{ monthly: 4 }}, quota: {{ requests: 1, counts: successes }} }} }}
apis:
  - name: rows
    contract: problem
    openapi: openapi.yaml
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: row, query: token }}
    cors: {{ origins: [\"https://app.example\"] }}
    validation: {{ responses: reject }}
    mode: monitor
    overload: {{ in_flight: 1, adaptive: false }}
    operations: {{ row: {{ credits: 3, cost: 2 }} }}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    gateway.folder().create_account("acme", "poor");
    let key =
        gateway.folder().create_key(&NewKey { api: "rows", account: "acme", ..NewKey::default() }).secret;
    World { upstream, gateway, key }
}

impl World {
    /// The log entry of the latest request to this path.
    fn line(&self, path: &str) -> Json {
        self.gateway.reveals(&format!("\"path\":\"{path}\""));
        let log = self.gateway.log();
        let line = log.lines().rfind(|line| line.contains(&format!("\"path\":\"{path}\""))).unwrap();
        serde_json::from_str(line).unwrap()
    }

    /// Sends the same request directly and through the gateway: the responses, and what the service received.
    fn both(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> [(Response, Received); 2] {
        [self.upstream.address(), self.gateway.address()].map(|address| {
            let response = ask(address, self.upstream.address(), method, target, headers);
            (response, self.upstream.last())
        })
    }
}

#[test]
fn monitor_mode_changes_no_response() {
    let world = world();
    let own = ("Authorization", OWN);
    let theirs: &[(&str, &str)] = &[
        own,
        ("X-Forwarded-For", "192.0.2.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Http-Method-Override", "PATCH"),
        ("X-Request-Id", "of-the-client"),
        ("X-Api_Key", "theirs"),
        ("Origin", "https://app.example"),
    ];
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    for (method, target, headers, status, observed) in [
        ("GET", "/rows/fine", theirs, 200, "credential.malformed"),
        ("GET", "/rows/anonymous", &[][..], 401, "upstream.failed"),
        ("GET", "/rows/missing", &[own], 404, "resource.not_found"),
        ("HEAD", "/rows/missing-too", &[own], 404, "resource.not_found"),
        ("GET", "/rows/broken", &[own], 500, "upstream.failed"),
        ("GET", "/rows/busy", &[own], 503, "upstream.unavailable"),
        ("GET", "/rows/paid", &[own], 402, "upstream.failed"),
        ("GET", "/rows/raised", &[own], 409, "resource.conflict"),
        ("GET", "/rows/large", &[own], 400, "upstream.refused"),
        ("GET", "/rows/chunked", &[own], 422, "upstream.refused"),
        ("GET", "/rows/named", &[own], 404, "resource.not_found"),
        ("GET", "/rows/unsound", &[own], 200, "upstream.invalid_response"),
        ("GET", "/rows/elsewhere", &[own], 302, "credential.malformed"),
        ("GET", "/rows/in-query?a=1&token=of-the-service&b=2", &[][..], 200, "credential.malformed"),
        ("GET", "/rows/wrong?limit=many", &[own], 200, "param.invalid.type.integer"),
        ("GET", "/nowhere", &[own], 200, "resource.not_found"),
        ("OPTIONS", "/rows/fine-too", &preflight, 204, ""),
    ] {
        let [(before, sent), (response, got)] = world.both(method, target, headers);
        assert_eq!((before.status, response.status), (status, status), "{target}: {response:?}");
        assert_eq!(before.body, response.body, "{target}");
        let mut expected = reported(&before.headers);
        let responded = reported(&response.headers);
        // The gateway adds a request ID if there is none.
        if let Some(id) = responded.get("x-request-id") {
            expected.entry("x-request-id").or_insert_with(|| id.clone());
        }
        assert!(responded.contains_key("x-request-id"), "{target}: {response:?}");
        assert_eq!(responded, expected, "{target}");

        // The service receives the same request, with additional headers only.
        assert_eq!((&sent.method, &sent.target, &sent.body), (&got.method, &got.target, &got.body));
        let (sent, got) = (reported(&sent.headers), reported(&got.headers));
        for (name, values) in &sent {
            assert_eq!(got.get(name), Some(values), "{target}: {name}");
        }
        let added: Vec<_> = got.keys().filter(|name| !sent.contains_key(*name)).copied().collect();
        let is_known = |name: &&str| {
            let forwarding = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port"];
            forwarding.contains(name)
                || matches!(*name, "x-forwarded-proto" | "x-forwarded-prefix" | "x-request-id")
        };
        assert!(added.iter().all(is_known), "{added:?}");

        if !observed.is_empty() {
            let path = target.split('?').next().unwrap();
            let line = world.line(path);
            let conditions: Vec<&str> = line["would_reject"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|it| it["condition"].as_str())
                .collect();
            assert!(conditions.iter().any(|condition| condition.starts_with(observed)), "{target}: {line}");
        }
    }
}

/// The service had no concurrency limit before, and monitor mode sets none.
#[test]
fn monitor_mode_forwards_and_logs_requests_over_the_limit() {
    let world = world();
    let own = [("Authorization", OWN)];
    thread::scope(|scope| {
        let (gateway, host) = (world.gateway.address(), world.upstream.address());
        let first = scope.spawn(move || ask(gateway, host, "GET", "/rows/slow", &own).status);
        while world.upstream.received().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(ask(gateway, host, "GET", "/rows/beside", &own).status, 200);
        assert_eq!(first.join().unwrap(), 200);
    });
    let line = world.line("/rows/beside");
    assert!(line["would_reject"].to_string().contains("\"overloaded\""), "{line}");
}

#[test]
fn monitor_mode_charges_nothing_and_logs_the_cost() {
    let world = world();
    let bearer = format!("Bearer {}", world.key);
    for row in ["one", "two"] {
        let path = format!("/rows/{row}");
        let headers = [("Authorization", bearer.as_str())];
        let response = ask(world.gateway.address(), world.upstream.address(), "GET", &path, &headers);
        // The service does not know our keys, and says so itself.
        assert_eq!((response.status, response.text().as_str()), (401, "<html>Who are you?</html>"));
        let line = world.line(&path);
        assert!(line.to_string().contains("would have cost 3 credits"), "{line}");
        // It counts for two, of one a day.
        assert!(line.to_string().contains("quota.exceeded"), "{line}");
    }
    let account = world.gateway.folder().account("acme");
    let credits = &account["credits"];
    assert_eq!((&credits["posted"], &credits["held"]), (&0.into(), &0.into()), "{account}");
}
