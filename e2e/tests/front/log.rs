//! The access log: a line for each request, with what operators need and nothing that is secret.

use std::time::Duration;
use std::{fs, thread};

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::{Value as Json, json};

use crate::shop::serve;

#[test]
fn logs_every_request_and_no_secret() {
    let upstream = Upstream::always(MockResponse::json(200, &json!(["a"])));
    let shop = serve(&upstream, "access_log: all", "");
    let secret = &shop.key;
    // A key with anything behind it is one still; what passes is a part of it, which no line shall have either.
    let part = &secret[..secret.len() - 4];
    let response = shop.client.send(&Request::get(&format!("/items?token={secret}x")).key(secret));
    assert_eq!(response.status, 401, "{}", response.text());
    let response = shop.client.send(&Request::get(&format!("/items?token={part}")).key(secret));
    assert_eq!(response.status, 200, "{}", response.text());
    let line = shop.gateway.logged(response.header("x-request-id"));
    for (name, value) in [
        ("level", json!("INFO")),
        ("message", json!("request completed")),
        ("client", json!("127.0.0.1")),
        ("method", json!("GET")),
        ("path", json!("/shop/items")),
        ("status", json!(200)),
        ("bytes", json!(5)),
        ("api", json!("shop")),
        ("operation", json!("listItems")),
        ("account", json!("acme")),
    ] {
        assert_eq!(line[name], value, "{name} in {line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);

    let rejected = shop.client.send(&Request::get("/items").key("shp_no"));
    let line = shop.gateway.logged(rejected.header("x-request-id"));
    assert_eq!(line["message"], "request rejected");
    assert_eq!(line["condition"], "credential.malformed");
    assert_eq!((&line["contract"], &line["origin"]), (&json!("problem"), &json!("client")));
    // A malformed request has an entry too.
    let mut connection = shop.client.connect();
    connection.write(b"GET /shop/items HTTP/1.1\r\n\r\n");
    let malformed = connection.read("GET");
    let line = shop.gateway.logged(malformed.header("x-request-id"));
    assert_eq!((&line["condition"], &line["path"]), (&json!("request.malformed"), &json!("/shop/items")));
    assert_eq!(line["method"], Json::Null);
    assert!(!shop.gateway.log().contains(&part[8..]), "a secret in the log");
}

#[test]
fn writes_log_entries_to_the_configured_target_and_format() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "access_log: { requests: all, output: access.log, format: text }", "");
    let response = shop.client.send(&Request::get("/items").key(&shop.key));
    let id = response.header("x-request-id").to_owned();
    let file = shop.gateway.folder().path().join("access.log");
    let mut text = String::new();
    for _ in 0..500 {
        text = fs::read_to_string(&file).unwrap_or_default();
        if text.contains(&id) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let line = text.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(" INFO request completed request_id="), "{line}");
    assert!(line.contains(" method=GET path=/shop/items status=200 "), "{line}");
    assert!(!shop.gateway.log().contains(&id));
}

#[test]
fn logs_responses_that_the_client_did_not_read_to_the_end() {
    // It goes on for longer than the client stays: that somebody has left shows when one writes to them.
    let mut slow = MockResponse::bytes("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
    for _ in 0..8 {
        slow = slow.and_wait(Duration::from_millis(100)).and(vec![b'x'; 1000]);
    }
    let upstream = Upstream::always(slow);
    let shop = serve(&upstream, "access_log: all", "");
    let mut connection = shop.client.connect();
    let request =
        format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
    connection.write(request.as_bytes());
    thread::sleep(Duration::from_millis(150));
    drop(connection);
    let reported = || shop.gateway.log().lines().any(|line| line.contains("\"client.gone\""));
    for _ in 0..500 {
        if reported() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(reported(), "{}", shop.gateway.log());
}

/// Bidirectional marks, separators and controls in what others write are escaped, in JSON and in words, in the access
/// log and in the program's own messages.
#[test]
fn log_entries_have_no_control_characters() {
    const HIDDEN: &str =
        "a\u{202e}b\u{2066}c\u{2028}d\u{2029}e\u{85}f\u{200f}g\u{feff}h\u{9b}i\u{7f}j\u{200b}k";
    for format in ["json", "text"] {
        let upstream =
            Upstream::always(MockResponse::response(500, &[("Content-Type", "text/plain")], HIDDEN));
        let shop = serve(&upstream, &format!("access_log: {{ requests: all, format: {format} }}"), "");
        let response = shop.client.send(&Request::get("/items").key(&shop.key));
        assert_eq!(response.status, 500, "{}", response.text());
        shop.gateway.reveals(response.header("x-request-id"));
        let log = shop.gateway.log();
        assert!(log.contains("a\\u202eb\\u2066c\\u2028d\\u2029e"), "{format}: {log}");
        let is_bad = |char: &char| *char != '\n' && demur_source::is_hidden(*char);
        assert_eq!(log.chars().find(is_bad), None, "{format}: {log}");
    }
}

#[test]
fn logs_no_key_in_a_method_or_an_encoded_path() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "access_log: all", "");
    let key = &shop.key;
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let again = |text: &str| text.replace('%', "%25");
    let once = encoded(key);
    let secret = &key[key.rfind('_').unwrap() + 1..];
    for (method, target) in [
        (key.as_str(), "/items".to_owned()),
        ("GET", format!("/items/{key}")),
        ("GET", format!("/items/{once}")),
        ("GET", format!("/items/{}", once.to_lowercase())),
        ("GET", format!("/items/{}", again(&once))),
        ("GET", format!("/items/{}", again(&again(&once)))),
        ("GET", format!("/{once}/x")),
        (key, format!("/{once}")),
    ] {
        let response = shop.client.send(&Request::new(method, &target).key(key));
        assert!(response.status >= 400, "{method} {target}: {response:?}");
        assert!(!response.text().contains(&secret[..8]), "{method} {target}: {}", response.text());
        let line = shop.gateway.logged(response.header("x-request-id")).to_string();
        let mut plain = line.clone();
        for _ in 0..4 {
            assert!(!plain.contains(&secret[..8]), "{method} {target}: {line}");
            plain = percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        }
    }
}
