//! `oneOf` and `anyOf`: violations are reported for the selected branch.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_contract::Violation;
use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions};

const SCHEMAS: &str = "components:
  schemas:
    Cat: { type: object, required: [kind, lives], properties: { kind: { type: string }, lives: { type: integer, maximum: 9 } } }
    Dog: { type: object, required: [kind, tail], properties: { kind: { type: string }, tail: { type: string } } }
";

#[track_caller]
fn check(schema: &str, content: &str, expected: &[&str]) {
    let text = format!(
        "openapi: 3.1.0\npaths:\n  /x:\n    post:\n      operationId: x\n      requestBody:\n        content:\n          application/json:\n            schema: {schema}\n{SCHEMAS}"
    );
    let mut diagnostics = Diagnostics::new();
    let document =
        ApiDocument::load(&Source::new("t.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    let document = document.unwrap_or_else(|| panic!("{diagnostics}"));
    let content =
        document.check_body(&document.operations()[0], Some("application/json"), content.as_bytes());
    let CheckedBody::Checked { violations, .. } = content else { panic!("{content:?}") };
    let lines: Vec<String> = violations.iter().map(line).collect();
    assert_eq!(lines, expected, "{schema}");
}

fn line(violation: &Violation) -> String {
    let allowed = violation.allowed.join("|");
    format!("{} {} {allowed}", violation.condition, violation.pointer).trim_end().to_owned()
}

const PETS: &str = "{ oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }], discriminator: { propertyName: kind, mapping: { cat: '#/components/schemas/Cat', dog: Dog } } }";
const UNMAPPED: &str = "{ anyOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }], discriminator: { propertyName: kind } }";

#[test]
fn discriminator_selects_the_branch() {
    check(PETS, r#"{"kind":"cat","lives":12}"#, &["param.invalid.maximum /lives"]);
    check(PETS, r#"{"kind":"dog"}"#, &["param.missing /tail"]);
    check(PETS, r#"{"kind":"dog","lives":"x","tail":1}"#, &["param.invalid.type.string /tail"]);
    check(UNMAPPED, r#"{"kind":"Dog"}"#, &["param.missing /tail"]);
}

#[test]
fn reports_an_unknown_or_missing_discriminator() {
    check(PETS, r#"{"kind":"cow"}"#, &["param.invalid.enum /kind cat|dog"]);
    check(PETS, r#"{"kind":5}"#, &["param.invalid.enum /kind cat|dog"]);
    check(PETS, r#"{"lives":"x"}"#, &["param.missing /kind"]);
    check(UNMAPPED, r#"{"kind":"cow"}"#, &["param.invalid.enum /kind Cat|Dog"]);
}

#[test]
fn without_discriminator_reports_the_most_similar_branch() {
    let tagged = "{ oneOf: [{ type: object, required: [t, a], properties: { t: { const: one }, a: { type: integer } } }, { type: object, required: [t, b], properties: { t: { const: two }, b: { type: integer } } }] }";
    check(tagged, r#"{"t":"two","b":"x"}"#, &["param.invalid.type.integer /b"]);
    check(tagged, r#"{"t":"one"}"#, &["param.missing /a"]);
    let text_or_object = "{ anyOf: [{ type: string }, { type: object, properties: { a: { minimum: 5 } } }] }";
    check(text_or_object, r#"{"a":1}"#, &["param.invalid.minimum /a"]);
    let nested = "{ properties: { pet: { oneOf: [{ type: 'null' }, { oneOf: [{ type: integer }, { type: object, required: [name] }] }] } } }";
    check(nested, r#"{"pet":{}}"#, &["param.missing /pet/name"]);
}

#[test]
fn combines_types_or_values_of_scalar_branches() {
    check(
        "{ anyOf: [{ type: string }, { type: integer }] }",
        "true",
        &["param.invalid.type.union  integer|string"],
    );
    check("{ oneOf: [{ type: 'null' }, { type: integer }] }", "true", &["param.invalid.type.integer"]);
    check("{ anyOf: [{ enum: [a, b] }, { const: c }] }", "\"d\"", &["param.invalid.enum  a|b|c"]);
    check("{ anyOf: [{ type: 'null' }, { enum: [a, b] }] }", "\"d\"", &["param.invalid.enum  a|b"]);
}
