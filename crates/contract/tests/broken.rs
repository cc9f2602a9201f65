//! A deliberately broken contract for each check (`tests/broken/*.yaml`), and what is said of it (`*.txt`), with line,
//! column, excerpt and mend. `DEMUR_UPDATE_GOLDENS=1` writes what is said anew: read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use demur_contract::Contract;
use demur_source::{Diagnostics, Source};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn found(name: &str) -> Diagnostics {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    match Contract::load(&Source::new(format!("{name}.yaml"), text)) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    }
}

/// One line each, and under it the line of the file with the place marked.
fn told(diagnostics: &Diagnostics) -> String {
    let mut told = String::new();
    for diagnostic in found.iter() {
        let (line, column) = diagnostic.line_column();
        let excerpt: String =
            diagnostic.location.source.text.lines().nth(line - 1).unwrap_or("").chars().take(120).collect();
        writeln!(told, "{diagnostic}").unwrap();
        writeln!(told, "    {excerpt}").unwrap();
        if column <= 120 {
            writeln!(told, "    {}^", " ".repeat(column - 1)).unwrap();
        }
    }
    told
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let contracts = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    contracts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn each_is_told_as_it_always_was() {
    let mut differing = Vec::new();
    for name in names() {
        let golden = folder().join(format!("{name}.txt"));
        let told = told(&found(&name));
        if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
            std::fs::write(&golden, &told).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            differing.push(format!("{name}:\n{told}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A file is called by its check, and says nothing beyond it but what follows from the mistake.
#[test]
fn each_check_has_its_file() {
    let names = names();
    for name in names.iter().filter(|name| !name.starts_with("ten-")) {
        let found = found(name);
        assert!(found.iter().any(|diagnostic| name.starts_with(diagnostic.check)), "{name}:\n{found}");
    }
    // Every name of a check that stands in the code: one that has no file is told here.
    let checks = regex::Regex::new(
        r#""([a-z]+(?:-[a-z]+)+|syntax|status|template|version|unclaimed|duration|locale|key)","#,
    )
    .unwrap();
    let mut missing = BTreeSet::new();
    // The reader of the text finds mistakes of its own.
    let folders = ["src", "../source/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    for code in folders.iter().flat_map(|folder| sources(folder)) {
        for check in checks.captures_iter(&code).map(|found| found[1].to_owned()) {
            // Fields of answers, and a word of `code_style`.
            let is_other =
                ["x-", "retry-after", "ratelimit", "kebab-"].iter().any(|start| check.starts_with(start));
            let is_large = check == "too-many-errors";
            if !names.contains(&check) && !is_other && !is_large {
                missing.insert(check);
            }
        }
    }
    assert!(missing.is_empty(), "no broken contract for {missing:?}");
}

/// The code of every file below, without its tests.
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
fn ten_mistakes_come_back_at_once() {
    for name in ["ten-at-once", "ten-other-ones"] {
        let found = found(name);
        let errors = found.iter().filter(|found| found.severity == demur_source::Severity::Error).count();
        assert!(errors >= 10, "{name}: {errors} only:\n{found}");
    }
}

#[test]
fn duplicate_keys_hide_nothing() {
    let found = found("duplicate-key-and-others");
    let count = |check: &str| found.iter().filter(|found| found.check == check).count();
    assert_eq!(count("duplicate-key"), 3, "{found}");
    for check in ["unknown-key", "unknown-slot", "unknown-parameter", "unknown-condition"] {
        assert_eq!(count(check), 1, "{check}:\n{found}");
    }
    assert_eq!(count("status") + count("claimed-twice"), 0, "the second of two is not read:\n{found}");
}

#[test]
fn a_contract_of_too_many_errors_is_refused_quickly() {
    let mut text = std::fs::read_to_string(folder().join("duration.yaml")).unwrap();
    for index in 0..5000 {
        writeln!(text, "  e{index}: {{ status: 409 }}").unwrap();
    }
    let found = Contract::load(&Source::new("many.yaml", text)).unwrap_err();
    assert!(found.iter().any(|diagnostic| diagnostic.check == "too-many-errors"));
}
