//! Version 1 of the file: it loads as version 2 does, with one warning, and is rewritten with nothing else changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what failed by failing"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use demur_config::migrate::{FileError, FixError, fix, fix_file};
use demur_config::{Source, load_service};
use demur_engine::settings::ApiSettings;

fn rewritten(text: &str) -> String {
    fix(&Source::new("demur.yaml", text)).unwrap_or_else(|error| panic!("{text}: {error}")).text
}

/// A version 1 file with every old key and value.
const EVERYTHING: &str = include_str!("version-1/demur.yaml");
const EVERYTHING_2: &str = include_str!("version-1/expected.yaml");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version-1")
}

#[test]
fn rewrites_every_key_and_keeps_comments_order_quotes_and_layout() {
    assert_eq!(rewritten(EVERYTHING), EVERYTHING_2);
    assert_eq!(rewritten(&EVERYTHING.replace('\n', "\r\n")), EVERYTHING_2.replace('\n', "\r\n"));
}

#[test]
fn rewriting_twice_changes_nothing_more() {
    let fixed = fix(&Source::new("demur.yaml", EVERYTHING_2)).unwrap();
    assert_eq!((fixed.text.as_str(), fixed.diff.as_str()), (EVERYTHING_2, ""));
}

#[test]
fn rewrites_each_form_of_yaml() {
    for (old, new) in [
        // Flow style, quotes, JSON.
        ("{demur: 1, voice: problem}", "{demur: 2, default_contract: problem}"),
        ("{\"demur\":1,\"voice\":\"problem\"}", "{\"demur\":2,\"default_contract\":\"problem\"}"),
        ("'voice' : 'problem' # why", "'default_contract' : 'problem' # why"),
        ("demur: \"1\"\naccess_log: 'refused'  # c", "demur: \"2\"\naccess_log: 'rejected'  # c"),
        (
            "access_log: { requests: \"refused\" , to: stdout }",
            "access_log: { requests: \"rejected\" , output: stdout }",
        ),
        ("? voice\n: problem\n", "? default_contract\n: problem\n"),
        ("\u{feff}voice: problem", "\u{feff}default_contract: problem"),
        (
            "# ünï\nvoice: \"pröblem\" # ü\nbounds: {head: 1KiB}",
            "# ünï\ndefault_contract: \"pröblem\" # ü\nlimits: {max_header_bytes: 1KiB}",
        ),
        // Booleans that are words now.
        ("apis: [{ observe: true }, { observe: False }]", "apis: [{ mode: monitor }, { mode: enforce }]"),
        ("apis:\n- observe: yes", "apis:\n- mode: yes"),
        // A name that is another key's value, a plan or an operation is none of ours.
        ("plans: { voice: { quota: { zone: UTC } } }", "plans: { voice: { quota: { time_zone: UTC } } }"),
        (
            "apis: [{ name: voice, operations: { bounds: { max_content: 1 } } }]",
            "apis: [{ name: voice, operations: { bounds: { max_body_bytes: 1 } } }]",
        ),
        (
            "apis: [{ operations: { a.b: { usage: { cut: charge } } } }]",
            "apis: [{ operations: { a.b: { usage: { on_upstream_abort: charge } } } }]",
        ),
        (
            "apis: [{ rules: [{ on: [on], with: { field: on } }] }]",
            "apis: [{ rules: [{ operations: [on], with: { field: on } }] }]",
        ),
        // Anchors and aliases: the text contains a repeated node once.
        (
            "apis:\n- authentication: &a { field: X }\n- authentication: *a\n",
            "apis:\n- authentication: &a { header: X }\n- authentication: *a\n",
        ),
        (
            "apis:\n- validation: { accept: &r refuse, answers: *r, formats: assert }\n",
            "apis:\n- validation: { accept: &r reject, responses: reject, formats: assert }\n",
        ),
        // The pace of bodies: two keys become one mapping.
        ("bounds: { content_window: 5s }", "limits: { min_body_rate: { per: 5s } }"),
        (
            "bounds: {content_per_window: 9,content_window: 5s}",
            "limits: {min_body_rate: { bytes: 9, per: 5s }}",
        ),
        (
            "bounds: { content_window: 5s, drain: 1, content_per_window: 9 }",
            "limits: { min_body_rate: { per: 5s, bytes: 9 }, max_drain: 1 }",
        ),
        (
            "{\"bounds\":{\"content_window\":\"5s\",\"content_per_window\":9}}",
            "{\"limits\":{\"min_body_rate\":{ \"per\": \"5s\", \"bytes\": 9 }}}",
        ),
        (
            "bounds: { content_window: &w 5s, shutdown: *w }",
            "limits: { min_body_rate: { per: &w 5s }, shutdown_timeout: *w }",
        ),
        (
            "bounds:\n  content_window: 5s # five\n  # and\n  content_per_window: 9\n",
            "limits:\n  min_body_rate:\n    per: 5s # five\n  # and\n    bytes: 9\n",
        ),
        (
            "bounds:\n  content_window: 5s # five\n  drain: 1\n  content_per_window: 9 # nine\n  backlog: 1s\n",
            "limits:\n  min_body_rate: { per: 5s, bytes: 9 } # five\n  max_drain: 1\n  # nine\n  max_queue_delay: 1s\n",
        ),
        (
            "bounds:\n  content_per_window:\n    9\n  drain: 1\n  content_window: 5s\n  backlog: 1s",
            "limits:\n  min_body_rate:\n    { bytes: 9, per: 5s }\n  max_drain: 1\n  max_queue_delay: 1s",
        ),
        ("bounds:\n  content_window: 5s\n", "limits:\n  min_body_rate: { per: 5s }\n"),
        // What is of version 2 already stays.
        ("demur: 2\nlimits: { max_headers: 5 }", "demur: 2\nlimits: { max_headers: 5 }"),
        ("", ""),
    ] {
        assert_eq!(rewritten(old), new, "{old}");
        assert_eq!(rewritten(new), new, "{old}");
    }
}

