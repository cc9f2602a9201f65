//! schemathesis, which knows nothing of this project, against the five examples through the gateway: it makes
//! requests from their documents, sound and broken, and finds no status and no shape that is not documented.
//!
//! The documents of the examples say what succeeds; how it fails is what their contracts say. So what it is
//! given is the document with every response of the contract added, in the shape that the contract gives it.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop and say where"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use demur_contract::{Contract, Problem};
use demur_e2e::{Gateway, TestDir, contract};
use demur_source::{Source, parse};
use serde_json::{Map, Value, json};

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
    let program = schemathesis();
    let mut findings = Vec::new();
    for example in demur_examples::all() {
        let name = example.name;
        let document = documented(name, &contract(name));
        let file = gateway.folder().path().join(format!("{name}-documented.json"));
        std::fs::write(&file, document.to_string()).unwrap();
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

fn schemathesis() -> String {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).expect("a test lies in target/PROFILE/deps");
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.sh"));
    let output = script.env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The example's document, with what its contract says of failures in each operation.
fn documented(name: &str, contract: &Contract) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join("openapi.yaml");
    let mut document = parse(&Source::read(&path).unwrap()).unwrap().to_json();
    let answers = answers(contract);
    for (_, item) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in item.as_object_mut().unwrap() {
            if ["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                let responses = operation["responses"].as_object_mut().unwrap();
                for (status, answer) in &answers {
                    responses.entry(status.clone()).or_insert_with(|| answer.clone());
                }
            }
        }
    }
    document
}

/// For each status, the shapes of the errors that have it: what an occurrence with nothing particular to it
/// looks like.
fn answers(contract: &Contract) -> BTreeMap<String, Value> {
    let mut shapes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (id, entry) in contract.entries() {
        let mut content = Vec::new();
        contract.render(&Problem::new(id, "req_0"), &mut content);
        let rendered: Value = serde_json::from_slice(&content).unwrap();
        let shapes = shapes.entry(entry.status.as_u16().to_string()).or_default();
        let shape = shape(&rendered);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let content_type = contract.content_type();
    let answer = |shapes: Vec<Value>| {
        let schema = json!({ "anyOf": shapes });
        json!({ "description": "a declared error", "content": { content_type: { "schema": schema } } })
    };
    shapes.into_iter().map(|(status, shapes)| (status, answer(shapes))).collect()
}

/// A schema that takes what has the members of a value, with their types; codes and types word for word.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let names: Vec<&String> = members.keys().collect();
            let property = |(name, value): (&String, &Value)| {
                let is_fixed = ["code", "type", "status"].contains(&name.as_str());
                (name.clone(), if is_fixed { json!({ "const": value }) } else { shape(value) })
            };
            let properties: Map<String, Value> = members.iter().map(property).collect();
            json!({ "type": "object", "required": names, "properties": properties })
        }
        Value::Array(_) => json!({ "type": "array" }),
        Value::String(_) => json!({ "type": "string" }),
        // A slot without a value here may have one in another occurrence.
        Value::Null => json!({}),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "number" }),
    }
}
