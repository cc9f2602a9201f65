//! Reloads under load, a third of them bad: no request fails, and quotas and credits are exact.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use demur_e2e::Request;

use super::Scene;

/// `make soak` sets more.
fn rounds() -> usize {
    std::env::var("SOAK_RELOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(21)
}

/// Every third change is bad: its old text, its new text, and the reason for the rejection.
const BAD: [(&str, &str, &str); 4] = [
    ("plans:", "plans: ]", "syntax"),
    ("  open:", "  closed:", "unknown plan `open`"),
    ("openapi: openapi.yaml", "openapi: gone.yaml", "gone.yaml"),
    ("demur: 2\n", "demur: 2\nworkers: 9\n", "needs a restart"),
];

/// No load is shed, however slow the machine is.
const PATIENT: &str = "limits: { max_queue_delay: 60s";

#[test]
fn no_request_fails_and_counts_are_exact() {
    const CLIENTS: usize = 3;
    let scene = Scene::new();
    let rounds = rounds();
    // Enough that it is used up: 500, whatever is reloaded meanwhile.
    let limited = scene.key("limited", "open");
    let good = std::fs::read_to_string(scene.folder().config()).unwrap();
    let good = good.replace("  open:", "  paid: { credits: { monthly: 1000000 } }\n  open:");
    scene.folder().write("demur.yaml", &good.replace("plans:", &format!("{PATIENT} }}\nplans:")));
    scene.reload();
    let paying = scene.key("paying", "paid");
    let (done, passed, paid) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = scene.client.connect();
                while !done.load(Ordering::Relaxed) {
                    let response = connection.send(&Request::get("/items").key(&limited));
                    assert!(response.status == 200 || response.status == 429, "{response:?}");
                    passed.fetch_add(u64::from(response.status == 200), Ordering::Relaxed);
                    let response = connection.send(&Request::get("/pay").key(&paying));
                    assert_eq!(response.status, 200, "{response:?}");
                    paid.fetch_add(1, Ordering::Relaxed);
                    // A new connection for each other request.
                    assert!(scene.client.send(&Request::get("/nowhere").key(&paying)).status == 404);
                }
            });
        }
        let (mut rejected, mut reloaded) = (0, 1);
        for round in 0..rounds {
            // Another rate of another plan, another limit, another timeout of the upstream.
            let text = good
                .replace("requests: 3, per: 1h", &format!("requests: {}, per: 1h", 10 + round))
                .replace("plans:", &format!("{PATIENT}, max_connections: {} }}\nplans:", 5000 + round))
                .replace("\" }", &format!("\", timeout: {}s }}", 20 + round % 2));
            if round % 3 == 2 {
                let (old, new, reason) = BAD[round / 3 % BAD.len()];
                scene.folder().write("demur.yaml", &text.replace(old, new));
                let outcome = scene.folder().run(&["reload"]);
                assert_eq!(outcome.code, Some(1), "{outcome:?}");
                rejected += 1;
                let logged = scene.gateway.logged_times("config reload rejected", rejected);
                assert!(logged["reason"].as_str().unwrap().contains(reason), "{logged}");
            } else {
                scene.folder().write("demur.yaml", &text);
                reloaded += 1;
                assert_eq!(scene.reload()["generation"], reloaded + 1);
            }
        }
        // The quota is used up in any case.
        while passed.load(Ordering::Relaxed) < 500 {
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(passed.load(Ordering::Relaxed), 500);
    let account = scene.folder().account("paying");
    let paid = paid.load(Ordering::Relaxed);
    assert_eq!(account["credits"]["available"], 1_000_000 - paid, "{account}");
    assert_eq!(account["credits"]["held"], 0, "{account}");
    assert!(!scene.gateway.log().contains("request failed"), "{}", scene.gateway.log());
}
