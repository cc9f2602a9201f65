//! Decides which members a side need not send: `readOnly` ones in requests, `writeOnly` ones in responses.
//!
//! A member is `readOnly` if any schema that applies to its location says so (JSON Schema 2020-12, Validation, section
//! 9.4). So `required` may stand in another schema than the flag: in another branch of `allOf`, beside a `$ref`, or
//! around one. The flag of a branch of `oneOf` or `anyOf` does not count in the other branches. If the same schema is
//! used where a member is `readOnly` and where it is not, the first use gets a copy of it.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::tree::{JsonReference, join, reference, tokens};

/// The key for copies in the document.
const COPIES: &str = "x-demur-copies";
/// The maximum number of copies. Beyond it, members stay required.
const MAX_COPIES: usize = 5_000;
/// The maximum depth of schemas that apply to one location.
const MAX_DEPTH: usize = 100;

/// Branches of which at most one needs to apply.
const BRANCHES: [&str; 2] = ["oneOf", "anyOf"];

type Names = BTreeSet<String>;

/// Removes members from `required` that the side need not send. `flagged` are the pointers of schemas with the flag.
pub(super) fn relax_required(document: &mut Value, visited: &HashSet<String>, flagged: &HashSet<String>) {
    if flagged.is_empty() {
        return;
    }
    let mut pass = AccessPass { document, flagged, flags: HashMap::new(), copies: HashMap::new() };
    let mut roots: Vec<&String> = visited.iter().filter(|pointer| !is_branch(pointer)).collect();
    roots.sort_unstable();
    for root in roots {
        pass.relax(root, &Names::new(), 0);
    }
}

struct AccessPass<'d> {
    document: &'d mut Value,
    flagged: &'d HashSet<String>,
    /// The flagged members of a schema, by its pointer.
    flags: HashMap<String, Names>,
    /// The copies of schemas without these names in `required`.
    copies: HashMap<(String, Names), String>,
}

/// A schema that applies to the same location as another.
struct Part {
    pointer: String,
    is_reference: bool,
    is_branch: bool,
}

