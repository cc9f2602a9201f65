//! What the tests need beside the project, installed by scripts below cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a script below `e2e/` prints: the path of what it installs, which it does first if that is missing.
pub fn installed(script: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut command = Command::new(&script);
    // Cargo does not pass on the target folder: the test is in `deps` of a profile's folder in it.
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        let test = std::env::current_exe().expect("a test has a path");
        command.env("CARGO_TARGET_DIR", test.ancestors().nth(3).expect("a test lies in target/PROFILE/deps"));
    }
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("a path");
    // A package manager may print as well; the path is the last line.
    PathBuf::from(said.trim().lines().last().expect("a path"))
}
