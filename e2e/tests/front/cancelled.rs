//! Clients that give up: the upstream's connection is closed and the slot is free at once.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{MockResponse, Upstream};

use crate::raw::reset;
use crate::shop::serve;

const TRIES: usize = 20;
/// The goal, which the median must reach; a busy machine may take longer once.
const SOON: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(2);

/// How long after each of these resets the log says that the request was aborted.
fn times(upstream: &Upstream, request: &str, settings: &str) -> Vec<Duration> {
    let shop = serve(upstream, "access_log: all", settings);
    let request = request.replace("{KEY}", &shop.key);
    let aborted = || shop.gateway.log().lines().filter(|line| line.contains("\"client.gone\"")).count();
    let mut times = Vec::new();
    for number in 0..TRIES {
        let mut stream = TcpStream::connect(shop.gateway.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let asked = Instant::now();
        while upstream.count() <= number && asked.elapsed() < LATEST {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(upstream.count(), number + 1, "the request was not forwarded");
        thread::sleep(Duration::from_millis(5));
        let begun = Instant::now();
        reset(stream);
        while aborted() <= number && begun.elapsed() < LATEST {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(aborted(), number + 1, "not noticed within {LATEST:?}");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times
}

/// While the upstream works, while its response streams, and with a further request behind the first one.
#[test]
fn a_reset_cancels_the_request_at_once() {
    let get = "GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n";
    let two = get.repeat(2);
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, reaction, request) in [
        ("no response", MockResponse::silence(), get),
        ("a stream", MockResponse::bytes(stream).and_silence(), get),
        ("pipelined", MockResponse::silence(), two.as_str()),
    ] {
        let times = times(&Upstream::always(reaction), request, "");
        println!("{name}: median {:?}, longest {:?}", times[TRIES / 2], times[TRIES - 1]);
        assert!(times[TRIES / 2] < SOON, "{name}: {times:?}");
    }
}

/// A client that only ends its own sending is not gone.
#[test]
fn a_half_close_does_not_cancel_the_request() {
    let response = MockResponse::json(200, &serde_json::json!([])).after(Duration::from_millis(150));
    let upstream = Upstream::always(response);
    let shop = serve(&upstream, "", "");
    let mut stream = TcpStream::connect(shop.gateway.address()).unwrap();
    stream.write_all(b"GET /shop/open HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}