impl AccessPass<'_> {
    /// Relaxes the schema at `pointer` and its parts. `around` are the members flagged by schemas around it.
    fn relax(&mut self, pointer: &str, around: &Names, depth: usize) {
        let parts = self.parts(pointer);
        if depth > MAX_DEPTH {
            return;
        }
        let mut of_all: Names = around | &self.own_flags(pointer);
        let mut of_branches = Names::new();
        for part in &parts {
            let flags = self.flags(&part.pointer, depth);
            if part.is_branch { &mut of_branches } else { &mut of_all }.extend(flags);
        }
        let all: Names = &of_all | &of_branches;
        if let Some(Value::Object(schema)) = self.document.pointer_mut(pointer) {
            remove_names(schema, &all);
        }
        for part in parts {
            let names = if part.is_branch { &of_all } else { &all };
            if part.is_reference {
                let target = self.copy(&part.pointer, names, depth);
                if target != part.pointer
                    && let Some(Value::Object(schema)) = self.document.pointer_mut(pointer)
                {
                    let text = format!("#{}", super::uri::fragment(&target));
                    schema.insert("$ref".to_owned(), Value::String(text));
                }
            } else {
                self.relax(&part.pointer, names, depth + 1);
            }
        }
    }

    /// The pointer of the schema without these names in `required`: a copy, unless it requires none of them.
    fn copy(&mut self, pointer: &str, names: &Names, depth: usize) -> String {
        let required = self.required(pointer, 0);
        let own = self.flags(pointer, depth);
        let needed: Names =
            names.iter().filter(|name| required.contains(*name) && !own.contains(*name)).cloned().collect();
        if needed.is_empty() || self.copies.len() >= MAX_COPIES {
            return pointer.to_owned();
        }
        let key = (original(pointer, self.document), needed);
        if let Some(copy) = self.copies.get(&key) {
            return copy.clone();
        }
        let Some(schema) = self.document.pointer(pointer).cloned() else { return pointer.to_owned() };
        // Discriminators find branches by the last name of their `$ref`.
        let name = tokens(pointer).last().map(|name| name.into_owned()).unwrap_or_default();
        let number = self.copies.len().to_string();
        let copy = join(&join(&join("", COPIES), &number), &name);
        if let Value::Object(root) = &mut *self.document {
            let copies = root.entry(COPIES).or_insert_with(|| Value::Object(Map::new()));
            let of = Map::from_iter([(name, schema), (ORIGIN.to_owned(), Value::String(key.0.clone()))]);
            copies[&number] = Value::Object(of);
        }
        let needed = key.1.clone();
        self.copies.insert(key, copy.clone());
        self.relax(&copy, &needed, depth + 1);
        copy
    }

    /// The flagged members of the schema's own `properties`.
    fn own_flags(&self, pointer: &str) -> Names {
        let mut names = Names::new();
        let properties = self.document.pointer(pointer).and_then(|schema| schema["properties"].as_object());
        let at = join(pointer, "properties");
        for (name, _) in properties.into_iter().flatten() {
            if self.is_flagged(&join(&at, name)) {
                names.insert(name.clone());
            }
        }
        names
    }

    /// Whether any schema that applies to the location of the schema at `pointer` has the flag.
    fn is_flagged(&self, pointer: &str) -> bool {
        let (mut seen, mut rest) = (HashSet::new(), vec![pointer.to_owned()]);
        while let Some(pointer) = rest.pop() {
            if self.flagged.contains(&original(&pointer, self.document)) {
                return true;
            }
            if seen.len() < MAX_DEPTH && seen.insert(pointer.clone()) {
                rest.extend(self.parts(&pointer).into_iter().map(|part| part.pointer));
            }
        }
        false
    }

    /// The flagged members of a schema and its parts.
    fn flags(&mut self, pointer: &str, depth: usize) -> Names {
        if let Some(known) = self.flags.get(pointer) {
            return known.clone();
        }
        let mut names = self.own_flags(pointer);
        if depth <= MAX_DEPTH {
            // Before the parts, since a schema may refer back to itself.
            self.flags.insert(pointer.to_owned(), names.clone());
            for part in self.parts(pointer) {
                names.extend(self.flags(&part.pointer, depth + 1));
            }
        }
        self.flags.insert(pointer.to_owned(), names.clone());
        names
    }

    /// The members that a schema or its parts require.
    fn required(&self, pointer: &str, depth: usize) -> Names {
        let mut names = Names::new();
        let Some(schema) = self.document.pointer(pointer) else { return names };
        let lists = schema["dependentRequired"].as_object().into_iter().flat_map(Map::values);
        for list in lists.chain(schema.get("required")) {
            names.extend(list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        }
        if depth < MAX_DEPTH {
            for part in self.parts(pointer) {
                names.extend(self.required(&part.pointer, depth + 1));
            }
        }
        names
    }

    fn parts(&self, pointer: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        let Some(Value::Object(schema)) = self.document.pointer(pointer) else { return parts };
        for (keyword, value) in schema {
            let at = join(pointer, keyword);
            let mut add =
                |pointer, is_reference, is_branch| parts.push(Part { pointer, is_reference, is_branch });
            match (keyword.as_str(), value) {
                ("$ref", Value::String(text)) => {
                    if let JsonReference::Local(target) = reference(text) {
                        add(target, true, false);
                    }
                }
                ("allOf" | "oneOf" | "anyOf", Value::Array(items)) => {
                    let is_branch = BRANCHES.contains(&keyword.as_str());
                    (0..items.len()).for_each(|number| add(format!("{at}/{number}"), false, is_branch));
                }
                ("then" | "else", Value::Object(_)) => add(at, false, false),
                ("dependentSchemas", Value::Object(schemas)) => {
                    schemas.keys().for_each(|name| add(join(&at, name), false, false));
                }
                _ => {}
            }
        }
        parts
    }
}

/// The key under which a copy has the pointer of its original.
const ORIGIN: &str = "x-demur-origin";

/// The pointer of which a pointer into a copy is one.
fn original(pointer: &str, document: &Value) -> String {
    let Some(rest) = pointer.strip_prefix('/').and_then(|rest| rest.strip_prefix(COPIES)) else {
        return pointer.to_owned();
    };
    let number = rest.split('/').nth(1).unwrap_or_default();
    let within = rest.splitn(4, '/').nth(3).map(|within| format!("/{within}")).unwrap_or_default();
    let origin = document[COPIES][number][ORIGIN].as_str().unwrap_or_default();
    format!("{origin}{within}")
}

/// Whether a pointer is that of a branch: it is relaxed together with its owner.
fn is_branch(pointer: &str) -> bool {
    let mut path = pointer.rsplit('/');
    let (last, before) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let is_list =
        ["allOf", "oneOf", "anyOf"].contains(&before) && last.bytes().all(|byte| byte.is_ascii_digit());
    is_list || ["then", "else"].contains(&last) && before != "properties" || before == "dependentSchemas"
}