#[test]
fn what_cannot_be_rewritten_is_left_alone() {
    // One anchor under keys with different names.
    for text in [
        "apis:\n- authentication: &a { field: X }\n  rules: [{ with: *a }]\n",
        "apis:\n- rules: [{ with: &a { field: X } }]\n  authentication: *a\n",
        "apis:\n- observe: &t true\n  operations: { a: { anonymous: *t } }\n",
    ] {
        let error = fix(&Source::new("demur.yaml", text)).unwrap_err();
        assert!(matches!(error, FixError::NotEqual), "{text}: {error}");
    }
    for (text, says) in [
        ("voice: a\nvoice: b", "duplicate-key"),
        ("voice: a\ndefault_contract: b", "`voice` and `default_contract` are the same key"),
        ("default_contract: b\nvoice: a", "`voice` and `default_contract` are the same key"),
        ("bounds: { content_window: 1s, min_body_rate: { per: 1s } }", "`min_body_rate` is set already"),
        (
            "bounds: { min_body_rate: { per: 1s }, content_window: 1s }",
            "`content_window` and `min_body_rate.per` are",
        ),
        ("apis: [", "syntax"),
    ] {
        let error = fix(&Source::new("demur.yaml", text)).unwrap_err();
        assert!(matches!(error, FixError::Invalid(_)) && error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn the_difference_is_a_unified_diff() {
    let fixed = fix(&Source::new("demur.yaml", "# mine\ndemur: 1\nvoice: problem\nworkers: 1\n")).unwrap();
    let expected = "--- demur.yaml\n+++ demur.yaml\n@@ -1,4 +1,4 @@\n # mine\n-demur: 1\n-voice: problem\n+demur: 2\n\
                    +default_contract: problem\n workers: 1\n";
    assert_eq!(fixed.diff, expected);
}

/// All settings of an API but its contracts, of which the names.
fn shown(api: &ApiSettings) -> String {
    let contracts: Vec<&str> = api.contracts().map(|contract| contract.name()).collect();
    let matches: Vec<_> = api.versions.iter().map(|version| &version.condition).collect();
    let parts: [&dyn std::fmt::Debug; 15] = [
        &api.name,
        &contracts,
        &matches,
        &api.mount,
        &api.authentication,
        &api.operations,
        &api.rules,
        &api.max_body_bytes,
        &api.monitor,
        &api.validation,
        &api.cors,
        &api.overload,
        &api.path_characters,
        &api.reserved_headers,
        &(api.event_stream_errors, api.max_retry_wait),
    ];
    format!("{parts:#?}")
}

#[test]
fn version_1_loads_as_version_2_does_with_one_warning() {
    let load = |text: &str| {
        let loaded = load_service(&Source::new("demur.yaml", text), &folder());
        let (service, warnings) = loaded.unwrap_or_else(|found| panic!("{found}"));
        let apis: Vec<String> = service.apis.iter().map(shown).collect();
        let shown = format!("{} {:#?}\n{}", service.default_contract.name(), service.plans, apis.join("\n"));
        (shown, warnings.to_string())
    };
    let ((old, warnings), (new, none)) = (load(EVERYTHING), load(EVERYTHING_2));
    assert_eq!(old, new);
    assert_eq!(none, "");
    let expected = "demur.yaml:2:8: warning[deprecated-version]: version 1 of the configuration is deprecated (help: run `demur \
                    check --fix demur.yaml` to rewrite the file to version 2)";
    assert_eq!(warnings, expected);
}

#[cfg(feature = "gateway")]
#[test]
fn a_gateway_reads_version_1_as_it_reads_version_2() {
    let load = |text: &str| {
        let loaded = demur_config::load_gateway(&Source::new("demur.yaml", text), &folder());
        let (config, warnings) = loaded.unwrap_or_else(|found| panic!("{found}"));
        let apis: Vec<String> = config.apis.iter().map(|api| shown(&api.settings)).collect();
        let upstreams: Vec<_> = config.apis.iter().map(|api| &api.upstream).collect();
        let parts: [&dyn std::fmt::Debug; 7] = [
            &config.listeners,
            &config.limits,
            &config.cache,
            &config.trusted_proxies,
            &config.access_log,
            &config.plans,
            &upstreams,
        ];
        (format!("{} {parts:#?}\n{}", config.default_contract.name(), apis.join("\n")), warnings.len())
    };
    let ((old, warnings), (new, none)) = (load(EVERYTHING), load(EVERYTHING_2));
    assert_eq!(old, new);
    assert_eq!((warnings, none), (1, 0));
    // Every setting has its value from the file.
    for setting in [
        "max_body_bytes: Some(\n",
        "bytes: 9",
        "per: 5s",
        "head_bytes: 32768",
        "max_queue_delay: 7ms",
        "header: Forwarded",
        "target: Stdout",
        "limit_by: Key",
        "on_client_abort: Release",
        "on_upstream_abort: Charge",
        "rejects_unacceptable: true",
    ] {
        assert!(old.contains(setting), "{setting}: {old}");
    }
}

/// A mistake in a version 1 file is reported at its position, with the names of version 2.
#[test]
fn reports_mistakes_in_version_1() {
    for (old, new, says) in [
        ("max_content: 3MiB", "max_content: much", "`max_body_bytes` must be a size"),
        ("settles: end", "settles: start", "`settle_at` must be `end` or `head`"),
        ("settles: end", "setles: end", "unknown key `setles` in `usage`"),
        ("voice: problem", "voice: problem\ndefault_contract: problem", "are the same key"),
        ("observe: true", "observe: perhaps", "`mode` must be `enforce` or `monitor`"),
    ] {
        let text = EVERYTHING.replacen(old, new, 1);
        assert_ne!(text, EVERYTHING, "{old}");
        let found = load_service(&Source::new("demur.yaml", text), &folder()).unwrap_err();
        assert!(found.to_string().contains(says), "{new}: {found}");
        assert_eq!(found.len(), 2, "the mistake and the warning: {found}");
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demur.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_mode_and_a_symlink_stays_one() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, file) = file("demur: 1\nvoice: problem\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link.yaml");
    symlink("demur.yaml", &link).unwrap();
    let fixed = fix_file(&link).unwrap();
    assert!(fixed.diff.starts_with("--- "), "{}", fixed.diff);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "demur: 2\ndefault_contract: problem\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(names(folder.path()), ["demur.yaml", "link.yaml"]);
}

#[test]
fn a_file_that_needs_no_change_is_not_touched() {
    let (_folder, file) = file("demur: 2\n");
    let before = file.metadata().unwrap().modified().unwrap();
    assert_eq!(fix_file(&file).unwrap().diff, "");
    assert_eq!(file.metadata().unwrap().modified().unwrap(), before);
}

#[test]
fn a_file_that_cannot_be_rewritten_is_as_it_was() {
    let (folder, file) = file("demur: 1\n");
    let mut permissions = file.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&file, permissions).unwrap();
    assert!(matches!(fix_file(&file).unwrap_err(), FileError::ReadOnly(_)));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "demur: 1\n");
    assert_eq!(names(folder.path()), ["demur.yaml"]);
    assert!(matches!(fix_file(folder.path()).unwrap_err(), FileError::NotAFile(_)));
    assert!(matches!(fix_file(&folder.path().join("none.yaml")).unwrap_err(), FileError::Io(..)));
}

/// The configurations of the repository.
fn files_of_ours() -> Vec<(PathBuf, Arc<Source>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    ["examples/demur.yaml", "crates/tower/tests/shop/demur.yaml", "e2e/hostile/gateway/demur.yaml"]
        .map(|name| root.join(name))
        .map(|path| (path.clone(), Source::read(&path).unwrap()))
        .into()
}

#[test]
fn files_of_ours_are_of_version_2() {
    for (path, source) in files_of_ours() {
        assert_eq!(fix(&source).unwrap().diff, "", "{}", path.display());
    }
}
