//! Finds schemas that admit nothing: every request that sends a value is rejected, which nobody means.
//!
//! Only contradictions between keywords that always apply together are found (`allOf`, `$ref`), so there are no false
//! alarms. `false` and `not: {}` are how a schema says that a member must be absent, and are left alone.

use std::collections::HashSet;

use serde_json::Value;

use super::inferred_types;
use super::shape::Types;
use crate::tree::{JsonReference, join, reference};

/// The maximum number of schemas that are looked at together.
const MAX_PARTS: usize = 200;

/// Why no value is valid against the schema at `pointer`. `None` if there may be one, or if that is already so for one
/// of its parts.
pub(super) fn contradiction(document: &Value, pointer: &str) -> Option<String> {
    let parts = parts(document, pointer);
    let found = contradiction_of(document, pointer, &parts)?;
    let is_of_part = |part: &String| {
        let of_part = self::parts(document, part);
        contradiction_of(document, part, &of_part).is_some()
    };
    (!parts.iter().skip(1).any(is_of_part)).then_some(found)
}

fn contradiction_of(document: &Value, pointer: &str, parts: &[String]) -> Option<String> {
    let schemas: Vec<&Value> = parts.iter().filter_map(|part| document.pointer(part)).collect();
    let types = inferred_types::types(document, pointer, &[]);
    if types == Types::default() {
        let lists = schemas.iter().filter_map(|schema| schema.get("enum"));
        let shown = lists.map(|list| format!("`enum: {list}`")).next();
        return Some(match shown {
            Some(shown) => format!("no value of {shown} has one of the allowed types"),
            None => "no type is allowed by all of its parts".to_owned(),
        });
    }
    if schemas.iter().any(|schema| schema["enum"].as_array().is_some_and(Vec::is_empty)) {
        return Some("`enum` is empty".to_owned());
    }
    let only = |of: Types| types.intersection(of) == types;
    for (of, least, most) in [
        (Types::STRING, "minLength", "maxLength"),
        (Types::ARRAY, "minItems", "maxItems"),
        (Types::OBJECT, "minProperties", "maxProperties"),
        (Types::NUMBER.union(Types::INTEGER), "minimum", "maximum"),
    ] {
        let bounds = |name: &str| {
            let bounds: Vec<f64> = schemas.iter().filter_map(|schema| schema[name].as_f64()).collect();
            bounds
        };
        let lowest = bounds(least).into_iter().fold(f64::NEG_INFINITY, f64::max);
        let highest = bounds(most).into_iter().fold(f64::INFINITY, f64::min);
        if only(of) && lowest > highest {
            return Some(format!("`{least}: {lowest}` is larger than `{most}: {highest}`"));
        }
    }
    // An object without `type` is what `properties` are for.
    if !types.contains(Types::OBJECT) || !only(Types::OBJECT) && types != Types::ALL {
        return None;
    }
    let required: Vec<&str> = schemas
        .iter()
        .flat_map(|schema| schema["required"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for schema in &schemas {
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
            && schema.get("patternProperties").is_none();
        let allows = |name: &str| schema["properties"].get(name).is_some();
        if let Some(name) = required.iter().find(|name| is_closed && !allows(name)) {
            return Some(format!(
                "`{name}` is required, but `additionalProperties: false` does not allow it"
            ));
        }
        let is_forbidden = |name: &&&str| schema["properties"].get(**name) == Some(&Value::Bool(false));
        if let Some(name) = required.iter().find(is_forbidden) {
            return Some(format!("`{name}` is required, but its schema is `false`"));
        }
    }
    None
}

/// The schema and all that always apply with it.
pub(super) fn parts(document: &Value, pointer: &str) -> Vec<String> {
    let (mut parts, mut seen) = (Vec::new(), HashSet::new());
    let mut rest = vec![pointer.to_owned()];
    while let Some(pointer) = rest.pop() {
        if parts.len() >= MAX_PARTS || !seen.insert(pointer.clone()) {
            continue;
        }
        let Some(schema) = document.pointer(&pointer) else { continue };
        if let Some(JsonReference::Local(target)) = schema["$ref"].as_str().map(reference) {
            rest.push(target);
        }
        let all = schema["allOf"].as_array().map_or(0, Vec::len);
        let at = join(&pointer, "allOf");
        rest.extend((0..all).map(|number| format!("{at}/{number}")));
        parts.push(pointer);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_schemas_that_admit_nothing() {
        for (schema, expected) in [
            (
                json!({ "type": "string", "minLength": 5, "maxLength": 2 }),
                Some("`minLength: 5` is larger than `maxLength: 2`"),
            ),
            (json!({ "minLength": 5, "maxLength": 2 }), None),
            (
                json!({ "type": "integer", "minimum": 5, "allOf": [{ "maximum": 4 }] }),
                Some("`minimum: 5` is larger than `maximum: 4`"),
            ),
            (json!({ "type": ["integer", "string"], "minimum": 5, "maximum": 4 }), None),
            (json!({ "type": "integer", "minimum": 5, "maximum": 5 }), None),
            (
                json!({ "type": "array", "minItems": 2, "maxItems": 1 }),
                Some("`minItems: 2` is larger than `maxItems: 1`"),
            ),
            (json!({ "enum": [] }), Some("no value of `enum: []` has one of the allowed types")),
            (
                json!({ "type": "string", "enum": [1, 2] }),
                Some("no value of `enum: [1,2]` has one of the allowed types"),
            ),
            (json!({ "type": "string", "enum": [1, "a"] }), None),
            (
                json!({ "allOf": [{ "type": "string" }, { "type": "object" }] }),
                Some("no type is allowed by all of its parts"),
            ),
            (
                json!({ "type": "object", "allOf": [{ "$ref": "#/text" }] }),
                Some("no type is allowed by all of its parts"),
            ),
            (
                json!({ "type": "object", "required": ["a"], "properties": {}, "additionalProperties": false }),
                Some("`a` is required, but `additionalProperties: false` does not allow it"),
            ),
            (
                json!({ "allOf": [{ "properties": { "a": {} }, "additionalProperties": false },
                                  { "properties": { "b": {} }, "required": ["b"] }] }),
                Some("`b` is required, but `additionalProperties: false` does not allow it"),
            ),
            (
                json!({ "required": ["a"], "patternProperties": { "a": {} }, "additionalProperties": false }),
                None,
            ),
            (
                json!({ "required": ["a"], "properties": { "a": false } }),
                Some("`a` is required, but its schema is `false`"),
            ),
            (json!({ "properties": { "a": false } }), None),
            (json!({ "anyOf": [{ "type": "string", "enum": [1] }, {}] }), None),
            // Reported for the part.
            (json!({ "allOf": [{ "type": "string", "enum": [1] }] }), None),
            (json!({ "$ref": "#/empty" }), None),
        ] {
            let document = json!({ "s": schema, "text": { "type": "string" }, "empty": { "enum": [] } });
            assert_eq!(contradiction(&document, "/s").as_deref(), expected, "{schema}");
        }
    }
}