fn remove_names(schema: &mut Map<String, Value>, names: &Names) {
    let lists = match schema.get_mut("dependentRequired") {
        Some(Value::Object(lists)) => lists.values_mut().collect(),
        _ => Vec::new(),
    };
    let retain = |list: &mut Value| {
        if let Value::Array(list) = list {
            list.retain(|name| name.as_str().is_none_or(|name| !names.contains(name)));
        }
    };
    lists.into_iter().for_each(retain);
    schema.get_mut("required").into_iter().for_each(retain);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Members that `/s` still requires, wherever that is said.
    fn required(schemas: Value) -> (Value, Names) {
        let mut document = schemas;
        let (mut visited, mut flagged) = (HashSet::new(), HashSet::new());
        let mut rest = vec![(String::new(), document.clone())];
        while let Some((pointer, value)) = rest.pop() {
            match value {
                Value::Object(members) => {
                    if members.get("readOnly") == Some(&Value::Bool(true)) {
                        flagged.insert(pointer.clone());
                    }
                    visited.insert(pointer.clone());
                    rest.extend(members.into_iter().map(|(name, value)| (join(&pointer, &name), value)));
                }
                Value::Array(items) => {
                    let items = items.into_iter().enumerate();
                    rest.extend(items.map(|(number, value)| (format!("{pointer}/{number}"), value)));
                }
                _ => {}
            }
        }
        relax_required(&mut document, &visited, &flagged);
        let empty = HashSet::new();
        let pass = AccessPass {
            document: &mut document.clone(),
            flagged: &empty,
            flags: HashMap::new(),
            copies: HashMap::new(),
        };
        let names = pass.required("/s", 0);
        (document, names)
    }

    #[test]
    fn flags_apply_wherever_required_is_said() {
        let flagged = json!({ "properties": { "id": { "readOnly": true }, "name": {} } });
        let both = json!({ "required": ["id", "name"] });
        for (what, schemas) in [
            (
                "beside",
                json!({ "s": { "properties": { "id": { "readOnly": true } }, "required": ["id", "name"] } }),
            ),
            ("in another branch", json!({ "s": { "allOf": [flagged, both] } })),
            (
                "around",
                json!({ "s": { "required": ["id", "name"], "allOf": [{ "$ref": "#/p" }] }, "p": flagged }),
            ),
            (
                "beside a reference",
                json!({ "s": { "$ref": "#/p", "required": ["id", "name"] }, "p": flagged }),
            ),
            (
                "behind a reference",
                json!({ "s": { "properties": { "id": { "readOnly": true } }, "allOf": [{ "$ref": "#/r" }] }, "r": both }),
            ),
            (
                "behind two references",
                json!({ "s": { "allOf": [{ "$ref": "#/p" }, { "$ref": "#/q" }] }, "p": flagged,
                        "q": { "allOf": [{ "$ref": "#/r" }] }, "r": both }),
            ),
            (
                "in the target of a property",
                json!({ "s": { "properties": { "id": { "$ref": "#/id" } }, "required": ["id", "name"] },
                        "id": { "allOf": [{ "$ref": "#/inner" }] }, "inner": { "readOnly": true } }),
            ),
            (
                "in a branch of oneOf",
                json!({ "s": { "required": ["id", "name"], "oneOf": [{ "properties": { "id": { "readOnly": true } } }, {}] } }),
            ),
            (
                "required by another member",
                json!({ "s": { "properties": { "id": { "readOnly": true } }, "dependentRequired": { "x": ["id", "name"] } } }),
            ),
        ] {
            let (document, names) = required(schemas);
            assert_eq!(names, Names::from(["name".to_owned()]), "{what}: {document}");
        }
    }

    #[test]
    fn flags_of_a_branch_do_not_apply_to_the_others() {
        let (_, names) = required(json!({ "s": { "oneOf": [
            { "properties": { "id": { "readOnly": true } }, "required": ["id"] },
            { "properties": { "id": {} }, "required": ["id", "kind"] },
        ] } }));
        assert_eq!(names, Names::from(["id".to_owned(), "kind".to_owned()]));
    }

    #[test]
    fn other_uses_of_a_shared_schema_keep_what_they_require() {
        let (document, names) = required(json!({
            "s": { "properties": { "id": { "readOnly": true } }, "allOf": [{ "$ref": "#/shared" }] },
            "t": { "properties": { "id": {} }, "allOf": [{ "$ref": "#/shared" }] },
            "shared": { "required": ["id"], "oneOf": [{ "required": ["id", "a"] }] },
        }));
        assert_eq!(names, Names::from(["a".to_owned()]));
        assert_eq!(document["shared"]["required"], json!(["id"]));
        assert_eq!(document["t"]["allOf"][0], json!({ "$ref": "#/shared" }));
        assert_eq!(document["s"]["allOf"][0], json!({ "$ref": "#/x-demur-copies/0/shared" }));
    }
}
