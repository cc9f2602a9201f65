//! The document: public validators accept it, and schemathesis finds no response that is not in it.

use std::process::{Command, Stdio};

use demur_e2e::{Request, installed};

use crate::operator::Running;

#[test]
fn public_validators_accept_the_document() {
    let (running, tools) = (Running::start(), installed("openapi/install.sh"));
    let response = running.client.send(&Request::get("/openapi.json"));
    let file = running.gateway.folder().path().join("openapi.json");
    std::fs::write(&file, &response.body).unwrap();
    let output = Command::new(tools.join("python/bin/openapi-spec-validator")).arg(&file).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openapi-spec-validator: {said}");
    let output = Command::new("node").arg(tools.join("validate.mjs")).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn schemathesis_finds_only_documented_responses() {
    let running = Running::start();
    let (key, _) = running.account_with_key("acme");
    let folder = running.gateway.folder().path();
    // Without these, hardly any request would be about an account or a key that exists.
    let mut document = running.client.send(&Request::get("/openapi.json")).json();
    document["components"]["parameters"]["account"]["example"] = "acme".into();
    document["components"]["parameters"]["key"]["example"] = key.into();
    let file = folder.join("documented.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let mut command = Command::new(installed("schemathesis.sh"));
    command.arg("run").arg(&file).args(["--url", &format!("http://{}", running.gateway.admin_address())]);
    command.args(["-H", &format!("Authorization: Bearer {}", running.token("operator"))]);
    command.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "20261201"]);
    command.args(["--generation-deterministic", "--no-color"]).current_dir(folder);
    let output = command.stdin(Stdio::null()).env("NO_PROXY", "*").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(said.contains("generated"), "nothing was asked: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
