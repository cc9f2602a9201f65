//! The structure of the source: no circle of modules in a crate, and no long file without a reason.
//!
//! Both lists of exceptions only shrink: an exception that is not needed any more fails too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod circles;
mod modules;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use circles::circles;
use modules::Crate;

/// Today's circles: the crate, and modules that refer to each other.
const CIRCLES: &[(&str, &[&str])] = &[
    ("admission", &["ledger", "ledger::claim"]),
    ("cli", &["commands::import", "commands::keys"]),
    ("config", &["api", "operation", "rule"]),
    ("config", &["gateway", "gateway::cache", "gateway::checks", "gateway::limits", "gateway::upstream"]),
    ("contract", &["catalogue", "parse::pattern", "plural", "problem", "template"]),
    ("contract", &["claims", "load", "load::entry", "load::http"]),
    (
        "contract",
        &[
            "contract",
            "parse",
            "parse::captures",
            "parse::match_format",
            "parse::matcher",
            "parse::rules",
            "variants",
        ],
    ),
    ("contract", &["round_trip", "round_trip::violations"]),
    ("tower", &["body", "error"]),
];

/// Today's files that are too long, without a reason in their first lines.
const LONG: &[&str] = &[
    "crates/cli/src/args.rs",
    "crates/cli/tests/contract_schema.rs",
    "crates/client/tests/cache.rs",
    "crates/contract/src/condition.rs",
    "crates/contract/src/format.rs",
    "crates/contract/src/load/mod.rs",
    "crates/contract/src/parse/matcher.rs",
    "crates/contract/src/parse/pattern.rs",
    "crates/contract/src/template.rs",
    "crates/contract/tests/generated/mod.rs",
    "crates/contract/tests/prop_round_trip.rs",
    "crates/sqlite/examples/admission_bench.rs",
    "crates/sqlite/tests/files.rs",
    "crates/sqlite/tests/prop_model.rs",
    "crates/sqlite/tests/store.rs",
    "crates/tower/tests/layer.rs",
    "e2e/tests/idempotency.rs",
    "e2e/tests/limits.rs",
    "e2e/tests/parser.rs",
];

const MAX_LINES: usize = 400;
/// Begins a line near the beginning of a longer file, followed by the reason.
const REASON: &str = "//! Long because";
const REASON_WITHIN: usize = 5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn modules_of_a_crate_have_no_circles() {
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("src").is_dir() {
            continue;
        }
        seen += 1;
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for circle in circles(&Crate::read(&folder.join("src")).edges()) {
            found.insert((name.clone(), circle));
        }
    }
    assert!(seen > 10, "only {seen} crates were found");
    let known: BTreeSet<(String, Vec<String>)> = CIRCLES
        .iter()
        .map(|(name, modules)| ((*name).to_owned(), modules.iter().map(|it| (*it).to_owned()).collect()))
        .collect();
    let list = |circles: Vec<&(String, Vec<String>)>| {
        circles.iter().map(|(name, modules)| format!("    (\"{name}\", &{modules:?}),\n")).collect::<String>()
    };
    let new = list(found.difference(&known).collect());
    let gone = list(known.difference(&found).collect());
    assert!(new.is_empty() && gone.is_empty(), "new circles:\n{new}circles that are gone:\n{gone}");
}

#[test]
fn long_files_give_a_reason() {
    let mut found = BTreeSet::new();
    let mut seen = 0;
    let mut folders = ["crates", "e2e", "examples"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                seen += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                let has_reason = text.lines().take(REASON_WITHIN).any(|line| line.starts_with(REASON));
                if text.lines().count() > MAX_LINES && !has_reason {
                    found.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    assert!(seen > 300, "only {seen} files were found");
    let known: BTreeSet<String> = LONG.iter().map(|path| (*path).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "files over {MAX_LINES} lines without `{REASON} …`: {new:#?}\nfiles that are shorter now: {gone:#?}"
    );
}
