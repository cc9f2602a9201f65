//! Keys over their whole life, through the gateway and the command line: revoked under load, rotated,
//! disabled, imported, in the query, tried in vain; and an API that is only watched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{Client, Example, Gateway, MockResponse, NewKey, Request, TestDir, Upstream};
use serde_json::json;

const SEARCH: &str = "/api/external/v1/search";
const API: &str = "trackyard";

fn folder(plan: &str) -> TestDir {
    let folder = TestDir::of_examples();
    folder.edit("  lapsed:\n", &format!("  tried: {{ {plan} }}\n  lapsed:\n"));
    folder
}

fn search(key: &str) -> Request {
    Request::post(SEARCH).key(key).json(&json!({ "query": "epic" }))
}

fn key(folder: &TestDir, account: &str) -> (String, String) {
    let issued = folder.create_key(&NewKey { api: API, account, ..NewKey::default() });
    (issued.id, issued.secret)
}

fn status(client: &Client, key: &str) -> u16 {
    client.send(&search(key)).status
}

/// The configuration of the examples, with an addition to the authentication or the whole of one API.
fn amend(folder: &TestDir, authentication: &str, api: &str) {
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let at = text.find(&format!("name: {API}\n")).unwrap();
    let (before, after) = text.split_at(at);
    let line = after.lines().find(|line| line.trim_start().starts_with("authentication:")).unwrap();
    let indent = &line[..line.len() - line.trim_start().len()];
    let amended = line.trim_end().trim_end_matches('}').trim_end().to_owned() + authentication + " }";
    let amended = after.replacen(line, &format!("{amended}\n{indent}{api}"), 1);
    folder.write("demur.yaml", &format!("{before}{amended}"));
}

/// The last 200 for a revoked key comes within a second after the revocation has returned.
#[test]
fn revokes_a_thousand_keys_under_load() {
    let service = Example::start(API);
    let folder = folder("credits: { monthly: 100000000 }");
    // All requests come from one address, and revoked keys count as failures.
    amend(&folder, ", failures: { requests: 10000000, per: 1m }", "");
    folder.point(API, service.address());
    let gateway = Gateway::serve(folder);
    let folder = gateway.folder();
    folder.create_account("acme", "tried");
    // Over the control socket: two thousand processes would dominate the measurement.
    let keys: Vec<(String, String)> = owner::create_keys(folder, 1000);
    let (revoked_at, last_passed) = (Mutex::new(vec![None; keys.len()]), Mutex::new(vec![None; keys.len()]));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for first in 0..4 {
            let (keys, done, last_passed) = (&keys, &done, &last_passed);
            let client = gateway.client(API);
            scope.spawn(move || {
                let mut connection = client.connect();
                let mut at = first * keys.len() / 4;
                while !done.load(Ordering::SeqCst) {
                    at = (at + 1) % keys.len();
                    let response = connection.send(&search(&keys[at].1));
                    match response.status {
                        200 => last_passed.lock().unwrap()[at] = Some(Instant::now()),
                        401 => {}
                        other => panic!("{other}: {}", response.text()),
                    }
                }
            });
        }
        let mut owner = owner::connect(folder);
        for (index, (id, _)) in keys.iter().enumerate() {
            owner.execute(&json!({ "command": "revoke_key", "key": id }));
            revoked_at.lock().unwrap()[index] = Some(Instant::now());
        }
        thread::sleep(Duration::from_secs(2));
        done.store(true, Ordering::SeqCst);
    });
    let (revoked_at, last_passed) = (revoked_at.into_inner().unwrap(), last_passed.into_inner().unwrap());
    assert!(last_passed.iter().flatten().count() > 100, "there was load");
    for (revoked, passed) in revoked_at.iter().zip(&last_passed) {
        if let (Some(revoked), Some(passed)) = (revoked, passed) {
            assert!(passed.saturating_duration_since(*revoked) <= Duration::from_secs(1));
        }
    }
}

