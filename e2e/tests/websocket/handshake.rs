//! What is rejected before the 101, each in the contract, and what is not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use demur_e2e::Request;
use serde_json::json;

use crate::peer::{Peer, header, switching, timed};
use crate::shop::{Settings, Shop};

#[test]
fn every_rejection_is_in_the_contract_and_the_upstream_sees_none() {
    let peer = Peer::echo();
    let shop = Shop::with(
        peer.address(),
        Settings { websocket: "{ origins: [\"https://app.example\"] }", ..Settings::default() },
    );
    let valid = || shop.handshake("/feed").key(&shop.key);
    let of = |headers: &[(&str, &str)]| {
        let request = Request::get("/feed").key(&shop.key);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let (connection, upgrade) = (("Connection", "Upgrade"), ("Upgrade", "websocket"));
    let version = ("Sec-WebSocket-Version", "13");
    let mut post = shop.handshake("/feed").key(&shop.key);
    post.method = "POST".to_owned();
    for (what, request, status, condition) in [
        ("no key", shop.handshake("/feed"), 401, "credential.missing"),
        ("unknown key", shop.handshake("/feed").key(&format!("{}x", shop.key)), 401, "credential.malformed"),
        ("unknown path", shop.handshake("/nothing").key(&shop.key), 404, "resource.not_found"),
        (
            "invalid parameter",
            shop.handshake("/feed?limit=x").key(&shop.key),
            400,
            "param.invalid.type.integer",
        ),
        ("other origin", valid().header("Origin", "https://evil.example"), 403, "permission.origin"),
        ("no origin of a page", valid().header("Origin", "null"), 403, "permission.origin"),
        (
            "other protocol",
            of(&[connection, ("Upgrade", "x"), version, key]),
            400,
            "request.upgrade_rejected",
        ),
        (
            "old version",
            of(&[connection, upgrade, ("Sec-WebSocket-Version", "8"), key]),
            426,
            "request.upgrade_required",
        ),
        ("no version", of(&[connection, upgrade, key]), 426, "request.upgrade_required"),
        ("no nonce", of(&[connection, upgrade, version]), 400, "request.upgrade_rejected"),
        (
            "short nonce",
            of(&[connection, upgrade, version, ("Sec-WebSocket-Key", "eA==")]),
            400,
            "request.upgrade_rejected",
        ),
        ("a body", valid().body("text/plain", "x"), 400, "request.upgrade_rejected"),
        ("not GET", post, 400, "request.upgrade_rejected"),
        ("not enabled", shop.handshake("/page"), 400, "request.upgrade_rejected"),
        (
            "a nonce that would be removed",
            of(&[("Connection", "Upgrade, Sec-WebSocket-Key"), upgrade, version, key]),
            400,
            "request.malformed",
        ),
    ] {
        let response = shop.client.send(&request);
        let logged = shop.gateway.logged(response.header("x-request-id"));
        assert_eq!((response.status, &logged["condition"]), (status, &json!(condition)), "{what}: {logged}");
        if status == 426 {
            assert_eq!(response.header("upgrade"), "websocket");
            assert_eq!(response.header("sec-websocket-version"), "13");
        }
    }
    assert_eq!(peer.heads(), Vec::<String>::new());
    // HTTP/1.0 has no upgrades.
    let mut stream = timed(TcpStream::connect(shop.gateway.address()).unwrap());
    let old = "GET /shop/feed HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(old.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("upgrade_rejected"), "{said}");

    // What is allowed.
    for origin in [Some("https://app.example"), None] {
        let connected = shop.try_connect("/feed", |request| match origin {
            Some(origin) => request.with_header("Origin", origin),
            None => request,
        });
        assert!(connected.is_ok(), "{origin:?}: {connected:?}");
    }
}

#[test]
fn revoked_keys_and_limits_reject_handshakes() {
    let peer = Peer::echo();
    let plan = "rates: [{ name: burst, requests: 1, per: 1h }]";
    let shop = Shop::with(peer.address(), Settings { plan, ..Settings::default() });
    drop(shop.connect());
    let response = shop.client.send(&shop.handshake("/feed").key(&shop.key));
    assert_eq!((response.status, response.header("retry-after").is_empty()), (429, false));
    let outcome = shop.gateway.folder().run(&["keys", "revoke", &shop.key_id]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(shop.client.send(&shop.handshake("/feed").key(&shop.key)).status, 401);
    assert_eq!(peer.heads().len(), 1);
}

/// An upstream that answers without 101 is an ordinary upstream, and its 101 must be one of this handshake.
#[test]
fn the_answer_of_the_upstream_decides() {
    type Answer = fn(&str) -> String;
    let rows: [(&str, Answer, u16, Option<&str>); 10] = [
        ("200", |_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned(), 200, None),
        (
            "426",
            |_| "HTTP/1.1 426 X\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            426,
            Some("upstream.refused.426"),
        ),
        ("500", |_| "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_owned(), 500, Some("upstream.failed")),
        (
            "another accept",
            |_| switching("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", ""),
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "no accept",
            |_| "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned(),
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "two accepts",
            |head| {
                let accept = switching(head, "");
                let line =
                    accept.lines().find(|line| line.starts_with("Sec-WebSocket-Accept")).unwrap().to_owned();
                switching(head, &format!("{line}\r\n"))
            },
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "no upgrade",
            |head| switching(head, "").replace("Upgrade: websocket\r\n", ""),
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "another protocol",
            |head| switching(head, "").replace(": websocket", ": x"),
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "no option",
            |head| switching(head, "").replace("Connection: Upgrade\r\n", ""),
            502,
            Some("upstream.invalid_response"),
        ),
        (
            "a subprotocol that was not offered",
            |head| switching(head, "Sec-WebSocket-Protocol: other\r\n"),
            502,
            Some("upstream.invalid_response"),
        ),
    ];
    for (what, answer, status, condition) in rows {
        let peer = Peer::start(move |mut stream, head| {
            let _ = stream.write_all(answer(head).as_bytes());
            let _ = stream.read(&mut [0]);
        });
        let shop = Shop::open(peer.address());
        let request = shop.handshake("/feed").key(&shop.key).header("Sec-WebSocket-Protocol", "v1, v2");
        let response = shop.client.send(&request);
        let logged = shop.gateway.logged(response.header("x-request-id"));
        let expected = condition.map_or(json!(null), |condition| json!(condition));
        assert_eq!((response.status, &logged["condition"]), (status, &expected), "{what}: {logged}");
        assert_eq!(logged["upgraded"], json!(null), "{what}");
    }
    let nobody = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let shop = Shop::open(nobody);
    let response = shop.client.send(&shop.handshake("/feed").key(&shop.key));
    assert_eq!(shop.gateway.logged(response.header("x-request-id"))["condition"], "upstream.unreachable");
}

/// CVE-2026-2833: bytes behind the handshake were sent to the upstream as if it had switched already.
#[test]
fn bytes_before_the_101_are_rejected() {
    let peer = Peer::echo();
    let shop = Shop::open(peer.address());
    let mut stream = timed(TcpStream::connect(shop.gateway.address()).unwrap());
    let mut bytes = shop.handshake("/feed").key(&shop.key).bytes("a", "/shop");
    bytes.extend_from_slice(b"GET /shop/page HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(&bytes).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("upgrade_rejected"), "{said}");
    assert_eq!(header(&said, "connection"), Some("close"));
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "the second request is none: {said}");
    // Without an upgrade both are ordinary requests.
    let mut bytes = shop.handshake("/page").bytes("a", "/shop");
    bytes.extend_from_slice(b"GET /shop/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut stream = timed(TcpStream::connect(shop.gateway.address()).unwrap());
    stream.write_all(&bytes).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("HTTP/1.1 404 "), "{said}");
}

/// The upstream gets the handshake of the client with the gateway's own headers, and the client the upstream's answer.
#[test]
fn the_handshake_is_forwarded() {
    let peer = Peer::start(|mut stream, head| {
        let _ = stream.write_all(switching(head, "Sec-WebSocket-Protocol: v2\r\nX-Own: 1\r\n").as_bytes());
        let _ = stream.read(&mut [0]);
    });
    let shop = Shop::open(peer.address());
    let (_socket, response) = shop
        .try_connect("/feed?limit=1", |request| {
            request
                .with_header("Sec-WebSocket-Extensions", "permessage-deflate")
                .with_header("X-Forwarded-For", "6.6.6.6")
                .with_sub_protocol("v1")
                .with_sub_protocol("v2")
        })
        .unwrap();
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-protocol", "v2"),
        ("x-own", "1"),
    ] {
        assert_eq!(response.headers()[name], value, "{response:?}");
    }
    let heads = peer.heads();
    let head = &heads[0];
    assert!(head.starts_with("GET /feed?limit=1 HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("upgrade", Some("websocket")),
        ("connection", Some("upgrade")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-extensions", Some("permessage-deflate")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("demur-account", Some("acme")),
        ("authorization", None),
    ] {
        assert_eq!(header(head, name), value, "{name}: {head}");
    }
    assert!(header(head, "sec-websocket-protocol").is_some_and(|offered| offered.contains("v2")), "{head}");
}
