//! No secret is anywhere but with its owner: whatever was done with keys, nothing of them beyond their public
//! prefix is in any response, any output, any log, or any byte of any file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use demur_e2e::{Example, Gateway, MockResponse, NewKey, Request, TestDir, Upstream};
use serde_json::{Value as Json, json};

const API: &str = "trackyard";
const SEARCH: &str = "/api/external/v1/search";

/// A match of this many characters is no coincidence: with an alphabet of 62, one in 10¹⁴.
const REVEALING: usize = 8;

/// The secrets to search for, and the places to search.
struct Canary {
    /// All substrings of the secrets of a given length, sorted: none may be found.
    stretches: Vec<Vec<u8>>,
    found: Vec<String>,
}

impl Canary {
    /// `secrets` without their public prefixes.
    fn of(secrets: &[&str]) -> Self {
        let stretches = secrets.iter().flat_map(|secret| secret.as_bytes().windows(REVEALING));
        let mut stretches: Vec<Vec<u8>> = stretches.map(<[u8]>::to_vec).collect();
        stretches.sort();
        Self { stretches, found: Vec::new() }
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        let is_one =
            |window: &&[u8]| self.stretches.binary_search_by(|known| known.as_slice().cmp(window)).is_ok();
        if bytes.windows(REVEALING).any(|window| is_one(&window)) {
            self.found.push(place.to_owned());
        }
    }

    /// The same for substrings of several lengths.
    fn look_lengths(&mut self, place: &str, bytes: &[u8]) {
        let lengths: std::collections::BTreeSet<usize> = self.stretches.iter().map(Vec::len).collect();
        let known: std::collections::HashSet<&[u8]> = self.stretches.iter().map(Vec::as_slice).collect();
        let is_in = |length: usize| bytes.windows(length).any(|window| known.contains(window));
        if lengths.into_iter().any(is_in) {
            self.found.push(place.to_owned());
        }
    }

    /// Searches every file of the store: pages, log and the files beside them.
    fn look_into(&mut self, folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                self.look(&format!("the file {name}"), &fs::read(&path).unwrap());
                names.push(name);
            }
        }
        names
    }
}

