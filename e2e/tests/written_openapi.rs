//! `demur openapi`: public validators accept the written documents, public tools apply the overlays to the same result,
//! and the schemas distinguish the errors of one status.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::path::{Path, PathBuf};
use std::process::Command;

use demur_e2e::{TestDir, installed, run};
use serde_json::Value as Json;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes a document or an overlay of an example.
fn write(folder: &TestDir, api: &str, options: &[&str], file: &str) -> (PathBuf, Json) {
    let config = here().join("../examples/demur.yaml");
    let path = folder.path().join(file);
    let fixed =
        ["openapi", "--config", config.to_str().unwrap(), "--api", api, "--output", path.to_str().unwrap()];
    let outcome = run(&[&fixed[..], options].concat(), folder.path());
    assert_eq!(outcome.code, Some(0), "{api}: {}", outcome.stderr);
    let json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    (path, json)
}

fn names() -> Vec<&'static str> {
    demur_examples::all().iter().map(|example| example.name).collect()
}

fn original(api: &str) -> Json {
    let path = here().join("../examples").join(api).join("openapi.yaml");
    demur_source::parse(&demur_source::Source::read(&path).unwrap()).unwrap().to_json()
}

#[test]
fn public_validators_accept_the_written_documents() {
    let (folder, tools) = (TestDir::empty(), installed("openapi/install.sh"));
    let mut files = Vec::new();
    for api in names() {
        for unions in ["open", "closed"] {
            files.push(write(&folder, api, &["--unions", unions], &format!("{api}-{unions}.json")).0);
        }
    }
    let output = Command::new(tools.join("python/bin/openapi-spec-validator")).args(&files).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openapi-spec-validator: {said}");
    let output = Command::new("node").arg(tools.join("validate.mjs")).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn public_tools_apply_the_overlay_to_the_same_document() {
    let (folder, tools) = (TestDir::empty(), installed("openapi/install.sh"));
    for api in names() {
        let (_, written) = write(&folder, api, &[], &format!("{api}.json"));
        let (overlay, _) = write(&folder, api, &["--overlay"], &format!("{api}-overlay.json"));
        let file = folder.path().join(format!("{api}-original.json"));
        std::fs::write(&file, original(api).to_string()).unwrap();
        let out = folder.path().join(format!("{api}-patched.json"));
        let output = Command::new(tools.join("python/bin/oas-patch"))
            .args(["overlay".as_ref(), file.as_os_str(), overlay.as_os_str(), "-o".as_ref(), out.as_os_str()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{api}: {}", String::from_utf8_lossy(&output.stderr));
        let patched: Json = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
        assert!(patched == written, "{api}: the overlay makes another document");
    }
}

#[test]
fn written_documents_keep_everything_but_the_errors() {
    let folder = TestDir::empty();
    for api in names() {
        let (_, mut written) = write(&folder, api, &[], &format!("{api}.json"));
        let mut before = original(api);
        for document in [&mut written, &mut before] {
            for item in document["paths"].as_object_mut().unwrap().values_mut() {
                for operation in item.as_object_mut().unwrap().values_mut() {
                    if let Some(responses) = operation.get_mut("responses").and_then(Json::as_object_mut) {
                        responses.retain(|status, _| !status.starts_with(['4', '5']));
                    }
                }
            }
            if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Json::as_object_mut) {
                schemas.retain(|name, _| !name.ends_with("Error"));
            }
        }
        assert_eq!(written, before, "{api}");
    }
}

/// Two errors of one status, each with a schema that the example of the other breaks.
#[test]
fn schemas_distinguish_the_errors_of_one_status() {
    let folder = TestDir::empty();
    let (_, written) = write(&folder, names()[0], &["--unions", "closed"], "closed.json");
    let mut pairs = 0;
    for (path, item) in written["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let Some(body) = response.get("content").and_then(|body| body.get("application/json")) else {
                    continue;
                };
                let Some(examples) = body["examples"].as_object() else { continue };
                let one = body["schema"]["anyOf"].as_array().cloned();
                let schemas = one.unwrap_or_else(|| vec![body["schema"].clone()]);
                assert_eq!(schemas.len(), examples.len(), "{method} {path} {status}");
                for (position, (name, example)) in examples.iter().enumerate() {
                    for (other, schema) in schemas.iter().enumerate() {
                        let shown = |position: usize| {
                            let value = &examples.values().nth(position).unwrap()["value"]["error"];
                            (value["code"].clone(), value["type"].clone())
                        };
                        // Where the contract documents one code for two errors, they cannot be distinguished.
                        if position != other && shown(position) == shown(other) {
                            continue;
                        }
                        let fits = fits(&written, schema, &example["value"]);
                        assert_eq!(fits, position == other, "{method} {path} {status}: {name} and {schema}");
                        pairs += 1;
                    }
                }
                assert!(response["headers"]["x-request-id"]["required"] == true, "{method} {path} {status}");
            }
        }
    }
    assert!(pairs > 100, "only {pairs} pairs");
}

/// Whether a value satisfies a schema of the few keywords that are written.
fn fits(document: &Json, schema: &Json, value: &Json) -> bool {
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let target =
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return fits(document, target, value);
    }
    let is_listed = schema.get("enum").and_then(Json::as_array).is_none_or(|list| list.contains(value));
    let has_required = schema
        .get("required")
        .and_then(Json::as_array)
        .is_none_or(|names| names.iter().all(|name| value.get(name.as_str().unwrap()).is_some()));
    let properties = schema.get("properties").and_then(Json::as_object);
    let members_fit = properties
        .into_iter()
        .flatten()
        .all(|(name, member)| value.get(name).is_none_or(|value| fits(document, member, value)));
    is_listed && has_required && members_fit
}

/// OpenAPI 3.2 stays OpenAPI 3.2: operations of the method QUERY get their errors, and `itemSchema` stays. The mock reads both.
#[test]
fn openapi_3_2_is_read_and_written() {
    let folder = TestDir::empty();
    folder.write("contract.yaml", FIRST_CONTRACT);
    folder.write("openapi.yaml", STREAMS);
    folder.write(
        "demur.yaml",
        "demur: 2\napis:\n  - { name: shop, contract: ./contract.yaml, openapi: openapi.yaml, upstream: \
         \"http://127.0.0.1:9\", authentication: { prefix: shop } }\n",
    );
    let outcome = run(&["openapi", "--config", "demur.yaml"], folder.path());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let written: Json = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(written["openapi"], "3.2.0");
    let responses = &written["paths"]["/search"]["query"]["responses"];
    for status in ["400", "401", "500"] {
        assert!(responses[status]["content"]["application/json"]["schema"].is_object(), "{responses}");
    }
    assert_eq!(responses["200"]["content"]["application/jsonl"]["itemSchema"]["type"], "integer");
}

const FIRST_CONTRACT: &str = "\
demur: 1
name: shop
formats: { default: { code: $code, message: $message } }
errors:
  invalid: { status: 400, on: [request, body, param] }
  unauthorized: { status: 401, on: [credential] }
  internal_error: { status: 500, on: [internal] }
";

const STREAMS: &str = "\
openapi: 3.2.0
info: { title: Shop, version: \"1\" }
paths:
  /search:
    query:
      operationId: search
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses:
        \"200\":
          description: Matches
          content: { application/jsonl: { itemSchema: { type: integer, minimum: 3 } } }
";
