//! The JSON Schema Test Suite's required cases for draft 2020-12, formats off, by the path that content
//! takes: a document whose one operation takes JSON of the schema, which stands in a file of its own; remote
//! references lead into a registry of files.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "a test that fails says why")]

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

/// What cannot be loaded, and why that is so. Everything else must be judged as the suite says.
const REFUSED: &[(&str, &str)] = &[
    // A metaschema of one's own that leaves keywords out: check says that the dialect is not supported.
    ("schema that uses custom metaschema with with no validation vocabulary", "the schema dialect"),
];

#[test]
fn every_required_case_is_judged_as_the_suite_says() {
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
            let known = REFUSED.iter().find(|(refused, _)| name.ends_with(refused));
            let (document, found) = load(&folder, &group["schema"]);
            if let Some((_, reason)) = known {
                assert!(found.contains(reason), "{name}: {found}");
                continue;
            }
            let Some(document) = document else {
                wrong.push(format!("{name}: does not load: {found}"));
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
    assert!(cases > 1_200, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

fn load(folder: &Path, schema: &Value) -> (Option<ApiDocument>, String) {
    let mut found = Diagnostics::new();
    let mut read = |name: &str| registered(folder, schema, name);
    let options = DocumentOptions { formats: Formats::Annotate, ..DocumentOptions::default() };
    let document =
        ApiDocument::load_files(&Source::new("openapi.yaml", ROOT), &mut read, &options, &mut found);
    (document, found.to_string())
}

/// The operator's registry: where the files of names are.
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

/// `None`: the content was not even read.
fn is_valid(document: &ApiDocument, data: &Value) -> Option<bool> {
    let content = document.check_body(&document.operations()[0], None, data.to_string().as_bytes());
    match content {
        CheckedBody::Checked { violations, .. } => Some(violations.is_empty()),
        CheckedBody::Rejected(_) => None,
    }
}
