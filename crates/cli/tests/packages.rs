//! Every crate can be published: complete metadata, a package that holds all that it reads, and optional dependencies that
//! can be left out. No registry is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).arg("--offline").current_dir(root()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// All packages but the end-to-end tests, which are not published.
fn packages() -> Vec<Json> {
    let metadata: Json =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.filter(|package| package["name"] != "demur-e2e").cloned().collect()
}

#[test]
fn every_crate_has_complete_metadata() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(package["publish"].is_null(), "{name} must be publishable");
        for key in ["description", "license", "repository", "homepage", "readme", "rust_version"] {
            assert!(package[key].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {key}");
        }
        for (key, most) in [("keywords", 5), ("categories", 5)] {
            let count = package[key].as_array().unwrap().len();
            assert!((1..=most).contains(&count), "{name} has {count} {key}");
        }
        for keyword in package["keywords"].as_array().unwrap() {
            assert!(keyword.as_str().unwrap().len() <= 20, "{name}: the keyword {keyword} is too long");
        }
        assert_eq!(package["metadata"]["docs"]["rs"]["all-features"], true, "{name} has no docs.rs metadata");
    }
}

/// Which literal paths a source file includes at compile time.
fn included(text: &str) -> Vec<&str> {
    let calls = ["include_str!(\"", "include_bytes!(\""];
    calls
        .iter()
        .flat_map(|call| text.split(call).skip(1).filter_map(|rest| rest.split_once("\")")))
        .map(|(path, _)| path)
        .collect()
}

/// `src/a/b.rs` and `../c.txt` make `src/c.txt`. `None` above the root of the package.
fn resolved(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn every_package_holds_its_licences_and_all_files_that_it_includes() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let list = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        let files: BTreeSet<&str> = list.lines().collect();
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock"] {
            assert!(files.contains(file), "{name}: no {file} in the package");
        }
        for file in files.iter().filter(|file| file.ends_with(".rs")) {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            for path in included(&text) {
                let holds = resolved(file, path).is_some_and(|path| files.contains(path.as_str()));
                assert!(holds, "{name}: {file} includes {path}, which is not in the package");
            }
        }
    }
}

#[test]
fn all_crates_are_packaged_together() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let _ = std::fs::remove_dir_all(&target);
    let folder = target.to_str().unwrap();
    cargo(&[
        "package",
        "--workspace",
        "--exclude",
        "demur-e2e",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
        "--target-dir",
        folder,
    ]);
    for package in packages() {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let file = target.join(format!("package/{name}-{version}.crate"));
        assert!(file.exists(), "{} was not written", file.display());
    }
}

/// The names of all crates that a crate compiles.
fn dependencies(package: &str, features: &[&str]) -> BTreeSet<String> {
    let mut arguments =
        vec!["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    arguments.extend_from_slice(features);
    let tree = cargo(&arguments);
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn optional_dependencies_can_be_left_out() {
    const WITHOUT: &[&str] = &["--no-default-features"];
    for (package, features, absent) in [
        // reqwest reads host names with a part of ICU of its own; the plural rules and their data are ours.
        (
            "demur-client",
            WITHOUT,
            &["icu_plurals", "icu_plurals_data", "icu_locale_fallback_data", "fixed_decimal"] as &[_],
        ),
        ("demur-client", &[], &["rusqlite", "axum", "tokio-macros", "jsonschema", "cel"]),
        ("demur-contract", WITHOUT, &["icu_plurals", "icu_provider", "icu_locale_core", "fixed_decimal"]),
        ("demur-tower", WITHOUT, &["axum"]),
        ("demur-tower", &[], &["rusqlite", "libsqlite3-sys", "reqwest", "clap"]),
        ("demur-cli", WITHOUT, &["tikv-jemallocator", "reqwest"]),
    ] {
        let dependencies = dependencies(package, features);
        assert!(dependencies.len() > 5, "{package}: {dependencies:?}");
        for name in absent {
            assert!(!dependencies.contains(*name), "{package} {features:?} compiles {name}");
        }
    }
}
