//! What operators see: the log, the command line, and what `check` finds. Cases of public bug reports are named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use demur_e2e::{
    Client, Gateway, MockResponse, NewKey, Program, Request, Response, TestDir, Upstream, contract, run,
};
use serde_json::{Value as Json, json};

const OPENAPI: &str = r#"
openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items:
    get:
      operationId: list
      parameters:
        - { name: limit, in: query, schema: { type: integer, maximum: 100 } }
        - { name: tag, in: query, required: true, schema: { type: string } }
      responses: { "200": { description: All, content: { application/json: {} } } }
  /page:
    get: { operationId: page, responses: { "200": { description: A page, content: { text/html: {} } } } }
  /free:
    get: { operationId: free, responses: { "200": { description: Anything } } }
"#;

struct Shop {
    gateway: Gateway,
    client: Client,
    upstream: Upstream,
    key: String,
    key_id: String,
}

impl Shop {
    fn open(plan: &str, response: MockResponse) -> Self {
        let upstream = Upstream::always(response);
        let folder = TestDir::empty();
        folder.write("openapi.yaml", OPENAPI);
        let text = format!(
            "demur: 2\nlisten: 127.0.0.1:0\nstore: sqlite:demur.db\nplans: {{ all: {plan} }}\napis:\n  - name: shop\n    \
             contract: problem\n    openapi: openapi.yaml\n    upstream: \"http://{}\"\n    \
             authentication: {{ scheme: bearer, prefix: shp }}\n",
            upstream.address()
        );
        folder.write("demur.yaml", &text);
        folder.create_account("acme", "all");
        let issued = folder.create_key(&NewKey { api: "shop", account: "acme", ..NewKey::default() });
        let gateway = Gateway::serve(folder);
        let client = Client::new(gateway.address(), "", contract("problem"));
        Self { gateway, client, upstream, key: issued.secret, key_id: issued.id }
    }

    fn get(&self, target: &str) -> Response {
        self.client.send(&Request::get(target).key(&self.key))
    }

    fn logged(&self, response: &Response) -> Json {
        self.gateway.logged(response.header("x-request-id"))
    }
}

fn fine() -> MockResponse {
    MockResponse::response(200, &[("Content-Type", "application/json")], "{}")
}

/// The condition is the one that named the error, not that of whatever was found first.
#[test]
fn log_names_the_condition_and_the_violations() {
    let shop = Shop::open("{}", fine());
    let response = shop.get("/items?limit=500");
    let logged = shop.logged(&response);
    assert_eq!((response.status, &logged["condition"]), (400, &json!("param.missing")), "{logged}");
    assert_eq!(
        logged["violations"],
        json!([
            { "param": "limit", "location": "query", "pointer": "/limit", "rule": "param.invalid.maximum" },
            { "param": "tag", "location": "query", "pointer": "/tag", "rule": "param.missing" },
        ]),
        "{logged}"
    );
}

#[test]
fn log_names_the_condition_of_errors_that_the_api_raises() {
    let shop = Shop::open("{}", MockResponse::response(418, &[("Demur-Error", "invalid_parameters")], ""));
    let logged = shop.logged(&shop.get("/free"));
    assert_eq!(logged["condition"], "invalid_parameters", "{logged}");
    // A cause does not end in an empty quotation.
    for (body, end) in [("", " without a body"), (" \r\n", " with a blank body"), ("no", ": no")] {
        let shop = Shop::open("{}", MockResponse::response(500, &[], body));
        let logged = shop.logged(&shop.get("/free"));
        assert!(logged["cause"].as_str().unwrap().ends_with(end), "{body:?}: {logged}");
    }
    let shop = Shop::open("{}", MockResponse::response(500, &[("Demur-Error", "")], "x"));
    let logged = shop.logged(&shop.get("/free"));
    assert!(
        logged["cause"].as_str().unwrap().starts_with("upstream sent `Demur-Error` without a name"),
        "{logged}"
    );
}

