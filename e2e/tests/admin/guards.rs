//! What is rejected before anything is done: other hosts, other sites, tokens that are not valid, and invalid messages.

use std::time::{Duration, Instant};

use demur_e2e::{Authority, Gateway, Request};
use serde_json::json;

use crate::operator::{Running, code, folder, token};

#[test]
fn rejects_other_hosts_and_other_sites() {
    let running = Running::start();
    let operator = running.token("operator").to_owned();
    let port = running.gateway.admin_address().port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost.evil.example".to_owned(),
        "0.0.0.0".to_owned(),
    ] {
        for target in ["/v1/accounts", "/openapi.json", "/"] {
            let response = running.client.send(&Request::get(target).key(&operator).header("Host", &host));
            assert_eq!((response.status, code(&response).as_str()), (421, "host_unknown"), "{host} {target}");
        }
    }
    for host in
        ["localhost".to_owned(), format!("localhost:{port}"), "[::1]".to_owned(), "127.0.0.1:1".to_owned()]
    {
        let response =
            running.client.send(&Request::get("/v1/accounts").key(&operator).header("Host", &host));
        assert_eq!(response.status, 200, "{host}");
    }
    let before = running.audit().len();
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        for request in [
            Request::get("/v1/accounts"),
            Request::post("/v1/configuration/reload"),
            Request::new("OPTIONS", "/v1/accounts"),
        ] {
            let response = running.client.send(&request.key(&operator).header(name, value));
            assert_eq!((response.status, code(&response).as_str()), (403, "cross_site"), "{name}: {value}");
            let cors =
                response.headers.iter().any(|(name, _)| name.to_lowercase().starts_with("access-control"));
            assert!(!cors, "{response:?}");
        }
    }
    assert_eq!(running.audit().len(), before, "nothing was done");
}

#[test]
fn rejects_tokens_that_are_not_valid() {
    let running = Running::start();
    let folder = running.gateway.folder();
    let operator = running.token("operator").to_owned();
    let ask = |request: Request| {
        let response = running.client.send(&request);
        let code = if response.status < 400 { String::new() } else { code(&response) };
        if response.status == 401 {
            assert_eq!(response.header("www-authenticate"), "Bearer");
        }
        (response.status, code)
    };
    let get = || Request::get("/v1/plans");
    let rejected = |code: &str| (401, code.to_owned());
    assert_eq!(ask(get()), rejected("token_missing"));
    for scheme in [format!("Basic {operator}"), operator.clone(), "Bearer".to_owned()] {
        assert_eq!(ask(get().header("Authorization", &scheme)), rejected("token_missing"), "{scheme}");
    }
    assert_eq!(ask(get().key(&operator).key(&operator)), rejected("token_missing"), "two of them");
    let (_, secret) = running.account_with_key("acme");
    for unknown in ["x", &operator[1..], &operator[..operator.len() - 1], &secret] {
        assert_eq!(ask(get().key(unknown)), rejected("token_invalid"), "{unknown}");
    }
    // In a query it is no token.
    assert_eq!(ask(Request::get(&format!("/v1/plans?token={operator}"))), rejected("token_missing"));

    let (_, short) = token(folder, "operator", "1s");
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(get().key(&short)) != rejected("token_expired") {
        assert!(Instant::now() < deadline, "it expires");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (id, revoked) = token(folder, "operator", "1d");
    assert_eq!(ask(get().key(&revoked)).0, 200);
    folder.result(&["admin", "token", "revoke", &id]);
    assert_eq!(ask(get().key(&revoked)), rejected("token_revoked"));
    let states: Vec<String> = folder
        .result(&["admin", "token", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["active", "active", "active", "active", "expired", "revoked"]);
    assert_eq!(folder.run(&["admin", "token", "revoke", "tok_none"]).code, Some(1));
}

#[test]
fn answers_invalid_messages_in_its_contract() {
    let running = Running::start();
    let ask = |request: Request| {
        let response = running.send("operator", request);
        (response.status, code(&response))
    };
    let body = |text: &str| Request::post("/v1/accounts").body("application/json", text);
    for (request, status, expected) in [
        (Request::get("/nothing"), 404, "path_not_found"),
        (Request::get("/v1/accounts/%2e%2e/audit"), 404, "path_not_found"),
        (Request::new("DELETE", "/v1/accounts"), 405, "method_not_allowed"),
        (Request::get("/v1/accounts?limit=0"), 400, "invalid_parameters"),
        (Request::get("/v1/accounts?order=name"), 400, "invalid_parameters"),
        (Request::get("/v1/accounts?after=nobody"), 400, "invalid_cursor"),
        (Request::get("/v1/journal?after=x"), 400, "invalid_cursor"),
        (Request::get("/v1/journal?since=9999-12-31T23:59:59-12:00"), 422, "command_invalid"),
        (Request::get("/v1/journal?since=today"), 400, "invalid_parameters"),
        (Request::post("/v1/accounts"), 400, "invalid_body"),
        (body("{"), 400, "invalid_body"),
        (body(&"[".repeat(100)), 400, "invalid_body"),
        (body("{}"), 400, "invalid_parameters"),
        (body(r#"{"name":"a","plan":"pro","extra":1}"#), 400, "invalid_parameters"),
        (body("{\"name\":\"a\\u0000b\",\"plan\":\"pro\"}"), 400, "invalid_parameters"),
        (Request::post("/v1/accounts").body("text/plain", "name"), 415, "unsupported_media_type"),
        (body(&" ".repeat(400_000)), 413, "body_too_large"),
        (Request::get(&format!("/{}", "a".repeat(5000))), 414, "uri_too_long"),
        (Request::get("/").header("X-Long", &"a".repeat(10_000)), 431, "head_too_large"),
        (Request::get("/v1/plans").header("Expect", "200-ok"), 417, "expectation_failed"),
    ] {
        let shown: String = format!("{request:?}").chars().take(200).collect();
        assert_eq!(ask(request), (status, expected.to_owned()), "{shown}");
    }
    let mut connection = running.client.connect();
    connection.write(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert_eq!(connection.read("GET").status, 400);
    let head = running.client.send(&Request::new("HEAD", "/openapi.json"));
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn serves_over_tls_under_its_configured_names_only() {
    let authority = Authority::new();
    let admin = "{ address: \"127.0.0.1:0\", hosts: [admin.example.com], tls: { certificates: [{ certificate: admin.pem, key: admin.key }] } }";
    let folder = folder(admin);
    let certified = authority.issue(&["admin.example.com"]);
    folder.write("admin.pem", &certified.certificate);
    folder.write_secret("admin.key", &certified.key);
    let running = Running::of(Gateway::serve(folder));
    let client = running.client.clone().secure(authority.client(), "admin.example.com");
    let token = running.token("viewer");
    for (host, status) in
        [("admin.example.com", 200), ("admin.example.com:443", 200), ("other.example.com", 421)]
    {
        let response = client.send(&Request::get("/v1/plans").key(token).header("Host", host));
        assert_eq!(response.status, status, "{host}");
    }
    assert!(running.client.try_send(&Request::get("/v1/plans").key(token)).is_err(), "nothing in the clear");
    let reload = client.send(&Request::post("/v1/configuration/reload").key(running.token("operator")));
    assert_eq!(reload.json()["changes"], json!([]));
}
