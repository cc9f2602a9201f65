//! `demur check --fix`: a version 1 file becomes one of version 2.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

const OLD: &str = include_str!("../../config/tests/version-1/demur.yaml");
const NEW: &str = include_str!("../../config/tests/version-1/expected.yaml");
const OPENAPI: &str = include_str!("../../config/tests/version-1/openapi.yaml");

fn demur(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demur")).args(arguments).current_dir(folder).output().unwrap()
}

fn folder(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("demur.yaml"), configuration).unwrap();
    std::fs::write(folder.path().join("openapi.yaml"), OPENAPI).unwrap();
    folder
}

#[test]
fn a_version_1_file_is_valid_with_one_warning() {
    let folder = folder(OLD);
    let output = demur(folder.path(), &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(demur(folder.path(), &["check", "--strict"]).status.code(), Some(1));
    let said: Json = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<&Json> =
        said["diagnostics"].as_array().unwrap().iter().map(|diagnostic| &diagnostic["code"]).collect();
    assert_eq!(codes, [&json!("deprecated-version")]);
    assert!(said["diagnostics"][0]["help"].as_str().unwrap().contains("`demur check --fix demur.yaml`"));
}

#[test]
fn a_file_is_rewritten_once_and_the_difference_is_printed() {
    let folder = folder(OLD);
    let output = demur(folder.path(), &["check", "--fix"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("demur.yaml")).unwrap(), NEW);
    let stdout = String::from_utf8(output.stdout).unwrap();
    for line in ["--- demur.yaml", "+++ demur.yaml", "-demur: 1 # the version", "+demur: 2 # the version"] {
        assert!(stdout.lines().any(|other| other == line), "{line}: {stdout}");
    }
    let output = demur(folder.path(), &["check", "--fix", "--format", "json"]);
    let said: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["diff"]), (Some(0), &json!("")));
    assert_eq!(std::fs::read_to_string(folder.path().join("demur.yaml")).unwrap(), NEW);
}

/// Other mistakes in a file do not prevent the rewrite.
#[test]
fn a_file_with_mistakes_is_rewritten_too() {
    let folder = folder("demur: 1\nvoice: problm\n");
    let output = demur(folder.path(), &["check", "--fix"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = std::fs::read_to_string(folder.path().join("demur.yaml")).unwrap();
    assert_eq!(text, "demur: 2\ndefault_contract: problm\n");
    assert!(String::from_utf8_lossy(&output.stdout).contains("+default_contract: problm"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `problem`?"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_rewritten_is_left_as_it_was() {
    let text = "demur: 1\napis:\n- authentication: &a { field: X }\n  rules: [{ with: *a }]\n";
    let folder = folder(text);
    let output = demur(folder.path(), &["check", "--fix"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("demur.yaml")).unwrap(), text);
    std::fs::write(folder.path().join("demur.yaml"), "voice: a\nvoice: b\n").unwrap();
    assert_eq!(demur(folder.path(), &["check", "--fix"]).status.code(), Some(3));
}

/// The old name of a key is a warning. Comments and layout stay, and so does the version of contracts.
#[test]
fn renames_the_keys_of_a_contract() {
    const OLD: &str = "request_id: { field: \"Shop-Id\", prefix: req_ } # in support tickets";
    const NEW: &str = "request_id: { header: \"Shop-Id\", prefix: req_ } # in support tickets";
    let folder = folder("");
    let file = folder.path().join("errors.yaml");
    assert_eq!(demur(folder.path(), &["init", "errors.yaml"]).status.code(), Some(0));
    let line = |text: &str| text.lines().position(|line| line.starts_with("request_id:")).unwrap();
    let current = std::fs::read_to_string(&file).unwrap();
    let with = |new: &str| {
        let mut lines: Vec<&str> = current.lines().collect();
        lines[line(&current)] = new;
        lines.join("\n")
    };
    std::fs::write(&file, with(OLD)).unwrap();
    let output = demur(folder.path(), &["check", "--format", "json", "errors.yaml"]);
    let said: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warning = &said["diagnostics"][0];
    assert_eq!(
        (&warning["code"], &warning["message"], &warning["help"]),
        (
            &json!("deprecated-key"),
            &json!("`request_id.field` is now `request_id.header`"),
            &json!("rename it, or run `demur check --fix errors.yaml`")
        )
    );
    let output = demur(folder.path(), &["check", "--fix", "--strict", "errors.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains(&format!("\n+{NEW}\n")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), with(NEW));
    // Both names at once are a mistake, with or without `--fix`.
    let both = with("request_id: { field: A-Id, header: B-Id }");
    std::fs::write(&file, &both).unwrap();
    for arguments in [&["check", "errors.yaml"][..], &["check", "--fix", "errors.yaml"]] {
        let output = demur(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("`field` and `header` are the same key"), "{stderr}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), both);
    }
}

#[test]
fn a_contract_has_nothing_to_rewrite() {
    let folder = folder("");
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/problem.yaml"),
        folder.path().join("problem.yaml"),
    )
    .unwrap();
    let before = std::fs::read_to_string(folder.path().join("problem.yaml")).unwrap();
    demur(folder.path(), &["check", "--fix", "problem.yaml"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("problem.yaml")).unwrap(), before);
}
