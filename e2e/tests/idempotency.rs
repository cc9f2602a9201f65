//! One execution per `Idempotency-Key`: what a repeat gets, who gets it, and what happens to responses that are not stored.
//! Executions are counted at the upstream.
//! Long because the rules share one gateway, its upstream and its counters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{
    Client, Gateway, MockResponse, NewKey, Received, Request, Response, TestDir, Upstream, read_contract,
};
use serde_json::json;

const CONTRACT: &str = "demur: 1
name: shop
headers: [ietf]
formats: { default: { code: $code, message: $message } }
errors:
  bad_request: { status: 400, message: The request is invalid., on: [request] }
  internal_error: { status: 500, message: Something went wrong on our side., on: [internal] }
";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// `/free` and `/paid` accept every method, and so do the others if a test needs one.
fn document() -> String {
    let mut document = "openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\npaths:\n".to_owned();
    for path in ["free", "paid", "gone", "released", "head", "upstream", "off", "short", "open"] {
        document.push_str(&format!("  /{path}:\n"));
        for method in METHODS {
            let body = match method {
                "GET" | "HEAD" | "DELETE" => "",
                _ => "requestBody: { content: { application/json: {}, text/plain: {} } }, ",
            };
            let method = method.to_lowercase();
            document.push_str(&format!(
                "    {method}: {{ operationId: {path}-{method}, {body}parameters: [{}], responses: {{ '200': {{ description: ok }} }} }}\n",
                "{ name: X-Size, in: header, schema: { type: string } }, { name: q, in: query, schema: { type: string } }"
            ));
        }
    }
    document.push_str(
        "  /shelves/{shelf}:
    post:
      operationId: shelve
      parameters: [{ name: shelf, in: path, required: true, schema: { type: string } }]
      responses: { '200': { description: ok } }
",
    );
    document
}

/// The policy of each path, for every method that it accepts.
const SETTINGS: [(&str, &str); 8] = [
    ("paid", "{ credits: 2 }"),
    ("gone", "{ credits: 2 }"),
    ("released", "{ credits: 2, usage: { on_client_abort: release } }"),
    ("head", "{ credits: 2, usage: { settle_at: head } }"),
    ("upstream", "{ credits: 2, idempotency: { mode: upstream, max_repeats: 3 } }"),
    ("off", "{ credits: 2, idempotency: \"off\" }"),
    ("short", "{ idempotency: { ttl: 1s } }"),
    ("open", "{ anonymous: true }"),
];

struct Shop {
    upstream: Upstream,
    gateway: Gateway,
    client: Client,
}

/// Does what the header `X-Do` says, which the document does not declare.
fn react(received: &Received) -> MockResponse {
    let cookie = &[
        ("Content-Type", "application/json"),
        ("Set-Cookie", "session=secret"),
        ("X-Kept", "one"),
        ("X-Kept", "two"),
        ("Connection", "x-hop"),
        ("X-Hop", "1"),
        ("X-Request-Id", "of-the-upstream"),
        ("RateLimit", "\"upstream\";r=1;t=1"),
        ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ];
    let chunked =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    if received.method == "HEAD" {
        let head = MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX-Kept: one\r\n\r\n");
        return head.after(Duration::from_millis(if received.headers.first("x-do").is_some() {
            400
        } else {
            0
        }));
    }
    match received.headers.first("x-do").unwrap_or_default() {
        "slow" => MockResponse::json(200, &json!({ "done": true })).after(Duration::from_millis(400)),
        "silence" => MockResponse::silence(),
        "404" => MockResponse::response(404, &[], ""),
        "503" => MockResponse::response(503, &[], ""),
        "closes" => MockResponse::closes(),
        "cut" => MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").and_closes(),
        "chunked" => MockResponse::bytes(chunked).and("0\r\n\r\n"),
        "trailers" => MockResponse::bytes(chunked).and("0\r\nX-Trailer: 1\r\n\r\n"),
        "silent" => MockResponse::bytes(chunked).and_silence(),
        "endless" => {
            let again = |reaction: MockResponse, _| {
                reaction.and_wait(Duration::from_millis(20)).and("5\r\nagain\r\n")
            };
            (0..500).fold(MockResponse::bytes(chunked).after(Duration::from_millis(100)), again)
        }
        "stream" => MockResponse::response(
            200,
            &[("Content-Type", "text/event-stream; charset=utf-8")],
            "data: 1\n\n",
        ),
        "created" => MockResponse::response(201, &[("Location", "/items/7")], ""),
        "nothing" => MockResponse::response(204, &[], ""),
        size if size.starts_with("size ") => MockResponse::response(
            200,
            &[("Content-Type", "text/plain")],
            "x".repeat(size[5..].parse().unwrap()),
        ),
        _ => MockResponse::response(200, cookie, "{\"done\":true}"),
    }
}

