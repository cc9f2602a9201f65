//! `make fetch` runs every script that downloads something for the tests, so that they run without a network after it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::{Path, PathBuf};

/// What a script contains that downloads.
const DOWNLOADS: &[&str] = &[
    "apt-get",
    "pip install",
    "pip download",
    "npm install",
    "npm pack",
    "cargo metadata",
    "install_packages",
];

/// Defines `install_packages`, and does nothing by itself.
const SOURCED: &str = "e2e/packages.sh";

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            found.push(path);
        }
    }
}

#[test]
fn fetch_runs_every_script_that_downloads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
    let (_, installers) = makefile.split_once("INSTALLERS := ").unwrap();
    let (installers, _) = installers.split_once("\n\n").unwrap();
    let named: Vec<&str> = installers.split_whitespace().filter(|word| *word != "\\").collect();
    let mut found = Vec::new();
    scripts(&root.join("e2e"), &mut found);
    scripts(&root.join("crates"), &mut found);
    let mut downloading: Vec<String> = Vec::new();
    for script in &found {
        let text = std::fs::read_to_string(script).unwrap();
        // The script that sends requests with curl prints no folder, because it installs nothing.
        let installs = text.contains("CARGO_TARGET_DIR") || text.contains("install_packages");
        if installs && !script.ends_with(SOURCED) && DOWNLOADS.iter().any(|command| text.contains(command)) {
            downloading.push(script.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    downloading.sort();
    let mut expected: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(downloading, expected, "left: the scripts that download, right: INSTALLERS of the Makefile");
}
