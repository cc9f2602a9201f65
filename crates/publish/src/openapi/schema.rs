//! Schemas of errors, read off their examples: what all examples of an error have in common is required, and what the
//! contract tells it apart by is pinned.

use std::collections::{BTreeMap, BTreeSet};

use demur_contract::{Contract, EntrySource, ErrorEntry};
use demur_matrix::{Cell, ContractMatrix};
use serde_json::{Map, Value, json};

use crate::pages::slug;

/// Whether a client may meet errors that the document does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unions {
    /// It may: the union has the form of all errors as its last alternative.
    #[default]
    Open,
    /// It may not. Some tools then report an error that is added as a breaking change.
    Closed,
}

/// The schemas of a document's errors, each made when it is first used.
pub(super) struct ErrorSchemas<'s> {
    entries: BTreeMap<&'s str, &'s ErrorEntry>,
    bodies: BTreeMap<&'s str, Vec<Value>>,
    names: BTreeMap<&'s str, String>,
    /// The name of the schema that every error satisfies.
    any: String,
    uses_any: bool,
    used: BTreeSet<String>,
    schemas: Map<String, Value>,
}

impl<'s> ErrorSchemas<'s> {
    /// `taken` are names of schemas that the document has already.
    pub(super) fn new(contract: &'s Contract, matrix: &'s ContractMatrix, taken: &BTreeSet<&str>) -> Self {
        let cells = matrix.operations.iter().flat_map(|operation| &operation.cells).chain(&matrix.unmatched);
        let mut bodies: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for Cell { error, answer, .. } in cells {
            let known = bodies.entry(error).or_default();
            if let Ok(body) = serde_json::from_str(&answer.body)
                && known.len() < 50
                && !known.contains(&body)
            {
                known.push(body);
            }
        }
        let unique = |name: String| {
            let numbered = (2..).map(|number| format!("{name}{number}"));
            let first = std::iter::once(name.clone());
            first.chain(numbered).find(|name| !taken.contains(name.as_str())).unwrap_or(name.clone())
        };
        let named = bodies.keys().map(|error| (*error, unique(format!("{}Error", pascal(error)))));
        let names = named.collect();
        let entries = contract.entries().map(|(_, entry)| (entry.name.as_str(), entry)).collect();
        let any = unique("AnyError".to_owned());
        Self { entries, bodies, names, any, uses_any: false, used: BTreeSet::new(), schemas: Map::new() }
    }

    /// Whether an error is derived from a condition that the contract leaves open.
    pub(super) fn is_derived(&self, error: &str) -> bool {
        self.entries.get(error).is_some_and(|entry| matches!(entry.source, EntrySource::Derived(_)))
    }

    /// The message of an error, as the contract writes it.
    pub(super) fn message(&self, error: &str) -> String {
        self.entries.get(error).map(|entry| entry.message.to_string()).unwrap_or_default()
    }

    /// The schema of a body that is one of these errors.
    pub(super) fn union(&mut self, errors: &[&str], unions: Unions) -> Value {
        let mut references: Vec<Value> = errors.iter().filter_map(|error| self.reference(error)).collect();
        if unions == Unions::Open {
            references.push(self.any());
            return json!({ "anyOf": references });
        }
        if let [single] = references.as_slice() {
            return single.clone();
        }
        let mut union = json!({ "anyOf": references });
        if let Some(discriminator) = self.discriminator(errors) {
            union = json!({ "oneOf": references, "discriminator": discriminator });
        }
        union
    }

    /// The schema that every error satisfies.
    pub(super) fn any(&mut self) -> Value {
        self.uses_any = true;
        json!({ "$ref": format!("#/components/schemas/{}", self.any) })
    }

    fn reference(&mut self, error: &str) -> Option<Value> {
        let name = self.names.get(error)?.clone();
        if self.used.insert(name.clone()) {
            let entry = self.entries.get(error)?;
            let bodies = self.bodies.get(error)?;
            let mut schema = shape(&bodies.iter().collect::<Vec<_>>(), &pins(entry));
            schema["description"] = entry.message.to_string().into();
            self.schemas.insert(name.clone(), schema);
        }
        Some(json!({ "$ref": format!("#/components/schemas/{name}") }))
    }

