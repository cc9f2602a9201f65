//! Whatever a version 1 file has, and in whatever order: its rewritten text is the one that a person would write, and
//! both load alike.

#![cfg(feature = "gateway")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::{Path, PathBuf};

use demur_config::migrate::fix;
use demur_config::{Source, load_gateway};
use demur_gateway::{ApiConfig, Config};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Lines of the file, as they were and as they are.
const TOP: &[(&str, &str)] = &[
    ("voice: stripe", "default_contract: stripe"),
    ("\"voice\": 'google'", "\"default_contract\": 'google'"),
    ("workers: 2 # voice", "workers: 2 # voice"),
    (
        "bounds: { head: 32KiB, fields: 9, content: 2MiB }",
        "limits: { max_header_bytes: 32KiB, max_headers: 9, max_body_bytes: 2MiB }",
    ),
    (
        "bounds:\n  content_window: 1s # a\n  content_per_window: 5\n  shutdown: 1s",
        "limits:\n  min_body_rate:\n    per: 1s # a\n    bytes: 5\n  shutdown_timeout: 1s",
    ),
    ("cache: {kept_for: 1s,unknown_kept_for: 2s}", "cache: {ttl: 1s,unknown_ttl: 2s}"),
    (
        "proxies:\n    from: [10.0.0.0/8]\n    field: forwarded",
        "trusted_proxies:\n    networks: [10.0.0.0/8]\n    header: forwarded",
    ),
    ("access_log: refused", "access_log: rejected"),
    ("access_log: { to: stdout, requests: refused }", "access_log: { output: stdout, requests: rejected }"),
    (
        "plans: { zone: { quota: { requests: 1, zone: UTC } } }",
        "plans: { zone: { quota: { requests: 1, time_zone: UTC } } }",
    ),
    (
        "plans:\n  a:\n    rates:\n    - requests: 1\n      per: 1s\n      counts_for: key",
        "plans:\n  a:\n    rates:\n    - requests: 1\n      per: 1s\n      limit_by: key",
    ),
];

/// Lines of an API.
const API: &[(&str, &str)] = &[
    ("at: { path: /at }", "mount: { path: /at }"),
    ("at:\n  host: at.example", "mount:\n  host: at.example"),
    ("max_content: 5KiB", "max_body_bytes: 5KiB"),
    ("observe: true", "mode: monitor"),
    ("observe: false # only watched", "mode: enforce # only watched"),
    ("validation: { answers: refuse, accept: refuse }", "validation: { responses: reject, accept: reject }"),
    (
        "validation:\n  violations: 3\n  unknown_query: refuse",
        "validation:\n  max_violations: 3\n  unknown_query: reject",
    ),
    (
        "generations: [{ contract: stripe, when: { path: /when } }]",
        "versions: [{ contract: stripe, match: { path: /when } }]",
    ),
    ("operations: { list: { passes_credits: true } }", "operations: { list: { forward_balance: true } }"),
    (
        "operations:\n  add:\n    credits: 5\n    usage: { field: X-Field, settles: head }",
        "operations:\n  add:\n    credits: 5\n    usage: { header: X-Field, settle_at: head }",
    ),
    ("rules: []", "rules: []"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version-1")
}

/// All settings but the contracts, of which the names.
fn shown(config: &Config) -> String {
    let apis = config.apis.iter().map(|api| {
        let ApiConfig { settings: api, upstream } = api;
        let names: Vec<&str> = api.contracts().map(|contract| contract.name()).collect();
        let matches: Vec<_> = api.versions.iter().map(|version| &version.condition).collect();
        let (mount, operations, validation) = (&api.mount, &api.operations, &api.validation);
        format!(
            "{:?}",
            (names, matches, mount, operations, validation, api.max_body_bytes, api.monitor, upstream)
        )
    });
    let apis: Vec<String> = apis.collect();
    let Config { workers, limits: bounds, cache, trusted_proxies: proxies, access_log, plans, .. } = config;
    let of_gateway = (workers, bounds, cache, proxies, access_log, plans);
    format!("{} {of_gateway:?} {apis:?}", config.default_contract.name())
}

fn key(line: &str) -> &str {
    line.split(':').next().unwrap().trim_matches('"')
}

/// Some lines in some order, none of them with a key that another has.
fn lines(
    of: &'static [(&'static str, &'static str)],
) -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    subsequence(of.to_vec(), 0..=of.len()).prop_shuffle().prop_map(|mut lines| {
        let mut seen = Vec::new();
        lines.retain(|(old, _)| !seen.contains(&key(old)) && (seen.push(key(old)), true).1);
        lines
    })
}

fn text(demur: &str, end: &str, comment: &str, top: &[&str], api: &[&str]) -> String {
    let mut text = format!("{comment}\ndemur: {demur}\nstore: sqlite:a.db\n");
    for line in top {
        text += &format!("{line}\n{comment}\n");
    }
    text += "apis:\n- name: shop\n  contract: problem\n  openapi: openapi.yaml\n  upstream: \"http://127.0.0.1:9\"\n  \
             authentication: { prefix: shp }\n";
    for line in api.iter().flat_map(|lines| lines.lines()) {
        text += &format!("  {line}\n");
    }
    text.replace('\n', end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_rewritten_file_is_as_expected_and_loads_as_before(
        top in lines(TOP),
        api in lines(API),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        comment in prop::sample::select(vec!["", "# voice: ü", "   # bounds: { head: 1 }"]),
    ) {
        let old = |lines: &[(&'static str, &'static str)]| lines.iter().map(|(old, _)| *old).collect::<Vec<_>>();
        let new = |lines: &[(&'static str, &'static str)]| lines.iter().map(|(_, new)| *new).collect::<Vec<_>>();
        let before = Source::new("demur.yaml", text("1", end, comment, &old(&top), &old(&api)));
        let after = Source::new("demur.yaml", text("2", end, comment, &new(&top), &new(&api)));
        prop_assert_eq!(&fix(&before).unwrap().text, &after.text);
        prop_assert_eq!(&fix(&after).unwrap().text, &after.text);
        let loaded = |source| match load_gateway(source, &folder()) {
            Ok((config, warnings)) => (shown(&config), warnings.len()),
            Err(found) => panic!("{found}"),
        };
        let ((old, warnings), (new, others)) = (loaded(&before), loaded(&after));
        prop_assert_eq!(old, new);
        prop_assert_eq!(warnings, others + 1);
    }
}
