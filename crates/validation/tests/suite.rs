//! The required cases of the JSON Schema Test Suite for draft 2020-12, with formats off.
//!
//! Each schema is a file of its own, to which the operation of a document refers. Remote references are resolved from
//! a registry of files.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "a failed test reports why")]

mod accepting;
mod downloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Formats};
use serde_json::Value;

const ROOT: &str = "openapi: 3.1.0
paths:
  /x:
    post:
      operationId: x
      requestBody: { content: { application/json: { schema: { $ref: schema.json } } } }
";

/// Schemas that cannot be loaded, with the reason. All others must be validated as the suite specifies.
const REJECTED: &[(&str, &str)] = &[
    // A custom metaschema without some of the keywords.
    ("schema that uses custom metaschema with with no validation vocabulary", "schema dialect"),
];

#[test]
fn passes_every_required_case_of_the_json_schema_test_suite() {
    let folder = downloads::folder();
    let tests = folder.join("suite/tests/draft2020-12");
    let mut files: Vec<PathBuf> = fs::read_dir(tests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in &files {
        let groups: Vec<Value> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for group in &groups {
            let name = format!(
                "{}: {}",
                file.file_stem().unwrap().display(),
                group["description"].as_str().unwrap()
            );
            let known = REJECTED.iter().find(|(rejected, _)| name.ends_with(rejected));
            let (document, diagnostics) = load(&folder, &group["schema"]);
            if let Some((_, reason)) = known {
                assert!(diagnostics.contains(reason), "{name}: {diagnostics}");
                continue;
            }
            let Some(document) = document else {
                wrong.push(format!("{name}: does not load: {diagnostics}"));
                continue;
            };
            for test in group["tests"].as_array().unwrap() {
                cases += 1;
                let is_valid = is_valid(&document, &test["data"]);
                if is_valid != test["valid"].as_bool() {
                    wrong.push(format!("{name}: {}: {is_valid:?}", test["description"]));
                }
            }
        }
    }
    println!("{cases} cases of {} files", files.len());
    accepting::print();
    // Most keywords need no tree.
    assert!(accepting::ACCEPTED.load(std::sync::atomic::Ordering::Relaxed) >= 700);
    assert!(cases > 1_200, "only {cases} cases were diagnostics");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

fn load(folder: &Path, schema: &Value) -> (Option<ApiDocument>, String) {
    let mut diagnostics = Diagnostics::new();
    let mut read = |name: &str| registered(folder, schema, name);
    let options = DocumentOptions { formats: Formats::Annotate, ..DocumentOptions::default() };
    let document =
        ApiDocument::load_files(&Source::new("openapi.yaml", ROOT), &mut read, &options, &mut diagnostics);
    (document, diagnostics.to_string())
}

/// The registry of files.
fn registered(folder: &Path, schema: &Value, name: &str) -> Result<Arc<Source>, String> {
    if name == "schema.json" {
        return Ok(Source::new(name, schema.to_string()));
    }
    let path = if let Some(path) = name.strip_prefix("http://localhost:1234/") {
        folder.join("suite/remotes").join(path)
    } else if let Some(path) = name.strip_prefix("https://json-schema.org/draft/2020-12/") {
        let metaschemas = folder.join("specifications/jsonschema_specifications/schemas/draft202012");
        metaschemas.join(match path.strip_prefix("meta/") {
            Some(vocabulary) => format!("vocabularies/{vocabulary}"),
            None => "metaschema.json".to_owned(),
        })
    } else {
        return Err("it is not in the registry".to_owned());
    };
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Source::new(name, text))
}

/// `None` if the body could not be read.
fn is_valid(document: &ApiDocument, data: &Value) -> Option<bool> {
    let (operation, data) = (&document.operations()[0], data.to_string());
    accepting::check(document, operation, None, data.as_bytes());
    let content = document.check_body(operation, None, data.as_bytes());
    match content {
        CheckedBody::Checked { violations, .. } => Some(violations.is_empty()),
        CheckedBody::Rejected(_) => None,
    }
}
