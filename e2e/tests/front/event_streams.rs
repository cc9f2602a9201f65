//! Error events inside an upstream's event stream: their text is for operators.

use demur_e2e::{MARKER, MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

fn stream(headers: &[(&str, &str)], body: &str) -> MockResponse {
    let mut bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n".to_owned();
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    // Split at arbitrary positions.
    for piece in body.as_bytes().chunks(7) {
        bytes.push_str(&format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
    }
    MockResponse::bytes(bytes + "0\r\n\r\n")
}

const TYPE: (&str, &str) = ("Content-Type", "text/event-stream; charset=utf-8");

#[test]
fn redacts_and_logs_the_text_of_error_events() {
    let before = "\u{feff}: hello\nid: 1\ndata: one\n\nevent: message\r\ndata: two\r\n\r\n";
    let body = format!(
        "{before}id: 2\nevent: error\ndata: {{\"trace\": \"{MARKER}\"}}\n: {MARKER}\n\ndata: three\n\n"
    );
    let upstream = Upstream::always(stream(&[TYPE], &body));
    let shop = serve(&upstream, "access_log: rejected", "");
    let response = shop.client.send(&Request::get("/items").key(&shop.key));
    assert_eq!(response.status, 200);
    let (text, id) = (response.text(), response.header("x-request-id").to_owned());
    let rest = text.strip_prefix(before).unwrap_or_else(|| panic!("{text}"));
    let rest = rest.strip_prefix("id: 2\nevent: error\ndata: ").unwrap_or_else(|| panic!("{text}"));
    let data = rest.strip_suffix("\n\ndata: three\n\n").unwrap_or_else(|| panic!("{text}"));
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&data["request_id"], &data["code"]), (&json!(id), &json!("upstream_failed")), "{data}");
    let line = shop.gateway.logged(&id);
    assert_eq!(line["stream_error"], format!("{{\"trace\": \"{MARKER}\"}}"), "{line}");
}

#[test]
fn forwards_other_streams_byte_for_byte() {
    let error = format!("event: error\ndata: {MARKER}\n\n");
    let plain = "data: {\"error\": null}\r\n\r\nevent: errors\rdata: x\r\rdata: cut off";
    for (of_api, headers, body) in [
        ("", &[TYPE][..], plain),
        ("event_stream_errors: pass", &[TYPE], &error),
        ("mode: monitor", &[TYPE], &error),
        ("", &[("Content-Type", "text/plain")], &error),
        ("", &[("Content-Type", "text/event-streams")], &error),
        // Compressed streams cannot be inspected, which is logged.
        ("", &[TYPE, ("Content-Encoding", "gzip")], &error),
    ] {
        let upstream = Upstream::always(stream(headers, body));
        let shop = serve(&upstream, "access_log: all", of_api);
        let response = shop.client.send(&Request::get("/items").key(&shop.key));
        assert_eq!(response.text(), body, "{of_api} {headers:?}");
        let line = shop.gateway.logged(response.header("x-request-id"));
        let is_compressed = headers.len() > 1;
        assert_eq!(line.to_string().contains("cannot be redacted"), is_compressed, "{line}");
    }
}

#[test]
fn recognizes_event_streams_in_any_spelling_of_the_media_type() {
    let upstream_error = format!("event: error\ndata: {MARKER}\n\n");
    for headers in [
        &[("Content-Type", "TEXT/Event-Stream")][..],
        &[("Content-Type", " text/event-stream ;x=y")],
        &[TYPE, ("Content-Encoding", "identity")],
    ] {
        let upstream = Upstream::always(stream(headers, &upstream_error));
        let shop = serve(&upstream, "access_log: all", "");
        let response = shop.client.send(&Request::get("/items").key(&shop.key));
        assert!(!response.text().contains(MARKER), "{headers:?}: {}", response.text());
    }
    let upstream = Upstream::always(MockResponse::response(200, &[TYPE], &upstream_error));
    let shop = serve(&upstream, "access_log: all", "");
    let response = shop.client.send(&Request::get("/items").key(&shop.key));
    assert!(response.text().starts_with("event: error\ndata: {") && response.text().ends_with("\n\n"));
    assert!(!response.text().contains(MARKER), "{}", response.text());
}
