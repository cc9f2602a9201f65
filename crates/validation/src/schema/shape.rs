//! The shape of a schema, which decides how text is parsed as a value.
//!
//! Only the schema tells whether the text `5` is a number or a string, and whether `a,b` is one value or two.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::tree::{JsonReference, join, reference};

/// The maximum number of references and branches followed.
const MAX_STEPS: usize = 500;
/// The maximum depth of nested objects.
const MAX_LEVELS: usize = 4;
/// The maximum number of schemas visited for one shape.
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

    /// The union of both sets.
    pub(crate) fn union(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// The intersection of both sets.
    pub(crate) fn intersection(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    fn add(&mut self, other: Types) {
        self.0 |= other.0;
    }

    pub(crate) fn from_name(name: &str) -> Types {
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

/// How text is parsed as a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ValueShape {
    /// The allowed types; empty if the schema does not restrict them.
    pub(crate) types: Types,
    /// The shape of an array's elements.
    pub(crate) items: Option<Box<ValueShape>>,
    /// The shapes of an object's members, by name.
    pub(crate) members: HashMap<String, ValueShape>,
    /// The shape of other members, if they are allowed.
    pub(crate) others: Option<Box<ValueShape>>,
}

impl ValueShape {
    /// The shape of the schema at `pointer`.
    pub(crate) fn of(document: &Value, pointer: &str) -> ValueShape {
        Self::within(document, &[pointer.to_owned()], MAX_LEVELS, &mut MAX_SHAPES.clone())
    }

    /// The combined shape of several schemas that apply to one value.
    fn within(document: &Value, pointers: &[String], levels: usize, left: &mut usize) -> ValueShape {
        let mut shape = ValueShape::default();
        let mut parts = PartPointers::default();
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

    /// Whether text is parsed as an object: no simpler type is allowed.
    pub(crate) fn is_object(&self) -> bool {
        let simpler = [Types::STRING, Types::INTEGER, Types::NUMBER, Types::BOOLEAN, Types::ARRAY];
        self.types.contains(Types::OBJECT) && !simpler.into_iter().any(|simple| self.types.contains(simple))
    }

    /// Other readings of the same text, for a value that is not valid in the usual one: `5` as a string where a number
    /// is allowed too, `a` as a list with one element, `null` as null.
    pub(crate) fn alternatives(&self) -> Vec<ValueShape> {
        let has = |types: Types| self.types.contains(types);
        let only = |types: Types| ValueShape { types, ..self.clone() };
        let mut all = vec![self.with_texts()];
        if has(Types::STRING) {
            all.extend(
                [Types::ARRAY, Types::OBJECT, Types::NULL].into_iter().filter(|other| has(*other)).map(only),
            );
        }
        // Each member in its own way: which of them are replaced is decided one by one.
        if self.is_object() && self.members.values().any(ValueShape::is_list) {
            let members = self.members.iter().map(|(name, of)| {
                let is_either = of.is_list() && of.types.contains(Types::STRING);
                let of =
                    if is_either { ValueShape { types: Types::ARRAY, ..of.clone() } } else { of.clone() };
                (name.clone(), of)
            });
            all.push(ValueShape { members: members.collect(), ..self.clone() });
        }
        all.retain(|shape| shape != self);
        all
    }

    /// The same with strings wherever they are allowed.
    fn with_texts(&self) -> ValueShape {
        let part = |of: &ValueShape| Box::new(of.with_texts());
        ValueShape {
            types: if self.types.contains(Types::STRING) { Types::STRING } else { self.types },
            items: self.items.as_deref().map(part),
            others: self.others.as_deref().map(part),
            members: self.members.iter().map(|(name, of)| (name.clone(), of.with_texts())).collect(),
        }
    }

    /// Whether text can be read as one of the types. Without any type, as a string.
    pub(crate) fn is_text(&self) -> bool {
        let types = [Types::STRING, Types::INTEGER, Types::NUMBER, Types::BOOLEAN, Types::NULL];
        self.types == Types::default() || types.into_iter().any(|text| self.types.contains(text))
    }

    pub(crate) fn is_list(&self) -> bool {
        self.types.contains(Types::ARRAY)
    }

    /// Whether several values may be parsed as a list, for the schema to judge. Without any type, the schema would
    /// accept a list.
    pub(crate) fn may_repeat(&self) -> bool {
        self.types != Types::default() || self.items.is_some()
    }

    /// Whether it is an object or a list of objects, which forms contain as JSON.
    pub(crate) fn is_nested(&self) -> bool {
        self.is_object() || self.is_list() && self.items.as_ref().is_some_and(|items| items.is_nested())
    }
}

/// The pointers to the schemas of a schema's parts.
#[derive(Default)]
struct PartPointers {
    items: Vec<String>,
    members: HashMap<String, Vec<String>>,
    others: Vec<String>,
}

/// The types that the schema at `pointer` allows. Adds the pointers of its parts to `parts`.
fn types(document: &Value, pointer: &str, parts: &mut PartPointers) -> Types {
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

/// Visits all schemas that apply to the same value: references and branches.
pub(super) fn for_each_in_place(document: &Value, pointer: &str, mut visit: impl FnMut(&str, &Value)) {
    let mut seen = HashSet::new();
    let mut rest = vec![pointer.to_owned()];
    while let Some(pointer) = rest.pop() {
        if seen.len() >= MAX_STEPS || !seen.insert(pointer.clone()) {
            continue;
        }
        let Some(schema) = document.pointer(&pointer) else { continue };
        visit(&pointer, schema);
        // Pushed in reverse, since the last one is visited first.
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
