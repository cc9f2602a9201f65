//! Headers that clients must not remove or set: `Connection` options that name checked headers, and headers that tell an
//! upstream who the client is. The rows are data (`e2e/headers/`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::path::Path;

use demur_e2e::hostile::{bytes, items};
use demur_e2e::{Gateway, MockResponse, NewKey, Received, Request, Response, TestDir, Upstream};
use demur_source::Node;
use serde_json::json;

/// The value that no upstream may see.
const FORGED: &str = "forged-5c1d";
/// The characters of a header name besides letters and digits (RFC 9110, section 5.6.2).
const SEPARATORS: &str = "!#$%&'*+.^_`|~";

struct Site {
    gateway: Gateway,
    upstream: Upstream,
    key: String,
}

impl Site {
    /// `trusting` names networks of trusted proxies.
    fn start(trusting: Option<&str>) -> Self {
        let upstream = Upstream::always(MockResponse::json(200, &json!({ "fine": true })));
        let folder = TestDir::empty();
        folder.write("demur.yaml", include_str!("../headers/demur.yaml"));
        folder.write("openapi.yaml", include_str!("../headers/openapi.yaml"));
        folder.edit("127.0.0.1:9001", &upstream.address().to_string());
        if let Some(networks) = trusting {
            folder.edit("demur: 2\n", &format!("demur: 2\ntrusted_proxies: {{ networks: [{networks}] }}\n"));
        }
        folder.create_account("acme", "pro");
        let key = folder.create_key(&NewKey { api: "things", account: "acme", ..NewKey::default() }).secret;
        Self { gateway: Gateway::serve(folder), upstream, key }
    }

    /// Sends bytes on a new connection: the response, and what reached the upstream.
    fn send(&self, sent: &[u8], method: &str) -> (Response, Option<Received>) {
        let before = self.upstream.count();
        let mut connection = self.gateway.client_of_no_api().connect();
        connection.write(sent);
        let response = connection.try_read(method);
        let response = response.unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(sent)));
        let mut received = self.upstream.received_since(before);
        assert!(received.len() <= 1, "sent twice: {}", String::from_utf8_lossy(sent));
        (response, received.pop())
    }
}

fn rows(name: &str) -> Vec<Node> {
    items(&Path::new(env!("CARGO_MANIFEST_DIR")).join("headers").join(name))
}

fn text(node: &Node, name: &str) -> String {
    node.get(name).and_then(Node::scalar_text).unwrap_or_default()
}

fn texts(node: &Node, name: &str) -> Vec<String> {
    let items = node.get(name).and_then(Node::as_seq).unwrap_or_default();
    items.iter().filter_map(Node::scalar_text).collect()
}

