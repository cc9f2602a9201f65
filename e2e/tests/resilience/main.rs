//! What one client, one upstream or one signal does must not be felt by others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop and say where; measured figures are for --nocapture"
)]

mod clients;
mod ending;
mod upstreams;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{NewKey, TestDir};

/// How long something may take that should take no time.
const TIMEOUT: Duration = Duration::from_secs(5);

fn key(folder: &TestDir, api: &str) -> String {
    folder.create_key(&NewKey { api, account: "acme", ..NewKey::default() }).secret
}

/// The examples' configuration with one API at this upstream, an account, and a key for it.
fn folder_in_front_of(api: &str, upstream: SocketAddr) -> (TestDir, String) {
    let folder = TestDir::of_examples();
    folder.point(api, upstream);
    folder.create_account("acme", "pro");
    let key = key(&folder, api);
    (folder, key)
}

/// Looks again and again until it is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
