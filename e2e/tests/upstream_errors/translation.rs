//! Rules that translate an upstream's own format, and the modes.

use demur_e2e::{Gateway, MARKER, MockResponse, Request};
use serde_json::json;

use crate::shop::Shop;

const CONTRACT: &str = r#"
demur: 1
name: shop
request_id: { header: X-Request-Id, prefix: req_ }
formats: { default: { code: $code, message: $message, item?: $params.item } }
errors:
  bad_request: { status: 400, message: The request is invalid., on: [request] }
  no_such_item: { status: 404, message: "There is no item {item}.", params: [item] }
  sold_out: { status: 409, message: { default: It is sold out., open: true } }
  slow_down: { status: 429, message: Slow down., retry: after_delay }
  internal_error: { status: 500, message: Something went wrong., on: [internal] }
"#;

const RULES: &str = r#"    upstream_errors:
      rules:
        - { status: 404, when: { /error/kind: missing }, raise: no_such_item, params: { item: /error/id } }
        - { status: [400, 409], when: { /error/kind: [gone, empty], /error/retry: false }, raise: sold_out, detail: /error/text }
        - { status: 4xx, when: { /code: 1302 }, raise: slow_down }
        - { status: 4xx, when: { /a~1b: null }, raise: resource.gone }
        - { status: 501, raise: upstream.unavailable }
    operations:
      create: { upstream_errors: { rules: [{ status: 404, raise: sold_out }] } }
      login: { anonymous: true, upstream_errors: { mode: passthrough } }
"#;