#[test]
fn command_line_rotates_disables_expires_and_imports_keys() {
    let service = Example::start(API);
    let folder = folder("credits: { monthly: 1000 }");
    folder.point(API, service.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");
    let (id, first) = key(folder, "acme");
    let rotated = folder.result(&["keys", "rotate", &id, "--grace", "1h"]);
    let second = rotated["secret"].as_str().unwrap();
    assert_eq!((status(&client, &first), status(&client, second)), (200, 200));
    let rotated = folder.result(&["keys", "rotate", &id, "--grace", "0"]);
    let third = rotated["secret"].as_str().unwrap();
    assert_eq!([&first, second, third].map(|key| status(&client, key)), [401, 401, 200]);
    folder.result(&["keys", "disable", &id]);
    assert_eq!(status(&client, third), 401);
    folder.result(&["keys", "enable", &id]);
    assert_eq!(status(&client, third), 200);
    folder.result(&["keys", "expire", &id, "--at", "now"]);
    assert_eq!(status(&client, third), 401);
    folder.result(&["keys", "expire", &id, "--at", "never"]);
    assert_eq!(status(&client, third), 200);
    let listed = folder.result(&["keys", "list", "--account", "acme"]);
    assert!(listed[0]["last_used"].is_string(), "{listed}");

    // echo -n legacy_0123456789abcdef | sha256sum
    let foreign = "legacy_0123456789abcdef";
    let hash = "0d3d1d7ae2d9b6b1e2e3b6a4ab3cdd1c3ec1a2f9eb3d1f2ba3a4e9d0d1b1d9a1";
    let hash = sha256(foreign).unwrap_or_else(|| hash.to_owned());
    folder.write("keys.jsonl", &format!("{{\"account\": \"acme\", \"hash\": \"{hash}\"}}\n"));
    let file = folder.path().join("keys.jsonl");
    let import =
        ["keys", "import", "--api", API, "--hash", "sha256", "--prefix", "legacy_", "--length", "23"];
    let mut import: Vec<&str> = import.to_vec();
    import.push(file.to_str().unwrap());
    assert_eq!(status(&client, foreign), 401);
    folder.result(&import);
    assert_eq!(status(&client, foreign), 200);
    assert_eq!(status(&client, "legacy_0123456789abcdeF"), 401);
    assert_ne!(folder.run(&import).code, Some(0), "it is there already");
    // More keys than fit in one command.
    let note = "n".repeat(700);
    let line = |number: u32| {
        format!(
            "{{\"account\": \"acme\", \"hash\": \"{number:064x}\", \"metadata\": {{\"note\": \"{note}\"}}}}\n\n"
        )
    };
    folder.write("keys.jsonl", &(0..100).map(line).collect::<String>());
    assert_eq!(folder.result(&import)["keys"].as_array().map(Vec::len), Some(100));
    folder.result(&["keys", "disable", &id]);
    let rejected = folder.run(&["keys", "rotate", &id]);
    assert_ne!(rejected.code, Some(0));
    assert!(rejected.stderr.contains("enable it first"), "{rejected:?}");
    for secret in [foreign, third, second, &first] {
        assert!(!gateway.log().contains(&secret[secret.len() - 12..]), "a secret in the log");
    }
}

/// The hash, computed by Python, not by the code under test.
fn sha256(text: &str) -> Option<String> {
    let script = "import hashlib,sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest())";
    let output = std::process::Command::new("python3").args(["-c", script, text]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[test]
fn ledger_commands_work_while_the_gateway_runs() {
    let service = Example::start(API);
    let folder = folder("credits: { monthly: 10 }");
    folder.point(API, service.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");
    let (_, secret) = key(folder, "acme");
    assert_eq!(status(&client, &secret), 200);
    let named = client.send(&search(&secret).header("Idempotency-Key", "order-1"));
    assert_eq!(named.status, 200);
    folder.result(&["accounts", "top-up", "acme", "5", "--reason", "bought"]);
    folder.result(&["accounts", "withdraw", "acme", "3", "--reason", "by mistake"]);
    folder.result(&["accounts", "refund", "acme", "order-1", "--reason", "did not help"]);
    let shown = folder.result(&["accounts", "statement", "acme"]);
    let kinds: Vec<&str> =
        shown["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    for (kind, count) in [("grant", 1), ("posted", 2), ("top_up", 1), ("withdrawal", 1), ("refund", 1)] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), count, "{kind}: {shown}");
    }
    let credits = &shown["account"]["credits"];
    assert_eq!((credits["available"].as_u64(), credits["posted"].as_u64()), (Some(11), Some(1)));
    let proof = folder.result(&["accounts", "verify"]);
    assert_eq!(proof["consistent"], true, "{proof}");
    let copy = folder.path().join("copy.db");
    folder.result(&["accounts", "backup", copy.to_str().unwrap()]);
    assert!(copy.metadata().unwrap().len() > 0);
    assert_ne!(
        folder.run(&["accounts", "backup", copy.to_str().unwrap()]).code,
        Some(0),
        "never over another file"
    );
    folder.result(&["accounts", "prune", "--before", "2100-01-01T00:00:00Z"]);
    let proof = folder.result(&["accounts", "verify"]);
    assert_eq!(proof["consistent"], true, "{proof}");
}

#[test]
fn key_prefix_selects_the_environment() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "tracks": [] })));
    let folder = folder("credits: { monthly: 1000 }");
    folder.edit("prefix: tyd", "prefix: { live: tyd, test: tyd_test }");
    let rule = "rules: [{ name: sandbox, operations: [searchTracks], require: \"key.environment == 'live' || body.query != 'real'\", \
                raise: invalid_request }]";
    amend(&folder, "", rule);
    folder.point(API, upstream.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");
    let create = |environment: &[&str]| {
        let create = ["keys", "create", "--api", API, "--account", "acme"];
        folder.run(&[&create, environment].concat())
    };
    for (environment, help) in
        [(&[][..], "of: live, test"), (&["--environment", "tset"], "did you mean `test`?")]
    {
        let rejected = create(environment);
        assert_eq!(rejected.code, Some(2), "{rejected:?}");
        assert!(rejected.stderr.contains(help), "{rejected:?}");
    }
    for (environment, prefix, real) in [("live", "tyd_", 200), ("test", "tyd_test_", 400)] {
        let issued: serde_json::Value =
            serde_json::from_str(&create(&["--environment", environment]).stdout).unwrap();
        let id = issued["key"]["id"].as_str().unwrap();
        let rotated = folder.result(&["keys", "rotate", id, "--grace", "1h"]);
        for secret in [&issued["secret"], &rotated["secret"]].map(|secret| secret.as_str().unwrap()) {
            assert_eq!(secret.len(), prefix.len() + 49, "{environment}");
            assert!(secret.starts_with(prefix), "{environment}");
            assert_eq!(client.send(&search(secret)).status, 200);
            let seen = upstream.received();
            assert_eq!(seen.last().unwrap().headers.first("demur-environment"), Some(environment));
            let real_one = Request::post(SEARCH).key(secret).json(&json!({ "query": "real" }));
            assert_eq!(client.send(&real_one).status, real, "{environment}");
        }
    }
}

