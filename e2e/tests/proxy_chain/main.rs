//! The hostile cases once more, through nginx and HAProxy before the gateway and behind it: where two parsers of HTTP
//! follow each other, every request with a response is one request at the upstream, and there
//! is no other. What one of the two repairs (nginx takes a line feed alone for a line's end) the other may then admit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

mod proxy;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use demur_e2e::hostile::{Case, cases};
use demur_e2e::{Gateway, MockResponse, NewKey, TestDir, Upstream};
use socket2::{Domain, Socket, Type};

use proxy::{Kind, PEER, Proxy};

/// A marker in every response of the upstream, including those to HEAD.
const MARK: &str = "x-chained: yes";
/// After this time without bytes a connection has no more responses.
const QUIET: Duration = Duration::from_millis(1000);
const THREADS: usize = 48;

#[test]
fn request_counts_agree_behind_nginx() {
    behind(Kind::Nginx);
}

#[test]
fn request_counts_agree_behind_haproxy() {
    behind(Kind::Haproxy);
}

#[test]
fn request_counts_agree_in_front_of_nginx() {
    before(Kind::Nginx);
}

#[test]
fn request_counts_agree_in_front_of_haproxy() {
    before(Kind::Haproxy);
}

fn behind(kind: Kind) {
    let upstream = upstream();
    let (gateway, key) = gateway(upstream.address());
    let proxy = Proxy::start(kind, gateway.address());
    let agreed = counts_agree(proxy.address, &upstream, &key, PEER);
    assert!(agreed.is_ok(), "{}\n{}\n{}", agreed.unwrap_err(), proxy.troubles(), gateway.log());
}

fn before(kind: Kind) {
    let upstream = upstream();
    let proxy = Proxy::start(kind, upstream.address());
    let (gateway, key) = gateway(proxy.address);
    let agreed = counts_agree(gateway.address(), &upstream, &key, "x-forwarded-for");
    assert!(agreed.is_ok(), "{}\n{}", agreed.unwrap_err(), proxy.troubles());
}

fn upstream() -> Upstream {
    Upstream::always(MockResponse::response(200, &[("X-Chained", "yes")], "{}"))
}

fn gateway(behind: SocketAddr) -> (Gateway, String) {
    let folder = TestDir::empty();
    folder.write("demur.yaml", include_str!("../../hostile/gateway/demur.yaml"));
    folder.write("openapi.yaml", include_str!("../../hostile/gateway/openapi.yaml"));
    folder.edit("127.0.0.1:9001", &behind.to_string());
    folder.create_account("acme", "pro");
    let key = folder.create_key(&NewKey { api: "things", account: "acme", ..NewKey::default() }).secret;
    (Gateway::serve(folder), key)
}

/// Sends every case from its own address, which identifies its requests at the upstream.
fn counts_agree(front: SocketAddr, upstream: &Upstream, key: &str, peer: &str) -> Result<(), String> {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile"), key);
    let cases: Vec<(Ipv4Addr, Case)> =
        cases.into_iter().enumerate().map(|(at, case)| (source(at), case)).collect();
    let responded = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(THREADS)) {
            let responded = &responded;
            scope.spawn(move || {
                for (source, case) in part {
                    let responses = exchange(front, *source, &case.sent);
                    responded.lock().unwrap().push((*source, case, responses));
                }
            });
        }
    });
    let received = upstream.received();
    let mut found = Vec::new();
    let mut total = 0;
    for (source, case, responses) in responded.into_inner().unwrap() {
        let source = source.to_string();
        let arrived: Vec<_> =
            received.iter().filter(|request| request.headers.first(peer) == Some(&*source)).collect();
        let text = String::from_utf8_lossy(&responses).to_ascii_lowercase();
        let responses = text.matches(MARK).count();
        let is_lost = text.contains(" 502 ") || text.contains(" 504 ");
        if arrived.len() != responses || is_lost {
            found.push(format!("- {}: {responses} answers, arrived: {arrived:?}; {text}", case.name));
        }
        total += arrived.len();
    }
    if !found.is_empty() {
        return Err(format!("{} of {} cases:\n{}", found.len(), cases.len(), found.join("\n")));
    }
    // The sender of each request that arrived is known, and some did arrive.
    assert_eq!(received.len(), total);
    assert!(total >= 30, "only {total} arrived");
    Ok(())
}

/// All of 127.0.0.0/8 is the loopback interface.
fn source(number: usize) -> Ipv4Addr {
    let number = u16::try_from(number).expect("so many cases");
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// Sends the bytes and reads until the peer closes or sends no more.
fn exchange(front: SocketAddr, source: Ipv4Addr, bytes: &[u8]) -> Vec<u8> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&front.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(QUIET)).unwrap();
    // The peer may reject the request and close while bytes are still being sent.
    let _ = stream.write_all(bytes);
    let mut responses = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return responses,
            Ok(length) => responses.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return responses,
        }
    }
}
