//! Locates the real documents and the test suite, which `tests/documents.sh` downloads once.

#![allow(clippy::panic, reason = "a failed test reports why")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the downloads.
pub(crate) fn folder() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents.sh");
    let mut command = Command::new(script);
    // Cargo does not pass on the target folder: the test is in `deps` of a profile's folder in it.
    if std::env::var_os("CARGO_TARGET_DIR").is_none()
        && let Ok(test) = std::env::current_exe()
        && let Some(target) = test.ancestors().nth(3)
    {
        command.env("CARGO_TARGET_DIR", target);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("tests/documents.sh cannot be started: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the documents cannot be fetched: {said}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