#[test]
fn rejects_a_query_key_unless_configured() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "tracks": [] })));
    for (query, passes) in [("", false), (", query: api_key", true)] {
        let folder = folder("credits: { monthly: 1000 }");
        amend(&folder, query, "");
        folder.point(API, upstream.address());
        let gateway = Gateway::serve(folder);
        gateway.folder().create_account("acme", "tried");
        let (_, secret) = key(gateway.folder(), "acme");
        let target = format!("{SEARCH}?api_key={secret}");
        let request = Request::post(&target).json(&json!({ "query": "epic" }));
        let response = gateway.client(API).send(&request);
        assert_eq!(response.status, if passes { 200 } else { 401 }, "{}", response.text());
        let other = Request::post(&format!("{SEARCH}?other={secret}")).key(&secret);
        assert_eq!(gateway.client(API).send(&other.json(&json!({ "query": "epic" }))).status, 401);
        assert!(!gateway.log().contains(&secret[secret.len() - 20..]), "the log must not have it");
    }
    let received = upstream.received();
    assert_eq!(received.len(), 1);
    assert!(!received[0].target.contains("api_key"), "{}", received[0].target);
}

#[test]
fn throttles_a_peer_that_guesses_keys() {
    let service = Example::start(API);
    let folder = folder("credits: { monthly: 1000 }");
    amend(&folder, ", failures: { requests: 3, per: 1h }", "");
    folder.point(API, service.address());
    let gateway = Gateway::serve(folder);
    gateway.folder().create_account("acme", "tried");
    let (_, secret) = key(gateway.folder(), "acme");
    let client = gateway.client(API);
    assert_eq!(status(&client, &secret), 200);
    for _ in 0..3 {
        assert_eq!(status(&client, "no_key"), 401);
    }
    let response = client.send(&search("no_key"));
    assert_eq!(response.status, 429, "{}", response.text());
    assert!(response.header("retry-after").parse::<u64>().unwrap() > 60);
    // Other clients at the same address are still served, with a cached key and with one that must be looked up.
    assert_eq!(status(&client, &secret), 200);
    let (_, unseen) = key(gateway.folder(), "acme");
    assert_eq!(status(&client, &unseen), 200);
    // Lookups of well-formed keys have their own limit.
    let prefix = secret.split_once('_').unwrap().0;
    for status_of_unknown in [401, 401, 401, 429] {
        let unknown = demur_admission::Secret::generate(prefix).unwrap();
        assert_eq!(status(&client, unknown.expose()), status_of_unknown);
    }
    let (_, late) = key(gateway.folder(), "acme");
    assert_eq!(status(&client, &late), 429);
    assert_eq!(status(&client, &unseen), 200);
}

