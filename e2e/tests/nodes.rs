//! Three gateways as processes on one PostgreSQL: what was paid for is not lost, nothing is paid twice, a revocation reaches
//! every gateway, and one `Idempotency-Key` executes once.
//!
//! What was acknowledged is counted here, outside of the processes that are killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

#[path = "../../crates/postgres/tests/server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Gateway, Issued, MockResponse, NewKey, Request, TestDir, Upstream};
use serde_json::{Value as Json, json};
use server::Server;

const SEARCH: &str = "/api/external/v1/search";

/// Clients of each gateway.
const CLIENTS: u64 = 4;

/// How long the holds of a killed gateway may stay open: its lease, and five seconds.
const RESOLVED_WITHIN: Duration = Duration::from_secs(15 + 5);

/// More than a busy machine adds to that.
const SLACK: Duration = Duration::from_secs(20);

/// Three gateways on one database, with one upstream.
struct Cluster {
    server: Server,
    upstream: Upstream,
    gateways: Vec<Gateway>,
}

impl Cluster {
    fn start() -> Self {
        let server = Server::start();
        // Slow enough for repeats to arrive while the first request is in flight.
        let upstream = Upstream::start(|received| {
            let wait = if received.headers.first("idempotency-key").is_some() { 300 } else { 5 };
            MockResponse::json(200, &json!({ "tracks": [] })).after(Duration::from_millis(wait))
        });
        let gateways = (0..3).map(|_| Gateway::serve(folder(&server, &upstream))).collect();
        Self { server, upstream, gateways }
    }

    fn clients(&self) -> Vec<Client> {
        self.gateways.iter().map(|gateway| gateway.client("trackyard")).collect()
    }

    fn folder(&self) -> &TestDir {
        self.gateways[1].folder()
    }

    fn account(&self, id: &str, plan: &str) -> Issued {
        self.folder().create_account(id, plan);
        self.folder().create_key(&NewKey { api: "trackyard", account: id, ..NewKey::default() })
    }

