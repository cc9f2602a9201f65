//! Clients that send a whole request and reset the connection at once: the gateway knows their address all the same.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::raw::{connect_from, reset};
use crate::shop::serve;

const RESETS: usize = 200;
/// Some at once, others a little later: on an idle machine the gateway sees most of the first before it forwards.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_micros(50), Duration::from_micros(200), Duration::from_micros(500)];
/// More failures than an address may have in a minute.
const ATTEMPTS: usize = 1200;

/// Waits until no more requests arrive.
fn settled(upstream: &Upstream) -> usize {
    let begun = Instant::now();
    let (mut last, mut since) = (upstream.received().len(), Instant::now());
    while since.elapsed() < Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(10));
        let now = upstream.received().len();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

#[test]
fn logs_the_address_of_clients_that_reset() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    // One worker, so that all connections share those to the upstream. Load shedding is off, however busy the machine is.
    let shop = serve(&upstream, "workers: 1\nlimits: { max_queue_delay: 1m }", "");
    let request =
        format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
    let source = Ipv4Addr::new(127, 0, 0, 77).into();
    let mut others = shop.client.connect();
    for number in 0..RESETS {
        // It leaves a connection to the upstream, so that the next request is forwarded before its client is gone.
        assert_eq!(others.send(&Request::get("/items").key(&shop.key)).status, 200);
        let mut stream = connect_from(source, shop.gateway.address());
        stream.write_all(request.as_bytes()).unwrap();
        thread::sleep(PAUSES[number % PAUSES.len()]);
        reset(stream);
    }
    let forwarded = settled(&upstream) - RESETS;
    let received = upstream.received();
    let named =
        received.iter().filter(|it| it.headers.first("x-forwarded-for") == Some("127.0.0.77")).count();
    println!("{RESETS} resets: {forwarded} requests reached the upstream, {named} with their address");
    assert!(forwarded > RESETS / 20, "only {forwarded} were forwarded, so little is shown");
    assert_eq!(named, forwarded);
}

#[test]
fn limits_by_address_count_clients_that_reset() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    // Load shedding is off, however busy the machine is.
    let shop = serve(&upstream, "access_log: all\nlimits: { max_queue_delay: 1m }", "");
    // A well-formed key of another gateway.
    let unknown = serve(&upstream, "", "").key;
    let request =
        |key: &str| format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    let source = Ipv4Addr::new(127, 0, 0, 78).into();
    for _ in 0..ATTEMPTS {
        let mut stream = connect_from(source, shop.gateway.address());
        stream.write_all(request(&unknown).as_bytes()).unwrap();
        reset(stream);
    }
    let begun = Instant::now();
    let rejected = || shop.gateway.log().lines().filter(|line| line.contains("\"127.0.0.78\"")).count();
    let mut counted = rejected();
    while begun.elapsed() < Duration::from_secs(5) && counted < ATTEMPTS - ATTEMPTS / 10 {
        thread::sleep(Duration::from_millis(20));
        counted = rejected();
    }
    let log = shop.gateway.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("/shop/items")).collect();
    let nameless = lines.iter().filter(|line| !line.contains("\"127.0.0.78\"")).count();
    println!("{ATTEMPTS} resets: {} logged, {nameless} without their address", lines.len());
    assert!(!lines.is_empty());
    assert_eq!(nameless, 0, "{:?}", lines.first());
    let throttled = lines.iter().filter(|line| line.contains("credential.throttled")).count();
    println!("{throttled} were throttled");
    assert!(throttled > 0, "whoever tries many keys is throttled, also by resetting");
}

#[test]
fn proxy_that_resets_must_still_name_its_client() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "trusted_proxies: { networks: [127.0.0.1], proxy_protocol: true }", "");
    let request =
        format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
    for _ in 0..RESETS {
        let mut stream = TcpStream::connect(shop.gateway.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        reset(stream);
    }
    settled(&upstream);
    assert_eq!(upstream.received().len(), 0, "without the header none is heard");
}
