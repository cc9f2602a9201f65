//! Every part of a configuration that the docs show has only keys that the schema knows. (Whole files are loaded by
//! `e2e/tests/docs`.)

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::fs;
use std::path::{Path, PathBuf};

use demur_source::Source;
use jsonschema::Validator;
use serde_json::{Value as Json, json};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn every_part_of_a_configuration_has_known_keys() {
    let text = fs::read_to_string(docs().join("schema/configuration.json")).unwrap();
    let mut schema: Json = serde_json::from_str(&text).unwrap();
    drop_required(&mut schema);
    let definitions = schema["definitions"].clone();
    let of = |name: &String| {
        let part =
            json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }], "definitions": definitions });
        jsonschema::draft7::new(&part).unwrap()
    };
    let mut validators = vec![jsonschema::draft7::new(&schema).unwrap()];
    validators.extend(definitions.as_object().unwrap().keys().map(of));

    let mut parts = 0;
    for folder in ["get-started", "how-to", "reference", "explanation", "help"] {
        for entry in fs::read_dir(docs().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") || path.ends_with("contract.md") {
                continue;
            }
            let page = fs::read_to_string(&path).unwrap();
            for block in page.split("```yaml\n").skip(1) {
                let block = block.split("```").next().unwrap();
                // Contracts and documents.
                if ["formats:", "openapi: 3"].iter().any(|word| block.contains(word)) {
                    continue;
                }
                let part = demur_source::parse(&Source::new("part", block)).unwrap().to_json();
                assert!(is_known(&validators, &part), "{}: unknown keys in\n{block}", path.display());
                parts += 1;
            }
        }
    }
    assert!(parts > 12, "only {parts} parts");
}

/// Whether a part is one of something, or such parts by names of the user's own.
fn is_known(validators: &[Validator], part: &Json) -> bool {
    let is_part =
        |part: &Json| part.is_object() && validators.iter().any(|validator| validator.is_valid(part));
    is_part(part) || part.as_object().is_some_and(|members| members.values().all(is_part))
}

/// A part lacks what the other parts declare.
fn drop_required(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            members.remove("required");
            members.values_mut().for_each(drop_required);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_required),
        _ => {}
    }
}
