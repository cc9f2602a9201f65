//! Trusted proxies: whose forwarding headers are trusted.

use std::io::{Read, Write};
use std::net::TcpStream;

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

#[test]
fn trusts_forwarding_headers_only_from_trusted_proxies() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    for (top, header, value, reported) in [
        ("", "X-Forwarded-For", "203.0.113.7", "127.0.0.1"),
        ("trusted_proxies: { networks: [192.0.2.0/24] }", "X-Forwarded-For", "203.0.113.7", "127.0.0.1"),
        (
            "trusted_proxies: { networks: [127.0.0.0/8] }",
            "X-Forwarded-For",
            "198.51.100.1, 203.0.113.7",
            "203.0.113.7",
        ),
        ("trusted_proxies: { networks: [127.0.0.1] }", "Forwarded", "for=203.0.113.7", "127.0.0.1"),
        (
            "trusted_proxies: { networks: [127.0.0.1], header: forwarded }",
            "Forwarded",
            "for=203.0.113.7;proto=https",
            "203.0.113.7",
        ),
    ] {
        let shop = serve(&upstream, &format!("{top}\naccess_log: all"), "");
        let response = shop.client.send(&Request::get("/items").key(&shop.key).header(header, value));
        assert_eq!(response.status, 200);
        assert_eq!(upstream.last().headers.first("x-forwarded-for"), Some(reported), "{top}");
        assert_eq!(shop.gateway.logged(response.header("x-request-id"))["client"], reported);
    }
}

#[test]
fn reads_the_proxy_protocol_when_configured() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "trusted_proxies: { networks: [127.0.0.1], proxy_protocol: true }", "");
    let request = format!(
        "GET /shop/items HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        shop.key
    );
    let ask = |head: &[u8]| {
        let mut socket = TcpStream::connect(shop.gateway.address()).unwrap();
        let _ = socket.write_all(&[head, request.as_bytes()].concat());
        let mut response = Vec::new();
        let _ = socket.read_to_end(&mut response);
        String::from_utf8_lossy(&response).into_owned()
    };
    assert!(ask(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n").starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.last().headers.first("x-forwarded-for"), Some("203.0.113.7"));
    let mut two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    two.extend([203, 0, 113, 8, 10, 0, 0, 1, 0x12, 0x67, 0, 80]);
    assert!(ask(&two).starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.last().headers.first("x-forwarded-for"), Some("203.0.113.8"));
    // A trusted proxy that names no client is rejected.
    assert_eq!(ask(b""), "");
    assert_eq!(upstream.received().len(), 2);
}
