//! Documents in several files: what references mean, and where mistakes are shown.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails says why")]

use std::collections::HashMap;

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions};

const ROOT: &str = "openapi: 3.1.0
paths:
  /pets: { $ref: 'paths/pets.yaml' }
components:
  schemas:
    Name: { type: string, maxLength: 3 }
";

const PETS: &str = "post:
  operationId: add
  parameters:
    - { $ref: '../shared.yaml#/parameters/page' }
  requestBody: { $ref: '../shared.yaml#/bodies/pet' }
";

const SHARED: &str = "parameters:
  page: { name: page, in: query, schema: { $ref: '#/limits/page' } }
limits:
  page: { type: integer, maximum: 9 }
bodies:
  pet:
    content:
      application/json:
        schema: { $ref: schemas/pet.yaml }
";

const PET: &str = "type: object
example: { $ref: 'nowhere.yaml' }
properties:
  name: { $ref: '../openapi.yaml#/components/schemas/Name' }
  mate: { $ref: '#' }
  tag: { $ref: '#tag' }
$defs:
  tag: { $anchor: tag, type: string, minLength: 2 }
";

fn load(files: &[(&str, &str)]) -> (Option<ApiDocument>, String) {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let mut found = Diagnostics::new();
    let mut read = |name: &str| match files.get(name) {
        Some(text) => Ok(Source::new(name, *text)),
        None => Err("no such file".to_owned()),
    };
    let root = Source::new("api/openapi.yaml", files["openapi.yaml"]);
    let document = ApiDocument::load_files(&root, &mut read, &DocumentOptions::default(), &mut found);
    (document, found.to_string())
}

fn violations(document: &ApiDocument, content: &str) -> Vec<String> {
    let content = document.check_body(&document.operations()[0], None, content.as_bytes());
    let CheckedBody::Checked { violations, .. } = content else { panic!("{content:?}") };
    violations.iter().map(|violation| format!("{} {}", violation.condition, violation.pointer)).collect()
}

#[test]
fn references_lead_from_file_to_file_and_back() {
    let files = [
        ("openapi.yaml", ROOT),
        ("paths/pets.yaml", PETS),
        ("shared.yaml", SHARED),
        ("schemas/pet.yaml", PET),
    ];
    let (document, found) = load(&files);
    assert_eq!(found, "");
    let document = document.unwrap();
    assert_eq!(violations(&document, r#"{"name":"abc","mate":{"name":"x"},"tag":"ab"}"#), [""; 0]);
    assert_eq!(
        violations(&document, r#"{"name":"abcd","mate":{"mate":{"name":"abcd"}},"tag":"a"}"#),
        [
            "param.invalid.length.max /name",
            "param.invalid.length.max /mate/mate/name",
            "param.invalid.length.min /tag"
        ]
    );
    let found = document.find(&http::Method::POST, "/pets");
    let demur_validation::Find::Found(found) = found else { panic!("{found:?}") };
    let parameters = document.check_parameters(&found, Some("page=10"), &http::HeaderMap::new());
    assert_eq!(parameters.violations[0].condition.to_string(), "param.invalid.maximum");
}

#[test]
fn a_mistake_is_shown_in_its_file() {
    let broken = PET.replace("maxLength", "x").replace("minLength: 2", "minLength: -2");
    let files = [
        ("openapi.yaml", ROOT),
        ("paths/pets.yaml", PETS),
        ("shared.yaml", SHARED),
        ("schemas/pet.yaml", &broken),
    ];
    let (_, found) = load(&files);
    assert_eq!(
        found.trim_end(),
        "schemas/pet.yaml:8:49: error[schema]: `minLength` is not valid: -2 is less than the minimum of 0"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_where_it_is_referred_to() {
    let (document, found) = load(&[("openapi.yaml", ROOT), ("paths/pets.yaml", PETS)]);
    assert!(document.is_none());
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(
        lines,
        [
            "paths/pets.yaml:4:15: error[remote-ref]: `../shared.yaml#/parameters/page` cannot be read: no such file (help: paths are relative to the file in which they stand)",
            "paths/pets.yaml:5:24: error[remote-ref]: `../shared.yaml#/bodies/pet` cannot be read: no such file (help: paths are relative to the file in which they stand)",
        ]
    );
}

#[test]
fn a_name_in_an_example_is_no_reference() {
    // `nowhere.yaml` of the schema's example is never asked for.
    let mut asked = Vec::new();
    let mut found = Diagnostics::new();
    let text = "openapi: 3.1.0\npaths: {}\ncomponents: { schemas: { A: { example: { $ref: a.yaml }, properties: { example: { $ref: b.yaml } } } } }\n";
    let mut read = |name: &str| {
        asked.push(name.to_owned());
        Ok(Source::new(name, "{}"))
    };
    let document = ApiDocument::load_files(
        &Source::new("t.yaml", text),
        &mut read,
        &DocumentOptions::default(),
        &mut found,
    );
    assert!(document.is_some(), "{found}");
    assert_eq!(asked, ["b.yaml"]);
}

#[test]
fn references_without_end_are_read_once() {
    let root = "openapi: 3.1.0\npaths: { $ref: 'a.yaml' }\n";
    // Each file names another that does not exist yet: the number of files is bounded.
    let mut found = Diagnostics::new();
    let mut asked = 0;
    let mut read = |name: &str| {
        asked += 1;
        Ok(Source::new(name, format!("{{ $ref: x{asked}.yaml }}")))
    };
    ApiDocument::load_files(&Source::new("t.yaml", root), &mut read, &DocumentOptions::default(), &mut found);
    assert!(asked < 2_100, "{asked}");
}
