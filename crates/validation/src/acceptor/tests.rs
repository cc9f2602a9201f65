//! Acceptors for single schemas. That they accept nothing that the tree rejects is tested with the JSON Schema Test Suite
//! and with requests to real documents.

use serde_json::json;

use super::*;
use crate::Formats;

fn compiled(schema: &Value) -> Option<Acceptor> {
    AcceptorCompiler::compile(schema, "", Formats::Assert, &mut |_| None)
}

#[track_caller]
fn check(schema: Value, accepted: &[&str], left: &[&str]) {
    let acceptor = compiled(&schema).expect("it is compiled");
    for body in accepted {
        assert!(acceptor.accepts(body.as_bytes(), 8), "{schema} must accept {body}");
    }
    for body in left {
        assert!(!acceptor.accepts(body.as_bytes(), 8), "{schema} must not accept {body}");
    }
}

#[test]
fn reads_json_strictly() {
    check(
        json!({}),
        &[
            "null",
            " true ",
            "\r\n\t[]\n",
            "{}",
            r#"{"a":[1,2,{"b":null}],"c":"\n\u00e9\\"}"#,
            "-0",
            "0.5",
            "1e3",
            "12345678901234567890123",
            "[[[[[[[[]]]]]]]]",
            "\"\u{7f}ä😀\"",
        ],
        &[
            "",
            " ",
            "nul",
            "[1,]",
            "[1 2]",
            "[",
            "{",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            "{a:1}",
            "{} x",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "--1",
            "1e999",
            "NaN",
            "\u{feff}{}",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"a\u{1}\"",
            "\"\\ud800\"",
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            // Too deep.
            "[[[[[[[[[]]]]]]]]]",
            // Left to the tree: such names could be duplicates.
            r#"{"\u0061":1}"#,
        ],
    );
    let acceptor = compiled(&json!({})).unwrap();
    assert!(!acceptor.accepts(b"\"\xff\"", 8));
    assert!(!acceptor.accepts(b"{\"\xc3\":1}", 8));
}

#[test]
fn checks_scalars() {
    check(json!({ "type": "string" }), &["\"\""], &["1", "null", "true", "[]", "{}"]);
    check(json!({ "type": ["integer", "null"] }), &["1", "-7", "1.0", "null"], &["1.5", "\"1\"", "true"]);
    check(json!({ "type": "number" }), &["1", "1.5", "-1e-3"], &["\"1\"", "null"]);
    check(
        json!({ "minLength": 2, "maxLength": 3 }),
        &["\"ab\"", "\"äöü\"", "\"\\n\\n\"", "7"],
        &["\"a\"", "\"😀\"", "\"abcd\""],
    );
    check(
        json!({ "minimum": 1, "maximum": 5 }),
        &["1", "5", "4.5", "1e0", "\"x\""],
        &["0", "6", "5.5", "-1", "99999999999999999999"],
    );
    check(json!({ "exclusiveMinimum": 0, "multipleOf": 0.5 }), &["1", "0.5"], &["0", "0.3"]);
    check(json!({ "minimum": 0.5 }), &["1", "0.5"], &["0", "0.25"]);
    check(json!({ "pattern": "^a+$" }), &["\"aa\"", "\"\\u0061\"", "1"], &["\"b\"", "\"\\u0062\""]);
    check(json!({ "type": "string", "format": "date" }), &["\"2026-12-01\""], &["\"2026-13-01\"", "\"\""]);
    check(json!({ "format": "binary" }), &["\"x\""], &[]);
    check(
        json!({ "enum": ["a", "b", 1, null, false] }),
        &["\"a\"", "\"\\u0062\"", "1", "1.0", "null", "false"],
        &["\"c\"", "2", "true", "[]", "{}"],
    );
    check(json!({ "const": "a" }), &["\"a\""], &["\"b\"", "[]"]);
}

#[test]
fn checks_arrays_and_objects() {
    check(
        json!({ "type": "array", "items": { "type": "integer" }, "minItems": 1, "maxItems": 2 }),
        &["[1]", "[1,2]"],
        &["[]", "[1,2,3]", "[\"a\"]", "{}"],
    );
    let schema = json!({ "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    check(
        schema,
        &[r#"{"a":"x"}"#, r#"{"b":1,"a":"x"}"#],
        &["{}", r#"{"a":1}"#, r#"{"a":"x","c":1}"#, r#"{"b":1}"#],
    );
    check(json!({ "required": ["a", "b"] }), &[r#"{"b":1,"a":[]}"#, "1"], &["{}", r#"{"a":1}"#]);
    check(
        json!({ "required": ["a"], "additionalProperties": { "type": "string" } }),
        &[r#"{"a":"x","b":"y"}"#],
        &[r#"{"a":1}"#, r#"{"a":"x","b":1}"#],
    );
    check(json!({ "required": ["a"], "additionalProperties": false }), &["1"], &["{}", r#"{"a":1}"#]);
    check(json!({ "minProperties": 1, "maxProperties": 1 }), &[r#"{"a":1}"#], &["{}", r#"{"a":1,"b":2}"#]);
    check(json!({ "properties": { "a": false } }), &["{}", r#"{"b":1}"#], &[r#"{"a":1}"#]);
}

#[test]
fn follows_references_and_branches() {
    let tree = json!({ "$ref": "#/$defs/node", "$defs": { "node": { "type": "object", "required": ["children"],
        "properties": { "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } } } } });
    check(tree, &[r#"{"children":[{"children":[]}]}"#], &[r#"{"children":[{}]}"#, "[]"]);
    let both = json!({ "allOf": [{ "required": ["a"] }, { "properties": { "a": { "type": "integer" } } }], "maxProperties": 1 });
    check(both, &[r#"{"a":1}"#], &["{}", r#"{"a":"x"}"#, r#"{"a":1,"b":2}"#]);
    let either =
        json!({ "type": ["string", "null", "array"], "anyOf": [{ "type": "string" }, { "type": "null" }] });
    check(either, &["\"a\"", "null"], &["[]", "1"]);
    // It refers to itself for the same value.
    check(json!({ "allOf": [{ "$ref": "#" }] }), &[], &["1", "{}"]);
}

#[test]
fn leaves_other_schemas_to_the_tree() {
    for schema in [
        json!({ "oneOf": [{ "type": "string" }] }),
        json!({ "not": {} }),
        json!({ "uniqueItems": true }),
        json!({ "prefixItems": [] }),
        json!({ "unevaluatedProperties": false }),
        json!({ "discriminator": { "propertyName": "a" } }),
        json!({ "enum": [[1]] }),
        json!({ "$ref": "other.yaml" }),
        json!({ "minLength": 1.5 }),
        json!({ "unheard": 1 }),
    ] {
        assert!(compiled(&schema).is_none(), "{schema}");
    }
    assert!(compiled(&json!({ "title": "T", "x-any": 1, "default": 1 })).is_some());
}

#[test]
fn many_members_without_a_schema_are_left_to_the_tree() {
    let object = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"m{number}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    check(json!({}), &[&object(32)], &[&object(33)]);
    let properties = (0..200).map(|number| (format!("m{number}"), json!({ "type": "integer" })));
    let schema = json!({ "properties": Value::Object(properties.collect()), "required": ["m0", "m199"] });
    check(schema, &[&object(200)], &[&object(199), &object(300)]);
}
