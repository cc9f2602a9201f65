//! Documents in several files: how references are resolved, and where mistakes are reported.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use std::collections::HashMap;

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Unsupported};

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

/// Parts that cannot be used are errors.
fn strict() -> DocumentOptions {
    DocumentOptions { unsupported: Unsupported::Reject, ..DocumentOptions::default() }
}

fn load(files: &[(&str, &str)]) -> (Option<ApiDocument>, String) {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let mut diagnostics = Diagnostics::new();
    let mut read = |name: &str| match files.get(name) {
        Some(text) => Ok(Source::new(name, *text)),
        None => Err("no such file".to_owned()),
    };
    let root = Source::new("api/openapi.yaml", files["openapi.yaml"]);
    let document = ApiDocument::load_files(&root, &mut read, &strict(), &mut diagnostics);
    (document, diagnostics.to_string())
}

fn violations(document: &ApiDocument, content: &str) -> Vec<String> {
    let content = document.check_body(&document.operations()[0], None, content.as_bytes());
    let CheckedBody::Checked { violations, .. } = content else { panic!("{content:?}") };
    violations.iter().map(|violation| format!("{} {}", violation.condition, violation.pointer)).collect()
}

#[test]
fn resolves_references_across_files() {
    let files = [
        ("openapi.yaml", ROOT),
        ("paths/pets.yaml", PETS),
        ("shared.yaml", SHARED),
        ("schemas/pet.yaml", PET),
    ];
    let (document, diagnostics) = load(&files);
    assert_eq!(diagnostics, "");
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
    let route = document.find(&http::Method::POST, "/pets");
    let demur_validation::Find::Found(matched) = route else { panic!("{route:?}") };
    let parameters = document.check_parameters(&matched, Some("page=10"), &http::HeaderMap::new());
    assert_eq!(parameters.violations[0].condition.to_string(), "param.invalid.maximum");
}

#[test]
fn reports_mistakes_in_the_file_that_contains_them() {
    let broken = PET.replace("maxLength", "x").replace("minLength: 2", "minLength: -2");
    let files = [
        ("openapi.yaml", ROOT),
        ("paths/pets.yaml", PETS),
        ("shared.yaml", SHARED),
        ("schemas/pet.yaml", &broken),
    ];
    let (_, diagnostics) = load(&files);
    assert_eq!(
        diagnostics.trim_end(),
        "schemas/pet.yaml:8:49: error[schema]: invalid `minLength`: -2 is less than the minimum of 0"
    );
}

#[test]
fn reports_unreadable_files_at_each_reference() {
    let (document, diagnostics) = load(&[("openapi.yaml", ROOT), ("paths/pets.yaml", PETS)]);
    assert!(document.is_none());
    let lines: Vec<&str> = diagnostics.lines().collect();
    assert_eq!(
        lines,
        [
            "paths/pets.yaml:4:15: error[remote-ref]: cannot read `$ref` target `../shared.yaml#/parameters/page`: no such file (help: paths are relative to the file that contains the `$ref`)",
            "paths/pets.yaml:5:24: error[remote-ref]: cannot read `$ref` target `../shared.yaml#/bodies/pet`: no such file (help: paths are relative to the file that contains the `$ref`)",
        ]
    );
}

#[test]
fn ignores_references_in_examples() {
    // `nowhere.yaml` occurs in an example only, and is never read.
    let mut read_names = Vec::new();
    let mut diagnostics = Diagnostics::new();
    let text = "openapi: 3.1.0\npaths: {}\ncomponents: { schemas: { A: { example: { $ref: a.yaml }, properties: { example: { $ref: b.yaml } } } } }\n";
    let mut read = |name: &str| {
        read_names.push(name.to_owned());
        Ok(Source::new(name, "{}"))
    };
    let document =
        ApiDocument::load_files(&Source::new("t.yaml", text), &mut read, &strict(), &mut diagnostics);
    assert!(document.is_some(), "{diagnostics}");
    assert_eq!(read_names, ["b.yaml"]);
}

#[test]
fn limits_the_number_of_files() {
    let root = "openapi: 3.1.0\npaths: { $ref: 'a.yaml' }\n";
    // Each file refers to another new file.
    let mut diagnostics = Diagnostics::new();
    let mut files = 0;
    let mut read = |name: &str| {
        files += 1;
        Ok(Source::new(name, format!("{{ $ref: x{files}.yaml }}")))
    };
    ApiDocument::load_files(&Source::new("t.yaml", root), &mut read, &strict(), &mut diagnostics);
    assert!(files < 2_100, "{files}");
}