fn shop_with(more: &str) -> Shop {
    shop_on("{ credits: { monthly: 100000 } }", more)
}

/// Serves with this plan and these additional lines for the API.
fn shop_on(plan: &str, more: &str) -> Shop {
    let upstream = Upstream::start(react);
    let folder = TestDir::empty();
    folder.write("contract.yaml", CONTRACT);
    folder.write("openapi.yaml", &document());
    let of_path = |(path, settings): &(&str, &str)| {
        let of_method = |method: &str| format!("      {path}-{}: {settings}\n", method.to_lowercase());
        METHODS.map(of_method).concat()
    };
    let operations: String = SETTINGS.iter().map(of_path).collect();
    let config = format!(
        "demur: 2
store: sqlite:demur.db
plans: {{ rich: {plan} }}
apis:
  - name: shop
    contract: ./contract.yaml
    openapi: openapi.yaml
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
{more}    operations:
{operations}      shelve: {{ resource: \"shelf:{{shelf}}\" }}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = client(&gateway);
    Shop { upstream, gateway, client }
}

fn shop() -> Shop {
    shop_with("")
}

fn client(gateway: &Gateway) -> Client {
    Client::new(gateway.address(), "", read_contract("contract.yaml", CONTRACT))
}

impl Shop {
    /// Creates an account with a key that covers everything.
    fn account(&self, id: &str) -> String {
        self.gateway.folder().create_account(id, "rich");
        self.key(NewKey { account: id, ..NewKey::default() })
    }

    fn key(&self, key: NewKey<'_>) -> String {
        self.gateway.folder().create_key(&NewKey { api: "shop", ..key }).secret
    }

    /// How many requests with this name have reached the upstream.
    fn executed(&self, name: &str) -> usize {
        let received = self.upstream.received();
        received.iter().filter(|it| it.headers.first("idempotency-key") == Some(name)).count()
    }

    fn posted(&self, account: &str) -> u64 {
        self.gateway.folder().account(account)["credits"]["posted"].as_u64().unwrap()
    }

    fn send(&self, key: &str, path: &str, name: &str, what: &str) -> Response {
        self.client.send(&named(key, path, name, what))
    }

    fn restarted(self) -> Self {
        let Self { upstream, gateway, .. } = self;
        let gateway = Gateway::serve(gateway.kill());
        let client = client(&gateway);
        Self { upstream, gateway, client }
    }
}

fn named(key: &str, path: &str, name: &str, what: &str) -> Request {
    Request::post(path)
        .key(key)
        .header("Idempotency-Key", name)
        .header("X-Do", what)
        .json(&json!({ "item": "tea" }))
}

/// `replay`, or the code of an error, or else the status.
fn came(response: &Response) -> String {
    match (response.header("idempotent-replayed"), response.status) {
        ("true", _) => "replay".to_owned(),
        // A response to HEAD has no body.
        (_, 409) if response.body.is_empty() => match response.header("retry-after") {
            "" => "idempotency_completed".to_owned(),
            _ => "idempotency_in_flight".to_owned(),
        },
        (_, 400..) => response.json()["code"].as_str().unwrap().to_owned(),
        (_, status) => status.to_string(),
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn eight_concurrent_calls_execute_once_for_each_method() {
    let shop = shop();
    let key = shop.account("acme");
    let mut charged = 0;
    for path in ["/free", "/paid"] {
        for method in METHODS {
            let name = format!("{path}-{method}");
            let mut request = Request::new(method, path).key(&key).header("Idempotency-Key", &name);
            if !matches!(method, "GET" | "HEAD" | "DELETE") {
                request = request.json(&json!({ "item": "tea" }));
            }
            let responses: Vec<Response> = (0..8).map(|_| shop.client.send(&request)).collect();
            let all: Vec<String> = responses.iter().map(came).collect();
            assert_eq!(all[0], "200", "{name}");
            assert!(all[1..].iter().all(|came| came == "replay"), "{name}: {all:?}");
            assert!(responses.iter().all(|it| it.body == responses[0].body), "{name}");
            assert!(responses.iter().all(|it| it.header("content-length") == "13"), "{name}: {responses:?}");
            assert_eq!(shop.executed(&name), 1, "{name}");
            charged += if path == "/paid" { 2 } else { 0 };
        }
    }
    assert_eq!(shop.posted("acme"), charged);
    // Without a key each request is executed and charged.
    let request = Request::post("/paid").key(&key).json(&json!({}));
    assert_eq!([0; 3].map(|_| came(&shop.client.send(&request))), ["200"; 3]);
    wait_until("all are charged", || shop.posted("acme") == charged + 6);
}

#[test]
fn sixty_concurrent_calls_execute_once() {
    let shop = shop();
    let key = shop.account("acme");
    for path in ["/free", "/paid"] {
        for method in METHODS {
            let name = format!("{path}-{method}");
            let request = Request::new(method, path).key(&key);
            let mut request = request.header("Idempotency-Key", &name).header("X-Do", "slow");
            if !matches!(method, "GET" | "HEAD" | "DELETE") {
                request = request.json(&json!({ "item": "tea" }));
            }
            let (start, counts) = (Barrier::new(60), Mutex::new(HashMap::<String, usize>::new()));
            thread::scope(|scope| {
                for _ in 0..60 {
                    scope.spawn(|| {
                        let mut connection = shop.client.connect();
                        start.wait();
                        let response = connection.send(&request);
                        *counts.lock().unwrap().entry(came(&response)).or_default() += 1;
                        if came(&response) == "idempotency_in_flight" {
                            assert_eq!((response.status, response.header("retry-after")), (409, "1"));
                        }
                    });
                }
            });
            let counts = counts.into_inner().unwrap();
            assert_eq!(counts["200"], 1, "{name}: {counts:?}");
            let others: usize =
                ["replay", "idempotency_in_flight"].iter().filter_map(|came| counts.get(*came)).sum();
            assert_eq!(others, 59, "{name}: {counts:?}");
            assert_eq!(came(&shop.client.send(&request)), "replay", "{name}");
            assert_eq!(shop.executed(&name), 1, "{name}");
        }
    }
    assert_eq!(shop.posted("acme"), 12);
}

#[test]
fn replay_equals_the_response_except_for_per_request_headers() {
    let mut shop = shop();
    let key = shop.account("acme");
    let first = shop.send(&key, "/free", "order", "");
    assert_eq!(first.header("set-cookie"), "session=secret");
    assert!(
        first.headers.first("idempotent-replayed").is_none()
            && first.headers.first("original-request").is_none()
    );
    for restarts in [false, true] {
        if restarts {
            shop = shop.restarted();
        }
        let again = shop.send(&key, "/free", "order", "");
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.headers.all("x-kept").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(again.header("original-request"), first.header("x-request-id"));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert_ne!(again.header("x-request-id"), "of-the-upstream");
        for name in ["set-cookie", "x-hop", "ratelimit"] {
            assert_eq!(again.headers.first(name), None, "{name}: {again:?}");
        }
        assert!(!again.header("date").contains("2024"), "{again:?}");
        shop.gateway.reveals(&format!("replayed the response to request {}", first.header("x-request-id")));
    }
    for (what, status, location) in [("created", 201, "/items/7"), ("nothing", 204, "")] {
        let first = shop.send(&key, "/free", what, what);
        let again = shop.send(&key, "/free", what, what);
        assert_eq!((first.status, again.status, again.body.len()), (status, status, 0), "{again:?}");
        assert_eq!((came(&again).as_str(), again.header("location")), ("replay", location));
    }
}

#[test]
fn rejects_another_request_with_the_same_key() {
    let shop = shop();
    let key = shop.account("acme");
    let base = || Request::post("/paid?q=1").key(&key).header("X-Size", "large");
    let tea = || base().body("application/json", "{\"item\":\"tea\"}").header("Idempotency-Key", "order");
    assert_eq!(came(&shop.client.send(&tea())), "200");
    let with = |request: Request| request.header("Idempotency-Key", "order");
    let plain = |method: &str, target: &str| {
        let request = Request::new(method, target).key(&key).header("X-Size", "large");
        with(request.body("application/json", "{\"item\":\"tea\"}"))
    };
    let rows = [
        ("content", with(base().body("application/json", "{\"item\":\"coffee\"}")), "idempotency_mismatch"),
        ("no content", with(base()), "idempotency_mismatch"),
        ("content type", with(base().body("text/plain", "{\"item\":\"tea\"}")), "idempotency_mismatch"),
        ("another parameter", plain("POST", "/paid?q=2"), "idempotency_mismatch"),
        ("no parameter", plain("POST", "/paid"), "idempotency_mismatch"),
        ("one more parameter", plain("POST", "/paid?q=1&r=2"), "idempotency_mismatch"),
        ("method", plain("PUT", "/paid?q=1"), "idempotency_mismatch"),
        ("operation", plain("POST", "/free?q=1"), "idempotency_mismatch"),
        ("precondition", tea().header("If-Match", "\"1\""), "idempotency_mismatch"),
        (
            "no declared header",
            with(Request::post("/paid?q=1").key(&key).body("application/json", "{\"item\":\"tea\"}")),
            "idempotency_mismatch",
        ),
        (
            "declared header",
            with(
                Request::post("/paid?q=1")
                    .key(&key)
                    .header("X-Size", "small")
                    .body("application/json", "{\"item\":\"tea\"}"),
            ),
            "idempotency_mismatch",
        ),
        // Headers that differ per attempt are not a part of the fingerprint.
        ("another header", tea().header("User-Agent", "other"), "replay"),
        ("request id", tea().header("X-Request-Id", "0123456789abcdef-mine"), "replay"),
        ("trace", tea().header("Traceparent", "00-1-1-00"), "replay"),
        ("nothing", tea(), "replay"),
    ];
    for (what, request, expected) in rows {
        let response = shop.client.send(&request);
        assert_eq!(came(&response), expected, "{what}: {response:?}");
        if expected == "idempotency_mismatch" {
            assert_eq!((response.status, response.headers.first("retry-after")), (422, None), "{what}");
        }
    }
    assert_eq!((shop.executed("order"), shop.posted("acme")), (1, 2));
    for (name, first, again) in [
        ("", "bad_request", "bad_request"),
        ("with space", "200", "replay"),
        ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "200", "replay"),
        (&"x".repeat(1000), "200", "replay"),
    ] {
        let request = base().body("application/json", "{}").header("Idempotency-Key", name);
        assert_eq!([0; 2].map(|_| came(&shop.client.send(&request))), [first, again], "{name:?}");
    }
}

#[test]
fn only_authorized_clients_get_a_replay() {
    let shop = shop();
    let key = shop.account("acme");
    let other_account = shop.account("other");
    let of = |operations: &[&str], resources: &[&str]| {
        shop.key(NewKey { account: "acme", operations, resources, ..NewKey::default() })
    };
    let request = |key: &str| Request::post("/shelves/one").key(key).header("Idempotency-Key", "order");
    assert_eq!(came(&shop.client.send(&request(&key))), "200");
    let covers = of(&["shelve"], &["shelf:one"]);
    for (who, key, expected) in [
        ("a key that covers it", &covers, "replay"),
        ("a key without the operation", &of(&["free-post"], &[]), "permission_operation"),
        ("a key without the resource", &of(&[], &["shelf:two"]), "permission_resource"),
        ("nobody", &"shp_none".to_owned(), "credential_unknown"),
        ("another account", &other_account, "200"),
        ("another account again", &other_account, "replay"),
    ] {
        let response = shop.client.send(&request(key));
        assert_eq!(came(&response), expected, "{who}: {response:?}");
    }
    assert_eq!(shop.executed("order"), 2);
    // A revoked key gets no replay.
    let id = shop.gateway.folder().create_key(&NewKey { api: "shop", account: "acme", ..NewKey::default() });
    assert_eq!(came(&shop.client.send(&request(&id.secret))), "replay");
    shop.gateway.folder().revoke_key(&id.id);
    assert_eq!(came(&shop.client.send(&request(&id.secret))), "credential_revoked");
}

#[test]
fn unstored_response_is_reported_and_not_executed_again() {
    let shop = shop();
    let key = shop.account("acme");
    for (what, expected) in [
        ("size 65536", "replay"),
        ("size 65537", "idempotency_completed"),
        ("chunked", "replay"),
        ("trailers", "idempotency_completed"),
        ("stream", "idempotency_completed"),
    ] {
        for path in ["/free", "/paid", "/head"] {
            let name = format!("{path}-{}", what.replace(' ', "-"));
            assert_eq!(came(&shop.send(&key, path, &name, what)), "200", "{name}");
            let again = shop.send(&key, path, &name, what);
            assert_eq!(came(&again), expected, "{name}");
            if expected == "idempotency_completed" {
                assert_eq!((again.status, again.headers.first("retry-after")), (409, None), "{name}");
            }
            assert_eq!(shop.executed(&name), 1, "{name}");
        }
    }
    wait_until("both are charged", || shop.posted("acme") == 20);
    assert_eq!(came(&shop.send(&key, "/short", "short", "")), "200");
    wait_until("it has expired", || came(&shop.send(&key, "/short", "short", "")) == "idempotency_completed");
    assert_eq!(shop.executed("short"), 1);
}

#[test]
fn evicted_response_is_not_executed_again() {
    let shop = shop();
    let (key, other) = (shop.account("acme"), shop.account("other"));
    assert_eq!(came(&shop.send(&other, "/free", "theirs", "")), "200");
    // An account can store 16 MiB.
    let mut connection = shop.client.connect();
    for number in 0..260 {
        let request = named(&key, "/free", &format!("order-{number}"), "size 65536");
        assert_eq!(connection.send(&request).status, 200);
    }
    assert_eq!(came(&shop.send(&key, "/free", "order-0", "")), "idempotency_completed");
    assert_eq!(came(&shop.send(&key, "/free", "order-259", "")), "replay");
    assert_eq!(came(&shop.send(&other, "/free", "theirs", "")), "replay");
    assert_eq!(shop.executed("order-0"), 1);
}

#[test]
fn failed_operation_is_executed_again() {
    let shop = shop();
    let key = shop.account("acme");
    let mut charged = 0;
    for path in ["/free", "/paid"] {
        for what in ["404", "503", "closes"] {
            let name = format!("{path}-{what}");
            let failed = shop.send(&key, path, &name, what);
            assert!(failed.status >= 400 && failed.status != 409, "{name}: {failed:?}");
            // Another request cannot use the same key.
            let other = Request::post(path).key(&key).header("Idempotency-Key", &name).json(&json!({}));
            assert_eq!(came(&shop.client.send(&other)), "idempotency_mismatch", "{name}");
            let before = shop.executed(&name);
            assert_eq!(came(&shop.send(&key, path, &name, "")), "200", "{name}");
            assert_eq!(came(&shop.send(&key, path, &name, "")), "replay", "{name}");
            assert_eq!(shop.executed(&name), before + 1, "{name}");
            charged += if path == "/paid" { 2 } else { 0 };
        }
    }
    assert_eq!(shop.posted("acme"), charged);
}

/// Sends a request, reads until this text has arrived, and disconnects.
fn goes_away(shop: &Shop, key: &str, path: &str, name: &str, what: &str, until: &str) {
    let mut stream = TcpStream::connect(shop.gateway.address()).unwrap();
    let body = "{\"item\":\"tea\"}";
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {name}\r\nX-Do: {what}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let (mut read, mut piece) = (String::new(), [0; 1000]);
    while !read.contains(until) {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    wait_until("it has reached the upstream", || shop.executed(name) == 1);
}

/// Whether anybody knows what became of it or not: it is not executed again. Where the response came to its end all the
/// same, a repeat gets it.
#[test]
fn operation_completes_after_the_client_disconnects() {
    let shop = shop();
    let key = shop.account("acme");
    for (path, what, until, expected, charged) in [
        ("/free", "endless", "hello", "idempotency_completed", 0),
        ("/gone", "endless", "hello", "idempotency_completed", 2),
        ("/released", "endless", "hello", "idempotency_completed", 0),
        ("/head", "endless", "hello", "idempotency_completed", 2),
        // Before any byte of the response.
        ("/free", "endless", "", "idempotency_completed", 0),
        ("/gone", "endless", "", "idempotency_completed", 2),
        ("/released", "endless", "", "idempotency_completed", 0),
        ("/gone", "slow", "", "replay", 2),
        ("/released", "slow", "", "replay", 2),
    ] {
        let name = format!("{path}-{what}-{until}");
        let before = shop.posted("acme");
        goes_away(&shop, &key, path, &name, what, until);
        let mut last = String::new();
        wait_until(&name, || {
            last = came(&shop.send(&key, path, &name, ""));
            last != "idempotency_in_flight"
        });
        assert_eq!(last, expected, "{name}");
        assert_eq!(shop.executed(&name), 1, "{name}");
        wait_until(&name, || shop.posted("acme") - before == charged);
    }
}

#[test]
fn operation_in_flight_at_sigkill_is_not_executed_again() {
    let mut shop = shop();
    let key = shop.account("acme");
    for (path, what) in [("/free", "silence"), ("/paid", "silence"), ("/free", "silent"), ("/paid", "silent")]
    {
        let name = format!("{path}-{what}");
        goes_in(&shop, &key, path, &name, what);
        shop = shop.restarted();
        for _ in 0..3 {
            let again = shop.send(&key, path, &name, "");
            assert_eq!((again.status, came(&again).as_str()), (409, "idempotency_completed"), "{name}");
        }
        assert_eq!(shop.executed(&name), 1, "{name}");
    }
    assert_eq!(shop.posted("acme"), 4, "its outcome is unknown");
    let proof = shop.gateway.folder().result(&["accounts", "verify"]);
    assert_eq!(proof["consistent"], true, "{proof}");
}

/// Sends a request and keeps the connection while it is in flight.
fn goes_in(shop: &Shop, key: &str, path: &str, name: &str, what: &str) {
    let mut connection = shop.client.connect();
    connection.write(
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {name}\r\n\
             X-Do: {what}\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"item\":\"tea\"}}"
        )
        .as_bytes(),
    );
    wait_until("it has reached the upstream", || shop.executed(name) == 1);
    std::mem::forget(connection);
}

#[test]
fn deduplicating_service_gets_bounded_repeats() {
    let shop = shop();
    let key = shop.account("acme");
    let all: Vec<String> = (0..6).map(|_| came(&shop.send(&key, "/upstream", "order", ""))).collect();
    assert_eq!(all, ["200", "200", "200", "200", "idempotency_completed", "idempotency_completed"]);
    assert_eq!((shop.executed("order"), shop.posted("acme")), (4, 2), "one charge, three repeats");
    let other = Request::post("/upstream").key(&key).header("Idempotency-Key", "order").json(&json!({}));
    assert_eq!(came(&shop.client.send(&other)), "idempotency_mismatch");
}

#[test]
fn forwards_the_header_when_disabled_or_anonymous() {
    let shop = shop();
    let key = shop.account("acme");
    for path in ["/off", "/open"] {
        let all: Vec<String> = (0..3).map(|_| came(&shop.send(&key, path, path, ""))).collect();
        assert_eq!(all, ["200"; 3]);
        assert_eq!(shop.executed(path), 3, "{path}");
    }
    wait_until("each is charged", || shop.posted("acme") == 6);
}

#[test]
fn monitor_mode_claims_no_idempotency_key() {
    let shop = shop_with("    mode: monitor\n");
    let key = shop.account("acme");
    for path in ["/free", "/paid"] {
        let all: Vec<String> = (0..3).map(|_| came(&shop.send(&key, path, path, "created"))).collect();
        assert_eq!(all, ["201"; 3]);
        assert_eq!(shop.executed(path), 3, "{path}");
    }
    assert_eq!(shop.posted("acme"), 0);
}

/// Stored responses have the file mode of the database.
#[test]
fn stored_responses_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let shop = shop();
    let key = shop.account("acme");
    assert_eq!(came(&shop.send(&key, "/free", "order", "")), "200");
    assert_eq!(came(&shop.send(&key, "/free", "order", "")), "replay");
    // An API key sent as an idempotency key is not stored.
    assert_eq!(came(&shop.send(&key, "/paid", &key, "")), "200");
    assert_eq!(came(&shop.send(&key, "/paid", &key, "")), "replay");
    let folder = shop.gateway.folder().path();
    for name in ["demur.db", "demur.db-wal"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{name}");
    }
    for name in ["demur.db", "demur.db-wal", "demur.db-shm"] {
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn replay_header_is_exposed_to_other_origins() {
    let shop = shop_with("    cors: { origins: [\"https://app.example\"] }\n");
    let key = shop.account("acme");
    let request = named(&key, "/free", "order", "").header("Origin", "https://app.example");
    for expected in ["200", "replay"] {
        let response = shop.client.send(&request);
        assert_eq!(came(&response), expected);
        assert_eq!(response.header("access-control-allow-origin"), "https://app.example");
        let exposed: Vec<&str> = response.headers.all("access-control-expose-headers").collect();
        let exposed = exposed.join(", ");
        assert_eq!(
            exposed.contains("idempotent-replayed, original-request"),
            expected == "replay",
            "{exposed}"
        );
    }
}

/// A replay counts as a request for rate limits and attempt quotas, but not as a success.
#[test]
fn replay_counts_against_rate_limits() {
    for (plan, executed) in [
        ("{ quota: { requests: 3, counts: attempts } }", ["200", "replay", "replay", "quota_exceeded"]),
        ("{ quota: { requests: 3, counts: successes } }", ["200", "replay", "replay", "replay"]),
        ("{ rates: [{ requests: 3, per: 1h }] }", ["200", "replay", "replay", "rate_exceeded"]),
    ] {
        let shop = shop_on(plan, "");
        let key = shop.account("acme");
        let all = [0; 4].map(|_| came(&shop.send(&key, "/free", "order", "")));
        assert_eq!(all, executed, "{plan}");
    }
}
