//! The diagnostics of `demur check` for broken files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

fn check(file: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
    command.args(["check", "--strict", "--format", "json", file]).current_dir(folder).output().unwrap()
}

/// The only document on standard output; standard error is empty.
fn said(output: &Output) -> Json {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The diagnostics in the format of the loader goldens: one line, then the excerpt with a marker.
fn told(said: &Json, text: &str) -> String {
    let mut told = String::new();
    for diagnostic in said["diagnostics"].as_array().unwrap() {
        let word = |name: &str| diagnostic[name].as_str().unwrap();
        let number = |name: &str| usize::try_from(diagnostic["start"][name].as_u64().unwrap()).unwrap();
        let (line, column) = (number("line"), number("column"));
        let help = diagnostic["help"].as_str().map(|help| format!(" (help: {help})")).unwrap_or_default();
        let (file, severity) = (word("file"), word("severity"));
        let (code, message) = (word("code"), word("message"));
        writeln!(told, "{file}:{line}:{column}: {severity}[{code}]: {message}{help}").unwrap();
        let excerpt: String = text.lines().nth(line - 1).unwrap_or("").chars().take(120).collect();
        writeln!(told, "    {excerpt}").unwrap();
        if column <= 120 {
            writeln!(told, "    {}^", " ".repeat(column - 1)).unwrap();
        }
    }
    told
}

#[test]
fn reports_broken_contracts_as_the_loader_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract/tests/broken");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let contracts: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    let mut differing = Vec::new();
    for path in &contracts {
        let name = path.file_name().unwrap().to_str().unwrap();
        let output = check(name, &folder);
        let said = said(&output);
        let text = std::fs::read_to_string(path).unwrap();
        let golden = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let code = if golden.contains(": error[") { 3 } else { 1 };
        let told = told(&said, &text);
        if told != golden || output.status.code() != Some(code) {
            differing.push(format!("{name}: {:?}\n{told}", output.status));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(contracts.len() > 30, "only {} files", contracts.len());
}

const CONFIGURATION: &str = "\
demur: 2
listne: 127.0.0.1:8080
workers: many
plans: { free: { rates: [{ requests: 0, per: 1s }] } }
apis: [{ name: shop, contract: nowhere }]
";

#[test]
fn configuration_errors_are_one_json_document() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("demur.yaml"), CONFIGURATION).unwrap();
    let output = check("demur.yaml", folder.path());
    assert_eq!(output.status.code(), Some(3));
    let said = said(&output);
    assert_eq!(said.as_object().unwrap().keys().collect::<Vec<_>>(), ["diagnostics"]);
    let diagnostics = said["diagnostics"].as_array().unwrap();
    assert!(diagnostics.len() > 4, "{said}");
    let listen = json!({
        "file": "demur.yaml",
        "start": { "line": 2, "column": 1 },
        "end": { "line": 2, "column": 7 },
        "severity": "error",
        "code": "unknown-key",
        "message": "unknown key `listne` in the configuration",
        "help": "did you mean `listen`?",
    });
    assert_eq!(diagnostics[0], listen);
    for diagnostic in diagnostics {
        let place = |name: &str| {
            let of = |part: &str| diagnostic[name][part].as_u64().unwrap();
            (of("line"), of("column"))
        };
        assert!(place("start") <= place("end"), "{diagnostic}");
        let members: Vec<&String> = diagnostic.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 7, "{diagnostic}");
    }
}

#[test]
fn a_valid_file_has_no_diagnostics() {
    let folder = tempfile::tempdir().unwrap();
    let contract = "demur: 1\nname: shop\nproblem_json: off\nformats: { default: { code: $code } }\nerrors:\n  \
                    internal: { status: 500, message: Ours., on: [internal, request] }\n";
    std::fs::write(folder.path().join("shop.yaml"), contract).unwrap();
    let output = check("shop.yaml", folder.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = said(&output);
    assert_eq!((&said["contract"], &said["diagnostics"]), (&json!("shop"), &json!([])));
}
