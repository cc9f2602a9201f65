//! Upstreams that are dead, slow, back again, or close their connections.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{
    Client, Example, Gateway, MockResponse, NewKey, Request, TestDir, Upstream, refusing_address,
};
use serde_json::json;

use super::{folder_in_front_of, key, wait_until};

#[test]
fn dead_and_slow_upstreams_do_not_affect_other_apis() {
    const PARKED: usize = 50;
    const BRAND: &str = "0000000000000x000000000000000000";
    let (refusing, _kept) = refusing_address();
    let silent = Upstream::always(MockResponse::silence());
    let services =
        ["trakkr-get-scores", "trackyard", "trackbot-pro"].map(|name| (name, Example::start(name)));
    let folder = TestDir::of_examples();
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
        let response = clients[api].send(&request);
        assert_eq!(response.status, status, "{api}: {response:?}");
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
fn uses_a_recovered_upstream_at_once() {
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
fn all_succeed(reaction: MockResponse, pause: Duration) {
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
        let response = connection.send(&request);
        assert_eq!(response.status, 200, "request {number}: {response:?}: {}", gateway.log());
        thread::sleep(pause);
    }
    assert_eq!(upstream.received().len(), 40, "a request was sent twice");
    assert_eq!(gateway.folder().account("acme")["credits"]["posted"], 20);
}

#[test]
fn replaces_idle_connections_that_the_upstream_closed() {
    let track = json!({ "id": "trk_001" });
    all_succeed(MockResponse::json(200, &track).and_closes(), Duration::from_millis(20));
}

#[test]
fn does_not_reuse_connections_that_the_upstream_closes() {
    let headers = [("Content-Type", "application/json"), ("Connection", "close")];
    all_succeed(MockResponse::response(200, &headers, "{}").and_closes(), Duration::ZERO);
}

/// An upstream that responds, keeps the connection, and closes it on the next request without a response: what a
/// gateway sees when a connection is closed in the very moment in which it is used again.
fn closing_on_the_second(asked: &Request) -> (u16, usize, Gateway) {
    let count = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => MockResponse::closes(),
        _ => MockResponse::json(200, &json!({})),
    });
    let (folder, key) = folder_in_front_of("trackyard", upstream.address());
    let gateway = Gateway::serve(folder);
    let mut connection = gateway.client("trackyard").connect();
    let asked = asked.clone().key(&key);
    assert_eq!(connection.send(&asked).status, 200);
    let second = connection.send(&asked).status;
    (second, upstream.received().len(), gateway)
}

/// RFC 9110, section 9.2.2: a proxy may repeat what is idempotent when the connection fails before any response.
#[test]
fn retries_idempotent_requests_when_a_pooled_connection_closes() {
    let (status, received, _) = closing_on_the_second(&Request::get("/api/external/v1/tracks/trk_001"));
    assert_eq!((status, received), (200, 3));
}

#[test]
fn never_retries_or_charges_requests_that_are_not_idempotent() {
    let search = Request::post("/api/external/v1/search").json(&json!({ "query": "epic" }));
    let (status, received, gateway) = closing_on_the_second(&search);
    assert_eq!((status, received), (500, 2));
    let credits = &gateway.folder().account("acme")["credits"];
    assert_eq!((&credits["posted"], &credits["held"]), (&json!(1), &json!(0)), "{credits}");
}
