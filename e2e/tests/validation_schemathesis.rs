//! schemathesis, which knows nothing of this project, against the five examples through the gateway: it makes
//! requests from their documents, sound and broken, and finds no status and no shape that is not documented.
//!
//! The documents of the examples say what succeeds. What it is given is what `demur openapi` writes: the document with
//! exactly the errors of each operation, in unions that are closed.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::process::{Command, Stdio};

use demur_e2e::{Gateway, TestDir, installed, run};

#[test]
fn schemathesis_finds_only_documented_responses() {
    let folder = TestDir::of_examples();
    let mut examples = Vec::new();
    for example in demur_examples::all() {
        let running = demur_e2e::Example::start(example.name);
        folder.point(example.name, running.address());
        examples.push(running);
    }
    let gateway = Gateway::serve_with_keys(folder);
    let program = installed("schemathesis.sh");
    let mut findings = Vec::new();
    for example in demur_examples::all() {
        let name = example.name;
        let file = gateway.folder().path().join(format!("{name}-documented.json"));
        let config = gateway.folder().config();
        let options = ["--api", name, "--unions", "closed", "--output", file.to_str().unwrap()];
        let arguments = [&["openapi", "--config", config.to_str().unwrap()][..], &options].concat();
        let outcome = run(&arguments, gateway.folder().path());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let mut command = Command::new(&program);
        command.arg("run").arg(&file).args(["--url", &format!("http://{}/{name}", gateway.address())]);
        command.args(["-H", &format!("Authorization: Bearer {}", gateway.sample_key(name, "active"))]);
        command.args([
            "--checks",
            "status_code_conformance,content_type_conformance,response_schema_conformance",
        ]);
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "20261120"]);
        command.args(["--generation-deterministic", "--no-color"]);
        command.current_dir(gateway.folder().path());
        let output = command.stdin(Stdio::null()).env("NO_PROXY", "*").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        println!(
            "{name}: {}",
            said.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        );
        assert!(
            said.contains("generated"),
            "{name}: nothing was asked:\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if !output.status.success() {
            findings.push(format!("{name}:\n{said}"));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n\n"));
}
