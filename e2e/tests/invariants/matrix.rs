//! Requests that any API can receive, and that no example documents.

use demur_e2e::{Connection, MockResponse, MockedGateway, Request, sound_request};
use serde_json::json;

use crate::{APIS, assert_condition, assert_rejected};

/// An operation with a JSON body, of each API.
fn with_body(api: &str) -> (&'static str, &'static str) {
    match api {
        "trakkr" => ("POST", "/brands"),
        "trakkr-get-scores" => ("POST", "/get-scores"),
        "trackyard" => ("POST", "/api/external/v1/search"),
        "trackbot-pro" => ("POST", "/shipments"),
        "trackunit" => ("PUT", "/groups/group-1"),
        other => panic!("no example `{other}`"),
    }
}

fn scripted() -> MockedGateway {
    let scripted = MockedGateway::start();
    scripted.upstream_does(MockResponse::json(200, &json!({ "well": true })));
    scripted
}

#[test]
fn rejects_unreadable_bodies_in_every_contract() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    let large = || vec![b' '; 1024 * 1024 + 1];
    let rows: [(&str, &str, Vec<u8>); 14] = [
        ("body.missing", "application/json", b"".to_vec()),
        ("body.invalid_json", "application/json", b"{".to_vec()),
        ("body.invalid_json", "application/json", b"{} {}".to_vec()),
        ("body.invalid_json", "application/json", b"{\"a\":\"\xff\"}".to_vec()),
        ("body.invalid_json", "application/json", b"{\"name\":\"a\",\"name\":\"b\"}".to_vec()),
        ("body.invalid_json", "application/json", b"\xef\xbb\xbf{}".to_vec()),
        ("body.invalid_json", "application/json", b"<html><body>x</body></html>".to_vec()),
        ("body.too_deep", "application/json", deep(65)),
        ("body.too_deep", "application/json", deep(100_000)),
        ("body.too_large", "application/json", large()),
        ("body.unsupported_media_type", "text/plain", b"{}".to_vec()),
        ("body.unsupported_media_type", "application/x-www-form-urlencoded", b"a=1".to_vec()),
        ("body.unsupported_media_type", "application/json; charset=utf-16", b"{}".to_vec()),
        ("body.unsupported_media_type", "*/*", b"{}".to_vec()),
    ];
    let scripted = scripted();
    for api in APIS {
        let (method, target) = with_body(api);
        for (condition, media_type, body) in &rows {
            let request = Request::new(method, target).key(scripted.key(api));
            let request = request.body(media_type, body.clone());
            assert_rejected(&scripted, api, condition, &request);
            assert_rejected(&scripted, api, condition, &request.chunked());
        }
    }
    assert_eq!(scripted.received().len(), 0, "nothing of it reaches the upstream");
}

