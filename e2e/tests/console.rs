//! The console in a real browser, in front of the demo's gateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use demur_e2e::{Gateway, Program, Request, Response, installed};
use serde_json::{Value as Json, json};

/// A gateway, and its console with a login link.
struct Running {
    gateway: Gateway,
    program: Program,
    link: String,
}

impl Running {
    fn start() -> Self {
        let gateway = Gateway::demo();
        let config = gateway.folder().config();
        let arguments =
            ["console", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0", "--format", "json"];
        let mut program = Program::start(&arguments, gateway.folder().path());
        let first: Json = serde_json::from_str(&program.line()).unwrap();
        let link = first["login"].as_str().unwrap().to_owned();
        Self { gateway, program, link }
    }

    fn end(mut self) {
        self.program.interrupt();
        assert!(self.program.wait_for_exit().success());
    }
}

fn id(response: &Response) -> String {
    response.header("x-request-id").trim_start_matches("req_").to_owned()
}

/// Paths and keys that try to become more than text.
const PROBES: [&str; 3] = [
    "/%3Cimg%20data-probe%20src=x%20onerror=alert(1)%3E",
    "/%22%3E%3Cscript%20data-probe%3Ealert(1)%3C/script%3E",
    "/'-alert(1)-'",
];

#[test]
fn works_in_a_browser() {
    let browser = installed("browser/install.sh");
    let chromium = installed("chromium.sh");
    let running = Running::start();
    let client = running.gateway.client("trackbot-pro");
    let key = running.gateway.sample_key("trackbot-pro", "active").to_owned();
    for probe in PROBES {
        client.send(&Request::get(probe).key(&key));
        client.send(&Request::get(probe));
    }
    let rejected = client.send(&Request::get("/shipments?limit=101&page=0").key(&key));
    let id = id(&rejected);
    let deadline = Instant::now() + Duration::from_secs(60);
    while running.gateway.folder().run(&["explain", &id]).code != Some(0) {
        assert!(Instant::now() < deadline, "the journal has the entry");
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = Command::new("node")
        .arg(browser.join("console.mjs"))
        .arg(chromium)
        .args([&running.link, &id])
        .output()
        .expect("node is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["problems"], json!([]), "{said}");
    assert_eq!(said["checked"], 21);
    let seen = &said["seen"];
    for (name, expected) in [
        ("without", json!("/login")),
        ("login", json!("/")),
        ("again", json!("/login")),
        ("skip", json!("skip")),
        ("focused", json!("paste")),
        ("explained", json!(true)),
        ("kept", json!(false)),
        ("filtered", json!(1)),
    ] {
        assert_eq!(seen[name], expected, "{name}: {seen}");
    }
    assert!(seen["address"].as_str().unwrap().ends_with(&format!("/request?id={id}")), "{seen}");
    assert!(seen["rows"].as_u64().unwrap() >= 7, "{seen}");
    running.end();
}

#[test]
fn listens_on_this_machine_only_and_needs_a_journal() {
    let gateway = Gateway::demo();
    let outcome = gateway.folder().run(&["console", "--listen", "0.0.0.0:0"]);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("has no TLS"), "{outcome:?}");
    let folder = demur_e2e::TestDir::of_examples();
    folder.edit("journal: journal.db", "");
    let outcome = folder.run(&["console", "--listen", "127.0.0.1:0"]);
    assert!(outcome.code == Some(4) && outcome.stderr.contains("has no journal"), "{outcome:?}");
}
