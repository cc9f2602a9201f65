//! How text becomes a value, as far as a schema tells without one.
//!
//! A parameter is text. Whether `5` is a number or a string, and whether `a,b` is one value or two, only
//! its schema can say.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::tree::{JsonReference, join, reference};

/// References and branches followed before giving up: far more than a person writes.
const MAX_STEPS: usize = 500;
/// Objects within objects whose members' types are known: no text is nested deeper.
const MAX_LEVELS: usize = 4;
/// Schemas looked at for one shape.
const MAX_SHAPES: usize = 1_000;

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const STRING: Types = Types(1);
    pub(crate) const INTEGER: Types = Types(2);
    pub(crate) const NUMBER: Types = Types(4);
    pub(crate) const BOOLEAN: Types = Types(8);
    pub(crate) const ARRAY: Types = Types(16);
    pub(crate) const OBJECT: Types = Types(32);
    pub(crate) const NULL: Types = Types(64);
    pub(crate) const ALL: Types = Types(127);

    pub(crate) fn contains(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of either.
    pub(crate) fn union(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Those of both.
    pub(crate) fn intersection(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    fn add(&mut self, other: Types) {
        self.0 |= other.0;
    }

    pub(super) fn from_name(name: &str) -> Types {
        match name {
            "string" => Types::STRING,
            "integer" => Types::INTEGER,
            "number" => Types::NUMBER,
            "boolean" => Types::BOOLEAN,
            "array" => Types::ARRAY,
            "object" => Types::OBJECT,
            "null" => Types::NULL,
            _ => Types::default(),
        }
    }

    pub(super) fn of(value: &Value) -> Types {
        match value {
            Value::Null => Types::NULL,
            Value::Bool(_) => Types::BOOLEAN,
            Value::Number(number) if number.is_f64() => Types::NUMBER,
            Value::Number(_) => Types::INTEGER,
            Value::String(_) => Types::STRING,
            Value::Array(_) => Types::ARRAY,
            Value::Object(_) => Types::OBJECT,
        }
    }
}

/// How text becomes a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ValueShape {
    /// The types of the whole; empty where the schema does not say.
    pub(crate) types: Types,
    /// An array's elements.
    pub(crate) items: Option<Box<ValueShape>>,
    /// An object's members, by name.
    pub(crate) members: HashMap<String, ValueShape>,
    /// An object's other members, where it may have any.
    pub(crate) others: Option<Box<ValueShape>>,
}

impl ValueShape {
    /// The shape of the schema at `pointer`.
    pub(crate) fn of(document: &Value, pointer: &str) -> ValueShape {
        Self::within(document, &[pointer.to_owned()], MAX_LEVELS, &mut MAX_SHAPES.clone())
    }

    /// The shape of what several schemas apply to.
    fn within(document: &Value, pointers: &[String], levels: usize, left: &mut usize) -> ValueShape {
        let mut shape = ValueShape::default();
        let mut parts = Parts::default();
        for pointer in pointers {
            shape.types.add(types(document, pointer, &mut parts));
        }
        let affordable = parts.members.len() + 2;
        if levels == 0 || *left < affordable {
            return shape;
        }
        *left -= affordable;
        let mut part = |pointers: &[String]| Self::within(document, pointers, levels - 1, left);
        shape.items = (!parts.items.is_empty()).then(|| Box::new(part(&parts.items)));
        shape.others = (!parts.others.is_empty()).then(|| Box::new(part(&parts.others)));
        shape.members = parts.members.iter().map(|(name, pointers)| (name.clone(), part(pointers))).collect();
        shape
    }

    /// Whether text is to be read as an object: no simpler type could be suggestion.
    pub(crate) fn is_object(&self) -> bool {
        let simpler = [Types::STRING, Types::INTEGER, Types::NUMBER, Types::BOOLEAN, Types::ARRAY];
        self.types.contains(Types::OBJECT) && !simpler.into_iter().any(|simple| self.types.contains(simple))
    }

    pub(crate) fn is_list(&self) -> bool {
        self.types.contains(Types::ARRAY)
    }

    /// Whether a name may stand several times. Of what is no list a schema that names a type says so itself; one that
    /// names none would let a list pass.
    pub(crate) fn may_repeat(&self) -> bool {
        self.types != Types::default() || self.items.is_some()
    }

    /// Whether it is an object, or a list of them: what a form writes as JSON.
    pub(crate) fn is_nested(&self) -> bool {
        self.is_object() || self.is_list() && self.items.as_ref().is_some_and(|items| items.is_nested())
    }
}

/// The pointers to the schemas of a schema's parts.
#[derive(Default)]
struct Parts {
    items: Vec<String>,
    members: HashMap<String, Vec<String>>,
    others: Vec<String>,
}

/// The types that the schema at `pointer` takes; where its parts stand goes to `parts`.
fn types(document: &Value, pointer: &str, parts: &mut Parts) -> Types {
    let mut types = Types::default();
    for_each_in_place(document, pointer, |pointer, schema| {
        match &schema["type"] {
            Value::String(name) => types.add(Types::from_name(name)),
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).for_each(|name| types.add(Types::from_name(name)));
            }
            _ => {
                let listed = schema["enum"].as_array().into_iter().flatten();
                listed.chain(schema.get("const")).for_each(|value| types.add(Types::of(value)));
                if schema.get("properties").is_some() {
                    types.add(Types::OBJECT);
                }
            }
        }
        if schema.get("items").is_some() {
            parts.items.push(join(pointer, "items"));
        }
        let properties = join(pointer, "properties");
        for (name, _) in schema["properties"].as_object().into_iter().flatten() {
            parts.members.entry(name.clone()).or_default().push(join(&properties, name));
        }
        if schema.get("additionalProperties").is_some_and(|others| others != &Value::Bool(false)) {
            parts.others.push(join(pointer, "additionalProperties"));
        }
    });
    types
}

/// Visits a schema and all that apply to the same value: what it refers to, and its branches.
pub(super) fn for_each_in_place(document: &Value, pointer: &str, mut visit: impl FnMut(&str, &Value)) {
    let mut seen = HashSet::new();
    let mut rest = vec![pointer.to_owned()];
    while let Some(pointer) = rest.pop() {
        if seen.len() >= MAX_STEPS || !seen.insert(pointer.clone()) {
            continue;
        }
        let Some(schema) = document.pointer(&pointer) else { continue };
        visit(&pointer, schema);
        // The last pushed is visited first: branches are pushed backwards to keep their order.
        for keyword in ["else", "then"] {
            if schema.get(keyword).is_some() {
                rest.push(join(&pointer, keyword));
            }
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            let branches = schema[keyword].as_array().map_or(0, Vec::len);
            let base = join(&pointer, keyword);
            rest.extend((0..branches).rev().map(|branch| format!("{base}/{branch}")));
        }
        if let Some(JsonReference::Local(target)) = schema["$ref"].as_str().map(reference) {
            rest.push(target);
        }
    }
}
