//! What was paid for is not lost, and nothing is paid twice: `kill -9` in the middle of charges, and more
//! callers than credits.
//!
//! What was acknowledged is counted here, outside of the process that is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use demur_e2e::{Client, Example, Gateway, NewKey, Request, TestDir};
use serde_json::json;

const SEARCH: &str = "/api/external/v1/search";
const CLIENTS: u64 = 8;

/// The timeout to start after a kill.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// A few rounds in `make test`; `make soak` sets more.
fn rounds() -> u64 {
    std::env::var("SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// A configuration with the real service as its upstream, and plans that differ only in credits.
fn folder(service: &Example) -> TestDir {
    let folder = TestDir::of_examples();
    folder.point("trackyard", service.address());
    folder.edit(
        "  lapsed:\n",
        "  plenty: { credits: { monthly: 10000000 } }\n  hundred: { credits: { monthly: 100 } }\n  lapsed:\n",
    );
    folder
}

fn account(folder: &TestDir, id: &str, plan: &str) -> String {
    folder.create_account(id, plan);
    folder.create_key(&NewKey { api: "trackyard", account: id, ..NewKey::default() }).secret
}

/// A search costs one credit.
fn search(key: &str) -> Request {
    Request::post(SEARCH).key(key).json(&json!({ "query": "epic" }))
}

/// The credits of an account, by the command line.
#[derive(Debug)]
struct Credits {
    available: i64,
    held: i64,
    posted: i64,
    granted: i64,
    expired: i64,
}

fn credits(folder: &TestDir, account: &str) -> Credits {
    let shown = folder.account(account);
    let number = |name: &str| shown["credits"][name].as_i64().unwrap_or_else(|| panic!("no {name}: {shown}"));
    let credits = Credits {
        available: number("available"),
        held: number("held"),
        posted: number("posted"),
        granted: number("granted"),
        expired: number("expired"),
    };
    assert!(credits.available >= 0 && credits.held >= 0, "below zero: {credits:?}");
    let spread = credits.available + credits.held + credits.posted + credits.expired;
    assert_eq!(spread, credits.granted, "credits came or went: {credits:?}");
    credits
}

/// A random moment.
fn moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Duration::from_millis(60 + u64::from(now.subsec_micros()) % 400)
}

#[test]
fn acknowledged_charges_survive_sigkill() {
    let service = Example::start("trackyard");
    let mut folder = folder(&service);
    let key = account(&folder, "acme", "plenty");
    let (sent, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
    let (rounds, mut slowest, mut last) = (rounds(), Duration::ZERO, String::new());
    let mut serve = |folder| {
        let begin = Instant::now();
        let gateway = Gateway::serve(folder);
        slowest = slowest.max(begin.elapsed());
        gateway
    };
    for round in 1..=rounds {
        let gateway = serve(folder);
        let client = gateway.client("trackyard");
        let pause = moment();
        folder = thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| charge_until_it_dies(&client, &key, &sent, &acknowledged));
            }
            thread::sleep(pause);
            gateway.kill()
        });
        let (sent, acknowledged) = (sent.load(Ordering::SeqCst), acknowledged.load(Ordering::SeqCst));

        let gateway = serve(folder);
        let Credits { held, posted, .. } = credits(gateway.folder(), "acme");
        let posted = u64::try_from(posted).unwrap();
        last = format!("{round} rounds: {sent} sent, {acknowledged} acknowledged, {posted} posted");
        assert!(posted >= acknowledged, "a charge is lost: {last}");
        assert!(posted <= sent, "charged twice: {last}");
        // Each client had at most one request in flight. A charge that a kill made uncertain counts as posted.
        assert!(posted <= acknowledged + round * CLIENTS, "charged without a request: {last}");
        assert_eq!(held, 0, "held by nobody: {last}");
        let proof = gateway.folder().result(&["accounts", "verify"]);
        assert_eq!(proof["consistent"], true, "{last}: {proof}");
        folder = gateway.kill();
    }
    println!("{last}; 0 lost, 0 twice, 0 below zero, sound after each; slowest start {slowest:?}");
    assert!(slowest <= READY_WITHIN, "ready after {slowest:?}");
    assert!(acknowledged.load(Ordering::SeqCst) > rounds, "the rounds were too short to tell anything");
}

