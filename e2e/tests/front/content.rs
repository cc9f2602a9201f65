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
    let refused = Request::post("/items").content("application/json", smuggled);
    for _ in 0..3 {
        let answer = connection.send(&refused);
        assert_eq!((answer.status, answer.fields.first("connection")), (401, None), "{answer:?}");
        assert_eq!(connection.send(&refused.clone().chunked()).status, 401);
    }
    assert_eq!(connection.send(&Request::get("/open")).status, 200);
    assert_eq!(upstream.received().len(), 1);

    // Too large for that: the response announces that the connection closes.
    let large = Request::post("/items").content("application/json", vec![b' '; 200_000]);
    let answer = connection.send(&large);
    assert_eq!((answer.status, answer.field("connection")), (401, "close"));
    connection.closed_within(Duration::from_secs(5)).unwrap();

    // A client that waits for 100 Continue is rejected at once, without it.
    let mut connection = shop.client.connect();
    connection.write(
        b"POST /shop/items HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
          Content-Type: application/json\r\n\r\n",
    );
    let answer = connection.read("POST");
    assert_eq!((answer.status, answer.field("connection")), (401, "close"));
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn disconnects_clients_that_do_not_read_the_response() {
    let large = vec![b'x'; 32 << 20];
    let upstream = Upstream::always(MockResponse::answer(200, &[], large));
    let shop = serve(&upstream, "limits: { write_timeout: 1s }\naccess_log: all", "");
    let mut socket = TcpStream::connect(shop.gateway.address()).unwrap();
    let request =
        format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
    socket.write_all(request.as_bytes()).unwrap();
    let begun = Instant::now();
    let told = || shop.gateway.log().lines().any(|line| line.contains("\"client.gone\""));
    while !told() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", shop.gateway.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
