//! The list of possible violations covers what requests are rejected for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::collections::HashSet;

use demur_contract::{Condition, Location};
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Find, UnknownQuery};
use http::{HeaderMap, Method};

const DOCUMENT: &str = "
openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /items/{id}:
    put:
      operationId: putItem
      x-internal: true
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 10, multipleOf: 5 } }
        - { name: sort, in: query, schema: { type: string, enum: [name, date], maxLength: 4 } }
        - { name: day, in: query, required: true, schema: { type: string, format: date } }
        - { name: x-count, in: header, schema: { type: [integer, 'null'], exclusiveMaximum: 3 } }
        - { name: x-name, in: header, schema: { type: string } }
      requestBody:
        required: true
        content:
          application/json: { schema: { $ref: '#/components/schemas/Item' } }
      responses: { '200': { description: ok }, '404': { description: none }, 5XX: { description: bad } }
components:
  schemas:
    Item:
      type: object
      required: [name]
      additionalProperties: false
      dependentRequired: { size: [unit] }
      properties:
        name: { type: string, minLength: 2, pattern: '^[a-z]+$' }
        kind: { const: item }
        size: { type: [string, integer] }
        unit: { type: string }
        tags: { type: array, minItems: 1, maxItems: 2, uniqueItems: true, items: { type: string } }
        parent: { $ref: '#/components/schemas/Item' }
        price: { oneOf: [{ type: number, maximum: 9 }, { type: 'null' }] }
        forbidden: { not: { type: string } }
        when: { allOf: [{ format: date-time }] }
";

fn load(options: DocumentOptions) -> ApiDocument {
    let mut diagnostics = Diagnostics::new();
    let source = Source::new("t.yaml", DOCUMENT);
    ApiDocument::load(&source, &options, &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics}"))
}

type Key = (Condition, Location, String);

fn possible(document: &ApiDocument) -> HashSet<Key> {
    let operation = document.operation("putItem").unwrap();
    let all = document.possible_violations(operation);
    let keys: HashSet<Key> = all
        .iter()
        .map(|it| (it.violation.condition, it.violation.location, it.violation.param.clone()))
        .collect();
    for possible in &all {
        let is_found = possible.pointer.is_empty() || document.as_json().pointer(&possible.pointer).is_some();
        assert!(is_found, "{possible:?}");
        let is_missing = possible.violation.condition == Condition::ParamMissing;
        assert!(!is_missing || possible.violation.value.is_none(), "{possible:?}");
    }
    keys
}

#[test]
fn lists_every_violation_that_requests_have() {
    let document =
        load(DocumentOptions { unknown_query: UnknownQuery::Reject, ..DocumentOptions::default() });
    let listed = possible(&document);
    let mut headers = HeaderMap::new();
    let mut seen = HashSet::new();
    for (path, query, count, body) in [
        ("/items/x", "", "", "{}"),
        ("/items/7", "day=today&sort=names", "9", r#"{"name":"A","kind":"x","size":1,"tags":[],"price":10}"#),
        ("/items/5", "day=2026-01-01&other=1&sort=a&sort=b", "x", r#"{"name":"","extra":1,"forbidden":"x"}"#),
        ("/items/10", "day=2026-01-01", "1", r#"{"name":5,"when":"x","price":"x","size":true,"unit":1}"#),
        (
            "/items/10",
            "",
            "1",
            r#"{"name":"ab","tags":["a","a","b"],"parent":{"name":"x","y":1,"tags":[5]}}"#,
        ),
        ("/items/10", "", "1", "[]"),
    ] {
        headers.insert("x-count", count.parse().unwrap());
        let Find::Found(found) = document.find(&Method::PUT, path) else { panic!("{path}") };
        let mut violations = document.check_parameters(&found, Some(query), &headers).violations;
        if let CheckedBody::Checked { violations: more, .. } =
            document.check_body(found.operation, Some("application/json"), body.as_bytes())
        {
            violations.extend(more);
        }
        for violation in violations {
            // Names that no document knows are listed under one example.
            let param = match violation.condition {
                Condition::ParamUnknown if violation.location == Location::Query => "unexpected".to_owned(),
                Condition::ParamUnknown if violation.param == "extra" => "unexpected".to_owned(),
                _ => violation.param.clone(),
            };
            let key = (violation.condition, violation.location, param);
            // A schema that refers to itself is listed once.
            let is_nested = violation.param == "parent"
                && listed.iter().any(|(condition, ..)| *condition == violation.condition);
            assert!(listed.contains(&key) || is_nested, "{violation:?}");
            seen.insert(violation.condition);
        }
    }
    assert!(seen.len() >= 20, "only {}: {seen:?}", seen.len());
}

#[test]
fn lists_only_what_the_document_declares() {
    let listed = possible(&load(DocumentOptions::default()));
    for condition in [Condition::ParamFormatUuid, Condition::ParamTypeBoolean, Condition::ParamCountMin] {
        let is_listed = listed.iter().any(|(known, ..)| *known == condition);
        assert_eq!(is_listed, condition == Condition::ParamCountMin, "{condition}");
    }
    // Text is a string, whatever it is.
    assert!(!listed.contains(&(Condition::ParamTypeString, Location::Header, "x-name".to_owned())));
    // A path without the parameter is another path.
    assert!(!listed.contains(&(Condition::ParamMissing, Location::Path, "id".to_owned())));
}

#[test]
fn operations_know_their_declaration() {
    let document = load(DocumentOptions::default());
    let operation = document.operation("putItem").unwrap();
    let declared = document.as_json().pointer(operation.pointer()).unwrap();
    assert_eq!(declared["x-internal"], true);
    let statuses: Vec<String> = operation.response_statuses().collect();
    assert_eq!(statuses, ["200", "404", "5XX"]);
}
