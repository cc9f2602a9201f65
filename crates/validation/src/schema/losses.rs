//! Takes keywords that cannot be used out of a document, so that the rest of it can be used.
//!
//! Without a keyword, a schema must allow every value that it allowed with it. That is not so for `not`, `if`, `oneOf`
//! and the like, whose parts allow more then: these are relaxed too, as far up as necessary.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::vocabulary::{MANY, NAMED, ONE};
use crate::tree::{JsonReference, join, reference};

/// What a document has lost, and what is still to be renamed.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// The number of lost keywords, by the pointer of their schema.
    lost: BTreeMap<String, usize>,
    /// Schemas that no longer say which members or elements they know: `unevaluatedProperties` would reject these.
    unknowing: HashSet<String>,
    renames: Vec<KeywordRename>,
}

/// A keyword of an older draft or one that was relaxed, renamed last: until then, pointers are those of the file.
#[derive(Debug)]
struct KeywordRename {
    pointer: String,
    from: &'static str,
    to: &'static str,
}

/// Keywords that tell which members and elements a schema knows.
const KNOWING: [&str; 8] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "prefixItems",
    "contains",
    "$ref",
    "dependentSchemas",
];

impl Losses {
    /// Removes a keyword from the schema at `pointer`.
    pub(super) fn keyword(&mut self, document: &mut Value, pointer: &str, keyword: &str) {
        if let Some(Value::Object(schema)) = document.pointer_mut(pointer) {
            schema.remove(keyword);
            *self.lost.entry(pointer.to_owned()).or_default() += 1;
            self.forget(schema, pointer, keyword);
        }
    }

    /// Removes a name from `patternProperties` of the schema at `pointer`.
    pub(super) fn pattern_property(&mut self, document: &mut Value, pointer: &str, pattern: &str) {
        let Some(Value::Object(schema)) = document.pointer_mut(pointer) else { return };
        if let Some(Value::Object(patterns)) = schema.get_mut("patternProperties") {
            patterns.shift_remove(pattern);
        }
        *self.lost.entry(pointer.to_owned()).or_default() += 1;
        self.forget(schema, pointer, "patternProperties");
    }

    /// Makes the schema at `pointer` allow every value.
    pub(super) fn schema(&mut self, document: &mut Value, pointer: &str) {
        if let Some(schema) = document.pointer_mut(pointer) {
            *schema = Value::Bool(true);
            *self.lost.entry(pointer.to_owned()).or_default() += 1;
            self.unknowing.insert(pointer.to_owned());
        }
    }

    /// Members and elements that a lost keyword allowed must not be rejected by the keyword for all others.
    fn forget(&mut self, schema: &mut Map<String, Value>, pointer: &str, keyword: &str) {
        match keyword {
            "properties" | "patternProperties" => drop(schema.remove("additionalProperties")),
            "prefixItems" => drop(schema.remove("items")),
            _ => {}
        }
        if KNOWING.contains(&keyword) || ["allOf", "anyOf", "oneOf", "then", "else"].contains(&keyword) {
            self.unknowing.insert(pointer.to_owned());
        }
    }

    /// Renames a keyword once all pointers have been used.
    pub(super) fn rename(&mut self, pointer: &str, from: &'static str, to: &'static str) {
        self.renames.push(KeywordRename { pointer: pointer.to_owned(), from, to });
    }

    /// Whether the value of `items` is a list, as in draft 4.
    pub(super) fn is_tuple(&self, pointer: &str) -> bool {
        self.renames.iter().any(|rename| rename.pointer == pointer && rename.from == "items")
    }

    /// Relaxes the keywords above lost ones, and renames keywords. Returns the pointers of relaxed keywords.
    pub(super) fn finish(&mut self, document: &mut Value, visited: &HashSet<String>) -> Vec<String> {
        let relaxed = if self.lost.is_empty() { Vec::new() } else { self.relax(document, visited) };
        // The innermost first: the pointers of the others stay valid.
        self.renames.sort_by_key(|rename| std::cmp::Reverse(rename.pointer.matches('/').count()));
        for KeywordRename { pointer, from, to } in std::mem::take(&mut self.renames) {
            if let Some(Value::Object(schema)) = document.pointer_mut(&pointer) {
                rename(schema, from, to);
            }
        }
        relaxed
    }

