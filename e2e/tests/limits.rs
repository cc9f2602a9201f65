//! Limits over HTTP: what each of them lets pass and for whom, what a denial says of it, when it is over, and what
//! is charged for a request that is sent again.
//! Long because the rules share their setup.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{
    Client, Gateway, MockResponse, NewKey, Received, Request, Response, TestDir, Upstream, read_contract,
};
use serde_json::json;

/// A contract that shows everything a denial knows. Its 429 has a default delay.
const CONTRACT: &str = "demur: 1
name: shop
headers: [ietf, x-should-retry]
formats:
  default:
    code: $code
    message: $message
    limit?: $params.limit
    remaining?: $params.remaining
    window?: $params.window
    resets_at?: $params.resets_at
    violated?: $params.violated_policies
    needed?: $params.needed
    available?: $params.available
errors:
  bad_request: { status: 400, message: The request is invalid., on: [request] }
  slow_down:
    status: 429
    message: \"{limit} are allowed, {remaining} are left.\"
    retry: { class: after_delay, default_delay: 60s }
    on: [rate, quota, credential.throttled]
  internal_error: { status: 500, message: Something went wrong on our side., on: [internal] }
";

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items: { get: { operationId: list, responses: { '200': { description: All. } } } }
  /slow: { get: { operationId: slow, responses: { '200': { description: All. } } } }
  /ten: { get: { operationId: ten, responses: { '200': { description: All. } } } }
  /buy:
    post:
      operationId: buy
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses: { '200': { description: Yours. } }
";

struct Shop {
    upstream: Upstream,
    gateway: Gateway,
    client: Client,
    accounts: Cell<u32>,
}

/// Serves these plans (lines of the file). `/slow` is slow, and `X-Fail` makes a call fail.
fn shop(plans: &str) -> Shop {
    shop_with(plans, "")
}

/// The same, with one more line for the API.
fn shop_with(plans: &str, of_api: &str) -> Shop {
    let upstream = Upstream::start(|received: &Received| match received.target.as_str() {
        _ if received.headers.first("x-fail").is_some() => MockResponse::response(404, &[], ""),
        "/slow" => endless(),
        "/buy" => MockResponse::json(200, &json!({})).after(Duration::from_millis(300)),
        _ => MockResponse::json(200, &json!({})),
    });
    let folder = TestDir::empty();
    folder.write("contract.yaml", CONTRACT);
    folder.write("openapi.yaml", DOCUMENT);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
trusted_proxies: {{ networks: [127.0.0.0/8] }}
plans:
{plans}
apis:
  - name: shop
    contract: ./contract.yaml
    openapi: openapi.yaml
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp, failures: {{ requests: 3, per: 1h }} }}
    {of_api}
    operations: {{ ten: {{ cost: 10 }}, buy: {{ credits: 2 }} }}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "", read_contract("contract.yaml", CONTRACT));
    Shop { upstream, gateway, client, accounts: Cell::new(0) }
}

/// Sends a head at once, and then a body for longer than any client reads.
fn endless() -> MockResponse {
    let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let again =
        |reaction: MockResponse, _| reaction.and_wait(Duration::from_millis(20)).and("5\r\nagain\r\n");
    (0..1000).fold(MockResponse::bytes(begin), again)
}

impl Shop {
    /// Creates an account on this plan and a key for it.
    fn key(&self, plan: &str) -> String {
        self.accounts.set(self.accounts.get() + 1);
        let account = format!("account-{}", self.accounts.get());
        self.gateway.folder().create_account(&account, plan);
        self.key_of(&account)
    }

    fn key_of(&self, account: &str) -> String {
        self.gateway.folder().create_key(&NewKey { api: "shop", account, ..NewKey::default() }).secret
    }

    fn get(&self, path: &str, key: &str) -> Response {
        self.client.send(&Request::get(path).key(key))
    }

    fn statuses(&self, path: &str, keys: &[&str]) -> Vec<u16> {
        keys.iter().map(|key| self.get(path, key).status).collect()
    }

