//! When the store cannot write or cannot be read: a request that costs credits gets an error of the contract, one that costs
//! nothing goes on, nothing is lost or damaged, and service returns by itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where, or why it does not begin"
)]

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Example, Gateway, NewKey, Request, Response, SmallDisk, TestDir, with_own_mounts};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

const API: &str = "trackyard";
const CREDITS: u64 = 100_000;

/// A gateway whose books lie in a folder of their own, in front of the real service, and a key for it.
struct Scene {
    gateway: Gateway,
    client: Client,
    key: String,
    /// Responses with 200 to calls that cost a credit.
    charged: u64,
    _service: Example,
}

impl Scene {
    fn new(folder: TestDir) -> Self {
        let service = Example::start(API);
        folder.edit("store: sqlite:demur.db", "store: sqlite:books/demur.db");
        folder.edit("  lapsed:\n", &format!("  tried: {{ credits: {{ monthly: {CREDITS} }} }}\n  lapsed:\n"));
        folder.point(API, service.address());
        let gateway = Gateway::serve(folder);
        gateway.folder().create_account("acme", "tried");
        let new = NewKey { api: API, account: "acme", ..NewKey::default() };
        let key = gateway.folder().create_key(&new).secret;
        let client = gateway.client(API);
        Self { gateway, client, key, charged: 0, _service: service }
    }

    /// A search, which costs one credit.
    fn search(&mut self) -> Response {
        let request = Request::post("/api/external/v1/search").key(&self.key);
        let response = self.client.send(&request.json(&json!({ "query": "epic" })));
        self.charged += u64::from(response.status == 200);
        response
    }

    /// A free call: it does not use the ledger while the key is cached.
    fn free(&self) -> u16 {
        self.client.send(&Request::get("/api/external/v1/tracks/unknown").key(&self.key)).status
    }

    /// Searches until the contract's error for an unavailable store appears.
    fn search_until_trouble(&mut self) {
        let trouble = (0..20_000).map(|_| self.search()).find(|response| response.status != 200).unwrap();
        // This contract has one error for all failures of the server, and it is never 402.
        assert_eq!(trouble.status, 500, "{trouble:?}");
        let logged = self.gateway.logged(trouble.header("x-request-id")).to_string();
        assert!(logged.contains("store.unavailable.credits"), "{logged}");
    }

    fn search_until_served(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.search().status != 200 {
            assert!(Instant::now() < deadline, "service does not return: {}", self.gateway.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Limits the size of the gateway's files, or removes the limit.
    fn limit_files(&self, length: Option<u64>) {
        let id = i32::try_from(self.gateway.process_id()).ok().and_then(Pid::from_raw);
        prlimit(id, Resource::Fsize, Rlimit { current: length, maximum: None }).unwrap();
    }

    /// Every call with 200 was charged, nothing else was, and every page of the ledger is valid.
    fn prove(&self) {
        let folder = self.gateway.folder();
        let deadline = Instant::now() + Duration::from_secs(10);
        // Settlements that could not be written are written now.
        let credits = loop {
            let credits = folder.account("acme")["credits"].clone();
            if credits["held"] == 0 {
                break credits;
            }
            assert!(Instant::now() < deadline, "held by nobody: {credits}");
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(credits["posted"], self.charged, "{credits}");
        assert_eq!(credits["available"], CREDITS - self.charged, "{credits}");
        let proof = folder.result(&["accounts", "verify"]);
        assert_eq!(proof["consistent"], true, "{proof}");
    }

    /// Writes fail, and then succeed again.
    fn go_through(&mut self, begin: impl FnOnce(&Self), end: impl FnOnce(&Self)) {
        begin(self);
        self.search_until_trouble();
        for _ in 0..20 {
            self.search();
            assert_eq!(self.free(), 404, "the service's own answer: what costs nothing goes on");
        }
        end(self);
        self.search_until_served();
        self.prove();
        println!("{} charged", self.charged);
    }

    /// The same after the process was killed, and everything it had in memory is gone.
    fn prove_after_a_kill(self) {
        let Self { gateway, client: _, key, charged, _service } = self;
        let gateway = Gateway::serve(gateway.kill());
        let client = gateway.client(API);
        let mut again = Self { gateway, client, key, charged, _service };
        again.prove();
        assert_eq!(again.search().status, 200);
        again.prove();
    }
}

/// An example's folder, and where in it the ledger will lie.
fn folder_with_books() -> (TestDir, PathBuf) {
    let folder = TestDir::of_examples();
    let books = folder.path().join("books");
    fs::create_dir(&books).unwrap();
    (folder, books)
}

#[test]
fn full_disk_rejects_charged_calls_and_loses_no_data() {
    match with_own_mounts("full_disk_rejects_charged_calls_and_loses_no_data") {
        Some(true) => {}
        Some(false) => return,
        None => return println!("no mount namespace here (`unshare -Urm`): a full disk cannot be shown"),
    }
    let (folder, books) = folder_with_books();
    let disk = SmallDisk::mount(&books);
    let mut scene = Scene::new(folder);
    for _ in 0..20 {
        assert_eq!(scene.search().status, 200);
    }
    for _ in 0..3 {
        scene.go_through(|_| disk.fill(), |_| disk.make_room());
    }
    scene.prove_after_a_kill();
}

/// The same trouble where nothing may be mounted: the files may not grow any more.
#[test]
fn file_size_limit_rejects_charged_calls_and_loses_no_data() {
    let (folder, books) = folder_with_books();
    let mut scene = Scene::new(folder);
    for _ in 0..3 {
        for _ in 0..20 {
            assert_eq!(scene.search().status, 200);
        }
        // As long as the log of the ledger is now, and longer than the delay that the gateway reports.
        let length = fs::metadata(books.join("demur.db-wal")).unwrap().len().max(256 * 1024);
        scene.go_through(|scene| scene.limit_files(Some(length)), |scene| scene.limit_files(None));
    }
    scene.prove_after_a_kill();
}

#[test]
fn unreadable_ledger_is_an_error_and_not_an_empty_account() {
    let (folder, books) = folder_with_books();
    let mut scene = Scene::new(folder);
    let new = NewKey { api: API, account: "acme", ..NewKey::default() };
    let other = scene.gateway.folder().create_key(&new).secret;
    assert_eq!(scene.search().status, 200);
    let (file, aside) = (books.join("demur.db"), books.join("aside"));
    for stand_in in [None, Some("no database at all, but a text of more than sixteen bytes")] {
        fs::rename(&file, &aside).unwrap();
        if let Some(text) = stand_in {
            fs::write(&file, text).unwrap();
        }
        scene.search_until_trouble();
        assert_eq!(scene.free(), 404);
        // A key that is not cached: its account cannot be found, and it is not reported as unknown.
        let request = Request::get("/api/external/v1/tracks/unknown").key(&other);
        let trouble = scene.client.send(&request);
        assert_eq!(trouble.status, 500, "{trouble:?}");
        let logged = scene.gateway.logged(trouble.header("x-request-id")).to_string();
        assert!(logged.contains("store.unavailable.keys"), "{logged}");
        fs::rename(&aside, &file).unwrap();
        scene.search_until_served();
        scene.prove();
    }
    assert_eq!(scene.client.send(&Request::get("/api/external/v1/tracks/unknown").key(&other)).status, 404);
    scene.prove_after_a_kill();
}