    fn relax(&mut self, document: &mut Value, visited: &HashSet<String>) -> Vec<String> {
        let owners = owners(document, visited);
        let mut relaxed = Vec::new();
        let mut queue: Vec<(String, bool)> =
            self.lost.keys().map(|pointer| (pointer.clone(), self.unknowing.contains(pointer))).collect();
        let mut done: HashSet<(String, bool)> = queue.iter().cloned().collect();
        while let Some((pointer, is_unknowing)) = queue.pop() {
            if let Some(Value::Object(schema)) = document.pointer_mut(&pointer).filter(|_| is_unknowing) {
                schema.remove("unevaluatedProperties");
                schema.remove("unevaluatedItems");
            }
            for (owner, keyword) in owners.get(&pointer).into_iter().flatten() {
                let Some(Value::Object(schema)) = document.pointer_mut(owner) else { continue };
                let mut is_owner_unknowing = is_unknowing && is_in_place(keyword);
                match keyword.as_str() {
                    "$defs" | "definitions" => continue,
                    "not" => relaxed.extend(schema.remove("not").map(|_| join(owner, "not"))),
                    "if" => {
                        relaxed.extend(schema.remove("if").map(|_| join(owner, "if")));
                        schema.remove("then");
                        schema.remove("else");
                        is_owner_unknowing = true;
                    }
                    "oneOf" => self.renames.push(KeywordRename {
                        pointer: owner.clone(),
                        from: "oneOf",
                        to: "anyOf",
                    }),
                    "contains" => drop(schema.remove("maxContains")),
                    _ => {}
                }
                let next = (owner.clone(), is_owner_unknowing);
                if done.insert(next.clone()) {
                    queue.push(next);
                }
            }
        }
        for keyword in &relaxed {
            let owner = keyword.rsplit_once('/').map_or("", |(owner, _)| owner);
            *self.lost.entry(owner.to_owned()).or_default() += 1;
        }
        relaxed
    }

    /// The number of lost keywords at and below a pointer, including the targets of references.
    pub(super) fn count(&self, document: &Value, pointer: &str) -> usize {
        if self.lost.is_empty() {
            return 0;
        }
        let mut counted: HashSet<&str> = HashSet::new();
        let (mut seen, mut rest) = (HashSet::new(), vec![pointer.to_owned()]);
        let mut count = 0;
        while let Some(pointer) = rest.pop() {
            if !seen.insert(pointer.clone()) {
                continue;
            }
            let inside = |lost: &str| lost.strip_prefix(&*pointer).is_some_and(is_below);
            let lost = self.lost.range(pointer.clone()..).take_while(|(lost, _)| lost.starts_with(&pointer));
            for (lost, number) in lost.filter(|(lost, _)| inside(lost)) {
                count += if counted.insert(lost) { *number } else { 0 };
            }
            let mut values: Vec<&Value> = document.pointer(&pointer).into_iter().collect();
            while let Some(value) = values.pop() {
                match value {
                    Value::Object(members) => {
                        let target = members.get("$ref").and_then(Value::as_str).map(reference);
                        if let Some(JsonReference::Local(target)) = target {
                            rest.push(target);
                        }
                        values.extend(members.values());
                    }
                    Value::Array(items) => values.extend(items),
                    _ => {}
                }
            }
        }
        count
    }
}

/// Whether the rest of a pointer is empty or begins with another token.
fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

fn is_in_place(keyword: &str) -> bool {
    ["$ref", "allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas"].contains(&keyword)
}

/// The schemas that contain or refer to each schema, and by which keyword.
fn owners(document: &Value, visited: &HashSet<String>) -> HashMap<String, Vec<(String, String)>> {
    let mut owners: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for pointer in visited {
        let Some(Value::Object(schema)) = document.pointer(pointer) else { continue };
        for (keyword, value) in schema {
            let at = join(pointer, keyword);
            let parts: Vec<String> = match value {
                Value::String(text) if keyword == "$ref" => match reference(text) {
                    JsonReference::Local(target) => vec![target],
                    JsonReference::Anchor | JsonReference::Remote => Vec::new(),
                },
                Value::Array(items) if MANY.contains(&keyword.as_str()) || keyword == "items" => {
                    (0..items.len()).map(|number| format!("{at}/{number}")).collect()
                }
                Value::Object(members) if NAMED.contains(&keyword.as_str()) || keyword == "dependencies" => {
                    members.keys().map(|name| join(&at, name)).collect()
                }
                Value::Object(_) if ONE.contains(&keyword.as_str()) => vec![at],
                _ => Vec::new(),
            };
            for part in parts {
                owners.entry(part).or_default().push((pointer.clone(), keyword.clone()));
            }
        }
    }
    owners
}

