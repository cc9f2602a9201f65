//! Probes, and what they see of a shutdown.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::Request;
use rustix::process::Signal;

use super::Scene;

#[test]
fn endpoints_are_for_reading_only() {
    let scene = Scene::start("");
    for (method, path, status, allow) in [
        ("GET", "/health/live", 200, ""),
        ("HEAD", "/health/live", 200, ""),
        ("GET", "/health/ready", 200, ""),
        ("GET", "/health/ready?verbose=1", 200, ""),
        ("GET", "/metrics", 200, ""),
        ("HEAD", "/metrics", 200, ""),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("DELETE", "/health/live", 405, "GET, HEAD"),
        ("PUT", "/health/ready", 405, "GET, HEAD"),
        ("GET", "/", 404, ""),
        ("GET", "/reload", 404, ""),
        ("POST", "/reload", 404, ""),
        ("GET", "/shop/items", 404, ""),
        ("GET", "/health/../metrics", 404, ""),
    ] {
        let response = scene.probe(method, path);
        assert_eq!((response.status, response.header("allow")), (status, allow), "{method} {path}");
        assert_eq!(response.header("cache-control"), "no-store", "{method} {path}");
        assert_eq!(response.body.is_empty(), method == "HEAD", "{method} {path}");
    }
    let bad = scene.probe("G@T x", "/metrics");
    assert_eq!(bad.status, 400);
    // Clients of the APIs do not reach it.
    assert_eq!(scene.client.send(&Request::get("/health/live")).status, 404);
}

#[test]
fn readiness_says_why_not() {
    let scene = Scene::start("");
    let ready = scene.probe("GET", "/health/ready").json();
    assert_eq!(ready, serde_json::json!({ "status": "ready", "reasons": [], "generation": 1 }));
    let database = scene.folder.path().join("demur.db");
    let aside = scene.folder.path().join("aside.db");
    fs::rename(&database, &aside).unwrap();
    let response = scene.probe("GET", "/health/ready");
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.text().contains("the store is unavailable"), "{response:?}");
    // The process is alive all the same: a restart would not help.
    assert_eq!(scene.probe("GET", "/health/live").status, 200);
    assert!(scene.metrics().contains("demur_store_available 0"));
    fs::rename(&aside, &database).unwrap();
    assert_eq!(scene.probe("GET", "/health/ready").status, 200);
}

/// As in a pod: not ready, then for a while served as before, then drained, then gone. No request fails.
#[test]
fn a_shutdown_is_announced_before_it_begins() {
    let mut scene = Scene::start(", shutdown_delay: 3s");
    let key = scene.key("acme", "open");
    let (is_told, served) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let mut connection = scene.client.connect();
            let begun = Instant::now();
            // Until the gateway closes the connection after a response.
            loop {
                let response = connection.send(&Request::get("/items").key(&key));
                assert_eq!(response.status, 200, "{response:?}");
                served.fetch_or(is_told.load(Ordering::Relaxed), Ordering::Relaxed);
                if response.header("connection") == "close" {
                    return;
                }
                assert!(begun.elapsed() < Duration::from_secs(60));
            }
        });
        scene.program.signal(Signal::TERM);
        let begun = Instant::now();
        loop {
            let response = scene.probe("GET", "/health/ready");
            if response.status == 503 {
                assert!(response.text().contains("the gateway shuts down"), "{response:?}");
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
        is_told.store(true, Ordering::Relaxed);
        // A new connection is still accepted.
        assert_eq!(scene.get("/items", &key), 200);
        requests.join().unwrap();
    });
    assert!(served.load(Ordering::Relaxed), "served while it was not ready");
    assert_eq!(scene.program.wait_for_exit().code(), Some(0));
    assert!(scene.try_probe("GET", "/health/live").is_err());
}

/// A second SIGTERM skips the delay.
#[test]
fn a_second_signal_ends_the_delay() {
    let mut scene = Scene::start(", shutdown_delay: 10m");
    scene.program.signal(Signal::TERM);
    let begun = Instant::now();
    while scene.probe("GET", "/health/ready").status != 503 {
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    scene.program.signal(Signal::TERM);
    assert_eq!(scene.program.wait_for_exit().code(), Some(0));
}