/// Where two parsers can disagree, the gateway and the upstream would.
#[test]
fn rejects_ambiguous_bodies() {
    let rows: [(&str, &[(&str, &str)]); 5] = [
        ("body.unsupported_media_type", &[("Content-Encoding", "gzip")]),
        ("body.unsupported_media_type", &[("Content-Encoding", "identity, gzip")]),
        ("request.malformed", &[("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]),
        ("request.malformed", &[("Content-Type", "application/json"), ("Content-Type", "text/plain")]),
        ("request.malformed", &[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]),
    ];
    let scripted = scripted();
    for api in APIS {
        let (method, target) = with_body(api);
        for (condition, headers) in rows {
            let request = Request::new(method, target).key(scripted.key(api)).json(&json!({}));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            assert_rejected(&scripted, api, condition, &request);
        }
    }
    assert_eq!(scripted.received().len(), 0, "nothing of it reaches the upstream");
}

#[test]
fn rejects_unknown_paths_and_methods() {
    let scripted = scripted();
    for api in APIS {
        let (known, target) = with_body(api);
        for path in ["/nowhere", "", "/", "//", "/%2fa", &format!("{target}/x/y/z"), "/.env?a=%3Cscript%3E"] {
            assert_rejected(&scripted, api, "resource.not_found", &Request::get(path).key(scripted.key(api)));
        }
        // What some upstream would take for a way out of where the API is mounted is no path at all.
        for path in ["/..", "/%2e%2e/", "/a/%2E%2e/b", "/./a", "/..%2f"] {
            assert_rejected(&scripted, api, "request.malformed", &Request::get(path).key(scripted.key(api)));
        }
        for method in ["DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let request = Request::new(method, target).key(scripted.key(api));
            let response = assert_rejected(&scripted, api, "resource.method_not_allowed", &request);
            let allowed: Vec<&str> = response.header("allow").split(", ").collect();
            assert!(allowed.contains(&known) && !allowed.contains(&method), "{response:?}");
        }
    }
    assert_eq!(scripted.received().len(), 0, "nothing of it reaches the upstream");
}

#[test]
fn rejects_malformed_credentials() {
    let long = format!("Bearer {}", "k".repeat(7000));
    let scripted = scripted();
    for api in APIS {
        // A key of the right form, for another API of the same gateway.
        let other = if api == "trakkr" { "trackunit" } else { "trakkr" };
        let others = format!("Bearer {}", scripted.key(other));
        let mine = format!("Bearer {}", scripted.key(api));
        let (shorter, changed) = (&mine[..mine.len() - 1], mine.replace('_', "-"));
        let path = format!("{mine} {mine}");
        let rows: [(&str, &[&str]); 16] = [
            ("credential.missing", &[]),
            ("credential.missing", &[""]),
            ("credential.missing", &["Bearer"]),
            ("credential.missing", &["Bearer   "]),
            ("credential.scheme", &["Basic dXNlcjpwYXNz"]),
            ("credential.scheme", &[&mine["Bearer ".len()..]]),
            ("credential.scheme", &["Bearer\tx"]),
            ("credential.malformed", &["Bearer x"]),
            ("credential.malformed", &[shorter]),
            ("credential.malformed", &[&changed]),
            ("credential.malformed", &[&others]),
            ("credential.malformed", &[&path]),
            ("credential.malformed", &[&long]),
            ("credential.malformed", &["Bearer \u{e9}\u{1f511}"]),
            ("credential.malformed", &["Bearer ' OR 1=1 --"]),
            ("credential.malformed", &[&mine, &mine]),
        ];
        for (condition, values) in rows {
            let add = |request: Request, value: &&str| request.header("Authorization", value);
            let request = values.iter().fold(without_key(api), add);
            assert_rejected(&scripted, api, condition, &request);
        }
    }
    assert_eq!(scripted.received().len(), 0, "nothing of it reaches the upstream");
}

fn without_key(api: &str) -> Request {
    match with_body(api) {
        ("POST", target) => Request::post(target).json(&json!({})),
        (method, target) => Request::new(method, target).json(&json!({})),
    }
}

/// A rejection of HEAD has the headers of the same rejection of GET, and no body.
#[test]
fn responds_to_head_as_to_get_without_the_body() {
    let scripted = scripted();
    for api in APIS {
        let mut connection = scripted.client(api).connect();
        for (target, key) in [("/nowhere", scripted.key(api)), ("/nowhere", "none")] {
            let get = connection.send(&Request::get(target).key(key));
            let head = connection.send(&Request::new("HEAD", target).key(key));
            assert_eq!(head.status, get.status);
            let length = get.body.len();
            assert_eq!(head.header("content-length").parse(), Ok(length), "{api}: {head:?}");
        }
        // The connection is sound after them: the next response is read from its first byte.
        let sound = connection.send(&sound_request(api, scripted.key(api)));
        assert_eq!(sound.status, 200, "{sound:?}");
    }
}

/// Of whatever is wrong with one request the connection goes on to the next, or is closed; never is the
/// next response misread.
#[test]
fn connection_stays_usable_after_every_rejection() {
    let scripted = scripted();
    for api in APIS {
        let (method, target) = with_body(api);
        let large = Request::new(method, target).key(scripted.key(api));
        let large = large.body("application/json", vec![b' '; 3 * 1024 * 1024]);
        let unread = Request::new("DELETE", target).body("application/json", vec![b'x'; 2000]);
        for request in [Request::get("/nowhere"), unread, large.clone(), large.chunked()] {
            let mut connection = scripted.client(api).connect();
            let rejected = connection.send(&request);
            assert!(rejected.status >= 400, "{rejected:?}");
            match next(&mut connection, &sound_request(api, scripted.key(api))) {
                Some(status) => assert_eq!(status, 200),
                None => assert_ne!(request, Request::get("/nowhere"), "nothing was left to read"),
            }
        }
    }
}

fn next(connection: &mut Connection, request: &Request) -> Option<u16> {
    connection.try_send(request).ok().map(|response| response.status)
}

/// Requests outside of every API are rejected in the default contract.
#[test]
fn rejects_in_the_default_contract_before_the_api_is_known() {
    let scripted = scripted();
    let client = scripted.gateway().client_of_no_api();
    for target in ["/", "/nowhere", "/trakkrx/brands", "/Trakkr/brands", "*"] {
        for method in ["GET", "POST", "OPTIONS"] {
            if target == "*" && method != "OPTIONS" {
                continue;
            }
            let response = client.send(&Request::new(method, target).key(scripted.key("trakkr")));
            assert_eq!(response.status, 404, "{response:?}");
            let logged = scripted.gateway().logged(response.header("x-request-id"));
            assert_eq!(logged["condition"], "resource.not_found", "{logged}");
            assert!(!APIS.iter().any(|api| logged["api"] == *api), "{logged}");
        }
    }
    let connection_of_api = scripted.client("trakkr");
    let response = connection_of_api.send(&Request::get("/brands"));
    assert_condition(&scripted, "trakkr", "credential.missing", response);
}
