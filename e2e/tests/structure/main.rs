//! The structure of the source: no circle of modules in a crate, and no long file without a reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod circles;
mod modules;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use circles::circles;
use modules::Crate;

const MAX_LINES: usize = 400;
/// Begins a line near the beginning of a longer file, followed by the reason.
const REASON: &str = "//! Long because";
const REASON_WITHIN: usize = 5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn modules_of_a_crate_have_no_circles() {
    let mut found = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("src").is_dir() {
            continue;
        }
        seen += 1;
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let circles = circles(&Crate::read(&folder.join("src")).edges());
        found.extend(circles.into_iter().map(|circle| format!("{name}: {}", circle.join(", "))));
    }
    assert!(seen > 10, "only {seen} crates were found");
    assert!(found.is_empty(), "modules that refer to each other:\n{}", found.join("\n"));
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
    assert!(found.is_empty(), "files over {MAX_LINES} lines without `{REASON} …`: {found:#?}");
}