    /// Starts a response that does not end and reads its beginning; retries until the request is admitted.
    fn begins(&self, key: &str) -> TcpStream {
        let mut begun = None;
        wait_until("it begins", || {
            let mut stream = TcpStream::connect(self.gateway.address()).unwrap();
            write!(stream, "GET /slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
            let (mut read, mut piece) = (String::new(), [0; 500]);
            while !read.contains("hello") && !read.contains("allowed") {
                let count = stream.read(&mut piece).unwrap();
                read.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            begun = read.contains("hello").then_some(stream);
            begun.is_some()
        });
        begun.unwrap()
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn delay(response: &Response) -> Option<u64> {
    response.headers.first("retry-after").map(|delay| delay.parse().unwrap())
}

#[test]
fn rejection_names_the_limit_the_remainder_and_the_reset() {
    let shop = shop(
        "  both: { rates: [{ name: minute, requests: 1, per: 1m }, { name: hour, requests: 1, per: 1h }] }
  day: { quota: { requests: 1 } }
  all: { rates: [{ name: minute, requests: 1, per: 1m }], quota: { requests: 1 } }
  poor: { credits: { monthly: 3 } }",
    );
    let denied = |plan: &str| {
        let key = shop.key(plan);
        assert_eq!(shop.get("/items", &key).status, 200, "{plan}");
        let response = shop.get("/items", &key);
        (response.json(), delay(&response), response)
    };
    let (both, wait, response) = denied("both");
    assert_eq!(
        both,
        json!({ "code": "slow_down", "message": "1 are allowed, 0 are left.", "limit": 1, "remaining": 0,
                "window": 3600, "violated": ["minute", "hour"] })
    );
    assert!((3590..=3600).contains(&wait.unwrap()), "{response:?}");
    // No `Retry-After` is an hour.
    assert_eq!(response.header("x-should-retry"), "false");

    let (day, wait, response) = denied("day");
    assert_eq!((&day["limit"], &day["remaining"], &day["window"]), (&json!(1), &json!(0), &json!(86_400)));
    assert_eq!(day["violated"], json!(["daily"]));
    let resets_at: jiff::Timestamp = day["resets_at"].as_str().unwrap().parse().unwrap();
    let left = resets_at.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((left - i64::try_from(wait.unwrap()).unwrap()).abs() <= 5, "{response:?}");

    assert_eq!(denied("all").0["violated"], json!(["minute", "daily"]));

    let poor = shop.key("poor");
    let buy = Request::post("/buy").key(&poor).json(&json!({}));
    assert_eq!(shop.client.send(&buy).status, 200);
    let response = shop.client.send(&buy);
    let body = response.json();
    assert_eq!((response.status, delay(&response)), (402, None), "{response:?}");
    assert_eq!((&body["needed"], &body["available"]), (&json!(2), &json!(1)));
    assert!(body["resets_at"].is_string(), "{body}");

    for _ in 0..3 {
        assert_eq!(shop.get("/items", "shp_none").status, 401);
    }
    let response = shop.get("/items", "shp_none");
    let body = response.json();
    assert_eq!((&body["limit"], &body["remaining"], &body["window"]), (&json!(3), &json!(0), &json!(3600)));
    assert!(delay(&response).unwrap() > 60, "{response:?}");
}

/// Some clients sleep for any `Retry-After`, however long.
#[test]
fn omits_retry_after_when_the_wait_is_too_long() {
    let plans = "  soon: { rates: [{ name: burst, requests: 1, per: 20s }] }
  later: { rates: [{ name: burst, requests: 1, per: 90s }] }
  hour: { rates: [{ name: burst, requests: 1, per: 1h }] }
  day: { quota: { requests: 1 } }";
    for (of_api, rows) in [
        ("", [("soon", "true"), ("later", "false"), ("hour", "false"), ("day", "false")]),
        ("max_retry_wait: 10s", [("soon", "false"), ("later", "false"), ("hour", "false"), ("day", "false")]),
        ("max_retry_wait: 2m", [("soon", "true"), ("later", "true"), ("hour", "false"), ("day", "false")]),
        ("max_retry_wait: 2d", [("soon", "true"), ("later", "true"), ("hour", "true"), ("day", "true")]),
    ] {
        let shop = shop_with(plans, of_api);
        for (plan, expected) in rows {
            let key = shop.key(plan);
            assert_eq!(shop.get("/items", &key).status, 200, "{of_api} {plan}");
            let response = shop.get("/items", &key);
            assert_eq!(response.status, 429, "{of_api} {plan}");
            assert_eq!(response.header("x-should-retry"), expected, "{of_api} {plan}: {response:?}");
            // The reset is reported all the same.
            assert!(
                delay(&response).is_some() && response.header("ratelimit").contains(";t="),
                "{response:?}"
            );
        }
    }
}

/// A request that costs more than the whole limit can never pass, so there is no `Retry-After`.
#[test]
fn omits_retry_after_when_waiting_cannot_help() {
    let shop = shop(
        "  day: { quota: { requests: 5 } }
  burst: { rates: [{ name: burst, requests: 5, per: 1s }] }
  wide: { rates: [{ name: burst, requests: 5, per: 1s, burst: 10 }], quota: { requests: 10 } }",
    );
    for (plan, violated) in [("day", "daily"), ("burst", "burst")] {
        let key = shop.key(plan);
        for _ in 0..2 {
            let response = shop.get("/ten", &key);
            assert_eq!((response.status, delay(&response)), (429, None), "{plan}: {response:?}");
            assert_eq!(response.header("x-should-retry"), "false", "{plan}");
            assert_eq!(response.json()["violated"], json!([violated]), "{plan}");
        }
    }
    let key = shop.key("wide");
    assert_eq!(shop.get("/ten", &key).status, 200);
    let response = shop.get("/ten", &key);
    assert!(response.status == 429 && delay(&response).is_some(), "tomorrow it would pass: {response:?}");
}

#[test]
fn releases_concurrency_slots_however_a_request_ends() {
    let shop = shop("  two: { concurrency: 2 }");
    let key = shop.key("two");
    let (first, second) = (shop.begins(&key), shop.begins(&key));
    let response = shop.get("/items", &key);
    assert_eq!(response.status, 429, "{response:?}");
    let expected = json!({ "code": "slow_down", "message": "2 are allowed, 0 are left.", "limit": 2,
                           "remaining": 0, "violated": ["concurrency"] });
    assert_eq!((response.json(), delay(&response)), (expected, Some(1)));
    // Another account has its own slots.
    assert_eq!(shop.get("/items", &shop.key("two")).status, 200);
    // A client that disconnects releases one slot, and only one.
    drop(first);
    let third = shop.begins(&key);
    assert_eq!(shop.get("/items", &key).status, 429);
    drop((second, third));
    let both = (shop.begins(&key), shop.begins(&key));
    assert_eq!(shop.get("/items", &key).status, 429);
    drop(both);
    // Complete responses of any status.
    for _ in 0..5 {
        wait_until("a slot is free", || shop.get("/items", &key).status == 200);
        let failing = Request::get("/items").key(&key).header("X-Fail", "1");
        wait_until("a slot is free", || shop.client.send(&failing).status == 404);
    }
}

#[test]
fn success_quota_does_not_count_failures() {
    let shop =
        shop("  tries: { quota: { requests: 2 } }\n  hits: { quota: { requests: 2, counts: successes } }");
    for (plan, statuses) in [("tries", [404, 404, 429, 429, 429]), ("hits", [404, 404, 200, 200, 429])] {
        let key = shop.key(plan);
        let ask = |fails: bool| {
            let request = Request::get("/items").key(&key);
            shop.client.send(&if fails { request.header("X-Fail", "1") } else { request }).status
        };
        assert_eq!([true, true, false, false, false].map(ask), statuses, "{plan}");
    }
}

#[test]
fn shadow_limit_rejects_nothing_and_is_logged() {
    let shop = shop(
        "  shadows:
    rates: [{ name: few, requests: 1, per: 1h, shadow: true }]
    quota: { requests: 1, shadow: true }
    concurrency: { requests: 1, shadow: true }",
    );
    let key = shop.key("shadows");
    let held = shop.begins(&key);
    for _ in 0..3 {
        let response = shop.get("/items", &key);
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.headers.first("ratelimit").is_none(), "nobody's business: {response:?}");
        let line = shop.gateway.logged(response.header("x-request-id"));
        let reported: Vec<&str> = line["would_reject"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["condition"].as_str())
            .collect();
        assert_eq!(reported, ["rate.exceeded", "rate.concurrency", "quota.exceeded"], "{line}");
    }
    drop(held);
}

#[test]
fn rate_limit_counts_per_configured_scope() {
    let shop = shop(
        "  account: { rates: [{ name: few, requests: 2, per: 1h }] }
  key: { rates: [{ name: few, requests: 2, per: 1h, limit_by: key }] }
  address: { rates: [{ name: few, requests: 2, per: 1h, limit_by: address }] }",
    );
    for (plan, statuses) in
        [("account", [200, 200, 429, 429, 429, 429]), ("key", [200, 200, 200, 200, 429, 429])]
    {
        let account = format!("of-{plan}");
        shop.gateway.folder().create_account(&account, plan);
        let (one, other) = (shop.key_of(&account), shop.key_of(&account));
        let keys: [&str; 6] = [&one, &other, &one, &other, &one, &other];
        assert_eq!(shop.statuses("/items", &keys), statuses, "{plan}");
    }
    // By the client's address, for all keys of the account: a trusted proxy reports it.
    shop.gateway.folder().create_account("of-address", "address");
    let (one, other) = (shop.key_of("of-address"), shop.key_of("of-address"));
    let ask = |(key, address): (&String, &str)| {
        shop.client.send(&Request::get("/items").key(key).header("X-Forwarded-For", address)).status
    };
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    let asked = [(&one, here), (&other, here), (&one, here), (&one, there), (&other, there), (&other, there)];
    assert_eq!(asked.map(ask), [200, 200, 429, 200, 200, 429]);
    let network = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"];
    assert_eq!(network.map(|address| ask((&one, address))), [200, 200, 429, 200]);
}

#[test]
fn plan_change_applies_at_once_and_resets_no_counter() {
    let shop = shop(
        "  small: { rates: [{ name: few, requests: 3, per: 1h }], quota: { requests: 3 } }
  large: { rates: [{ name: few, requests: 3, per: 1h, burst: 5 }], quota: { requests: 5 } }",
    );
    shop.gateway.folder().create_account("acme", "small");
    let key = shop.key_of("acme");
    let key = key.as_str();
    assert_eq!(shop.statuses("/items", &[key; 4]), [200, 200, 200, 429]);
    shop.gateway.folder().result(&["accounts", "set-plan", "acme", "large"]);
    assert_eq!(shop.statuses("/items", &[key; 3]), [200, 200, 429], "three of five are used");
    shop.gateway.folder().result(&["accounts", "set-plan", "acme", "small"]);
    let response = shop.get("/items", key).json();
    assert_eq!(
        (&response["remaining"], &response["violated"]),
        (&json!(0), &json!(["few", "daily"])),
        "{response}"
    );
}

#[test]
fn retried_request_is_charged_once() {
    let shop = shop("  rich: { credits: { monthly: 100 } }");
    shop.gateway.folder().create_account("acme", "rich");
    let key = shop.key_of("acme");
    let buy = |item: &str| {
        Request::post("/buy").key(&key).json(&json!({ "item": item })).header("Idempotency-Key", "order-1")
    };
    let posted = || shop.gateway.folder().account("acme")["credits"]["posted"].clone();
    // While the first is in flight.
    thread::scope(|scope| {
        let first = scope.spawn(|| shop.client.send(&buy("tea")));
        wait_until("the first has come", || !shop.upstream.received().is_empty());
        let again = shop.client.send(&buy("tea"));
        assert_eq!(
            (again.status, &again.json()["code"]),
            (409, &json!("idempotency_in_flight")),
            "{again:?}"
        );
        assert_eq!(delay(&again), Some(1), "{again:?}");
        assert_eq!(first.join().unwrap().status, 200);
    });
    // The idempotency key is forwarded to the service.
    let keys = || {
        shop.upstream
            .received()
            .iter()
            .map(|it| it.headers.first("idempotency-key").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(), [Some("order-1".to_owned())]);
    wait_until("it is charged", || posted() == json!(2));
    let again = shop.client.send(&buy("tea"));
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"), "{again:?}");
    assert_eq!(keys().len(), 1, "a replay does not reach the service");
    let other = shop.client.send(&buy("coffee"));
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency_mismatch")), "{other:?}");
    assert_eq!(delay(&other), None, "{other:?}");
    assert_eq!((keys().len(), posted()), (1, json!(2)));
    // The failed attempt was released; the next one is charged.
    let late = |fails: bool| {
        let request = Request::post("/buy").key(&key).json(&json!({})).header("Idempotency-Key", "order-2");
        shop.client.send(&if fails { request.header("X-Fail", "1") } else { request }).status
    };
    assert_eq!((late(true), late(false), late(false)), (404, 200, 200));
    wait_until("it is charged", || posted() == json!(4));
    assert_eq!(shop.gateway.folder().account("acme")["credits"]["held"], json!(0));
}

#[test]
fn distinguishes_held_credits_from_spent_credits() {
    let shop = shop("  poor: { credits: { monthly: 3 } }");
    let key = shop.key("poor");
    let buy = Request::post("/buy").key(&key).json(&json!({}));
    thread::scope(|scope| {
        let first = scope.spawn(|| shop.client.send(&buy).status);
        wait_until("the first has come", || !shop.upstream.received().is_empty());
        let response = shop.client.send(&buy);
        let body = response.json();
        assert_eq!((response.status, &body["code"]), (429, &json!("credits_held")), "{response:?}");
        assert_eq!((&body["needed"], &body["available"]), (&json!(2), &json!(1)));
        assert_eq!(response.header("x-should-retry"), "true");
        // The first holds its credits for half a minute.
        assert!((25..=30).contains(&delay(&response).unwrap()), "{response:?}");
        assert_eq!(first.join().unwrap(), 200);
    });
    wait_until("the first is charged", || shop.client.send(&buy).status == 402);
    let response = shop.client.send(&buy);
    assert_eq!(
        (&response.json()["code"], delay(&response)),
        (&json!("credits_exhausted"), None),
        "{response:?}"
    );
    assert_eq!(response.header("x-should-retry"), "false");
    assert_eq!(shop.upstream.received().len(), 1);
}
