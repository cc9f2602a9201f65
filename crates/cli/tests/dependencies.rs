//! The dependencies between the crates, as in ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate, and the crates of this workspace that it may depend on.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("demur-source", &[]),
    ("demur-contract", &["source"]),
    ("demur-admission", &[]),
    ("demur-jwt", &[]),
    ("demur-sqlite", &["admission"]),
    ("demur-postgres", &["admission"]),
    ("demur-validation", &["contract", "source"]),
    ("demur-http1", &[]),
    ("demur-engine", &["admission", "contract", "jwt", "validation"]),
    ("demur-journal", &["contract"]),
    ("demur-admin", &["admission", "contract", "journal", "source", "validation"]),
    ("demur-console", &["admin", "admission", "contract", "journal"]),
    ("demur-gateway", &["admission", "contract", "engine", "http1", "journal", "jwt"]),
    ("demur-config", &["admission", "contract", "engine", "gateway", "jwt", "source", "validation"]),
    ("demur-tower", &["admission", "config", "contract", "engine"]),
    ("demur-client", &["contract", "source"]),
    ("demur-matrix", &["admission", "contract", "engine", "validation"]),
    (
        "demur-mock",
        &["admission", "config", "contract", "engine", "gateway", "matrix", "source", "validation"],
    ),
    ("demur-publish", &["admission", "contract", "engine", "matrix", "validation"]),
    ("demur-examples", &[]),
    (
        "demur-cli",
        &[
            "admin",
            "admission",
            "config",
            "console",
            "contract",
            "engine",
            "examples",
            "gateway",
            "journal",
            "matrix",
            "mock",
            "postgres",
            "publish",
            "source",
            "sqlite",
            "validation",
        ],
    ),
];

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        // The end-to-end tests look at everything from the outside.
        if name == "demur-e2e" {
            continue;
        }
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(known, _)| *known == name) else {
            panic!("{name} has no row in the table of this test, and so none in ARCHITECTURE.md");
        };
        seen.insert(name.to_owned());
        for dependency in package["dependencies"].as_array().unwrap() {
            // Tests may look further.
            if dependency["kind"] == "dev" {
                continue;
            }
            if let Some(ours) = dependency["name"].as_str().unwrap().strip_prefix("demur-") {
                assert!(allowed.contains(&ours), "{name} must not know demur-{ours}");
            }
        }
    }
    assert_eq!(seen.len(), MAY_KNOW.len(), "the table names a crate that does not exist");
}

/// APIs are data, not code: the names of the examples appear only in `contracts/` and `examples/`.
#[test]
fn no_line_of_rust_names_an_api() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![crates.to_owned()];
    let names: Vec<&str> = demur_examples::all().iter().map(|example| example.name).collect();
    let mut inspected = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
                inspected += 1;
                for name in &names {
                    assert!(!text.contains(name), "{} names {name}", path.display());
                }
            }
        }
    }
    assert!(inspected > 50, "only {inspected} files were inspected");
}