#[test]
fn rules_translate_the_format_of_the_upstream() {
    let shop = Shop::with_contract("", RULES, Some(CONTRACT));
    for (status, body, expected) in [
        (
            404,
            json!({ "error": { "kind": "missing", "id": "t-7" } }),
            (404, "no_such_item", "There is no item t-7."),
        ),
        (
            404,
            json!({ "error": { "kind": "missing", "id": 7 } }),
            (404, "no_such_item", "There is no item 7."),
        ),
        (404, json!({ "error": { "kind": "missing" } }), (404, "no_such_item", "There is no item .")),
        (
            404,
            json!({ "error": { "kind": "other", "id": MARKER } }),
            (404, "resource_not_found", "Not found"),
        ),
        (404, json!([MARKER]), (404, "resource_not_found", "Not found")),
        (
            409,
            json!({ "error": { "kind": "gone", "retry": false, "text": "Back in May." } }),
            (409, "sold_out", "Back in May."),
        ),
        (400, json!({ "error": { "kind": "empty", "retry": false, "text": 7 } }), (409, "sold_out", "7")),
        (
            400,
            json!({ "error": { "kind": "empty", "retry": false, "text": { "a": MARKER } } }),
            (409, "sold_out", "It is sold out."),
        ),
        (409, json!({ "error": { "kind": "gone", "retry": true } }), (409, "resource_conflict", "Conflict")),
        (
            409,
            json!({ "error": { "kind": "gone", "retry": "false" } }),
            (409, "resource_conflict", "Conflict"),
        ),
        (403, json!({ "code": 1302 }), (429, "slow_down", "Slow down.")),
        (403, json!({ "code": 1302.0 }), (429, "slow_down", "Slow down.")),
        (403, json!({ "code": "1302" }), (403, "upstream_forbidden", "Forbidden")),
        (418, json!({ "a/b": null }), (410, "resource_gone", "Gone")),
        (418, json!({ "a": null }), (418, "upstream_refused", "The service rejected the request")),
        (501, json!(MARKER), (503, "upstream_unavailable", "The service is temporarily unavailable")),
    ] {
        let response = shop.response(MockResponse::json(status, &body));
        let body = response.json();
        let (code, message) = (body["code"].as_str().unwrap(), body["message"].as_str().unwrap());
        assert_eq!((response.status, code, message), expected, "{status} {body}");
    }
    // A body that is cut off, or no JSON, fits rules without conditions only.
    let cut =
        MockResponse::response(404, &[("Content-Type", "application/json")], r#"{"error":{"kind":"missing""#);
    assert_eq!(shop.response(cut).json()["code"], "resource_not_found");
    assert_eq!(shop.response(MockResponse::html(501)).status, 503);
    // `Demur-Error` is more explicit than a rule.
    let raised = MockResponse::response(501, &[("Demur-Error", "sold_out")], "{}");
    assert_eq!(shop.response(raised).json()["code"], "sold_out");
    // The rules of an operation come first.
    shop.upstream_does(MockResponse::json(404, &json!({ "error": { "kind": "missing", "id": "t-7" } })));
    assert_eq!(shop.send(&Request::post("/items").key(&shop.key)).json()["code"], "sold_out");
}

#[test]
fn modes_decide_how_far_the_upstream_names_the_error() {
    let rules = "rules: [{ status: 400, when: { /translate: true }, raise: sold_out }]";
    let own = || MockResponse::json(409, &json!({ "code": "sold_out", "message": "Back in May." }));
    let named = || MockResponse::response(409, &[("Demur-Error", "sold_out")], "{}");
    let problem = || {
        let headers = [("Content-Type", "application/problem+json")];
        MockResponse::response(409, &headers, r#"{"code":"sold_out","detail":"Back in May."}"#)
    };
    let shop = Shop::with_contract(
        "",
        &format!("    upstream_errors: {{ mode: contract, {rules} }}\n"),
        Some(CONTRACT),
    );
    for response in [own(), named(), problem()] {
        assert_eq!(shop.response(response).json()["code"], "sold_out");
    }
    let shop = Shop::with_contract(
        "",
        &format!("    upstream_errors: {{ mode: gateway_only, {rules} }}\n"),
        Some(CONTRACT),
    );
    for response in [own(), named(), problem()] {
        assert_eq!(shop.response(response).json()["code"], "resource_conflict");
    }
    assert_eq!(
        shop.response(MockResponse::json(400, &json!({ "translate": true }))).json()["code"],
        "sold_out"
    );
}

/// In passthrough mode the response is the upstream's; what the gateway itself rejects stays in the contract.
#[test]
fn passthrough_passes_errors_on_as_they_are() {
    let settings = "    upstream_errors:\n      mode: passthrough\n      rules: [{ status: 400, when: { /translate: true }, raise: sold_out }]\n";
    let shop = Shop::with_contract("", settings, Some(CONTRACT));
    let page = "<h1>Not here</h1>";
    for status in [400, 404, 429, 500, 503] {
        shop.upstream_does(MockResponse::response(
            status,
            &[("Content-Type", "text/html"), ("X-Own", "1")],
            page,
        ));
        let mut connection = std::net::TcpStream::connect(shop_address(&shop)).unwrap();
        let response = raw(&mut connection, &shop.key);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        for part in ["content-type: text/html", "x-own: 1", "x-request-id: req_", page] {
            assert!(response.contains(part), "{part}: {response}");
        }
    }
    assert_eq!(
        shop.response(MockResponse::json(400, &json!({ "translate": true }))).json()["code"],
        "sold_out"
    );
    assert_eq!(shop.send(&Request::get("/items")).status, 401);
    assert_eq!(shop.response(MockResponse::closes()).status, 502);
}

fn shop_address(shop: &Shop) -> std::net::SocketAddr {
    shop.gateway().address()
}

/// The response as text: the checking client would not accept it.
fn raw(connection: &mut std::net::TcpStream, key: &str) -> String {
    use std::io::{Read, Write};
    let request = format!(
        "GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn check_prints_what_becomes_of_each_status() {
    let shop = Shop::with_contract("", RULES, Some(CONTRACT));
    let gateway: &Gateway = shop.gateway();
    let outcome = demur_e2e::run(&["check", "demur.yaml"], gateway.folder().path());
    for line in [
        "shop: upstream status → answer",
        "404, `/error/kind` is \"missing\"",
        "404 no_such_item",
        "400, 409, `/error/kind` is \"gone\" or \"empty\", `/error/retry` is false",
        "404 resource_not_found",
        "the same status, by its name",
        "502 upstream_unreachable",
        "`create`: mode contract",
        "`login`: mode passthrough",
        "401 and 402 of operations without a key keep their status",
    ] {
        assert!(outcome.stdout.contains(line), "{line}:\n{}", outcome.stdout);
    }
    assert!(outcome.stderr.contains("reach clients as they are"), "{}", outcome.stderr);
}
