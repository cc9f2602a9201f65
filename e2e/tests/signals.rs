//! Signals: none that another server takes for something else ends the gateway. What SIGHUP does is in `reload/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Program, Request, TestDir};
use rustix::process::Signal;
use serde_json::Value as Json;

/// Signals that others send to rotate logs or to upgrade the binary. The first has no effect without a log file.
const WITHOUT_EFFECT: [(Signal, Option<&str>); 2] = [(Signal::USR1, None), (Signal::USR2, Some("SIGUSR2"))];
/// Signals that end the process in order.
const ENDING: [Signal; 2] = [Signal::TERM, Signal::INT];

fn said(program: &mut Program) -> Json {
    let line = program.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SIGUSR1 without a handler kills a process.
#[test]
fn serve_ignores_user_signals_and_ends_in_order() {
    for ending in ENDING {
        let folder = TestDir::of_examples();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--format", "json"];
        let mut program = Program::start(&arguments, folder.path());
        let address = said(&mut program)["gateway"].as_str().unwrap().replace("http://", "");
        let client = Client::new(address.parse().unwrap(), "/trakkr", demur_e2e::contract("trakkr"));
        for (signal, name) in WITHOUT_EFFECT {
            program.signal(signal);
            if let Some(name) = name {
                wait_until("the signal is logged", || program.log().contains(name));
            }
            assert_eq!(client.send(&Request::get("/brands")).status, 401);
        }
        program.signal(ending);
        assert_eq!(program.wait_for_exit().code(), Some(0), "{ending:?}: {}", program.log());
        assert!(!folder.path().join("demur.db.sock").exists(), "{ending:?}");
    }
}

#[test]
fn demo_cleans_up_after_every_signal() {
    // The demo reloads nothing: without a terminal too, SIGHUP ends it.
    for ending in [ENDING[0], ENDING[1], Signal::HUP] {
        let home = TestDir::empty();
        let mut program =
            Program::start(&["demo", "--listen", "127.0.0.1:0", "--format", "json"], home.path());
        let folder = PathBuf::from(said(&mut program)["folder"].as_str().unwrap());
        for (signal, name) in WITHOUT_EFFECT {
            program.signal(signal);
            if let Some(name) = name {
                wait_until("the signal is logged", || program.log().contains(name));
            }
        }
        assert!(folder.exists());
        program.signal(ending);
        assert_eq!(program.wait_for_exit().code(), Some(0), "{ending:?}: {}", program.log());
        assert!(!folder.exists(), "{ending:?}: {}", folder.display());
    }
}
