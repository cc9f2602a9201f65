//! The types that the parts of a valid value may have.
//!
//! Unlike [`ValueShape`](super::ValueShape), this never guesses: a rule is rejected for its types only if no valid
//! request can satisfy it.

use serde_json::Value;

use super::shape::Types;
use crate::tree::{JsonReference, reference};

/// The maximum depth of references and branches.
const MAX_DEPTH: usize = 40;
/// The maximum number of schemas visited for one query.
const MAX_SCHEMAS: usize = 2_000;

/// A step from a value to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ValueStep {
    /// A member of an object.
    Member(String),
    /// Any element of a list.
    Item,
}

/// The types at `path` in a value that is valid against the schema at `pointer`.
pub(crate) fn types(document: &Value, pointer: &str, path: &[ValueStep]) -> Types {
    let Some(schema) = document.pointer(pointer) else { return Types::ALL };
    TypeInference { document, left: MAX_SCHEMAS }.types(schema, path, 0)
}

struct TypeInference<'d> {
    document: &'d Value,
    left: usize,
}

impl TypeInference<'_> {
    /// Every keyword can only remove types, so unknown keywords can be ignored.
    fn types(&mut self, schema: &Value, path: &[ValueStep], depth: usize) -> Types {
        if depth > MAX_DEPTH || self.left == 0 {
            return Types::ALL;
        }
        self.left -= 1;
        let mut types = match path.split_first() {
            None => own_types(schema),
            Some((ValueStep::Member(name), rest)) => self.member(schema, name, rest, depth),
            Some((ValueStep::Item, rest)) => match (schema.get("items"), schema.get("prefixItems")) {
                (Some(items), None) => self.types(items, rest, depth + 1),
                _ => Types::ALL,
            },
        };
        if let Some(JsonReference::Local(target)) = schema["$ref"].as_str().map(reference)
            && let Some(target) = self.document.pointer(&target)
        {
            types = types.intersection(self.types(target, path, depth + 1));
        }
        for branch in schema["allOf"].as_array().into_iter().flatten() {
            types = types.intersection(self.types(branch, path, depth + 1));
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(branches) = schema[keyword].as_array() else { continue };
            let of = |union: Types, branch| union.union(self.types(branch, path, depth + 1));
            types = types.intersection(branches.iter().fold(Types::default(), of));
        }
        types
    }

    fn member(&mut self, schema: &Value, name: &str, rest: &[ValueStep], depth: usize) -> Types {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(property), _) => self.types(property, rest, depth + 1),
            (None, Some(others)) if schema.get("patternProperties").is_none() => {
                self.types(others, rest, depth + 1)
            }
            (None, _) => Types::ALL,
        }
    }
}

/// The types that the keywords for the value itself allow.
fn own_types(schema: &Value) -> Types {
    let mut types = match &schema["type"] {
        Value::String(name) if Types::from_name(name) != Types::default() => named(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(named).fold(Types::default(), Types::union)
        }
        _ => Types::ALL,
    };
    if let Some(values) = schema["enum"].as_array() {
        types = types.intersection(values.iter().map(of).fold(Types::default(), Types::union));
    }
    if let Some(value) = schema.get("const") {
        types = types.intersection(of(value));
    }
    types
}

/// A number may be an integer.
fn named(name: &str) -> Types {
    let types = Types::from_name(name);
    if types.contains(Types::NUMBER) { types.union(Types::INTEGER) } else { types }
}

/// The type of a value. `1.0` is an integer in JSON Schema.
fn of(value: &Value) -> Types {
    let types = Types::of(value);
    if types.contains(Types::NUMBER) { types.union(Types::INTEGER) } else { types }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn infers_types_of_valid_values() {
        let number = Types::NUMBER.union(Types::INTEGER);
        for (schema, expected) in [
            (json!({ "type": "string" }), Types::STRING),
            (json!({ "type": ["string", "null"] }), Types::STRING.union(Types::NULL)),
            (json!({ "type": "number" }), number),
            (json!({ "type": "number", "enum": [1, 2] }), Types::INTEGER),
            (json!({ "enum": ["a", 1] }), Types::STRING.union(Types::INTEGER)),
            (json!({ "const": 0.5 }), number),
            (json!({}), Types::ALL),
            (json!(true), Types::ALL),
            (json!({ "anyOf": [{ "type": "string" }, {}] }), Types::ALL),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
                Types::STRING.union(Types::INTEGER),
            ),
            (json!({ "allOf": [{ "type": "number" }, { "type": ["integer", "string"] }] }), Types::INTEGER),
            (json!({ "then": { "type": "string" } }), Types::ALL),
            (json!({ "not": { "type": "string" } }), Types::ALL),
            (json!({ "$ref": "#/text" }), Types::STRING),
            (json!({ "$ref": "#/text", "type": ["string", "null"] }), Types::STRING),
            (json!({ "$ref": "#/circle" }), Types::ALL),
            (json!({ "$ref": "#/nowhere" }), Types::ALL),
        ] {
            let document =
                json!({ "s": schema, "text": { "type": "string" }, "circle": { "$ref": "#/circle" } });
            assert_eq!(types(&document, "/s", &[]), expected, "{schema}");
        }
    }

    #[test]
    fn infers_types_through_references_and_branches() {
        let member = |name: &str| ValueStep::Member(name.to_owned());
        let document = json!({
            "s": { "$ref": "#/list" },
            "list": { "items": { "allOf": [{ "properties": { "n": { "type": "integer" } } }, {}] } },
            "map": { "additionalProperties": { "type": "string" }, "properties": { "n": { "type": "null" } } },
            "patterned": { "additionalProperties": { "type": "string" }, "patternProperties": { "^n": {} } },
            "tuple": { "prefixItems": [{ "type": "integer" }], "items": { "type": "string" } },
        });
        for (pointer, path, expected) in [
            ("/s", vec![ValueStep::Item, member("n")], Types::INTEGER),
            ("/s", vec![ValueStep::Item, member("m")], Types::ALL),
            ("/map", vec![member("n")], Types::NULL),
            ("/map", vec![member("m")], Types::STRING),
            ("/patterned", vec![member("m")], Types::ALL),
            ("/tuple", vec![ValueStep::Item], Types::ALL),
            ("/nowhere", vec![], Types::ALL),
        ] {
            assert_eq!(types(&document, pointer, &path), expected, "{pointer} {path:?}");
        }
    }
}
