//! What one client, one upstream or one signal does must not be felt by others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::refusing_address;
use demur_e2e::{Client, Example, Folder, Gateway, NewKey, Program, Reaction, Request, Upstream};
use serde_json::{Value as Json, json};

/// How long something may take that should take no time.
const SOON: Duration = Duration::from_secs(5);

fn key(folder: &Folder, api: &str) -> String {
    folder.create_key(&NewKey { api, account: "acme", ..NewKey::default() }).secret
}

/// The examples' configuration with one API at this upstream, an account, and a key for it.
fn folder_in_front_of(api: &str, upstream: SocketAddr) -> (Folder, String) {
    let folder = Folder::of_examples();
    folder.point(api, upstream);
    folder.create_account("acme", "pro");
    let key = key(&folder, api);
    (folder, key)
}

/// Looks again and again until it is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

// Broken requests.

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
fn broken_requests_never_stop_the_gateway() {
    let upstream = Upstream::always(Reaction::json(200, &json!({ "brands": [] })));
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
    let mut answered = 0;
    for number in 0..600 {
        let bytes = chance.input(&good);
        let said = converse(gateway.address(), &bytes);
        let said = String::from_utf8_lossy(&said).to_ascii_lowercase();
        let shown =
            || format!("input {number} of seed {seed:x}: {:?}\n{said}", String::from_utf8_lossy(&bytes));
        let answers = said.matches("http/1.").count() - said.matches("http/1.1 100 ").count();
        assert_eq!(said.matches("\r\nx-request-id: ").count(), answers, "{}", shown());
        answered += answers;
        if number % 50 == 0 {
            assert_eq!(client.send(&Request::get("/brands").key(&key)).status, 200, "{}", shown());
        }
    }
    println!("600 inputs, {answered} answers, {} forwarded", upstream.received().len());
    assert!(answered > 300, "{answered} answers");
    assert_eq!(client.send(&Request::get("/brands").key(&key)).status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

/// Writes bytes and reads until the other side closes, which it must.
fn converse(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
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
fn clients_that_go_away_leave_no_trace() {
    let upstream =
        Upstream::always(Reaction::json(200, &json!({ "brands": [] })).after(Duration::from_millis(50)));
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
fn connections_beyond_the_bound_are_told_so_and_no_others() {
    let upstream = Upstream::always(Reaction::json(200, &json!({ "brands": [] })));
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    folder.edit("voice: problem", "bounds: { connections: 4 }\nvoice: problem");
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    let request = Request::get("/brands").key(&key);
    let mut within: Vec<_> = (0..4).map(|_| client.connect()).collect();
    // Answered, so that all four are counted.
    assert!(within.iter_mut().all(|connection| connection.send(&request).status == 200));
    for _ in 0..2 {
        let mut beyond = client.connect();
        assert_eq!(beyond.send(&request).status, 503);
        assert_eq!(beyond.closed_within(SOON).unwrap(), b"");
    }
    assert!(within.iter_mut().all(|connection| connection.send(&request).status == 200));
    within.clear();
    wait_until("there is room again", || client.send(&request).status == 200);
}

// Upstreams in trouble.

#[test]
fn a_dead_and_a_slow_upstream_are_not_felt_by_the_other_apis() {
    const PARKED: usize = 50;
    const BRAND: &str = "0000000000000x000000000000000000";
    let (refusing, _kept) = refusing_address();
    let silent = Upstream::always(Reaction::silence());
    let services =
        ["trakkr-get-scores", "trackyard", "trackbot-pro"].map(|name| (name, Example::start(name)));
    let folder = Folder::of_examples();
    folder.edit("timeout: 5s", "timeout: 3s");
    folder.point("trakkr", refusing);
    folder.point("trackunit", silent.address());
    for (name, service) in &services {
        folder.point(name, service.address());
    }
    folder.create_account("acme", "pro");
    folder.create_account("acme-scores", "unmetered");
    let scores =
        NewKey { api: "trakkr-get-scores", account: "acme-scores", resources: &[BRAND], ..NewKey::default() };
    let scores = folder.create_key(&scores).secret;
    let keys: HashMap<&str, String> = ["trakkr", "trackunit", "trackyard", "trackbot-pro"]
        .into_iter()
        .map(|api| (api, key(&folder, api)))
        .collect();
    let gateway = Gateway::serve(folder);
    let apis = demur_examples::all().iter().map(|example| example.name);
    let clients: HashMap<&str, Client> = apis.map(|api| (api, gateway.client(api))).collect();
    let ask = |api: &str, request: Request, status: u16| {
        let begun = Instant::now();
        let answer = clients[api].send(&request);
        assert_eq!(answer.status, status, "{api}: {answer:?}");
        begun.elapsed()
    };

    let parked = thread::scope(|scope| {
        let parked: Vec<_> = (0..PARKED)
            .map(|_| {
                let request = Request::get("/devices").key(&keys["trackunit"]);
                let ask = &ask;
                scope.spawn(move || ask("trackunit", request, 504))
            })
            .collect();
        wait_until("all are parked", || silent.received().len() == PARKED);
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let body = json!({ "brand": BRAND, "breakdown": ["model"] });
            for took in [
                ask("trakkr", Request::get("/brands").key(&keys["trakkr"]), 503),
                ask(
                    "trackyard",
                    Request::get("/api/external/v1/tracks/trk_001").key(&keys["trackyard"]),
                    200,
                ),
                ask("trackbot-pro", Request::get("/shipments").key(&keys["trackbot-pro"]), 200),
                ask("trakkr-get-scores", Request::post("/get-scores").key(&scores).json(&body), 200),
            ] {
                slowest = slowest.max(took);
            }
        }
        assert!(parked.iter().all(|request| !request.is_finished()), "the parked ones were answered before");
        println!("with {PARKED} requests parked the slowest answer took {slowest:?}");
        assert!(slowest < Duration::from_secs(1), "{slowest:?}");
        parked.into_iter().map(|request| request.join().unwrap()).collect::<Vec<_>>()
    });
    // They are not forgotten either.
    assert!(parked.iter().all(|took| took.as_secs() >= 2 && took.as_secs() < 10), "{parked:?}");
}

#[test]
fn an_upstream_that_comes_back_is_used_at_once() {
    let (refusing, kept) = refusing_address();
    let (folder, key) = folder_in_front_of("trakkr", refusing);
    let gateway = Gateway::serve(folder);
    let ask = || gateway.client("trakkr").send(&Request::get("/brands").key(&key)).status;
    assert_eq!([ask(), ask(), ask()], [503; 3]);
    drop(kept);
    let listener = std::net::TcpListener::bind(refusing).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut piece = [0; 4096];
            let _ = stream.read(&mut piece);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    assert_eq!(ask(), 200);
}

/// Sends one after the other to an upstream that closes its connections when it is done with them.
fn all_succeed(reaction: Reaction, pause: Duration) {
    let upstream = Upstream::always(reaction);
    let (folder, key) = folder_in_front_of("trackyard", upstream.address());
    let gateway = Gateway::serve(folder);
    let mut connection = gateway.client("trackyard").connect();
    for number in 0..40 {
        let request = if number % 2 == 0 {
            Request::get("/api/external/v1/tracks/trk_001").key(&key)
        } else {
            Request::post("/api/external/v1/search").key(&key).json(&json!({ "query": "epic" }))
        };
        let answer = connection.send(&request);
        assert_eq!(answer.status, 200, "request {number}: {answer:?}: {}", gateway.log());
        thread::sleep(pause);
    }
    assert_eq!(upstream.received().len(), 40, "a request was sent twice");
    assert_eq!(gateway.folder().account("acme")["credits"]["posted"], 20);
}

#[test]
fn a_connection_that_the_upstream_closed_while_it_was_idle_is_replaced() {
    let track = json!({ "id": "trk_001" });
    all_succeed(Reaction::json(200, &track).and_closes(), Duration::from_millis(20));
}

#[test]
fn a_connection_that_the_upstream_closes_with_its_answer_is_not_used_again() {
    let fields = [("Content-Type", "application/json"), ("Connection", "close")];
    all_succeed(Reaction::answer(200, &fields, "{}").and_closes(), Duration::ZERO);
}

/// An upstream that answers, stays, and then closes on the next request without a word of an answer: what a
/// gateway sees when a connection is closed in the very moment in which it is used again.
fn closing_on_the_second(asked: &Request) -> (u16, usize, Gateway) {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => Reaction::closes(),
        _ => Reaction::json(200, &json!({})),
    });
    let (folder, key) = folder_in_front_of("trackyard", upstream.address());
    let gateway = Gateway::serve(folder);
    let mut connection = gateway.client("trackyard").connect();
    let asked = asked.clone().key(&key);
    assert_eq!(connection.send(&asked).status, 200);
    let second = connection.send(&asked).status;
    (second, upstream.received().len(), gateway)
}

/// RFC 9110, section 9.2.2: a proxy may repeat what is idempotent when the connection fails before any answer.
#[test]
fn an_idempotent_request_on_a_connection_that_closes_under_it_is_sent_again() {
    let (status, received, _) = closing_on_the_second(&Request::get("/api/external/v1/tracks/trk_001"));
    assert_eq!((status, received), (200, 3));
}

#[test]
fn a_request_that_is_not_idempotent_is_never_sent_again_and_costs_nothing() {
    let search = Request::post("/api/external/v1/search").json(&json!({ "query": "epic" }));
    let (status, received, gateway) = closing_on_the_second(&search);
    assert_eq!((status, received), (500, 2));
    let credits = &gateway.folder().account("acme")["credits"];
    assert_eq!((&credits["posted"], &credits["held"]), (&json!(1), &json!(0)), "{credits}");
}

// Keys.

#[test]
fn a_revoked_key_is_refused_at_once() {
    let upstream = Upstream::always(Reaction::json(200, &json!({ "brands": [] })));
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

// The end.

#[test]
fn a_request_under_way_is_answered_when_the_gateway_is_asked_to_end() {
    let answer = Reaction::json(200, &json!({ "brands": [] })).after(Duration::from_millis(700));
    let upstream = Upstream::always(answer);
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    let mut idle = client.connect();
    assert_eq!(idle.send(&Request::get("/brands").key(&key)).status, 200);
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.send(&Request::get("/brands").key(&key)));
        wait_until("it is under way", || upstream.received().len() == 2);
        gateway.ask_to_end();
        // Whoever says nothing is not waited for.
        assert_eq!(idle.closed_within(SOON).unwrap(), b"");
        wait_until("nobody new is let in", || TcpStream::connect(gateway.address()).is_err());
        assert!(!asking.is_finished(), "answered before it was asked to end");
        assert_eq!(asking.join().unwrap().status, 200);
    });
    let (status, folder) = gateway.ended();
    assert_eq!(status.code(), Some(0));
    // The store was closed in order: nobody owns it, and nothing of the owner is left.
    assert!(!folder.path().join("demur.db.sock").exists());
    assert_eq!(folder.account("acme")["id"], "acme");
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_gateway() {
    let silent = Upstream::always(Reaction::silence());
    let (folder, key) = folder_in_front_of("trackunit", silent.address());
    folder.edit("timeout: 5s", "timeout: 60s");
    folder.edit("voice: problem", "bounds: { shutdown: 300ms }\nvoice: problem");
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trackunit");
    thread::scope(|scope| {
        scope.spawn(|| client.try_send(&Request::get("/devices").key(&key)));
        wait_until("it is under way", || silent.received().len() == 1);
        let asked = Instant::now();
        gateway.ask_to_end();
        let (status, _) = gateway.ended();
        assert_eq!(status.code(), Some(0));
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    });
}

