//! Schemas shared by many branches: rejected if too expensive, else validated in bounded time.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions, Unsupported};
use serde_json::{Value, json};

/// A document whose operation takes schema `S0`. Each schema refers to the next one; the last one is `end`.
fn document(levels: usize, end: &Value, link: fn(Value) -> Value) -> String {
    let mut schemas = serde_json::Map::new();
    for level in 0..levels {
        let next = json!({ "$ref": format!("#/components/schemas/S{}", level + 1) });
        schemas.insert(format!("S{level}"), link(next));
    }
    schemas.insert(format!("S{levels}"), end.clone());
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/S0" } } });
    let operation = json!({ "operationId": "add", "requestBody": { "content": content }, "responses": {} });
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "t", "version": "1" },
        "paths": { "/x": { "post": operation } },
        "components": { "schemas": schemas },
    });
    document.to_string()
}

/// Parts that cannot be used are errors.
fn strict() -> DocumentOptions {
    DocumentOptions { unsupported: Unsupported::Reject, ..DocumentOptions::default() }
}

fn load(text: &str) -> (Option<ApiDocument>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let source = Source::new("t.json", text);
    (ApiDocument::load(&source, &strict(), &mut diagnostics), diagnostics)
}

/// How one schema refers to the next, and whether this doubles the work.
type Row = (&'static str, bool, fn(Value) -> Value);

const ROWS: &[Row] = &[
    ("allOf", true, |next| json!({ "allOf": [next, next] })),
    ("anyOf", true, |next| json!({ "anyOf": [next, next] })),
    ("oneOf", true, |next| json!({ "oneOf": [next, { "not": {} }, next] })),
    ("not", true, |next| json!({ "not": { "allOf": [next, next] } })),
    ("if and then", true, |next| json!({ "if": next, "then": next })),
    ("if and else", true, |next| json!({ "if": next, "else": next })),
    ("dependentSchemas", true, |next| json!({ "dependentSchemas": { "a": next, "b": next } })),
    ("beside a reference", true, |next| json!({ "$ref": next["$ref"], "allOf": [next] })),
    ("two keywords", true, |next| json!({ "allOf": [next], "anyOf": [next] })),
    (
        "branches of their own",
        true,
        |next| json!({ "allOf": [{ "minProperties": 0, "allOf": [next] }, { "maxProperties": 9, "allOf": [next] }] }),
    ),
    (
        "through a member",
        true,
        |next| json!({ "allOf": [{ "properties": { "a": next } }, { "properties": { "a": next } }] }),
    ),
    (
        "through members by name and by pattern",
        true,
        |next| json!({ "properties": { "a": next }, "patternProperties": { "^a": next } }),
    ),
    ("through two patterns", true, |next| json!({ "patternProperties": { "^a": next, "a$": next } })),
    ("through elements", true, |next| json!({ "items": next, "contains": next })),
    ("through elements of branches", true, |next| json!({ "anyOf": [{ "items": next }, { "items": next }] })),
    ("what is left over", true, |next| json!({ "allOf": [next], "unevaluatedProperties": false })),
    ("names", true, |next| json!({ "propertyNames": { "allOf": [next, next] } })),
    (
        "a dynamic reference",
        true,
        |next| json!({ "allOf": [{ "$dynamicRef": next["$ref"] }, { "$dynamicRef": next["$ref"] }] }),
    ),
    // These apply at most one schema to each value.
    ("a chain", false, |next| json!({ "allOf": [next] })),
    ("two members", false, |next| json!({ "properties": { "a": next, "b": next } })),
    ("elements by number", false, |next| json!({ "prefixItems": [next, next], "items": next })),
    ("members and elements", false, |next| json!({ "properties": { "a": next }, "items": next })),
];

#[test]
fn rejects_expensive_shared_schemas_at_load() {
    for (what, doubles, link) in ROWS {
        let text = document(30, &json!({ "type": "object" }), *link);
        let (document, diagnostics) = load(&text);
        assert_eq!(document.is_none(), *doubles, "{what}: {diagnostics}");
        let diagnostics = diagnostics.to_string();
        let lines: Vec<&str> =
            diagnostics.lines().filter(|line| line.contains("error[schema-cost]")).collect();
        assert_eq!(lines.len(), usize::from(*doubles), "{what}: {diagnostics}");
        // The message contains the pointer of a schema.
        assert!(lines.iter().all(|line| line.contains("`/components/schemas/S")), "{what}: {diagnostics}");
    }
}

#[test]
fn rejects_expensive_shared_schemas_within_a_cycle() {
    let back = json!({ "properties": { "back": { "$ref": "#/components/schemas/S0" } } });
    for (what, doubles, link) in ROWS.iter().filter(|(what, ..)| !what.contains("dynamic")) {
        let (document, diagnostics) = load(&document(30, &back, *link));
        assert_eq!(document.is_none(), *doubles, "{what}: {diagnostics}");
        assert_eq!(diagnostics.to_string().contains("error[schema-cost]"), *doubles, "{what}: {diagnostics}");
    }
}

/// Without a clock: with too high a limit, the test would not end.
#[test]
fn validates_every_accepted_schema_in_bounded_time() {
    // Values that match at every level, and values that do not.
    let nested = |levels: usize| (0..levels).fold(json!({ "b": 1 }), |value, _| json!({ "a": value }));
    let listed = |levels: usize| (0..levels).fold(json!("a"), |value, _| json!([value]));
    for (what, _, link) in ROWS {
        let mut most = 0;
        for levels in [1, 3, 6, 9, 12] {
            let Some(document) = load(&document(levels, &json!({ "type": "object" }), *link)).0 else {
                break;
            };
            most = levels;
            for value in
                [nested(levels), nested(60), listed(levels), listed(60), json!(vec![1; 100]), json!(1)]
            {
                let bytes = value.to_string();
                let content = document.check_body(&document.operations()[0], None, bytes.as_bytes());
                let CheckedBody::Checked { violations, .. } = content else { panic!("{what}: {content:?}") };
                assert!(violations.len() <= 20, "{what}");
            }
        }
        assert!(most >= 6, "{what}: {most} levels are what people write");
    }
}
