//! Shutdown under load: every accepted connection gets its response.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::raw::raise_own_limit;
use crate::shop::serve;

const THREADS: usize = 48;

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    responded: AtomicUsize,
    without_response: AtomicUsize,
    announced: AtomicUsize,
}

/// Opens connections one after the other until none can be had any more, and sends so many requests on each. One that
/// is refused when it connects was never accepted.
fn ask(address: SocketAddr, requests: usize, seen: &Seen) {
    let request = b"GET /shop/open HTTP/1.1\r\nHost: a\r\n\r\n";
    let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    loop {
        let mut stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("{error}"),
        };
        count(&seen.connections);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for number in 0..requests {
            let sent = stream.write_all(request);
            let mut said = Vec::new();
            let mut piece = [0; 4096];
            while !said.ends_with(b"[]") {
                match stream.read(&mut piece) {
                    Ok(length) if length > 0 => said.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let said = String::from_utf8_lossy(&said).to_ascii_lowercase();
            if !said.starts_with("http/1.1 200 ") {
                count(&seen.without_response);
                eprintln!("request {number} of a connection: sent {sent:?}, answered {said:?}");
                break;
            }
            count(&seen.responded);
            if said.contains("\r\nconnection: close\r\n") {
                count(&seen.announced);
                break;
            }
        }
    }
}

/// `SOAK_CONNECTIONS` says after how many connections the gateway is asked to end: 27,000 in `make soak`.
#[test]
fn accepted_connections_get_a_response_at_shutdown() {
    raise_own_limit();
    let least = std::env::var("SOAK_CONNECTIONS").ok().map_or(3000, |count| count.parse().unwrap());
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    // Load shedding is off, however busy the machine is.
    let shop = serve(&upstream, "limits: { max_queue_delay: 1m }", "");
    let seen = Seen::default();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (seen, address) = (&seen, shop.gateway.address());
            // Half of the clients keep their connections.
            scope.spawn(move || ask(address, if number % 2 == 0 { 1 } else { 1000 }, seen));
        }
        while seen.connections.load(Ordering::Relaxed) < least {
            thread::sleep(Duration::from_millis(1));
        }
        shop.gateway.terminate();
    });
    let [connections, responded, without_response, announced] =
        [&seen.connections, &seen.responded, &seen.without_response, &seen.announced]
            .map(|counter| counter.load(Ordering::Relaxed));
    println!(
        "{connections} connections, {responded} answered, {announced} told that the connection ends, \
         {without_response} unanswered"
    );
    assert_eq!(without_response, 0);
    assert!(announced > 0);
    assert_eq!(shop.gateway.wait_for_exit().0.code(), Some(0));
}

/// Connections that wait in the listener's queue, and ones that are idle, when the signal comes.
#[test]
fn request_after_sigterm_gets_a_response_with_connection_close() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "", "");
    let mut fresh = shop.client.connect();
    let mut kept = shop.client.connect();
    assert_eq!(kept.send(&Request::get("/open")).headers.first("connection"), None);
    shop.gateway.terminate();
    // The listener closes after it has accepted its queue.
    while TcpStream::connect(shop.gateway.address()).is_ok() {
        thread::sleep(Duration::from_millis(2));
    }
    for connection in [&mut fresh, &mut kept] {
        let response = connection.send(&Request::get("/open"));
        assert_eq!((response.status, response.header("connection")), (200, "close"));
        assert_eq!(connection.closed_within(Duration::from_secs(5)).unwrap(), b"");
    }
    assert_eq!(shop.gateway.wait_for_exit().0.code(), Some(0));
}