/// From the line that says that it serves, a signal is a request to end, and not an end.
#[test]
fn a_signal_is_heeded_as_soon_as_it_serves() {
    let folder = Folder::of_examples();
    for round in 0..5 {
        let mut program =
            Program::start(&["serve", "--listen", "127.0.0.1:0", "--format", "json"], folder.path());
        program.line();
        program.interrupt();
        assert_eq!(program.ended().code(), Some(0), "round {round}: {}", program.log());
    }
}

/// The demo with nothing but a port of its own; when it serves, what it said and how long that took.
fn demo(arguments: &[&str], folder: &Folder) -> (Program, Json, Duration) {
    let begun = Instant::now();
    let arguments = [&["demo", "--listen", "127.0.0.1:0", "--format", "json"], arguments].concat();
    let mut program = Program::start(&arguments, folder.path());
    let line = program.line();
    let said: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let address = said["gateway"].as_str().and_then(|url| url.strip_prefix("http://")).unwrap();
    let client = Client::new(address.parse().unwrap(), "/trakkr", demur_e2e::contract("trakkr"));
    let key = said["apis"]["trakkr"]["keys"]["active"].as_str().unwrap();
    assert_eq!(client.send(&Request::get("/brands").key(key)).status, 200);
    (program, said, begun.elapsed())
}

#[test]
fn the_demo_serves_soon_and_ends_cleanly() {
    let folder = Folder::empty();
    let (mut program, said, took) = demo(&[], &folder);
    println!("from the start of the process to the first answer: {took:?} (debug build)");
    assert!(took < SOON, "{took:?}");
    let own = std::path::PathBuf::from(said["folder"].as_str().unwrap());
    assert!(own.join("demur.yaml").is_file() && own.join("demur.db").is_file(), "{said}");
    program.interrupt();
    let status = program.ended();
    assert_eq!(status.code(), Some(0), "{}", program.log());
    assert!(!own.exists(), "{} is left", own.display());
    // Nothing was put where it was started.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_keeps_a_folder_that_it_was_given_and_starts_in_it_again() {
    let folder = Folder::empty();
    for _ in 0..2 {
        let (mut program, said, _) = demo(&["--folder", "a demo"], &folder);
        let own = folder.path().join("a demo").canonicalize().unwrap();
        assert_eq!(said["folder"].as_str().map(std::path::PathBuf::from).as_ref(), Some(&own));
        program.interrupt();
        assert_eq!(program.ended().code(), Some(0), "{}", program.log());
        assert!(own.join("demur.db").is_file());
    }
}