#[test]
fn no_response_output_log_or_file_contains_a_secret() {
    let service = Example::start(API);
    let folder = TestDir::of_examples();
    folder.edit(
        "  lapsed:\n",
        "  tried: { rates: [{ name: few, requests: 3, per: 1h }], credits: { monthly: 2 } }\n  lapsed:\n",
    );
    folder.point(API, service.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");

    // Keys in every state, an imported one, and one that never existed.
    let make =
        |expires| folder.create_key(&NewKey { api: API, account: "acme", expires, ..NewKey::default() });
    let (active, revoked, expired) = (make(None), make(None), make(Some("2020-01-01T00:00:00Z")));
    let rotated = folder.result(&["keys", "rotate", &active.id, "--grace", "1h"]);
    let second = rotated["secret"].as_str().unwrap().to_owned();
    folder.revoke_key(&revoked.id);
    let invented = format!("{}{}", &active.secret[..active.secret.len() - 12], "0123456789ab");
    let foreign = "legacy_Qp7vXz3LmT9sWc5kRb8d";
    let foreign_key = "f3a9c2e17b5d4860a1c3e5f7092b4d6e8fa0b1c2d3e4f5061728394a5b6c7d8e";
    import(folder, foreign, foreign_key);
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();

    let secrets = [&active.secret, &second, &revoked.secret, &expired.secret, &invented];
    let public = active.secret.rfind('_').unwrap() + 1;
    let mut hidden: Vec<&str> = secrets.iter().map(|secret| &secret[public..]).collect();
    hidden.extend([&foreign["legacy_".len()..], foreign_key]);
    let mut canary = Canary::of(&hidden);

    // Every way of presenting keys: accepted, rejected, malformed, exposed, in another scheme.
    let mut statuses = Vec::new();
    for secret in secrets.into_iter().map(String::as_str).chain([foreign]) {
        let ask = || Request::post(SEARCH).json(&json!({ "query": "epic" }));
        let shorter = &secret[..secret.len() - 1];
        for request in [
            ask().key(secret),
            ask().key(shorter),
            ask().key(&format!("{secret}x")),
            ask().header("Authorization", &format!("Basic {secret}")),
            ask().header("Authorization", secret),
            ask().header("X-Api-Key", secret),
            Request::post(&format!("{SEARCH}?key={secret}")).key(secret).json(&json!({ "query": "epic" })),
            Request::post(SEARCH).key(secret).json(&json!({ "query": 7, "limit": "many" })),
            Request::get(&format!("/api/external/v1/tracks/{shorter}")).key(shorter),
            ask().key(secret).header("Idempotency-Key", "the-same"),
        ] {
            let response = client.send(&request);
            statuses.push(response.status);
            let in_query = format!("{request:?}").contains("?key=");
            assert!(!in_query || response.status == 401, "a key in the query: {response:?}");
            canary.look(&format!("the answer to {request:?}"), &response.body);
            for (name, value) in response.headers.iter() {
                canary.look(&format!("the field {name} of the answer to {request:?}"), value.as_bytes());
            }
        }
    }
    for wanted in [200, 401, 429] {
        assert!(statuses.contains(&wanted), "{wanted} was never answered: {statuses:?}");
    }
    folder.result(&["keys", "rotate-pepper"]);

    // The output of commands for existing keys.
    let copy = path("copy.db");
    for arguments in [
        &["keys", "list"][..],
        &["keys", "disable", &active.id],
        &["keys", "enable", &active.id],
        &["keys", "expire", &active.id, "--at", "never"],
        &["accounts", "show", "acme"],
        &["accounts", "statement", "acme"],
        &["accounts", "verify"],
        &["accounts", "backup", &copy],
        // The output of commands that fail: a repeated one, and one for an unknown key.
        &["accounts", "backup", &copy],
        &["keys", "revoke", "key_unknown"],
    ] {
        let outcome = folder.run(arguments);
        canary.look(&format!("the output of {arguments:?}"), outcome.stdout.as_bytes());
        canary.look(&format!("the messages of {arguments:?}"), outcome.stderr.as_bytes());
    }
    canary.look("the log", gateway.log().as_bytes());

    // The pepper's file is there for the key of the hashes, and for nothing else of them.
    let within = fs::read_to_string(path("demur.db.pepper")).unwrap();
    fs::write(path("demur.db.pepper"), within.replace(&hex(foreign_key), "").replace(foreign_key, ""))
        .unwrap();
    let names = canary.look_into(folder.path());
    for name in ["demur.db", "demur.db-wal", "copy.db"] {
        assert!(names.iter().any(|found| found == name), "{name} is not there: {names:?}");
    }
    let log = gateway.log();
    let left = gateway.kill();
    canary.look("the log at the end", log.as_bytes());
    canary.look_into(left.path());
    assert_eq!(canary.found, Vec::<String>::new());

    // The search finds a secret that is there.
    canary.look("a text with it", format!("key {}", &second[public..]).as_bytes());
    assert_eq!(canary.found, ["a text with it"]);
}

/// An upstream that quotes whatever it is sent, in one of the ways in which services do that: in the text of its
/// errors, and as the name of the error. Nothing of it is in the log, and what must not cross does not.
#[test]
fn redacts_secrets_that_an_upstream_quotes() {
    let upstream = Upstream::start(|received| {
        let headers: Vec<String> =
            received.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = String::from_utf8_lossy(&received.body).into_owned();
        let text = format!("no route for {} with {body} and {}", received.target, headers.join(", "));
        let raised = received.headers.first("x-raise").map(|name| ("Demur-Error", name));
        let headers: Vec<_> = [("Content-Type", "text/plain")].into_iter().chain(raised).collect();
        MockResponse::response(if raised.is_some() { 422 } else { 404 }, &headers, text)
    });
    let folder = TestDir::of_examples();
    folder.edit("  lapsed:\n", "  tried: { credits: { monthly: 1000 } }\n  lapsed:\n");
    let text = fs::read_to_string(folder.config()).unwrap();
    folder.write("demur.yaml", &format!("{text}\naccess_log: all\n"));
    folder.point(API, upstream.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");
    let make = |api| folder.create_key(&NewKey { api, account: "acme", ..NewKey::default() }).secret;
    let (own, others) = (make(API), make("trackunit"));
    let foreign = "legacy_Qp7vXz3LmT9sWc5kRb8d";
    import(folder, foreign, "f3a9c2e17b5d4860a1c3e5f7092b4d6e8fa0b1c2d3e4f5061728394a5b6c7d8e");
    let hidden = |secret: &str| secret[secret.rfind('_').unwrap() + 1..].to_owned();
    let (first, second, third) = (hidden(&own), hidden(&others), hidden(foreign));
    let mut canary = Canary::of(&[&first, &second, &third]);

    // A key that is forwarded in no other place than where it was put by mistake, and the status for it.
    let query = json!({ "query": "epic" });
    let escaped = foreign.replacen("legacy_Q", "%6Cegacy%5F%51", 1);
    let (mut exposed, mut forwarded) = (0, 0);
    for key in [own.as_str(), foreign] {
        for (target, body, name, status) in [
            (format!("{SEARCH}?token={key}"), &query, "", 401),
            (format!("{SEARCH}?a=1&{key}"), &query, "", 401),
            (format!("{SEARCH}?token={others}"), &query, "", 401),
            (format!("{SEARCH}?token={foreign}"), &query, "", 401),
            (format!("{SEARCH}?token={escaped}"), &query, "", 401),
            (format!("{SEARCH}?back=https%3A%2F%2Fa.example%2F%3Ftoken%3D{key}"), &query, "", 401),
            (format!("{SEARCH}?a=1"), &json!({ "query": key }), "", 404),
            (format!("{SEARCH}?a=1"), &json!({ "query": others }), "", 404),
            (SEARCH.to_owned(), &query, key, 500),
        ] {
            let mut request = Request::post(&target).key(key).json(body);
            if !name.is_empty() {
                request = request.header("X-Raise", name);
            }
            let response = client.send(&request);
            let place = format!("{target} {body} {name}");
            match status {
                401 => exposed += 1,
                _ => forwarded += 1,
            }
            let fits = if status == 500 { response.status >= 500 } else { response.status == status };
            assert!(fits, "{place}: {response:?}");
            // The text for operators is logged, without the key.
            let line = gateway.logged(response.header("x-request-id")).to_string();
            canary.look(&format!("the line of {place}"), line.as_bytes());
            assert!(status == 401 || line.contains('…'), "nothing was quoted: {line}");
        }
        let track = client.send(&Request::get(&format!("/api/external/v1/tracks/{key}")).key(key));
        assert_eq!(track.status, 404, "{track:?}");
        forwarded += 1;
    }
    let received = upstream.received();
    assert_eq!((exposed, received.len()), (12, forwarded));
    for request in received {
        let (_, query) = request.target.split_once('?').unwrap_or_default();
        canary.look("a query at the upstream", query.as_bytes());
    }
    canary.look("the log", gateway.log().as_bytes());
    assert_eq!(canary.found, Vec::<String>::new());
}

/// A key in a place where none belongs is in no log, in no byte of the store and in no statement, however it is written.
#[test]
fn key_in_an_unusual_place_is_neither_stored_nor_logged() {
    let upstream = Upstream::always(MockResponse::json(200, &json!([])));
    let folder = TestDir::of_examples();
    folder.edit("  lapsed:\n", "  tried: { credits: { monthly: 1000 } }\n  lapsed:\n");
    let text = fs::read_to_string(folder.config()).unwrap();
    folder.write("demur.yaml", &format!("{text}\naccess_log: all\n"));
    folder.point(API, upstream.address());
    let gateway = Gateway::serve(folder);
    let (folder, client) = (gateway.folder(), gateway.client(API));
    folder.create_account("acme", "tried");
    let make = |api| folder.create_key(&NewKey { api, account: "acme", ..NewKey::default() }).secret;
    let (own, others) = (make(API), make("trackunit"));
    let foreign = "legacy_Qp7vXz3LmT9sWc5kRb8d";
    import(folder, foreign, "f3a9c2e17b5d4860a1c3e5f7092b4d6e8fa0b1c2d3e4f5061728394a5b6c7d8e");
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let twice = |text: &str| encoded(text).replace('%', "%25");

    let mut hidden: Vec<String> = Vec::new();
    for key in [own.as_str(), &others, foreign] {
        let secret = &key[key.rfind('_').unwrap() + 1..];
        hidden.extend([secret.to_owned(), encoded(secret), twice(secret)]);
    }
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    // Encoded, eight characters are three digits and so on of the secret: longer stretches are looked for.
    let mut canary = Canary { stretches: Vec::new(), found: Vec::new() };
    for (number, secret) in hidden.iter().enumerate() {
        let length = REVEALING * [1, 3, 5][number % 3];
        canary.stretches.extend(secret.as_bytes().windows(length).map(<[u8]>::to_vec));
    }

    let query = json!({ "query": "epic" });
    let mut names = std::collections::BTreeSet::new();
    for key in [own.as_str(), &others, foreign] {
        for name in [key.to_owned(), format!("order-{key}"), format!("{key}.2"), encoded(key)] {
            if name.len() <= 128 {
                let request = Request::post(SEARCH).key(&own).header("Idempotency-Key", &name).json(&query);
                let response = client.send(&request);
                assert_eq!(response.status, 200, "{name}: {response:?}");
                names.insert(name);
            }
        }
        let path = "/api/external/v1/tracks";
        for request in [
            Request::new(key, SEARCH).key(&own),
            Request::get(&format!("{path}/{key}")).key(&own),
            Request::get(&format!("{path}/{}", encoded(key))).key(&own),
            Request::get(&format!("{path}/{}", twice(key))).key(&own),
            Request::get(&format!("/{}", encoded(key))).key(&own),
            Request::post(SEARCH).key(&own).header("User-Agent", key).json(&query),
            Request::post(SEARCH).key(&own).header(key, "1").json(&query),
            Request::post(SEARCH).key(&own).header("Accept-Language", key).json(&query),
        ] {
            client.send(&request);
        }
    }
    // Malformed heads.
    for key in [own.as_str(), &others, foreign] {
        for head in [
            format!("GET {SEARCH} HTTP/1.1\r\nHost: {key}"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: {}", encoded(key)),
            format!("GET {SEARCH}#{key} HTTP/1.1\r\nHost: a"),
            format!("GET http://{key}{SEARCH} HTTP/1.1\r\nHost: a"),
            format!("GET http://{key}@a{SEARCH} HTTP/1.1\r\nHost: a"),
            format!("GET {key} HTTP/1.1\r\nHost: a"),
            format!("GET /{key}%zz HTTP/1.1\r\nHost: a"),
            format!("GET /a;{key}/.. HTTP/1.1\r\nHost: a"),
            format!("GET {SEARCH} HTTP/{key}\r\nHost: a"),
            format!("{key}({key} {SEARCH} HTTP/1.1\r\nHost: a"),
            format!("{} {SEARCH} HTTP/1.1\r\nHost: a", encoded(key)),
            format!("{key} http://{key}/{key} HTTP/1.1\r\nHost: {key}"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\n{key} {key}: 1"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\nContent-Length: {key}"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {key}"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\nExpect: {key}"),
            format!("GET {SEARCH} HTTP/1.1\r\nHost: a\r\nUpgrade: {key}\r\nConnection: upgrade"),
            format!("POST {SEARCH} HTTP/1.1\r\nHost: a\r\nContent-Type: {key}\r\nContent-Length: 0"),
            format!("POST {SEARCH} HTTP/1.1\r\nHost: a\r\nContent-Encoding: {key}\r\nContent-Length: 0"),
        ] {
            let mut stream = std::net::TcpStream::connect(gateway.address()).unwrap();
            stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
            let mut response = Vec::new();
            // A connection that was reset had its response too.
            let _ = stream.read_to_end(&mut response);
            canary.look_lengths(&format!("the answer to {head}"), &response);
        }
    }
    // Each name is an operation of its own, and the same name is the same one.
    let statement = folder.result(&["accounts", "statement", "acme"]);
    let stored = statement.to_string().matches("sha256:").count();
    assert!(stored >= names.len(), "{} names: {statement}", names.len());
    canary.look_lengths("the statement", statement.to_string().as_bytes());
    // Operators cannot store a key either.
    for arguments in [
        &["accounts", "create", "--id", &own, "--name", "x", "--plan", "tried"][..],
        &["accounts", "create", "--name", &format!("Acme {own}!"), "--plan", "tried"],
        &["accounts", "top-up", "acme", "5", "--reason", "x", "--idempotency-key", &own],
        &["accounts", "top-up", "acme", "5", "--reason", &format!("for {own}")],
    ] {
        let outcome = folder.run(arguments);
        assert_ne!(outcome.code, Some(0), "{outcome:?}");
        canary.look_lengths(&format!("the output of {}", arguments[1]), outcome.stdout.as_bytes());
        canary.look_lengths(&format!("the messages of {}", arguments[1]), outcome.stderr.as_bytes());
    }
    let log = gateway.log();
    canary.look_lengths("the log", log.as_bytes());
    let left = gateway.kill();
    for entry in fs::read_dir(left.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file()
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("demur.db"))
        {
            canary.look_lengths(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
    assert_eq!(canary.found, Vec::<String>::new());
}

/// Imports a key by its hash under this hash key.
fn import(folder: &TestDir, foreign: &str, hash_key: &str) {
    folder.write("hash.key", hash_key);
    let line = json!({ "account": "acme", "hash": hmac(foreign, hash_key) });
    folder.write("keys.jsonl", &format!("{line}\n"));
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (list, key_file) = (path("keys.jsonl"), path("hash.key"));
    let mut arguments = vec!["keys", "import", "--api", API, "--hash", "hmac-sha256", "--hash-key", "old"];
    arguments.extend(["--hash-key-file", &key_file, "--prefix", "legacy_", "--length", "27", &list]);
    let imported = folder.run(&arguments);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    fs::remove_file(path("hash.key")).unwrap();
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// By the tool that every system with Python has: not by the code that is tested. The file's text is the key
/// in hexadecimal digits.
fn hmac(message: &str, key: &str) -> Json {
    let script = "import hmac,sys; print(hmac.new(bytes.fromhex(sys.argv[2]), sys.argv[1].encode(), 'sha256').hexdigest())";
    let output = std::process::Command::new("python3").args(["-c", script, message, key]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}
