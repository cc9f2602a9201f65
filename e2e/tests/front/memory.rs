//! Memory for bodies that are collected is bounded, and clients are served meanwhile.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use demur_e2e::{Gateway, MockResponse, Request, Upstream};
use serde_json::json;

use crate::raw::{connect_from, raise_own_limit};
use crate::shop::serve;

const CONNECTIONS: usize = 1500;
const BODY: usize = 1024 * 1024;
const MIB: usize = 1024 * 1024;

/// The resident memory of a gateway, in bytes.
fn resident(gateway: &Gateway) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// Connections that have each sent a body except for its last byte, or got a response before that.
fn attack(to: SocketAddr, sources: &[IpAddr], head: &str) -> Vec<(TcpStream, bool)> {
    let mut body = vec![b' '; BODY - 1];
    body[0] = b'{';
    let held = Mutex::new(Vec::new());
    let numbers: Vec<usize> = (0..CONNECTIONS).collect();
    thread::scope(|scope| {
        for part in numbers.chunks(CONNECTIONS / 10) {
            let (held, body) = (&held, &body);
            scope.spawn(move || {
                for number in part {
                    let source = sources[number % sources.len()];
                    let mut stream = connect_from(source, to);
                    // A rejected connection is closed while the client still sends.
                    let is_sent =
                        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_ok();
                    held.lock().unwrap().push((stream, is_sent));
                }
            });
        }
    });
    held.into_inner().unwrap()
}

#[test]
fn buffered_bodies_stay_within_their_memory_budget() {
    raise_own_limit();
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let loopback = |last: u8| IpAddr::from(Ipv4Addr::new(127, 0, 1, last));
    let many: Vec<IpAddr> = (1..=100).map(loopback).collect();
    for (name, sources) in [("one client", &many[..1]), ("a hundred clients", &many)] {
        let shop = serve(&upstream, "limits: { max_body_memory: 64MiB, max_queue_delay: 60s }", "");
        let note = Request::post("/notes").json(&json!({}));
        let item = Request::post("/items").key(&shop.key).json(&json!({ "text": "x".repeat(200_000) }));
        assert_eq!(shop.client.send(&note).status, 200);
        assert_eq!(shop.client.send(&item).status, 200);
        let before = resident(&shop.gateway);
        let head = format!(
            "POST /shop/notes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\n\r\n"
        );
        let held = attack(shop.gateway.address(), sources, &head);
        let during = resident(&shop.gateway);
        println!("{name}: {} MiB before, {} MiB under attack", before / MIB, during / MIB);
        assert!(during <= before + 128 * MIB, "{name}: {} MiB", during / MIB);
        // A client with a key is served, from the attacker's own address too; and another one without a key.
        assert_eq!(shop.client.send(&item).status, 200);
        let keyed = format!(
            "POST /shop/items HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
            shop.key
        );
        let ask = |source: IpAddr, request: &str| {
            let mut stream = connect_from(source, shop.gateway.address());
            stream.write_all(request.as_bytes()).unwrap();
            let mut said = String::new();
            let _ = stream.read_to_string(&mut said);
            said
        };
        assert!(ask(sources[0], &keyed).starts_with("HTTP/1.1 200 "), "{name}");
        assert_eq!(shop.client.send(&note).status, 200, "{name}: another client without a key");
        // Requests over the budget were rejected, and the rest are held open.
        let responses: Vec<String> = held
            .into_iter()
            .filter_map(|(mut stream, _)| {
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                let mut said = [0; 4096];
                let length = stream.read(&mut said).ok().filter(|length| *length > 0)?;
                Some(String::from_utf8_lossy(&said[..length]).into_owned())
            })
            .collect();
        println!("{name}: {} of {CONNECTIONS} were told that there is no room", responses.len());
        assert!(responses.iter().all(|said| said.starts_with("HTTP/1.1 503 ")), "{:?}", responses.first());
        assert!(responses.iter().all(|said| said.contains("\r\nx-request-id: ")));
        assert!(responses.len() > CONNECTIONS / 2, "{}", responses.len());
        // After the attack everything works as before.
        let begun = std::time::Instant::now();
        let large = format!("{{\"text\": \"{}\"}}", "x".repeat(1_000_000));
        while shop.client.send(&Request::post("/notes").body("application/json", large.clone())).status != 200
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: the memory is not released");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Chunked request bodies of unknown length.
#[test]
fn counts_bodies_of_unknown_length_as_they_arrive() {
    raise_own_limit();
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let shop = serve(&upstream, "limits: { max_body_memory: 16MiB, max_queue_delay: 60s }", "");
    assert_eq!(shop.client.send(&Request::post("/notes").json(&json!({}))).status, 200);
    let before = resident(&shop.gateway);
    let head = format!(
        "POST /shop/notes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n"
    );
    let held = attack(shop.gateway.address(), &[Ipv4Addr::LOCALHOST.into()], &head);
    let during = resident(&shop.gateway);
    println!("{} MiB before, {} MiB under attack", before / MIB, during / MIB);
    assert!(during <= before + 80 * MIB, "{} MiB", during / MIB);
    drop(held);
}

/// Response bodies are buffered when they are validated, and when they are errors.
#[test]
fn counts_buffered_responses() {
    let text = "x".repeat(100_000);
    let (sound, unsound) = (json!({ "n": 1, "text": text }), json!({ "n": "one", "text": text }));
    let bounds = "limits: { max_body_memory: 128KiB }\naccess_log: all";
    for (responses, reaction, status, condition) in [
        ("reject", MockResponse::json(200, &sound), 503, "upstream.unavailable"),
        ("reject", MockResponse::json(200, &json!({ "n": 1 })), 200, ""),
        ("report", MockResponse::json(200, &sound), 200, ""),
        ("report", MockResponse::json(200, &unsound), 200, ""),
        // The status is enough.
        ("ignore", MockResponse::json(503, &sound), 503, "upstream.unavailable"),
    ] {
        let upstream = Upstream::always(reaction);
        let shop = serve(&upstream, bounds, &format!("validation: {{ responses: {responses} }}"));
        for _ in 0..3 {
            let response = shop.client.send(&Request::get("/report").key(&shop.key));
            assert_eq!(response.status, status, "{responses} {condition}");
            let logged = shop.gateway.logged(response.header("x-request-id"));
            if status == 200 && response.body.len() > 1000 {
                assert!(response.body.len() > 100_000, "all of it is passed on");
                assert!(logged.to_string().contains("memory for buffered bodies"), "{logged}");
            } else if !condition.is_empty() {
                assert_eq!(logged["condition"], condition, "{logged}");
            }
        }
    }
}
