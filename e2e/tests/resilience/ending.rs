//! The start and the end: signals, requests under way, and what is left behind.

use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Gateway, MockResponse, Program, Request, TestDir, Upstream};
use serde_json::{Value as Json, json};

use super::{TIMEOUT, folder_in_front_of, wait_until};

#[test]
fn request_in_flight_gets_a_response_at_shutdown() {
    let response = MockResponse::json(200, &json!({ "brands": [] })).after(Duration::from_millis(1400));
    let upstream = Upstream::always(response);
    let (folder, key) = folder_in_front_of("trakkr", upstream.address());
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trakkr");
    let mut idle = client.connect();
    assert_eq!(idle.send(&Request::get("/brands").key(&key)).status, 200);
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.send(&Request::get("/brands").key(&key)));
        wait_until("it is under way", || upstream.received().len() == 2);
        gateway.terminate();
        // Idle connections are not waited for.
        assert_eq!(idle.closed_within(TIMEOUT).unwrap(), b"");
        wait_until("nobody new is let in", || TcpStream::connect(gateway.address()).is_err());
        assert!(!asking.is_finished(), "answered before it was asked to end");
        assert_eq!(asking.join().unwrap().status, 200);
    });
    let (status, folder) = gateway.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    // The store was closed in order: it has no owner, and no file of an owner is left.
    assert!(!folder.path().join("demur.db.sock").exists());
    assert_eq!(folder.account("acme")["id"], "acme");
}

#[test]
fn endless_request_does_not_block_shutdown() {
    let silent = Upstream::always(MockResponse::silence());
    let (folder, key) = folder_in_front_of("trackunit", silent.address());
    folder.edit("timeout: 5s", "timeout: 60s");
    folder
        .edit("default_contract: problem", "limits: { shutdown_timeout: 300ms }\ndefault_contract: problem");
    let gateway = Gateway::serve(folder);
    let client = gateway.client("trackunit");
    thread::scope(|scope| {
        scope.spawn(|| client.try_send(&Request::get("/devices").key(&key)));
        wait_until("it is under way", || silent.received().len() == 1);
        let asked = Instant::now();
        gateway.terminate();
        let (status, _) = gateway.wait_for_exit();
        assert_eq!(status.code(), Some(0));
        assert!(asked.elapsed() < TIMEOUT, "{:?}", asked.elapsed());
    });
}

/// From the line that says that it serves, a signal is a request to end, and not an end.
#[test]
fn handles_signals_as_soon_as_it_serves() {
    let folder = TestDir::of_examples();
    for round in 0..5 {
        let mut program =
            Program::start(&["serve", "--listen", "127.0.0.1:0", "--format", "json"], folder.path());
        program.line();
        program.interrupt();
        assert_eq!(program.wait_for_exit().code(), Some(0), "round {round}: {}", program.log());
    }
}

/// The demo with nothing but a port of its own; when it serves, what it said and how long that took.
fn demo(arguments: &[&str], folder: &TestDir) -> (Program, Json, Duration) {
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
fn demo_starts_quickly_and_shuts_down_cleanly() {
    let folder = TestDir::empty();
    let (mut program, said, took) = demo(&[], &folder);
    println!("from the start of the process to the first answer: {took:?} (debug build)");
    assert!(took < TIMEOUT, "{took:?}");
    let own = PathBuf::from(said["folder"].as_str().unwrap());
    assert!(own.join("demur.yaml").is_file() && own.join("demur.db").is_file(), "{said}");
    program.interrupt();
    let status = program.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{}", program.log());
    assert!(!own.exists(), "{} is left", own.display());
    // Nothing was put where it was started.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn demo_keeps_and_reuses_a_given_folder() {
    let folder = TestDir::empty();
    for _ in 0..2 {
        let (mut program, said, _) = demo(&["--folder", "a demo"], &folder);
        let own = folder.path().join("a demo").canonicalize().unwrap();
        assert_eq!(said["folder"].as_str().map(PathBuf::from).as_ref(), Some(&own));
        program.interrupt();
        assert_eq!(program.wait_for_exit().code(), Some(0), "{}", program.log());
        assert!(own.join("demur.db").is_file());
    }
}