fn rename(schema: &mut Map<String, Value>, from: &str, to: &str) {
    let Some(value) = schema.shift_remove(from) else { return };
    match (from, value) {
        // Draft 4 to 7: names, or a schema, for a member that is present.
        ("dependencies", Value::Object(dependencies)) => {
            for (name, dependency) in dependencies {
                let keyword = if dependency.is_array() { "dependentRequired" } else { "dependentSchemas" };
                let all = schema.entry(keyword).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(all) = all {
                    all.entry(name).or_insert(dependency);
                }
            }
        }
        // The schema already has a keyword of this name: both apply.
        (_, value) if schema.contains_key(to) => {
            let part = Value::Object(Map::from_iter([(to.to_owned(), value)]));
            match schema.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(all) => all.push(part),
                other => *other = Value::Array(vec![part]),
            }
        }
        (_, value) => drop(schema.insert(to.to_owned(), value)),
    }
    if from == "items"
        && let Some(others) = schema.shift_remove("additionalItems")
    {
        schema.insert("items".to_owned(), others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The schema at `/s` without the keyword `x` of its part at `lost`.
    fn without(schema: Value, lost: &str) -> Value {
        let mut document = json!({ "s": schema, "other": { "x": 1 } });
        let visited = ["/s", "/s/not", "/s/if", "/s/contains", "/s/oneOf/0", "/s/oneOf/1", "/s/allOf/0"];
        let visited =
            visited.iter().copied().chain(["/s/properties/a", "/other"]).map(str::to_owned).collect();
        let mut losses = Losses::default();
        losses.keyword(&mut document, lost, "x");
        losses.finish(&mut document, &visited);
        document["s"].take()
    }

    #[test]
    fn relaxes_what_would_reject_more_without_a_keyword() {
        for (schema, lost, expected) in [
            (json!({ "x": 1, "type": "string" }), "/s", json!({ "type": "string" })),
            (json!({ "not": { "x": 1 }, "minimum": 1 }), "/s/not", json!({ "minimum": 1 })),
            (json!({ "if": { "x": 1 }, "then": { "minimum": 1 } }), "/s/if", json!({})),
            (json!({ "oneOf": [{ "x": 1 }, {}] }), "/s/oneOf/0", json!({ "anyOf": [{}, {}] })),
            (
                json!({ "anyOf": [true], "oneOf": [{ "x": 1 }] }),
                "/s/oneOf/0",
                json!({ "anyOf": [true], "allOf": [{ "anyOf": [{}] }] }),
            ),
            (
                json!({ "contains": { "x": 1 }, "minContains": 1, "maxContains": 2 }),
                "/s/contains",
                json!({ "contains": {}, "minContains": 1 }),
            ),
            (json!({ "not": { "$ref": "#/other" } }), "/other", json!({})),
            (
                json!({ "properties": { "a": { "x": 1 } }, "additionalProperties": false }),
                "/s/properties/a",
                json!({ "properties": { "a": {} }, "additionalProperties": false }),
            ),
            (
                json!({ "allOf": [{ "x": 1 }], "unevaluatedProperties": false }),
                "/s/allOf/0",
                json!({ "allOf": [{}], "unevaluatedProperties": false }),
            ),
        ] {
            assert_eq!(without(schema.clone(), lost), expected, "{schema}");
        }
    }

    #[test]
    fn allows_members_of_a_lost_keyword() {
        for (schema, keyword, expected) in [
            (json!({ "properties": 5, "additionalProperties": false }), "properties", json!({})),
            (json!({ "prefixItems": 5, "items": false }), "prefixItems", json!({})),
            (json!({ "properties": 5, "unevaluatedProperties": false }), "properties", json!({})),
            (
                json!({ "minimum": "1", "additionalProperties": false }),
                "minimum",
                json!({ "additionalProperties": false }),
            ),
        ] {
            let mut document = json!({ "s": schema });
            let mut losses = Losses::default();
            losses.keyword(&mut document, "/s", keyword);
            losses.finish(&mut document, &HashSet::from(["/s".to_owned()]));
            assert_eq!(document["s"], expected, "{schema}");
        }
    }

    #[test]
    fn renames_keywords_of_older_drafts() {
        for (schema, from, to, expected) in [
            (
                json!({ "items": [{}, true], "additionalItems": false }),
                "items",
                "prefixItems",
                json!({ "prefixItems": [{}, true], "items": false }),
            ),
            (
                json!({ "dependencies": { "a": ["b"], "c": { "minProperties": 2 } } }),
                "dependencies",
                "",
                json!({ "dependentRequired": { "a": ["b"] }, "dependentSchemas": { "c": { "minProperties": 2 } } }),
            ),
        ] {
            let mut document = json!({ "s": schema });
            let mut losses = Losses::default();
            losses.rename("/s", from, to);
            losses.finish(&mut document, &HashSet::new());
            assert_eq!(document["s"], expected, "{schema}");
        }
    }

    #[test]
    fn counts_what_a_schema_has_lost_wherever_it_is() {
        let mut document = json!({
            "a": { "x": 1, "properties": { "b": { "$ref": "#/c" }, "self": { "$ref": "#/a" } } },
            "ab": { "x": 1 },
            "c": { "items": { "x": 1, "y": 1 } },
        });
        let mut losses = Losses::default();
        for (pointer, keyword) in [("/a", "x"), ("/ab", "x"), ("/c/items", "x"), ("/c/items", "y")] {
            losses.keyword(&mut document, pointer, keyword);
        }
        assert_eq!(
            ["/a", "/ab", "/c", "/c/items", "/none"].map(|at| losses.count(&document, at)),
            [3, 1, 2, 2, 0]
        );
    }
}
