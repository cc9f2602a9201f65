//! Upstreams that break off early, or send an invalid length: the error is in the contract as long as nothing was
//! sent to the client, and what was cut later can be seen to be cut.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use demur_e2e::{MARKER, MockResponse, Request, Response, Upstream};
use serde_json::json;

use crate::raw::converse;
use crate::shop::{Shop, serve};

const TRIES: usize = 200;
const AT_ONCE: usize = 10;

/// How the response reached the client.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Came {
    /// An error in the contract.
    InContract,
    /// Visibly truncated.
    Cut,
    /// No response.
    Empty,
    /// Complete.
    Whole,
}

fn came(said: &[u8], method: &str) -> Came {
    if said.is_empty() {
        return Came::Empty;
    }
    match Response::read(said, method) {
        Ok(response) if response.status == 502 && response.header("x-request-id").starts_with("req_") => {
            assert!(response.header("content-type").starts_with("application/problem+json"), "{response:?}");
            Came::InContract
        }
        Ok(_) => Came::Whole,
        Err(_) => {
            assert!(said.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(said));
            Came::Cut
        }
    }
}

/// Sends this many requests, some at once, and counts the outcomes.
fn ask(shop: &Shop, method: &str, tries: usize) -> BTreeMap<Came, usize> {
    let request = format!(
        "{method} /shop/items HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        shop.key
    );
    let (address, request) = (shop.gateway.address(), request.as_bytes());
    let came = thread::scope(|scope| {
        let asking = (0..AT_ONCE).map(|_| {
            let ask = move |_| came(&converse(address, request), method);
            scope.spawn(move || (0..tries / AT_ONCE).map(ask).collect::<Vec<_>>())
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
    });
    let mut counts = BTreeMap::new();
    for came in came {
        *counts.entry(came).or_insert(0) += 1;
    }
    counts
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

#[test]
fn upstream_abort_before_the_response_is_an_error_in_the_contract() {
    let with = |rest: &str| MockResponse::bytes(format!("{HEAD}{rest}"));
    let pause = Duration::from_millis(5);
    let rows = [
        ("no body at all", "GET", with("Content-Length: 10\r\n\r\n").and_closes()),
        (
            "no body after a while",
            "GET",
            with("Content-Length: 10\r\n\r\n").and_wait(pause * 20).and_closes(),
        ),
        ("a reset behind the head", "GET", with("Content-Length: 10\r\n\r\n").and_resets()),
        ("no first chunk", "GET", with("Transfer-Encoding: chunked\r\n\r\n").and_closes()),
        (
            "a first chunk size that is none",
            "GET",
            with("Transfer-Encoding: chunked\r\n\r\nxyz\r\n[]\r\n0\r\n\r\n"),
        ),
        ("a reset of what ends with the connection", "GET", with("\r\n").and_wait(pause).and_resets()),
        ("two lengths on HEAD", "HEAD", with("Content-Length: 2\r\nContent-Length: 3\r\n\r\n")),
        ("two lengths", "GET", with("Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]").and_closes()),
        ("a status line that is none", "GET", MockResponse::bytes(format!("{MARKER}\r\n\r\n")).and_closes()),
        ("a head that is cut", "GET", MockResponse::bytes(HEAD).and_closes()),
        ("a head that is reset", "GET", MockResponse::bytes(HEAD).and_resets()),
        ("nothing", "GET", MockResponse::closes()),
        ("a body that is too short", "GET", with("Content-Length: 10\r\n\r\n[1,").and_closes()),
        (
            "the same in two packets",
            "GET",
            with("Content-Length: 10\r\n\r\n").and_wait(pause).and("[1,").and_closes(),
        ),
        ("the same, slowly", "GET", with("Content-Length: 10\r\n\r\n[1,").and_wait(pause * 24).and_closes()),
        ("a reset in the body", "GET", with("Content-Length: 10\r\n\r\n[1,").and_resets()),
        (
            "a second chunk size that is none",
            "GET",
            with("Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\nxyz\r\n"),
        ),
        ("a chunk that is cut", "GET", with("Transfer-Encoding: chunked\r\n\r\n9\r\n[1,").and_closes()),
        ("no last chunk", "GET", with("Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n").and_closes()),
    ];
    for (name, method, reaction) in rows {
        let upstream = Upstream::always(reaction);
        let shop = serve(&upstream, "", "");
        let counts = ask(&shop, method, TRIES);
        println!("{name}: {counts:?}");
        assert_eq!(counts.get(&Came::InContract), Some(&TRIES), "{name}: {counts:?}");
    }
}

#[test]
fn upstream_abort_in_the_body_truncates_the_response_visibly() {
    let with = |rest: &str| MockResponse::bytes(format!("{HEAD}{rest}"));
    let long = "x".repeat(40_000);
    let later = Duration::from_millis(120);
    let rows = [
        ("a long body", with(&format!("Content-Length: 50000\r\n\r\n{long}")).and_closes()),
        (
            "a long body, and a reset",
            with(&format!("Content-Length: 50000\r\n\r\n{long}")).and_wait(later).and_resets(),
        ),
        (
            "a slow chunk",
            with("Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n").and_wait(later).and("x\r\n").and_closes(),
        ),
        (
            "an event stream",
            MockResponse::bytes(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .and_wait(later)
            .and_closes(),
        ),
    ];
    for (name, reaction) in rows {
        let upstream = Upstream::always(reaction);
        let shop = serve(&upstream, "", "");
        let counts = ask(&shop, "GET", TRIES);
        println!("{name}: {counts:?}");
        assert!(counts.keys().all(|came| matches!(came, Came::Cut | Came::InContract)), "{name}: {counts:?}");
    }
}

/// A head that comes long before its body is passed on: at once for events, and soon for other streams.
#[test]
fn streams_bodies_before_they_are_complete() {
    for (content_type, least, most) in [("text/event-stream", 0, 400), ("application/x-ndjson", 0, 450)] {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let wait = Duration::from_millis(600);
        let upstream = Upstream::always(MockResponse::bytes(head).and_wait(wait).and("2\r\n{}\r\n0\r\n\r\n"));
        let shop = serve(&upstream, "", "");
        let begun = std::time::Instant::now();
        let mut stream = std::net::TcpStream::connect(shop.gateway.address()).unwrap();
        let request =
            format!("GET /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", shop.key);
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut said = [0; 1024];
        let length = std::io::Read::read(&mut stream, &mut said).unwrap();
        let took = begun.elapsed();
        assert!(said[..length].starts_with(b"HTTP/1.1 200 "));
        assert!(
            took >= Duration::from_millis(least) && took < Duration::from_millis(most),
            "{content_type}: {took:?}"
        );
    }
}

#[test]
fn forwards_content_length_as_one_canonical_number() {
    for (lines, expected) in [
        (&["2"][..], Some("2")),
        (&["2, 2"], Some("2")),
        (&["2", "2"], Some("2")),
        (&["2,2", "2"], Some("2")),
        (&["02"], None),
        (&["002, 2"], None),
        (&["+2"], None),
        (&["2, 3"], None),
        (&["2", "3"], None),
        (&["0x2"], None),
        (&["2 2"], None),
        (&["2,"], None),
        (&[""], None),
    ] {
        for method in ["GET", "HEAD"] {
            let headers: String = lines.iter().map(|line| format!("Content-Length: {line}\r\n")).collect();
            let body = if method == "HEAD" { "" } else { "[]" };
            let reaction = MockResponse::bytes(format!("{HEAD}{headers}\r\n{body}")).and_closes();
            let upstream = Upstream::always(reaction);
            let shop = serve(&upstream, "", "");
            let response = shop.client.send(&Request::new(method, "/items").key(&shop.key));
            match expected {
                Some(expected) => {
                    let all: Vec<&str> = response.headers.all("content-length").collect();
                    assert_eq!((response.status, all), (200, vec![expected]), "{method} {lines:?}");
                }
                None => {
                    assert_eq!(response.status, 502, "{method} {lines:?}");
                    let logged = shop.gateway.logged(response.header("x-request-id"));
                    assert_eq!(logged["condition"], "upstream.invalid_response", "{method} {lines:?}");
                }
            }
        }
    }
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "", "");
    for (sent, relayed) in [
        ("2", Some("2")),
        ("02", Some("2")),
        ("0000002", Some("2")),
        ("2, 2", None),
        ("+2", None),
        ("0x2", None),
    ] {
        for path in ["notes", "open"] {
            let before = upstream.received().len();
            let request = format!(
                "POST /shop/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {sent}\r\n\r\n{{}}"
            );
            let said = converse(shop.gateway.address(), request.as_bytes());
            let response = Response::read(&said, "POST").unwrap();
            match relayed {
                Some(relayed) => {
                    assert_eq!(response.status, 200, "{path} {sent}");
                    let all: Vec<String> =
                        upstream.last().headers.all("content-length").map(str::to_owned).collect();
                    assert_eq!(all, [relayed], "{path} {sent}");
                }
                None => {
                    assert_eq!((response.status, upstream.received().len()), (400, before), "{path} {sent}");
                }
            }
        }
    }
}

#[test]
fn request_body_timeout_closes_the_connection() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let bounds = "limits: { min_body_rate: { bytes: 1000, per: 300ms } }";
    let shop = serve(&upstream, bounds, "");
    for (name, request) in [
        (
            "collected",
            "POST /shop/notes HTTP/1.1\r\nContent-Length: 100\r\nContent-Type: application/json\r\n",
        ),
        ("streamed", "POST /shop/open HTTP/1.1\r\nContent-Length: 100\r\n"),
        (
            "chunked",
            "POST /shop/notes HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n",
        ),
    ] {
        let mut connection = shop.client.connect();
        let begin = if name == "chunked" { "50\r\n{" } else { "{" };
        connection.write(format!("{request}Host: a\r\n\r\n{begin}").as_bytes());
        let response = connection.read("POST");
        assert_eq!((response.status, response.header("connection")), (408, "close"), "{name}");
        connection.closed_within(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn references_never_name_the_upstream() {
    let upstream = Upstream::start(|request| {
        let host = request.headers.first("host").unwrap_or_default().to_owned();
        let value = |prefix: &str, tail: &str| format!("{prefix}{host}{tail}");
        let location = match request.headers.first("x-row").unwrap_or_default() {
            "absolute" => value("http://", "/items/3?a=b"),
            "https" => value("https://", "/items/3"),
            "relative scheme" => value("//", "/items/3"),
            "userinfo" => value("http://u:p@", "/items/3"),
            "localhost" => {
                format!("http://localhost:{}/items/3", host.rsplit(':').next().unwrap_or_default())
            }
            "number" => format!("http://2130706433:{}/items/3", host.rsplit(':').next().unwrap_or_default()),
            "without port" => "http://127.0.0.1/items/3".to_owned(),
            "elsewhere" => "https://example.com/items/3".to_owned(),
            _ => "/items/3".to_owned(),
        };
        let link = format!("<http://{host}/items?page=2>; rel=\"next\"");
        let headers = [
            ("Location", location.as_str()),
            ("Content-Location", location.as_str()),
            ("Link", link.as_str()),
        ];
        MockResponse::response(302, &headers, "")
    });
    let shop = serve(&upstream, "", "");
    for (row, expected) in [
        ("absolute", "/shop/items/3?a=b"),
        ("https", "/shop/items/3"),
        ("relative scheme", "/shop/items/3"),
        ("userinfo", "/shop/items/3"),
        ("localhost", "/shop/items/3"),
        ("number", "/shop/items/3"),
        ("without port", "/shop/items/3"),
        ("elsewhere", "https://example.com/items/3"),
        ("path", "/items/3"),
    ] {
        let response = shop.client.send(&Request::get("/items").key(&shop.key).header("X-Row", row));
        assert_eq!((response.status, response.header("location")), (302, expected), "{row}");
        assert_eq!(response.header("content-location"), expected, "{row}");
        assert_eq!(response.header("link"), "</shop/items?page=2>; rel=\"next\"", "{row}");
    }
}

/// In monitor mode the references of the service are not changed.
#[test]
fn monitor_mode_keeps_references() {
    let upstream = Upstream::start(|request| {
        let location = format!("http://{}/items/3", request.headers.first("host").unwrap_or_default());
        MockResponse::response(302, &[("Location", &location)], "")
    });
    let shop = serve(&upstream, "", "mode: monitor");
    let response = shop.client.send(&Request::get("/items").key(&shop.key));
    assert_eq!(response.header("location"), format!("http://{}/items/3", upstream.address()));
}

/// Content-Length is written as one canonical number.
#[test]
fn monitor_mode_rejects_no_length() {
    for (line, expected) in [("02", "2"), ("2, 2", "2"), ("2", "2")] {
        let upstream = Upstream::always(
            MockResponse::bytes(format!("{HEAD}Content-Length: {line}\r\n\r\n[]")).and_closes(),
        );
        let shop = serve(&upstream, "", "mode: monitor");
        let response = shop.client.send(&Request::get("/items").key(&shop.key));
        assert_eq!((response.status, response.header("content-length")), (200, expected), "{line}");
    }
}