/// vhs/nomos#268, livekit/livekit#4762: a key that is no longer valid, and nobody knew whose.
#[test]
fn log_names_account_and_key_of_a_key_that_is_no_longer_valid() {
    for (command, condition) in [
        (&["keys", "revoke"][..], "credential.revoked"),
        (&["keys", "disable"], "credential.revoked"),
        (&["keys", "expire", "--at", "now"], "credential.expired"),
    ] {
        let shop = Shop::open("{}", fine());
        let outcome = shop.gateway.folder().run(&[command, &[shop.key_id.as_str()]].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        // From the database, and from the cache.
        for _ in 0..2 {
            let logged = shop.logged(&shop.get("/free"));
            let said = (&logged["condition"], &logged["account"], &logged["key"]);
            assert_eq!(
                said,
                (&json!(condition), &json!("acme"), &json!(shop.key_id)),
                "{command:?}: {logged}"
            );
        }
    }
    // An unknown key has no account.
    let shop = Shop::open("{}", fine());
    let other = Shop::open("{}", fine());
    let logged = shop.logged(&shop.client.send(&Request::get("/free").key(&other.key)));
    assert_eq!(
        (&logged["account"], &logged["condition"]),
        (&Json::Null, &json!("credential.unknown")),
        "{logged}"
    );
}

/// krakend/krakend-ce#400, Kong/kong#6921, TykTechnologies/tyk#1339: a handshake got the response to a plain GET.
#[test]
fn rejects_upgrades_that_are_not_served() {
    let shop = Shop::open("{}", fine());
    for (headers, condition) in [
        (&[("Connection", "Upgrade"), ("Upgrade", "websocket")][..], Some("request.upgrade_rejected")),
        (
            &[("Connection", "keep-alive, upgrade"), ("Upgrade", "h2c, WebSocket")],
            Some("request.upgrade_rejected"),
        ),
        (&[("Connection", "Upgrade"), ("Upgrade", "IRC/6.9")], Some("request.upgrade_rejected")),
        // Offers that a server may ignore.
        (
            &[
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ],
            None,
        ),
        (&[("Connection", "Upgrade"), ("Upgrade", "TLS/1.2, HTTP/2.0")], None),
        // Without the option it is no request to switch (RFC 9110, section 7.8).
        (&[("Upgrade", "websocket")], None),
    ] {
        let before = shop.upstream.count();
        let request = Request::get("/free").key(&shop.key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = shop.client.send(&request);
        match condition {
            Some(condition) => {
                assert_eq!(shop.logged(&response)["condition"], condition, "{headers:?}");
                assert_eq!((response.status, shop.upstream.count()), (400, before), "{headers:?}");
            }
            None => assert_eq!((response.status, shop.upstream.count()), (200, before + 1), "{headers:?}"),
        }
    }
    let folder = TestDir::empty();
    folder.write(
        "openapi.yaml",
        &OPENAPI.replace(
            "operationId: free, responses: {",
            "operationId: free, responses: { \"101\": { description: Switch },",
        ),
    );
    folder.write("demur.yaml", "demur: 2\nplans: { all: {} }\napis:\n  - name: shop\n    contract: problem\n    openapi: openapi.yaml\n    upstream: \"http://127.0.0.1:9\"\n    authentication: { prefix: shp }\n");
    let outcome = run(&["check"], folder.path());
    assert!(outcome.stderr.contains("`free` switches to another protocol (101)"), "{outcome:?}");
}

/// Wei-Shaw/sub2api#3265: a page with status 200 in place of JSON was a success, and was charged.
#[test]
fn html_in_place_of_data_is_an_invalid_response() {
    let html =
        |media_type: &str| MockResponse::response(200, &[("Content-Type", media_type)], "<h1>Log in</h1>");
    for (target, media_type, status) in [
        ("/items?tag=a", "text/html; charset=utf-8", 502),
        ("/items?tag=a", "TEXT/HTML", 502),
        ("/items?tag=a", "application/xhtml+xml", 502),
        ("/items?tag=a", "application/json", 200),
        ("/items?tag=a", "text/plain", 200),
        ("/page", "text/html", 200),
        ("/free", "text/html", 200),
    ] {
        let shop = Shop::open("{}", html(media_type));
        let response = shop.get(target);
        assert_eq!(response.status, status, "{target} {media_type}");
        if status == 502 {
            assert_eq!(shop.logged(&response)["condition"], "upstream.invalid_response");
        }
    }
}

/// simstudioai/sim#6011, vegaprotocol/vega#7798: limit and remaining described different quantities.
#[test]
fn limit_headers_are_consistent_where_a_burst_is_smaller_than_the_rate() {
    for (rate, policy, first) in [
        ("requests: 100, per: 60s, burst: 5", "\"rate\";q=5;w=3", "\"rate\";r=4;"),
        ("requests: 10, per: 60s, burst: 20", "\"rate\";q=10;w=60", "\"rate\";r=10;"),
        ("requests: 10, per: 60s", "\"rate\";q=10;w=60", "\"rate\";r=9;"),
        ("requests: 10, per: 1s, burst: 5", "\"rate\";q=5;w=1", "\"rate\";r=4;"),
    ] {
        let shop = Shop::open(&format!("{{ rates: [{{ {rate} }}] }}"), fine());
        let response = shop.get("/free");
        assert_eq!(response.header("ratelimit-policy"), policy, "{rate}");
        assert!(response.header("ratelimit").starts_with(first), "{rate}: {}", response.header("ratelimit"));
    }
    // The last one of a burst, and the one that is too many.
    let shop = Shop::open("{ rates: [{ requests: 2, per: 1h, burst: 1 }] }", fine());
    assert!(shop.get("/free").header("ratelimit").starts_with("\"rate\";r=0;"));
    let response = shop.get("/free");
    assert_eq!((response.status, response.header("ratelimit-policy")), (429, "\"rate\";q=1;w=1800"));
}

/// akash-network/node#116: `--quiet` prints the value alone, for scripts.
#[test]
fn quiet_prints_the_value_alone() {
    let folder = TestDir::empty();
    folder.write("openapi.yaml", OPENAPI);
    folder.write("demur.yaml", "demur: 2\nplans: { all: {} }\napis:\n  - name: shop\n    contract: problem\n    openapi: openapi.yaml\n    upstream: \"http://127.0.0.1:9\"\n    authentication: { prefix: shp }\n");
    let said = |arguments: &[&str]| {
        let outcome = run(&[arguments, &["-q"]].concat(), folder.path());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
        let line = outcome.stdout.strip_suffix('\n').unwrap().to_owned();
        assert!(!line.contains(['\n', ' ']), "{arguments:?}: {line}");
        line
    };
    assert_eq!(said(&["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "all"]), "acme");
    let secret = said(&["keys", "create", "--api", "shop", "--account", "acme"]);
    assert!(secret.starts_with("shp_"), "{secret}");
    let listed = run(&["keys", "list", "--format", "json"], folder.path());
    let listed: Json = serde_json::from_str(&listed.stdout).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert!(said(&["keys", "rotate", &id]).starts_with("shp_"));
    assert_eq!(said(&["keys", "show", &id]), id);
    assert_eq!(said(&["keys", "revoke", &id]), id);
    // Without it, more is said.
    let shown = run(&["keys", "show", &id], folder.path());
    assert!(shown.stdout.contains("revoked"), "{shown:?}");
}

/// With a large document, listing the keys took seconds, and printed its warnings.
#[test]
fn commands_that_use_the_store_only_load_no_document() {
    let folder = TestDir::empty();
    folder.write("demur.yaml", "demur: 2\nplans: { all: {} }\napis:\n  - name: shop\n    contract: problem\n    openapi: nowhere.yaml\n    upstream: nowhere\n    authentication: { prefix: shp }\n");
    for arguments in [
        &["accounts", "create", "--id", "acme", "--name", "Acme", "--plan", "all"][..],
        &["accounts", "list"],
        &["keys", "create", "--api", "shop", "--account", "acme"],
        &["keys", "list"],
    ] {
        let outcome = run(arguments, folder.path());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(run(&["check"], folder.path()).code, Some(3));
    // What such a command does use is checked.
    let outcome = run(&["keys", "create", "--api", "shp", "--account", "acme"], folder.path());
    assert!(outcome.code == Some(2) && outcome.stderr.contains("did you mean `shop`?"), "{outcome:?}");
}

#[test]
fn check_finds_a_log_or_a_store_that_cannot_be_written() {
    let text = |store: &str, log: &str| {
        format!(
            "demur: 2\nstore: sqlite:{store}\naccess_log: {{ output: {log} }}\nplans: {{ all: {{}} }}\napis:\n  - name: shop\n    contract: problem\n    \
             openapi: openapi.yaml\n    upstream: \"http://127.0.0.1:9\"\n    authentication: {{ prefix: shp }}\n"
        )
    };
    for (store, log, expected) in [
        ("demur.db", "access.log", None),
        (
            "demur.db",
            "nowhere/access.log",
            Some("cannot write the access log `nowhere/access.log`: folder `nowhere` does not exist"),
        ),
        ("demur.db", "folder", Some("cannot write the access log `folder`: it is a folder")),
        (
            "nowhere/demur.db",
            "access.log",
            Some("cannot write the database `nowhere/demur.db`: folder `nowhere` does not exist"),
        ),
        ("openapi.yaml/demur.db", "access.log", Some("cannot write the database `openapi.yaml/demur.db`")),
    ] {
        let folder = TestDir::empty();
        folder.write("openapi.yaml", OPENAPI);
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        folder.write("demur.yaml", &text(store, log));
        let outcome = run(&["check", "--format", "json"], folder.path());
        let code = if expected.is_some() { 3 } else { 0 };
        assert_eq!(outcome.code, Some(code), "{store} {log}: {outcome:?}");
        let said: Json = serde_json::from_str(&outcome.stdout).unwrap();
        let found: Vec<&str> =
            said["diagnostics"].as_array().unwrap().iter().filter_map(|it| it["message"].as_str()).collect();
        match expected {
            Some(expected) => {
                assert!(found.iter().any(|it| it.contains(expected)), "{store} {log}: {found:?}");
            }
            None => assert_eq!(found, Vec::<&str>::new()),
        }
        assert!(!folder.path().join("access.log").exists(), "check writes nothing");
    }
}

/// Standard error is JSON or text, never both: a collector reads it line by line.
#[test]
fn standard_error_of_a_gateway_has_one_form() {
    for (access_log, is_json) in [
        ("", true),
        ("access_log: { requests: all, format: json }\n", true),
        ("access_log: { requests: all, format: text }\n", false),
    ] {
        let folder = TestDir::empty();
        folder.write("openapi.yaml", OPENAPI);
        let text = format!(
            "demur: 2\n{access_log}plans: {{ all: {{}} }}\napis:\n  - name: shop\n    contract: problem\n    \
             openapi: openapi.yaml\n    upstream: \"http://127.0.0.1:9\"\n    authentication: {{ prefix: shp }}\n    \
             operations: {{ list: {{ feature: nowhere }} }}\n"
        );
        folder.write("demur.yaml", &text);
        let mut program = Program::start(&["serve", "--listen", "127.0.0.1:0"], folder.path());
        let line = program.line();
        let address = line.split("http://").nth(1).unwrap().trim();
        let client = Client::new(address.parse().unwrap(), "", contract("problem"));
        assert_eq!(client.send(&Request::get("/free")).status, 401);
        program.interrupt();
        assert_eq!(program.wait_for_exit().code(), Some(0));
        let log = program.log();
        assert!(log.contains("no plan has the feature") && log.contains("stopped"), "{log}");
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines {
            assert_eq!(serde_json::from_str::<Json>(line).is_ok(), is_json, "{access_log}: {line}\n{log}");
        }
    }
}
