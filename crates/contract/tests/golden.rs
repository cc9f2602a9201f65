//! Golden files: the diagnostics of an invalid contract for each check (`tests/broken/*.yaml`, `*.txt`), and the texts of all
//! derived errors (`tests/golden/derived.txt`). `DEMUR_UPDATE_GOLDENS=1` updates them; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use demur_contract::{Condition, Contract, EntrySource, builtin};
use demur_source::{Diagnostic, Diagnostics, Severity, Source};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// A contract with more errors than allowed, which is too long for a file.
fn too_many_errors() -> String {
    let mut text = std::fs::read_to_string(folder().join("duration.yaml")).unwrap();
    for index in 0..5000 {
        writeln!(text, "  e{index}: {{ status: 409 }}").unwrap();
    }
    text
}

fn diagnostics_of(name: &str) -> Diagnostics {
    let text = match name {
        "too-many-errors" => too_many_errors(),
        _ => std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap(),
    };
    match Contract::load(&Source::new(format!("{name}.yaml"), text)) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    }
}

/// Each diagnostic, followed by the line of the file with the position marked.
fn render(diagnostics: &Diagnostics) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics.iter() {
        let (line, column) = diagnostic.line_column();
        let excerpt: String =
            diagnostic.location.source.text.lines().nth(line - 1).unwrap_or("").chars().take(120).collect();
        writeln!(text, "{diagnostic}").unwrap();
        writeln!(text, "    {excerpt}").unwrap();
        if column <= 120 {
            writeln!(text, "    {}^", " ".repeat(column - 1)).unwrap();
        }
    }
    text
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let contracts = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let names = contracts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.chain(["too-many-errors".to_owned()]).collect()
}

/// Compares a text with a golden file, or updates the file; returns whether they differ.
fn differs(golden: &Path, text: &str) -> bool {
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        std::fs::write(golden, text).unwrap();
    }
    std::fs::read_to_string(golden).unwrap_or_default() != text
}

#[test]
fn every_diagnostic_matches_its_golden_file() {
    let mut differing = Vec::new();
    for name in names() {
        let text = render(&diagnostics_of(&name));
        if differs(&folder().join(format!("{name}.txt")), &text) {
            differing.push(format!("{name}:\n{text}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Every check in the code has a golden file with its name, and the file has a diagnostic of this check.
#[test]
fn every_check_occurs_in_a_golden_file() {
    let names = names();
    for name in names.iter().filter(|name| !name.starts_with("ten-")) {
        let diagnostics = diagnostics_of(name);
        let is_of_check = |diagnostic: &Diagnostic| name.starts_with(diagnostic.check);
        assert!(diagnostics.iter().any(is_of_check), "{name}:\n{diagnostics}");
    }
    let checks = regex::Regex::new(
        r#""([a-z]+(?:-[a-z]+)+|syntax|status|template|version|unclaimed|duration|locale|key)","#,
    )
    .unwrap();
    let mut missing = BTreeSet::new();
    // The YAML parser reports errors of its own.
    let folders = ["src", "../source/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    for code in folders.iter().flat_map(|folder| sources(folder)) {
        for check in checks.captures_iter(&code).map(|captures| captures[1].to_owned()) {
            // Names of headers, and a value of `code_style`.
            let is_other =
                ["x-", "retry-after", "ratelimit", "kebab-"].iter().any(|start| check.starts_with(start));
            if !names.contains(&check) && !is_other {
                missing.insert(check);
            }
        }
    }
    assert!(missing.is_empty(), "no invalid contract for {missing:?}");
}

/// A contract that claims only what it must, so that nearly all its errors are derived.
const MINIMAL: &str = "
demur: 1
name: minimal
code_style: kebab-case
formats: { default: { code: $code, message: $message, errors?: [$violation.message] } }
errors:
  bad-request: { status: 400, on: [request] }
  internal: { status: 500, on: [internal] }
";

/// Every text that callers see without an author having written it.
#[test]
fn derived_errors_match_their_golden_file() {
    let sources = [builtin::source("problem").unwrap(), Source::new("minimal.yaml", MINIMAL)];
    let mut text = String::new();
    for source in sources {
        let contract = Contract::load(&source).unwrap().contract;
        writeln!(text, "contract `{}`", contract.name()).unwrap();
        for condition in Condition::all() {
            let error = contract.answer(condition);
            let entry = contract.entry(error);
            let origin = match entry.source {
                EntrySource::Declared => "declared",
                EntrySource::Derived(_) => "derived",
            };
            let (status, retry) = (entry.status, entry.retry.class.as_str());
            writeln!(text, "\n{condition}: {status}, retry {retry}, {origin} as `{}`", entry.name).unwrap();
            writeln!(text, "  code:    {}", entry.code.as_deref().unwrap_or("none")).unwrap();
            writeln!(text, "  title:   {}", entry.title).unwrap();
            writeln!(text, "  message: {}", entry.message).unwrap();
            if condition.is_violation() {
                writeln!(text, "  violation: {}", contract.text_of_rule(error, condition)).unwrap();
            }
        }
        text.push('\n');
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/derived.txt");
    assert!(!differs(&golden, &text), "run it with DEMUR_UPDATE_GOLDENS=1:\n{text}");
}

/// Texts for callers do not mention what only operators should know.
#[test]
fn derived_texts_do_not_mention_the_operators_side() {
    for condition in Condition::all() {
        let title = condition.defaults().title.to_lowercase();
        for word in ["behind", "upstream", "gateway", "proxy", "backend", "store", "demur"] {
            assert!(!title.contains(word), "{condition}: {title}");
        }
    }
}

/// The code of all files in a folder, without its unit tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => sources.extend(self::sources(&path)),
            false => {
                let code = std::fs::read_to_string(&path).unwrap();
                sources.push(code.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    sources
}

#[test]
fn reports_ten_errors_at_once() {
    for name in ["ten-at-once", "ten-other-ones"] {
        let diagnostics = diagnostics_of(name);
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        assert!(errors >= 10, "{name}: {errors} only:\n{diagnostics}");
    }
}

#[test]
fn duplicate_keys_do_not_hide_other_errors() {
    let diagnostics = diagnostics_of("duplicate-key-and-others");
    let count = |check: &str| diagnostics.iter().filter(|diagnostic| diagnostic.check == check).count();
    assert_eq!(count("duplicate-key"), 3, "{diagnostics}");
    for check in ["unknown-key", "unknown-slot", "unknown-parameter", "unknown-condition"] {
        assert_eq!(count(check), 1, "{check}:\n{diagnostics}");
    }
    assert_eq!(
        count("status") + count("claimed-twice"),
        0,
        "the second of two equal keys is not read:\n{diagnostics}"
    );
}

#[test]
fn rejects_too_many_errors_quickly() {
    let diagnostics = Contract::load(&Source::new("many.yaml", too_many_errors())).unwrap_err();
    assert!(diagnostics.iter().any(|diagnostic| diagnostic.check == "too-many-errors"));
}
