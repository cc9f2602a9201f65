//! `Server-Timing`: how long the upstream took, for those who ask for it.

#![allow(clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::time::Duration;

use demur_e2e::{Client, Gateway, MockResponse, Request, TestDir, Upstream, contract};

/// Answers after this time.
const DELAY: Duration = Duration::from_millis(50);

fn serve(setting: &str) -> (Gateway, Client, Upstream) {
    let folder = TestDir::empty();
    let upstream = Upstream::start(|received| match &*received.target {
        "/failing" => MockResponse::html(500).after(DELAY),
        _ => MockResponse::response(200, &[("Server-Timing", "db;dur=1")], "").after(DELAY),
    });
    let operation =
        |id: &str| format!("get: {{ operationId: {id}, responses: {{ '200': {{ description: All. }} }} }}");
    let document = format!(
        "openapi: 3.1.0\ninfo: {{ title: Shop, version: '1' }}\npaths:\n  /items: {{ {} }}\n  /failing: {{ {} }}\n",
        operation("list"),
        operation("fail"),
    );
    folder.write("openapi.yaml", &document);
    let config = format!(
        "demur: 2
store: sqlite:demur.db
limits: {{ max_queue_delay: 1m }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {{ url: \"http://{}\" }}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations: {{ list: {{ anonymous: true }}, fail: {{ anonymous: true }} }}
{setting}
",
        upstream.address()
    );
    folder.write("demur.yaml", &config);
    let gateway = Gateway::serve(folder);
    let client = Client::new(gateway.address(), "/shop", contract("problem"));
    (gateway, client, upstream)
}

/// The milliseconds that the gateway tells.
fn told(values: &[&str]) -> Option<f64> {
    values.iter().find_map(|value| value.strip_prefix("upstream;dur=")?.parse().ok())
}

#[test]
fn responses_say_how_long_the_upstream_took() {
    let (_gateway, client, _upstream) = serve("    server_timing: true");
    let response = client.send(&Request::get("/items"));
    let values: Vec<&str> = response.headers.all("server-timing").collect();
    assert_eq!(values.first(), Some(&"db;dur=1"), "the upstream's own stays");
    let milliseconds = told(&values).unwrap_or_else(|| panic!("{values:?}"));
    assert!((45.0..30_000.0).contains(&milliseconds), "{milliseconds}");
    let failed = client.send(&Request::get("/failing"));
    let values: Vec<&str> = failed.headers.all("server-timing").collect();
    assert!(failed.status >= 500 && told(&values).is_some(), "{values:?}");
    // The upstream was not asked.
    let missing = client.send(&Request::get("/missing"));
    assert_eq!((missing.status, missing.header("server-timing")), (404, ""));
}

#[test]
fn nothing_is_said_by_default() {
    let (_gateway, client, _upstream) = serve("");
    let response = client.send(&Request::get("/items"));
    let values: Vec<&str> = response.headers.all("server-timing").collect();
    assert_eq!((response.status, values), (200, vec!["db;dur=1"]));
}
