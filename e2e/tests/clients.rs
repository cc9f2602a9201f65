//! What ordinary clients send is never rejected: curl, Python, Node and Java clients run against the gateway, and requests of
//! clients that cannot run here are sent byte for byte (`e2e/clients/`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use demur_e2e::hostile::{bytes, items};
use demur_e2e::{Gateway, MockResponse, NewKey, TestDir, Upstream, installed};
use demur_source::Node;
use serde_json::{Value as Json, json};

/// The timeout for all requests of the browser.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Site {
    gateway: Gateway,
    upstream: Upstream,
    key: String,
}

impl Site {
    fn start() -> Self {
        let upstream = Upstream::always(MockResponse::json(200, &json!({ "fine": true })));
        let folder = TestDir::empty();
        folder.write("demur.yaml", include_str!("../clients/demur.yaml"));
        folder.write("openapi.yaml", include_str!("../clients/openapi.yaml"));
        folder.edit("127.0.0.1:9001", &upstream.address().to_string());
        folder.create_account("acme", "pro");
        let key = folder.create_key(&NewKey { api: "clients", account: "acme", ..NewKey::default() }).secret;
        Self { gateway: Gateway::serve(folder), upstream, key }
    }

    fn url(&self) -> String {
        format!("http://{}", self.gateway.address())
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// Runs a program that prints a line of JSON for each request: every status must be 200.
fn every_request_passes(site: &Site, mut command: Command, at_least: usize) {
    command.stdin(Stdio::null()).env("NO_PROXY", "*").env("no_proxy", "*");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    let lines = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    all_passed(site, &lines.collect::<Vec<Json>>(), at_least);
}

fn all_passed(site: &Site, results: &[Json], at_least: usize) {
    let rejected: Vec<String> =
        results.iter().filter(|result| result["status"] != 200).map(Json::to_string).collect();
    let log = site.gateway.log();
    let conditions: Vec<&str> = log.lines().filter(|line| line.contains("\"condition\"")).collect();
    assert!(
        rejected.is_empty() && conditions.is_empty(),
        "{} of {} requests:\n{}\n{}",
        rejected.len(),
        results.len(),
        rejected.join("\n"),
        conditions.join("\n")
    );
    assert!(results.len() >= at_least, "only {} requests", results.len());
    assert_eq!(site.upstream.received().len(), results.len(), "the upstream saw another number of requests");
}

#[test]
fn requests_of_curl_pass() {
    let site = Site::start();
    let mut command = Command::new(file("curl.sh"));
    command.arg(installed("servers.sh").join("bin/curl")).args([&site.url(), &site.key]);
    every_request_passes(&site, command, 30);
}

#[test]
fn requests_of_python_clients_pass() {
    let site = Site::start();
    let mut command = Command::new(installed("servers.sh").join("python/bin/python"));
    command.arg(file("python_clients.py")).args([&site.url(), &site.key]);
    every_request_passes(&site, command, 100);
}

#[test]
fn requests_of_node_clients_pass() {
    let site = Site::start();
    let mut command = Command::new("node");
    command.env("NODE_MODULES", installed("servers.sh").join("node/node_modules"));
    command.arg(file("node_clients.mjs")).args([&site.url(), &site.key]);
    every_request_passes(&site, command, 80);
}

#[test]
fn requests_of_java_clients_pass() {
    let site = Site::start();
    let root = installed("servers.sh");
    let classes = format!("{0}/classes:{0}/jars/*", root.display());
    let mut command = Command::new(root.join("bin/java"));
    command.args(["-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", &classes, "JavaClients"]);
    command.args([&site.url(), &site.key]);
    every_request_passes(&site, command, 40);
}

#[test]
fn requests_of_chromium_pass() {
    let site = Site::start();
    let (reported, results) = mpsc::channel();
    let reported = Mutex::new(reported);
    let page = Upstream::start(move |request| {
        if request.target == "/results" {
            let results: Vec<Json> = serde_json::from_slice(&request.body).unwrap();
            // The receiver is gone if the test has ended.
            let _ = reported.lock().unwrap().send(results);
        }
        let html = [("Content-Type", "text/html; charset=utf-8")];
        MockResponse::response(200, &html, include_str!("../clients/browser.html"))
    });
    let profile = TestDir::empty();
    let encoded = site.url().replace(':', "%3A").replace('/', "%2F");
    let mut command = Command::new(installed("chromium.sh"));
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("http://{}/#{encoded},{}", page.address(), site.key));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut browser = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let results = results.recv_timeout(TIMEOUT);
    // Its child processes exit with it.
    browser.kill().unwrap();
    browser.wait().unwrap();
    let results = results.unwrap_or_else(|error| panic!("{error}: {}", site.gateway.log()));
    // The gateway responds to preflights itself.
    all_passed(&site, &results, 45);
}

#[test]
fn requests_of_other_clients_pass() {
    let site = Site::start();
    let rows = items(&file("raw.yaml"));
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(|row| passes(&site, row).err()).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn passes(site: &Site, row: &Node) -> Result<(), String> {
    let text = |name: &str| row.get(name).and_then(Node::scalar_text);
    let client = text("client").expect("a row names its client");
    assert!(text("source").is_some(), "{client} has no source");
    let body = bytes(&text("body").unwrap_or_default(), "");
    let lines: Vec<String> =
        row.get("head").and_then(Node::as_seq).unwrap().iter().filter_map(Node::scalar_text).collect();
    let host = site.gateway.address().to_string();
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    let head = head.replace("{HOST}", &host).replace("{LENGTH}", &body.len().to_string());
    let mut sent = bytes(&head, &site.key);
    sent.extend_from_slice(&body);
    let before = site.upstream.received().len();
    let mut connection = site.gateway.client_of_no_api().connect();
    connection.write(&sent);
    let response = connection.try_read("GET").map_err(|error| format!("- {client}: {error}"))?;
    if response.status != 200 {
        let logged = site.gateway.logged(response.header("x-request-id"));
        return Err(format!("- {client}: {} {} {}", response.status, logged["condition"], logged["cause"]));
    }
    let received = site.upstream.received();
    let [arrived] = &received[before..] else {
        return Err(format!("- {client}: {} requests arrived", received.len() - before));
    };
    let mut request = lines[0].split(' ');
    let (method, target) = (request.next().unwrap(), request.next().unwrap());
    // A path may arrive normalized, with the same octets.
    if arrived.method != method || decoded(&arrived.target) != decoded(target) {
        return Err(format!("- {client}: it arrived as {} {}", arrived.method, arrived.target));
    }
    let is_chunked = lines.iter().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    if !is_chunked && arrived.body != body {
        return Err(format!("- {client}: its body arrived as {}", String::from_utf8_lossy(&arrived.body)));
    }
    Ok(())
}

/// A target, percent-decoded once.
fn decoded(target: &str) -> Vec<u8> {
    let (mut made, mut rest) = (Vec::new(), target.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                made.push(byte);
                rest = &after[2..];
            }
            None => {
                made.push(*first);
                rest = after;
            }
        }
    }
    made
}
