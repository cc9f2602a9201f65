//! Request bodies that are not read, and responses that the client does not read.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

#[test]
fn rejection_keeps_the_connection_usable_or_announces_its_end() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "", "");
    let mut connection = shop.client.connect();
    // Small enough to be read and discarded: it must never be parsed as the next request.
    let smuggled = b"GET /shop/open HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let rejected = Request::post("/items").body("application/json", smuggled);
    for _ in 0..3 {
        let response = connection.send(&rejected);
        assert_eq!((response.status, response.headers.first("connection")), (401, None), "{response:?}");
        assert_eq!(connection.send(&rejected.clone().chunked()).status, 401);
    }
    assert_eq!(connection.send(&Request::get("/open")).status, 200);
    assert_eq!(upstream.received().len(), 1);

    // Too large for that: the response announces that the connection closes.
    let large = Request::post("/items").body("application/json", vec![b' '; 200_000]);
    let response = connection.send(&large);
    assert_eq!((response.status, response.header("connection")), (401, "close"));
    connection.closed_within(Duration::from_secs(5)).unwrap();

    // A client that waits for 100 Continue is rejected at once, without it.
    let mut connection = shop.client.connect();
    connection.write(
        b"POST /shop/items HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
          Content-Type: application/json\r\n\r\n",
    );
    let response = connection.read("POST");
    assert_eq!((response.status, response.header("connection")), (401, "close"));
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn disconnects_clients_that_do_not_read_the_response() {
    let large = vec![b'x'; 32 << 20];
    let upstream = Upstream::always(MockResponse::response(200, &[], large));
    let shop = serve(&upstream, "limits: { write_timeout: 1s }\naccess_log: all", "");
    let mut socket = TcpStream::connect(shop.gateway.address()).unwrap();
    let request =
        format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
    socket.write_all(request.as_bytes()).unwrap();
    let begun = Instant::now();
    let reported = || shop.gateway.log().lines().any(|line| line.contains("\"client.gone\""));
    while !reported() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", shop.gateway.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

/// Trailers of requests are not forwarded: they are not checked, and some servers read them as headers. Those of
/// responses reach clients that asked for them (RFC 9110, section 6.5.1), without what only the gateway may set.
#[test]
fn trailers_pass_in_one_direction_only() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "2\r\n[]\r\n0\r\nX-Checksum: 1\r\nDemur-Account: other\r\n\r\n";
    let upstream = Upstream::always(MockResponse::bytes(format!("{head}{body}")));
    let shop = serve(&upstream, "", "");
    for (te, end) in [("", "0\r\n\r\n"), ("TE: trailers\r\n", "0\r\nx-checksum: 1\r\n\r\n")] {
        let request = format!(
            "POST /shop/open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{te}Transfer-Encoding: chunked\r\n\r\n\
             2\r\n[]\r\n0\r\nX-User-Id: admin\r\n\r\n"
        );
        let said = crate::raw::converse(shop.gateway.address(), request.as_bytes());
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with(end), "{said}");
        let received = upstream.last();
        assert_eq!(received.body, b"[]");
        assert!(
            received.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("x-user-id")),
            "{received:?}"
        );
    }
}
