//! Schemas that many branches share: bounded when the document is loaded, and answered at once below that.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails says why")]

use demur_source::{Diagnostics, Source};
use demur_validation::{ApiDocument, CheckedBody, DocumentOptions};
use serde_json::{Value, json};

/// A document whose one operation takes schema `S0`; each schema is made of a reference to the next one, and the last
/// one is `end`.
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

fn load(text: &str) -> (Option<ApiDocument>, Diagnostics) {
    let mut found = Diagnostics::new();
    let source = Source::new("t.json", text);
    (ApiDocument::load(&source, &DocumentOptions::default(), &mut found), found)
}

/// How one schema leads to the next, and whether one way doubles the work.
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
    // A value is in one place at a time.
    ("a chain", false, |next| json!({ "allOf": [next] })),
    ("two members", false, |next| json!({ "properties": { "a": next, "b": next } })),
    ("elements by number", false, |next| json!({ "prefixItems": [next, next], "items": next })),
    ("members and elements", false, |next| json!({ "properties": { "a": next }, "items": next })),
];

#[test]
fn shared_schemas_are_bounded_when_the_document_is_loaded() {
    for (what, doubles, link) in ROWS {
        let text = document(30, &json!({ "type": "object" }), *link);
        let (document, found) = load(&text);
        assert_eq!(document.is_none(), *doubles, "{what}: {found}");
        let found = found.to_string();
        let lines: Vec<&str> = found.lines().filter(|line| line.contains("error[schema-cost]")).collect();
        assert_eq!(lines.len(), usize::from(*doubles), "{what}: {found}");
        // The place is that of a schema, and its pointer is told.
        assert!(lines.iter().all(|line| line.contains("`/components/schemas/S")), "{what}: {found}");
    }
}

#[test]
fn a_circle_does_not_hide_shared_schemas() {
    let back = json!({ "properties": { "back": { "$ref": "#/components/schemas/S0" } } });
    for (what, doubles, link) in ROWS.iter().filter(|(what, ..)| !what.contains("dynamic")) {
        let (document, found) = load(&document(30, &back, *link));
        assert_eq!(document.is_none(), *doubles, "{what}: {found}");
        assert_eq!(found.to_string().contains("error[schema-cost]"), *doubles, "{what}: {found}");
    }
}

/// There is no clock here: were the bound far too high, the test would not end.
#[test]
fn what_is_loaded_is_answered() {
    // Matches at every level of every row, and what does not.
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