    /// A member of the body itself that has another pinned value for each of these errors.
    fn discriminator(&self, errors: &[&str]) -> Option<Value> {
        let pinned = |error: &str, member: &str| -> Option<String> {
            let schema = self.schemas.get(self.names.get(error)?)?;
            let is_required = schema.get("required")?.as_array()?.iter().any(|name| name == member);
            let value = schema.get("properties")?.get(member)?.get("enum")?.get(0)?.as_str()?.to_owned();
            is_required.then_some(value)
        };
        let first = self.bodies.get(errors.first()?)?.first()?.as_object()?;
        first.keys().find_map(|member| {
            let values: Option<Vec<String>> = errors.iter().map(|error| pinned(error, member)).collect();
            let values = values?;
            let distinct: BTreeSet<&String> = values.iter().collect();
            if distinct.len() != values.len() {
                return None;
            }
            let mapping: Map<String, Value> = errors
                .iter()
                .zip(&values)
                .filter_map(|(error, value)| {
                    Some((value.clone(), format!("#/components/schemas/{}", self.names.get(error)?).into()))
                })
                .collect();
            Some(json!({ "propertyName": member, "mapping": mapping }))
        })
    }

    /// All schemas that were used.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        if self.uses_any {
            let bodies: Vec<&Value> = self.bodies.values().flatten().collect();
            let mut any = shape(&bodies, &Pins::default());
            any["description"] = "The form of every error, also of those that are added later".into();
            self.schemas.insert(self.any.clone(), any);
        }
        self.schemas.sort_keys();
        self.schemas
    }
}

/// The values by which a client tells an error apart.
#[derive(Default)]
struct Pins {
    texts: Vec<String>,
    status: Option<u64>,
}

fn pins(entry: &ErrorEntry) -> Pins {
    let literals = [entry.title.as_literal(), entry.message.as_literal()].into_iter().flatten();
    let texts = literals.chain(entry.code.as_deref()).chain(entry.kind.as_deref());
    // A text that the API may replace is not pinned.
    let texts = texts.filter(|text| !entry.open || Some(*text) != entry.message.as_literal());
    Pins { texts: texts.map(str::to_owned).collect(), status: Some(entry.status.as_u16().into()) }
}

/// The schema of these values.
fn shape(values: &[&Value], pins: &Pins) -> Value {
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(|value| value.as_object()).collect();
    if !objects.is_empty() && objects.len() == values.len() {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for name in objects.iter().flat_map(|object| object.keys()) {
            if properties.contains_key(name) {
                continue;
            }
            let members: Vec<&Value> = objects.iter().filter_map(|object| object.get(name)).collect();
            properties.insert(name.clone(), shape(&members, pins));
            if members.len() == objects.len() {
                required.push(Value::from(name.clone()));
            }
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        return schema;
    }
    if values.iter().all(|value| value.is_array()) {
        let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        let items = if items.is_empty() { json!({}) } else { shape(&items, &Pins::default()) };
        return json!({ "type": "array", "items": items });
    }
    let first = values.first().copied().unwrap_or(&Value::Null);
    let is_same = values.iter().all(|value| *value == first);
    match first {
        Value::String(text) if values.iter().all(|value| value.is_string()) => {
            match is_same && pins.texts.contains(text) {
                true => json!({ "type": "string", "enum": [text] }),
                false => json!({ "type": "string" }),
            }
        }
        Value::Number(number) if values.iter().all(|value| value.is_u64()) => {
            match is_same && number.as_u64() == pins.status {
                true => json!({ "type": "integer", "enum": [number] }),
                false => json!({ "type": "integer" }),
            }
        }
        Value::Bool(_) if values.iter().all(|value| value.is_boolean()) => json!({ "type": "boolean" }),
        // `null`, or values of several types.
        _ => json!({}),
    }
}

fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    };
    let parts = slug(name);
    let parts = parts.split(['_', '-', '.']).filter(|part| !part.is_empty());
    let name: String = parts.map(capital).collect::<Vec<String>>().concat();
    name.trim_end_matches("Error").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_pin_what_tells_an_error_apart() {
        let pins = Pins { texts: vec!["a".to_owned(), "same".to_owned()], status: Some(400) };
        let one = json!({ "code": "a", "status": 400, "message": "x", "n": 1, "list": [{ "f": "same" }] });
        let other =
            json!({ "code": "a", "status": 400, "message": "same", "list": [], "b": true, "none": null });
        assert_eq!(
            shape(&[&one, &other], &pins),
            json!({
                "type": "object",
                "properties": {
                    "code": { "type": "string", "enum": ["a"] },
                    "status": { "type": "integer", "enum": [400] },
                    "message": { "type": "string" },
                    "n": { "type": "integer" },
                    "list": { "type": "array", "items": {
                        "type": "object", "properties": { "f": { "type": "string" } }, "required": ["f"],
                    } },
                    "b": { "type": "boolean" },
                    "none": {},
                },
                "required": ["code", "status", "message", "list"],
            })
        );
    }

    #[test]
    fn names_of_schemas_are_in_pascal_case() {
        for (name, expected) in
            [("rate_limit_exceeded", "RateLimitExceeded"), ("api_error", "Api"), ("a.b-c", "ABC")]
        {
            assert_eq!(pascal(name), expected);
        }
    }
}
