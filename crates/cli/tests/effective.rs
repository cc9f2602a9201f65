//! `demur check --print-effective`: all defaults, and no secrets. What is printed means the same as the file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use demur_source::Source;
use serde_json::Value as Json;

const DOCUMENT: &str = "{ openapi: 3.1.0, info: { title: t, version: '1' }, paths: {
  /a: { get: { operationId: a, responses: { '200': { description: ok } } } } } }";

/// Everything that has defaults in it.
const FILE: &str = r#"
demur: 2
access_log: none
plans:
  free:
    rates: [{ requests: 5, per: 1s }]
    quota: { requests: 10 }
    credits: { monthly: 10 }
  lapsed: { active: false }
trusted_proxies: { networks: [10.0.0.0/8] }
limits: { idle_timeout: 7s }
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    upstream: http://127.0.0.1:9000
    authentication: { scheme: bearer, prefix: shop }
    cors: { origins: ["https://app.example"] }
    idempotency: { mode: upstream, max_repeats: 3 }
    upstream_errors: { rules: [{ status: 404, raise: resource.gone }] }
    operations: { a: { credits: 1, usage: { header: X-Used } } }
    rules: [{ name: "1e3", require: "true", raise: internal }]
    headers:
      request: { set: { Authorization: "Bearer clear-text", X-Api-Key: { file: key }, X-Tenant: "yes" } }
  - name: other
    contract: problem
    openapi: openapi.yaml
    mount: { path: /other }
    upstream: { url: "http://127.0.0.1:9001", timeout: 4s }
    authentication:
      header: X-Key
      prefix: oth
      tokens: { issuer: i, audience: a, algorithms: [ES256], keys: { url: "https://id.example/keys" } }
"#;

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("openapi.yaml", DOCUMENT), ("demur.yaml", text), ("key", "from-a-file\n")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn print_effective(folder: &Path, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
    command.args(["check", "--print-effective"]).args(more).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the file means. Maps have no order, so its lines are sorted.
fn meaning(text: &str, folder: &Path) -> Vec<String> {
    let (config, _) = demur_config::load_gateway(&Source::new("demur.yaml", text), folder)
        .unwrap_or_else(|found| panic!("{found}"));
    let mut lines: Vec<String> = format!("{config:#?}").lines().map(str::to_owned).collect();
    // The position of a rule in the file is not part of its meaning.
    lines.retain(|line| {
        !line.contains("span") && !line.trim().starts_with("start:") && !line.trim().starts_with("end:")
    });
    lines.sort();
    lines
}

#[test]
fn what_is_printed_means_the_same() {
    let folder = folder(FILE);
    let printed = print_effective(folder.path(), &[]);
    // The clear text is hidden, which is the one difference.
    let visible = FILE.replace("Bearer clear-text", "(hidden)");
    let (expected, found) = (meaning(&visible, folder.path()), meaning(&printed, folder.path()));
    let [lines, printed_lines] = [&expected, &found].map(|lines| lines.iter().collect::<BTreeSet<_>>());
    let lacking: Vec<_> = lines.difference(&printed_lines).collect();
    let added: Vec<_> = printed_lines.difference(&lines).collect();
    assert!(lacking.is_empty() && added.is_empty(), "{lacking:?} {added:?} {printed}");
    assert!(expected == found, "the same lines, but not as often: {printed}");
    // As JSON too, and what is printed has nothing to add.
    let json = print_effective(folder.path(), &["--format", "json"]);
    assert!(meaning(&json, folder.path()) == found, "{json}");
    std::fs::write(folder.path().join("demur.yaml"), &printed).unwrap();
    assert_eq!(print_effective(folder.path(), &[]), printed);
}

#[test]
fn defaults_are_shown_and_secrets_are_not() {
    let folder = folder(FILE);
    let json: Json = serde_json::from_str(&print_effective(folder.path(), &["--format", "json"])).unwrap();
    for (pointer, value) in [
        ("/listen", "127.0.0.1:8080"),
        ("/limits/idle_timeout", "7s"),
        ("/limits/write_timeout", "30s"),
        ("/cache/ttl", "60s"),
        ("/access_log/requests", "none"),
        ("/access_log/output", "stderr"),
        ("/plans/free/rates/0/limit_by", "account"),
        ("/plans/free/quota/time_zone", "UTC"),
        ("/apis/0/upstream/url", "http://127.0.0.1:9000"),
        ("/apis/0/upstream/timeout", "30s"),
        ("/apis/0/mode", "enforce"),
        ("/apis/0/validation/unknown_query", "ignore"),
        ("/apis/0/headers/request/set/Authorization", "(hidden)"),
        ("/apis/0/headers/request/set/X-Api-Key/file", "key"),
        ("/apis/0/headers/request/set/X-Tenant", "yes"),
        ("/apis/1/upstream/timeout", "4s"),
    ] {
        assert_eq!(json.pointer(pointer).and_then(Json::as_str), Some(value), "{pointer}: {json:#}");
    }
    // What is not there is off, and stays so.
    for pointer in ["/plans/free/concurrency", "/docs", "/plans/lapsed/quota", "/apis/1/cors"] {
        assert_eq!(json.pointer(pointer), None, "{pointer}");
    }
    for text in [print_effective(folder.path(), &[]), json.to_string()] {
        assert!(!text.contains("clear-text") && !text.contains("from-a-file"), "{text}");
    }
}

#[test]
fn mistakes_are_reported_instead() {
    let folder = folder("demur: 2\nlistne: 1\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
    let output = command.args(["check", "--print-effective"]).current_dir(folder.path()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), &b""[..]), "{output:?}");
}
