//! Clients that send what is broken, go away, are too many, or have lost their key.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use demur_e2e::{Gateway, MockResponse, NewKey, Request, Upstream};
use serde_json::json;

use super::{TIMEOUT, folder_in_front_of, wait_until};

/// A generator of its own, so that a run can be had again by its seed (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    /// Bytes that are no request, or that were one before something happened to it.
    fn input(&mut self, good: &[Vec<u8>]) -> Vec<u8> {
        if self.below(4) == 0 {
            return (0..self.below(300)).map(|_| self.byte()).collect();
        }
        let mut bytes = good[self.below(good.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] = self.byte(),
                1 => bytes.insert(at, self.byte()),
                2 => drop(bytes.remove(at)),
                3 => bytes.truncate(at + 1),
                4 => bytes.extend_from_within(at..),
                _ => bytes.insert(at, b"\r\n :,;\0/%#?*"[self.below(12)]),
            }
        }
        bytes
    }
}

#[test]
fn malformed_requests_never_stop_the_gateway() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "brands": [] })));
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    let good = [
        format!("GET /trakkr/brands?limit=2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n"),
        format!(
            "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"name\": \"aa\"}}"
        ),
        format!(
            "POST /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
             e\r\n{{\"name\": \"aa\"}}\r\n0\r\n\r\n"
        ),
        "HEAD http://a/trackyard/api HTTP/1.0\r\nExpect: 100-continue\r\n\r\n".to_owned(),
    ];
    let good: Vec<Vec<u8>> = good.into_iter().map(String::into_bytes).collect();
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut chance = Chance(seed);
    let mut responded = 0;
    for number in 0..600 {
        let bytes = chance.input(&good);
        let said = converse(gateway.address(), &bytes);
        let said = String::from_utf8_lossy(&said).to_ascii_lowercase();
        let shown =
            || format!("input {number} of seed {seed:x}: {:?}\n{said}", String::from_utf8_lossy(&bytes));
        let responses = said.matches("http/1.").count() - said.matches("http/1.1 100 ").count();
        assert_eq!(said.matches("\r\nx-request-id: ").count(), responses, "{}", shown());
        responded += responses;
        if number % 50 == 0 {
            assert_eq!(client.send(&Request::get("/brands").key(&key)).status, 200, "{}", shown());
        }
    }
    println!("600 inputs, {responded} answers, {} forwarded", upstream.received().len());
    assert!(responded > 300, "{responded} answers");
    assert_eq!(client.send(&Request::get("/brands").key(&key)).status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

/// Writes bytes and reads until the other side closes, which it must.
fn converse(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // It may be closed before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => said,
        Err(error) => panic!("{error} after {:?}: {:?}", String::from_utf8_lossy(&said), bytes),
    }
}

#[test]
fn disconnected_clients_leave_no_state() {
    let upstream =
        Upstream::always(MockResponse::json(200, &json!({ "brands": [] })).after(Duration::from_millis(50)));
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    for _ in 0..100 {
        let mut connection = client.connect();
        connection.write(
            format!("GET /trakkr/brands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n")
                .as_bytes(),
        );
    }
    for _ in 0..10 {
        assert_eq!(client.send(&Request::get("/brands").key(&key)).status, 200);
    }
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn rejects_only_connections_over_the_limit() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "brands": [] })));
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    folder.edit("default_contract: problem", "limits: { max_connections: 4 }\ndefault_contract: problem");
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    let request = Request::get("/brands").key(&key);
    let mut within: Vec<_> = (0..4).map(|_| client.connect()).collect();
    // Wait for the response, so that all four are counted.
    assert!(within.iter_mut().all(|connection| connection.send(&request).status == 200));
    for _ in 0..2 {
        let mut beyond = client.connect();
        assert_eq!(beyond.send(&request).status, 503);
        assert_eq!(beyond.closed_within(TIMEOUT).unwrap(), b"");
    }
    assert!(within.iter_mut().all(|connection| connection.send(&request).status == 200));
    within.clear();
    wait_until("there is room again", || client.send(&request).status == 200);
}

#[test]
fn rejects_a_revoked_key_at_once() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "brands": [] })));
    let (folder, _) = folder_in_front_of("trakkr", upstream.address());
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    // Two connections, so that two workers have the key in their hands.
    let (mut one, mut other) = (client.connect(), client.connect());
    for _ in 0..5 {
        let issued =
            gateway.folder().create_key(&NewKey { api: "trakkr", account: "acme", ..NewKey::default() });
        let request = Request::get("/brands").key(&issued.secret);
        for connection in [&mut one, &mut other] {
            assert_eq!(connection.send(&request).status, 200);
        }
        let reached = upstream.received().len();
        gateway.folder().revoke_key(&issued.id);
        for connection in [&mut one, &mut other] {
            assert_eq!(connection.send(&request).status, 401);
        }
        assert_eq!(client.send(&request).status, 401);
        assert_eq!(upstream.received().len(), reached, "a revoked key reached the upstream");
    }
}