#[test]
fn connection_options_cannot_remove_validated_headers() {
    let site = Site::start(None);
    let rows = rows("connection.yaml");
    assert!(rows.len() >= 80, "{} rows", rows.len());
    let check = |(index, row): (usize, &Node)| -> Result<(), String> {
        let (lines, outcome) = (texts(row, "lines"), text(row, "outcome"));
        let wrong = |what: String| format!("- {lines:?} ({}): {outcome}, but {what}", text(row, "note"));
        let judged = [
            ("x-required-param", "good".to_owned()),
            ("x-optional-param", "good".to_owned()),
            ("x.dotted.param", "good".to_owned()),
            ("cookie", "session=good".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", format!("row-{index}")),
        ];
        let body = br#"{"name":"a"}"#;
        let key = &site.key;
        let mut sent =
            format!("POST /things HTTP/1.1\r\nHost: things.example\r\nAuthorization: Bearer {key}\r\n")
                .into_bytes();
        for (name, value) in &judged {
            sent.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        for line in &lines {
            sent.extend_from_slice(&bytes(line, key));
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        sent.extend_from_slice(body);
        let (response, arrived) = site.send(&sent, "POST");
        let is_right = match (outcome.as_str(), response.status) {
            ("rejected", 400) | ("passes", 200) | ("either", 200 | 400) => true,
            ("rejected" | "passes" | "either", _) => false,
            _ => panic!("no outcome: {outcome}"),
        };
        if !is_right {
            return Err(wrong(format!("{} {}", response.status, response.text())));
        }
        if arrived.is_some() != (response.status == 200) {
            return Err(wrong(format!("the upstream saw {arrived:?}")));
        }
        let Some(arrived) = arrived else { return Ok(()) };
        let own = ["demur-account", "demur-key", "demur-plan", "x-forwarded-for", "x-request-id", "host"];
        if let Some(name) = own.iter().find(|name| arrived.headers.first(name).is_none()) {
            return Err(wrong(format!("{name} did not arrive")));
        }
        for (name, value) in &judged {
            if arrived.headers.all(name).collect::<Vec<_>>() != [value] {
                return Err(wrong(format!("{name} arrived as {:?}", arrived.headers.first(name))));
            }
        }
        match texts(row, "lacks").iter().find(|name| arrived.headers.first(name).is_some()) {
            Some(name) => Err(wrong(format!("{name} arrived"))),
            None => Ok(()),
        }
    };
    report(rows.iter().enumerate().map(check), rows.len());
}

#[test]
fn clients_cannot_set_identity_headers() {
    let site = Site::start(None);
    let rows = rows("identity.yaml");
    assert!(rows.len() >= 100, "{} rows", rows.len());
    for is_anonymous in [true, false] {
        report(rows.iter().map(|row| identifies(&site, &text(row, "name"), is_anonymous)), rows.len());
    }
}

/// Sends a header in every spelling and looks for its value at the upstream.
fn identifies(site: &Site, name: &str, is_anonymous: bool) -> Result<(), String> {
    let mut spellings = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    if name.contains('-') {
        for separator in SEPARATORS.chars() {
            spellings.push(name.replace('-', &separator.to_string()));
            // The first one only, and the last one only.
            spellings.push(name.replacen('-', &separator.to_string(), 1));
            let at = name.rfind('-').unwrap();
            spellings.push(format!("{}{separator}{}", &name[..at], &name[at + 1..]));
        }
    }
    spellings.dedup();
    let wrong = |what: String| Err(format!("- {name}: {what}"));
    for spelling in &spellings {
        let mut request = Request::get("/open").header(spelling, FORGED);
        if !is_anonymous {
            request = Request::post("/things").key(&site.key).header("X-Required-Param", "good");
            request = request.header(spelling, FORGED).json(&json!({ "name": "a" }));
        }
        let before = site.upstream.count();
        let response = site.gateway.client_of_no_api().send(&request);
        let received = site.upstream.received_since(before);
        // Rejecting the request is as good as removing the header.
        if ![200, 400].contains(&response.status) {
            return wrong(format!("{spelling} was answered with {} {}", response.status, response.text()));
        }
        for arrived in &received {
            if let Some((name, _)) = arrived.headers.iter().find(|(_, value)| value.contains(FORGED)) {
                return wrong(format!("sent as {spelling}, it arrived as {name}"));
            }
        }
    }
    Ok(())
}

#[test]
fn trusted_proxies_can_set_identity_headers() {
    let site = Site::start(Some("127.0.0.0/8"));
    let rows = rows("identity.yaml");
    let check = |row: &Node| {
        let name = text(row, "name");
        let is_own = text(row, "own") == "true";
        let response = site.gateway.client_of_no_api().send(&Request::get("/open").header(&name, FORGED));
        if response.status != 200 {
            return Err(format!("- {name}: {} {}", response.status, response.text()));
        }
        let arrived = site.upstream.last();
        let values: Vec<&str> = arrived.headers.all(&name).collect();
        let may_go = text(row, "trusted") == "either" && values.is_empty();
        match is_own {
            false if values != [FORGED] && !may_go => Err(format!("- {name} arrived as {values:?}")),
            true if name.starts_with("Demur-") && values.contains(&FORGED) => {
                Err(format!("- {name} arrived"))
            }
            _ => Ok(()),
        }
    };
    report(rows.iter().map(check), rows.len());
}

#[test]
fn forwards_ordinary_headers() {
    let site = Site::start(None);
    let rows = rows("ordinary.yaml");
    let check = |row: &Node| {
        let (name, value) = (text(row, "name"), text(row, "value"));
        let mut request = Request::get("/open").header(&name, &value);
        if let Some((name, value)) = text(row, "beside").split_once(": ") {
            request = request.header(name, value);
        }
        let response = site.gateway.client_of_no_api().send(&request);
        if response.status != 200 {
            return Err(format!("- {name}: {} {}", response.status, response.text()));
        }
        let arrived = site.upstream.last();
        let values: Vec<&str> = arrived.headers.all(&name).collect();
        if values == [value.as_str()] { Ok(()) } else { Err(format!("- {name} arrived as {values:?}")) }
    };
    report(rows.iter().map(check), rows.len());
}

fn report(results: impl Iterator<Item = Result<(), String>>, of: usize) {
    let wrong: Vec<String> = results.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {of} rows:\n{}", wrong.len(), wrong.join("\n"));
}