fn charge_until_it_dies(client: &Client, key: &str, sent: &AtomicU64, acknowledged: &AtomicU64) {
    let request = search(key);
    loop {
        sent.fetch_add(1, Ordering::SeqCst);
        match client.try_send(&request) {
            Ok(response) => {
                assert_eq!(response.status, 200, "{response:?}");
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => return,
        }
    }
}

/// A client without a response repeats the request with the same `Idempotency-Key`, after the restart: then every operation has been
/// charged, and each once. If its response was not stored before the kill, the repeat is rejected: 400 in this contract.
#[test]
fn retries_after_sigkill_are_charged_once() {
    let service = Example::start("trackyard");
    let mut folder = folder(&service);
    let key = account(&folder, "acme", "plenty");
    let numbers = AtomicU64::new(0);
    // How often each operation was sent, and whether it got a response.
    let operations: Mutex<HashMap<String, (u64, bool)>> = Mutex::default();
    let perform = |client: &Client, operation: &str| {
        operations.lock().unwrap().entry(operation.to_owned()).or_default().0 += 1;
        let response = client.try_send(&search(&key).header("Idempotency-Key", operation));
        response.map(|response| {
            let mut operations = operations.lock().unwrap();
            let (sent, responded) = operations.get_mut(operation).unwrap();
            let is_response = response.status == 200 || (*sent > 1 && response.status == 400);
            assert!(is_response, "{operation}: {response:?}");
            *responded = true;
        })
    };
    for _ in 0..3 {
        let gateway = Gateway::serve(folder);
        let client = gateway.client("trackyard");
        folder = thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let next = || format!("operation-{}", numbers.fetch_add(1, Ordering::SeqCst));
                    while perform(&client, &next()).is_ok() {}
                });
            }
            thread::sleep(moment());
            gateway.kill()
        });
        let gateway = Gateway::serve(folder);
        let client = gateway.client("trackyard");
        let without_response: Vec<String> = {
            let operations = operations.lock().unwrap();
            operations.iter().filter(|(_, (_, responded))| !responded).map(|(name, _)| name.clone()).collect()
        };
        for operation in &without_response {
            perform(&client, operation).unwrap();
        }
        let count = operations.lock().unwrap().len();
        let credits = credits(gateway.folder(), "acme");
        println!("{count} operations, {} of them tried again: {credits:?}", without_response.len());
        assert_eq!(usize::try_from(credits.posted).unwrap(), count, "{credits:?}");
        folder = gateway.kill();
    }
}

/// Sends the same request from this many clients at once, and counts the statuses of the responses.
fn race(gateway: &Gateway, callers: usize, request: &Request) -> HashMap<u16, usize> {
    let client = gateway.client("trackyard");
    let start = Barrier::new(callers);
    let statuses = Mutex::new(HashMap::new());
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let mut connection = client.connect();
                start.wait();
                let status = connection.send(request).status;
                *statuses.lock().unwrap().entry(status).or_default() += 1;
            });
        }
    });
    statuses.into_inner().unwrap()
}

#[test]
fn two_hundred_clients_cannot_overspend_a_hundred_credits() {
    let service = Example::start("trackyard");
    let folder = folder(&service);
    let key = account(&folder, "acme", "hundred");
    let gateway = Gateway::serve(folder);
    let mut statuses = race(&gateway, 200, &search(&key));
    // Held credits may be released, so these clients must wait.
    let held = statuses.remove(&429).unwrap_or_default();
    *statuses.entry(402).or_default() += held;
    assert_eq!(statuses, HashMap::from([(200, 100), (402, 100)]));
    let Credits { available, held, posted, .. } = credits(gateway.folder(), "acme");
    assert_eq!((available, held, posted), (0, 0, 100));
    // Later requests are rejected too, and a kill restores no credits.
    assert_eq!(gateway.client("trackyard").send(&search(&key)).status, 402);
    let gateway = Gateway::serve(gateway.kill());
    assert_eq!(gateway.client("trackyard").send(&search(&key)).status, 402);
    assert_eq!(credits(gateway.folder(), "acme").posted, 100);
}

#[test]
fn concurrent_calls_with_one_idempotency_key_are_charged_once() {
    let service = Example::start("trackyard");
    let folder = folder(&service);
    let key = account(&folder, "acme", "hundred");
    let gateway = Gateway::serve(folder);
    let request = search(&key).header("Idempotency-Key", "the-one");
    let statuses = race(&gateway, 50, &request);
    // Requests that came while the first was in flight must be retried: 400 in this contract.
    assert!(statuses.keys().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
    assert!(statuses[&200] >= 1, "{statuses:?}");
    assert_eq!(gateway.client("trackyard").send(&request).status, 200);
    assert_eq!(credits(gateway.folder(), "acme").posted, 1);
    // The same key with another request is an error, and costs nothing.
    let other = Request::post(SEARCH).key(&key).json(&json!({ "query": "calm" }));
    let response = gateway.client("trackyard").send(&other.header("Idempotency-Key", "the-one"));
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!(credits(gateway.folder(), "acme").posted, 1);
}