#[test]
fn monitor_mode_rejects_nothing_and_logs_everything() {
    let upstream = Upstream::always(MockResponse::json(200, &json!({ "tracks": [] })));
    // Monitor mode charges nothing, so the balance must be too small from the start.
    let folder = folder("rates: [{ name: slow, requests: 1, per: 1h }], credits: { monthly: 0 }");
    amend(&folder, "", "mode: monitor");
    folder.point(API, upstream.address());
    let gateway = Gateway::serve(folder);
    gateway.folder().create_account("acme", "tried");
    let (_, secret) = key(gateway.folder(), "acme");
    let client = gateway.client(API);
    let no_key = Request::post(SEARCH).json(&json!({ "query": "epic" }));
    let wrong = Request::post(SEARCH).key(&secret).json(&json!({ "query": 7, "limit": "many" }));
    let nowhere = Request::get("/no/such/operation");
    for (request, error) in [
        (search(&secret), None),
        (search(&secret), Some("rate.exceeded")),
        (search(&secret), Some("credits.exhausted")),
        (no_key, Some("credential.missing")),
        (wrong, Some("rate.exceeded")),
        (nowhere, Some("resource.not_found")),
    ] {
        let response = client.send(&request);
        assert_eq!(response.status, 200, "{}", response.text());
        if let Some(error) = error {
            let deadline = Instant::now() + Duration::from_secs(5);
            let reported = |log: &str| {
                log.lines().any(|line| line.contains("request would be rejected") && line.contains(error))
            };
            while !reported(&gateway.log()) {
                assert!(Instant::now() < deadline, "{error} was not told: {}", gateway.log());
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
    assert_eq!(upstream.received().len(), 6);
}

/// The control socket, as the command line uses it.
mod owner {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    use demur_e2e::TestDir;
    use serde_json::{Value as Json, json};

    pub(super) struct Owner(BufReader<UnixStream>);

    pub(super) fn connect(folder: &TestDir) -> Owner {
        let sockets = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let socket = sockets.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "sock"));
        Owner(BufReader::new(UnixStream::connect(socket.unwrap()).unwrap()))
    }

    impl Owner {
        pub(super) fn execute(&mut self, command: &Json) -> Json {
            writeln!(self.0.get_mut(), "{command}").unwrap();
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let reply: Json = serde_json::from_str(&line).unwrap();
            assert_ne!(reply["reply"], "refused", "{reply}");
            reply
        }
    }

    /// IDs and secrets.
    pub(super) fn create_keys(folder: &TestDir, count: usize) -> Vec<(String, String)> {
        let mut owner = connect(folder);
        let grants = json!({ "operations": "all", "scopes": [], "resources": "all" });
        let (api, prefix) = (super::API, super::prefix(folder));
        let command = json!({ "command": "create_key", "api": api, "prefix": prefix, "account": "acme", "expires": null, "grants": grants });
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let make = |_| {
            let made = owner.execute(&command);
            (text(&made["key"]["id"]), text(&made["secret"]))
        };
        (0..count).map(make).collect()
    }
}

/// The prefix of the API's keys.
fn prefix(folder: &TestDir) -> String {
    let (_, secret) = key(folder, "acme");
    secret.rsplit_once('_').unwrap().0.to_owned()
}
