//! File descriptors that run short: idle connections make room for new ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use demur_e2e::{Gateway, MockResponse, Request, Upstream};
use serde_json::json;

use crate::raw::raise_own_limit;
use crate::shop::serve_with_descriptors;

const IDLE: usize = 1100;

/// The soft limit of a gateway.
fn soft_limit(gateway: &Gateway) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.process_id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// Whether the peer has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn closes_idle_connections_to_accept_new_ones() {
    raise_own_limit();
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    for (name, first_bytes) in [
        ("nothing was sent on them", ""),
        ("a request was answered on them", "GET /shop/open HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a part of a head was sent on them", "GET /shop/open HTTP/1.1\r\nHost: a\r\n"),
    ] {
        let shop = serve_with_descriptors(&upstream, "", (1024, 1024));
        assert_eq!(soft_limit(&shop.gateway), 1024);
        shop.gateway.reveals("file descriptor limit too low");
        let mut idle: Vec<TcpStream> = Vec::new();
        for _ in 0..IDLE {
            let mut stream = TcpStream::connect(shop.gateway.address()).unwrap();
            stream.write_all(first_bytes.as_bytes()).unwrap();
            if first_bytes.ends_with("\r\n\r\n") {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut said = [0; 4096];
                let length = stream.read(&mut said).unwrap();
                assert!(said[..length].starts_with(b"HTTP/1.1 200 "), "{name}");
            }
            idle.push(stream);
            // Clients are still served.
            if idle.len().is_multiple_of(100) {
                let asked = Request::get("/items").key(&shop.key);
                assert_eq!(shop.client.send(&asked).status, 200, "{name}: {}", idle.len());
            }
        }
        assert_eq!(shop.client.send(&Request::get("/items").key(&shop.key)).status, 200, "{name}");
        let closed: Vec<bool> = idle.iter_mut().map(is_closed).collect();
        let count = closed.iter().filter(|closed| **closed).count();
        println!("{name}: {count} of {IDLE} idle connections were closed");
        assert!((IDLE - 1024..400).contains(&count), "{name}: {count}");
        assert!(!closed[IDLE - 200..].contains(&true), "{name}: the newest are the last to be closed");
        shop.gateway.reveals("file descriptors exhausted");
        let log = shop.gateway.log();
        assert!(log.matches("file descriptors exhausted").count() <= 60, "{log}");
        assert!(!log.contains("accept failed"), "{log}");
    }
}

#[test]
fn raises_the_soft_limit_to_the_hard_limit() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve_with_descriptors(&upstream, "limits: { max_connections: 1000 }", (1024, 4096));
    assert_eq!(soft_limit(&shop.gateway), 4096);
    assert!(!shop.gateway.log().contains("too low"), "{}", shop.gateway.log());
    assert_eq!(shop.client.send(&Request::get("/items").key(&shop.key)).status, 200);
}