    /// Available, held and posted credits, by the command line.
    fn credits(&self, account: &str) -> [u64; 3] {
        let shown = self.folder().account(account);
        let number =
            |name: &str| shown["credits"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {shown}"));
        let [available, held, posted] = ["available", "held", "posted"].map(number);
        assert_eq!(available + held + posted + number("expired"), number("granted"), "{shown}");
        [available, held, posted]
    }

    /// Waits until no credits are held, and returns what was posted.
    fn settled(&self, account: &str, within: Duration) -> u64 {
        let begun = Instant::now();
        loop {
            match self.credits(account) {
                [_, 0, posted] => return posted,
                credits => assert!(begun.elapsed() < within, "still held: {credits:?}"),
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn assert_consistent(&self) {
        let proof: Json = self.folder().result(&["accounts", "verify"]);
        assert_eq!(proof["consistent"], true, "{proof}");
    }
}

fn folder(server: &Server, upstream: &Upstream) -> TestDir {
    let folder = TestDir::of_examples();
    folder.write_secret("store-url", &server.url("postgres"));
    folder.write_secret("pepper", &"0a".repeat(32));
    folder.point("trackyard", upstream.address());
    folder
        .edit("store: sqlite:demur.db", "store: { postgres: { file: store-url }, pepper: { file: pepper } }");
    folder.edit(
        "  lapsed:\n",
        "  plenty: { credits: { monthly: 10000000 } }\n  hundred: { credits: { monthly: 100 } }\n  lapsed:\n",
    );
    folder
}

/// A search costs one credit.
fn search(key: &str) -> Request {
    Request::post(SEARCH).key(key).json(&json!({ "query": "epic" }))
}

/// Sends a request from many clients at once, over all gateways, and counts the statuses.
fn race(clients: &[Client], callers: usize, request: &Request) -> BTreeMap<u16, usize> {
    let (start, statuses) = (Barrier::new(callers), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for client in clients.iter().cycle().take(callers) {
            scope.spawn(|| {
                start.wait();
                let status = client.send(request).status;
                *statuses.lock().unwrap().entry(status).or_default() += 1;
            });
        }
    });
    statuses.into_inner().unwrap()
}

#[test]
fn charges_survive_the_sigkill_of_one_of_three_gateways() {
    let mut cluster = Cluster::start();
    let key = cluster.account("acme", "plenty").secret;
    let clients = cluster.clients();
    let (sent, acknowledged, stopped) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let killed = cluster.gateways.remove(0);
    thread::scope(|scope| {
        for client in clients.iter().cycle().take(3 * usize::try_from(CLIENTS).unwrap()) {
            scope.spawn(|| {
                while !stopped.load(Ordering::SeqCst) {
                    sent.fetch_add(1, Ordering::SeqCst);
                    // No response from the gateway that was killed.
                    let Ok(response) = client.try_send(&search(&key)) else { return };
                    assert_eq!(response.status, 200, "{response:?}");
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        thread::sleep(Duration::from_secs(2));
        drop(killed.kill());
        thread::sleep(Duration::from_secs(2));
        stopped.store(true, Ordering::SeqCst);
    });
    cluster.gateways.insert(0, Gateway::serve(folder(&cluster.server, &cluster.upstream)));
    let begun = Instant::now();
    let posted = cluster.settled("acme", RESOLVED_WITHIN + SLACK);
    let (sent, acknowledged) = (sent.into_inner(), acknowledged.into_inner());
    let found = format!("{sent} sent, {acknowledged} acknowledged, {posted} posted");
    println!("{found}; nothing held {:?} after the end", begun.elapsed());
    assert!(posted >= acknowledged, "a charge is lost: {found}");
    assert!(posted <= sent, "charged twice: {found}");
    assert!(posted <= acknowledged + CLIENTS, "charged without a request: {found}");
    assert!(acknowledged > 3 * CLIENTS, "too few requests to tell anything: {found}");
    cluster.assert_consistent();
}

#[test]
fn three_gateways_share_credits_idempotency_keys_and_revocations() {
    let cluster = Cluster::start();
    let clients = cluster.clients();

    // Exactly as many requests succeed as can be paid.
    let key = cluster.account("hundred", "hundred").secret;
    let statuses = race(&clients, 150, &search(&key));
    assert_eq!(statuses.get(&200), Some(&100), "{statuses:?}");
    cluster.settled("hundred", SLACK);
    assert_eq!(cluster.credits("hundred"), [0, 0, 100]);

    // 60 calls over three gateways under one key: one execution.
    let issued = cluster.account("acme", "plenty");
    let before = cluster.upstream.count();
    let order = search(&issued.secret).header("Idempotency-Key", "order-1");
    let statuses = race(&clients, 60, &order);
    assert_eq!(cluster.upstream.count() - before, 1, "executions: {statuses:?}");
    assert_eq!(cluster.settled("acme", SLACK), 1);
    // Every gateway replays the response, wherever it was executed.
    for client in &clients {
        assert_eq!(client.send(&order).status, 200);
    }
    assert_eq!(cluster.upstream.count() - before, 1);
    println!("60 calls under one key: one execution, {statuses:?}");

    // All three have the key in their caches.
    let request = search(&issued.secret);
    clients.iter().for_each(|client| assert_eq!(client.send(&request).status, 200));
    cluster.folder().revoke_key(&issued.id);
    let begun = Instant::now();
    for client in &clients {
        while client.send(&request).status != 401 {
            assert!(begun.elapsed() < Duration::from_secs(5), "a revoked key is still accepted");
            thread::sleep(Duration::from_millis(10));
        }
    }
    println!("revocation at every gateway after {:?}", begun.elapsed());

    // The trouble of the gateways is never the client's fault.
    let key = cluster.account("other", "plenty").secret;
    clients.iter().for_each(|client| assert_eq!(client.send(&search(&key)).status, 200));
    cluster.server.kill();
    for client in &clients {
        let response = client.send(&search(&key));
        assert!(response.status >= 500, "{response:?}");
    }
    cluster.server.restart();
    let begun = Instant::now();
    for client in &clients {
        while client.send(&search(&key)).status != 200 {
            assert!(begun.elapsed() < SLACK, "does not recover");
            thread::sleep(Duration::from_millis(50));
        }
    }
    cluster.settled("other", SLACK);
    cluster.assert_consistent();
}
