//! The declared members of a value and their order, at every depth.
//!
//! The declarations of all branches are combined.

use std::collections::HashSet;

use serde_json::Value;

use super::shape::for_each_in_place;
use crate::tree::join;

/// Schemas that may apply to one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared(Vec<String>);

impl Declared {
    /// The declarations of the schema at `pointer`.
    pub(crate) fn at(document: &Value, pointer: &str) -> Self {
        Self::of(document, &[pointer.to_owned()])
    }

    fn of(document: &Value, starts: &[String]) -> Self {
        let mut all = Vec::new();
        let mut seen = HashSet::new();
        for start in starts {
            for_each_in_place(document, start, |pointer, _| {
                if seen.insert(pointer.to_owned()) {
                    all.push(pointer.to_owned());
                }
            });
        }
        Self(all)
    }

    /// The names of an object's members, in the order of the document. Includes names that are only listed in
    /// `required`.
    pub(crate) fn members<'d>(&self, document: &'d Value) -> Vec<&'d str> {
        let mut names = Vec::new();
        let mut seen = HashSet::new();
        for schema in self.0.iter().filter_map(|pointer| document.pointer(pointer)) {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let all = properties.map(|(name, _)| name.as_str()).chain(required);
            names.extend(all.filter(|name| seen.insert(*name)));
        }
        names
    }

    /// The declarations for a member.
    pub(crate) fn member(&self, document: &Value, name: &str) -> Self {
        self.part(document, |pointer, schema| match schema["properties"].get(name) {
            Some(_) => Some(join(&join(pointer, "properties"), name)),
            None => schema.get("additionalProperties").map(|_| join(pointer, "additionalProperties")),
        })
    }

    /// The declarations for an element.
    pub(crate) fn item(&self, document: &Value, number: usize) -> Self {
        self.part(document, |pointer, schema| match schema["prefixItems"].get(number) {
            Some(_) => Some(format!("{pointer}/prefixItems/{number}")),
            None => schema.get("items").map(|_| join(pointer, "items")),
        })
    }

    fn part(&self, document: &Value, part: impl Fn(&str, &Value) -> Option<String>) -> Self {
        let of = |pointer: &String| document.pointer(pointer).and_then(|schema| part(pointer, schema));
        let starts: Vec<String> = self.0.iter().filter_map(of).collect();
        Self::of(document, &starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn declares_members_in_document_order() {
        let document = json!({
            "s": {
                "properties": { "z": {}, "a": { "$ref": "#/inner" } },
                "required": ["only", "z"],
                "allOf": [{ "properties": { "m": {} } }],
            },
            "inner": { "oneOf": [{ "properties": { "y": {} } }, { "properties": { "x": {}, "y": {} } }] },
            "list": { "prefixItems": [{ "properties": { "first": {} } }], "items": { "properties": { "rest": {} } } },
            "map": { "properties": { "known": {} }, "additionalProperties": { "properties": { "other": {} } } },
        });
        let at = |pointer: &str| Declared::at(&document, pointer);
        assert_eq!(at("/s").members(&document), ["z", "a", "only", "m"]);
        assert_eq!(at("/s").member(&document, "a").members(&document), ["y", "x"]);
        assert_eq!(at("/s").member(&document, "nothing"), Declared::default());
        assert_eq!(at("/list").item(&document, 0).members(&document), ["first"]);
        assert_eq!(at("/list").item(&document, 7).members(&document), ["rest"]);
        assert_eq!(at("/map").member(&document, "any").members(&document), ["other"]);
        assert!(at("/map").member(&document, "known").members(&document).is_empty());
    }
}
