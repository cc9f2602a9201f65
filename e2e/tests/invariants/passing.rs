//! Successes are forwarded byte for byte, however they are framed or encoded.

use demur_e2e::{Connection, MockResponse, MockedGateway, Request, sound_request};

use crate::APIS;

/// Contains every byte value, without a period that could hide an offset by a buffer's length.
fn binary(length: u32) -> Vec<u8> {
    (0..length).map(|place| (place % 251 + place / 65_521) as u8).collect()
}

/// `hello`, as gzip has it.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7777) {
        bytes.extend_from_slice(format!("{:X};x=\"y\"\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Sends two requests on one connection: the second response shows where the first one ended.
fn twice(scripted: &MockedGateway, api: &str, reaction: MockResponse, check: impl Fn(&demur_e2e::Response)) {
    scripted.upstream_does(reaction);
    let request = sound_request(api, scripted.key(api));
    let mut connection: Connection = scripted.client(api).connect();
    check(&connection.send(&request));
    check(&connection.send(&request));
}

#[test]
fn forwards_bodies_byte_for_byte() {
    let big = binary(300_000);
    let until_close = |body: &[u8]| {
        MockResponse::bytes([b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n", body].concat()).and_closes()
    };
    let json = "{ \"a\" : 1.0,\r\n \"a\":1e2, \"\\u00e9\" : [ ] }\n".as_bytes();
    let with = |status, headers: &[(&str, &str)], body: &[u8]| MockResponse::response(status, headers, body);
    let rows: [(u16, &[u8], MockResponse); 10] = [
        (200, json, with(200, &[("Content-Type", "application/json")], json)),
        (200, &big, with(200, &[("Content-Type", "application/octet-stream")], &big)),
        (200, &big, MockResponse::bytes(chunked(&big))),
        (200, &big, until_close(&big)),
        (200, b"", with(200, &[], b"")),
        (200, GZIP, with(200, &[("Content-Encoding", "gzip")], GZIP)),
        (206, b"part", with(206, &[("Content-Range", "bytes 0-3/9")], b"part")),
        (201, b"a,b\n1,2\n", with(201, &[("Content-Type", "text/csv")], b"a,b\n1,2\n")),
        (204, b"", with(204, &[], b"")),
        (304, b"", with(304, &[("ETag", "\"a\"")], b"")),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        for (status, body, reaction) in &rows {
            twice(&scripted, api, reaction.clone(), |response| {
                assert_eq!((response.status, response.body.len()), (*status, body.len()), "{api}");
                assert!(response.body == *body, "{api} {status}: the content is another");
            });
        }
    }
}

#[test]
fn forwards_the_headers_that_describe_a_body() {
    let headers = [
        ("Content-Type", "application/x-own; a=\"b\""),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "it"),
        ("Content-Disposition", "attachment; filename=\"a.bin\""),
        ("ETag", "W/\"x\""),
        ("Last-Modified", "Fri, 20 Nov 2026 08:00:00 GMT"),
        ("Cache-Control", "private, max-age=60"),
        ("Vary", "Accept"),
        ("Location", "https://elsewhere.example/a?b=c"),
        ("Retry-After", "soon"),
        ("WWW-Authenticate", "Basic"),
    ];
    let scripted = MockedGateway::start();
    for api in APIS {
        twice(&scripted, api, MockResponse::response(200, &headers, GZIP), |response| {
            for (name, value) in headers {
                assert_eq!(response.headers.all(name).collect::<Vec<_>>(), [value], "{api}: {name}");
            }
        });
    }
}

/// A response to HEAD announces a body that does not follow.
#[test]
fn forwards_a_response_to_head_without_a_body() {
    let scripted = MockedGateway::start();
    let announced = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4321\r\n\r\n";
    scripted.upstream_does(MockResponse::bytes(announced));
    for (api, target) in [("trakkr", "/brands"), ("trackbot-pro", "/shipments"), ("trackunit", "/devices")] {
        let mut connection = scripted.client(api).connect();
        for _ in 0..2 {
            let response = connection.send(&Request::new("HEAD", target).key(scripted.key(api)));
            assert_eq!((response.status, response.header("content-length")), (200, "4321"), "{response:?}");
            assert_eq!(scripted.last().method, "HEAD");
        }
    }
}

/// A truncated success cannot be taken back once it is being sent, but the client must see that it is truncated. A short one
/// is not sent before it is complete.
#[test]
fn client_sees_a_truncated_success_as_truncated() {
    let half = |head: &str| MockResponse::bytes(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
    let scripted = MockedGateway::start();
    for api in APIS {
        for reaction in [
            half("Content-Length: 100000").and("half").and_closes(),
            half("Content-Length: 100000").and("half".repeat(20_000)).and_closes(),
            half("Transfer-Encoding: chunked").and("4\r\nhalf\r\n").and_closes(),
            half("Transfer-Encoding: chunked").and("4\r\nhalf\r\nno chunk\r\n").and_closes(),
        ] {
            scripted.upstream_does(reaction.clone());
            let response = scripted.client(api).try_send(&sound_request(api, scripted.key(api)));
            assert!(response.is_err(), "{reaction:?}: {response:?}");
        }
        scripted.upstream_does(half("Content-Length: 100").and("half").and_closes());
        let response = scripted.client(api).send(&sound_request(api, scripted.key(api)));
        assert!(response.status >= 500, "{response:?}");
    }
}
