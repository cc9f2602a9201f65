//! The error responses of a document, and their schemas with references and `allOf` resolved.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// References within references.
const MAX_DEPTH: usize = 16;

const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// An error response; equal ones are listed once.
pub(crate) struct ErrorResponse<'d> {
    /// `None` for `default`, whose status is not declared.
    pub(crate) status: Option<u16>,
    pub(crate) response: &'d Value,
    /// How many operations have it.
    pub(crate) count: usize,
}

/// All error responses, in the order of the document.
pub(crate) fn error_responses(document: &Value) -> Vec<ErrorResponse<'_>> {
    let mut found: Vec<ErrorResponse<'_>> = Vec::new();
    let mut known: HashMap<(Option<u16>, String), usize> = HashMap::new();
    let items = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = items.flat_map(|(_, item)| {
        let item = resolve(document, item);
        METHODS.iter().filter_map(move |method| item.get(*method))
    });
    for operation in operations {
        for (key, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let Some(status) = status(key) else { continue };
            let reference = response.get("$ref").and_then(Value::as_str);
            let id = reference.map_or_else(|| response.to_string(), str::to_owned);
            match known.get(&(status, id.clone())) {
                Some(index) => found[*index].count += 1,
                None => {
                    known.insert((status, id), found.len());
                    let response = resolve(document, response);
                    found.push(ErrorResponse { status, response, count: 1 });
                }
            }
        }
    }
    found
}

/// The status of a key of `responses`, if it can be an error: that of a class is its first one.
fn status(key: &str) -> Option<Option<u16>> {
    if key == "default" {
        return Some(None);
    }
    let number = key.to_ascii_uppercase().replace("XX", "00").parse().ok();
    number.filter(|status| (400..600).contains(status)).map(Some)
}

impl<'d> ErrorResponse<'d> {
    pub(crate) fn description(&self) -> &'d str {
        self.response.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// The media types whose content is JSON.
    pub(crate) fn json(&self) -> impl Iterator<Item = (&'d str, &'d Value)> + use<'d> {
        let content = self.response.get("content").and_then(Value::as_object);
        content.into_iter().flatten().map(|(name, media)| (name.as_str(), media)).filter(|(name, _)| {
            let essence = name.split(';').next().unwrap_or_default().trim();
            essence.ends_with("json") || essence == "*/*"
        })
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        let headers = self.response.get("headers").and_then(Value::as_object);
        headers.into_iter().flatten().map(|(name, _)| name.as_str())
    }
}

/// What references within the document lead to.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let mut value = value;
    for _ in 0..MAX_DEPTH {
        let reference = value.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| {
            document.pointer(&reference.strip_prefix('#')?.replace("%7B", "{").replace("%7D", "}"))
        });
        match target {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

/// The alternatives of a schema, each as one object without references and `allOf` at its top.
pub(crate) fn alternatives(document: &Value, schema: &Value, depth: usize) -> Vec<Map<String, Value>> {
    let schema = resolve(document, schema);
    let Some(members) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return Vec::new() };
    let mut all = vec![Map::new()];
    let mut both = |parts: Vec<Map<String, Value>>| {
        if !parts.is_empty() {
            let combined = all.iter().flat_map(|one| parts.iter().map(move |part| merged(one, part)));
            all = combined.take(64).collect();
        }
    };
    for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        both(alternatives(document, part, depth + 1));
    }
    for name in ["oneOf", "anyOf"] {
        let branches = members.get(name).and_then(Value::as_array).into_iter().flatten();
        both(branches.flat_map(|branch| alternatives(document, branch, depth + 1)).take(64).collect());
    }
    let own = members.iter().filter(|(name, _)| !["allOf", "oneOf", "anyOf"].contains(&name.as_str()));
    both(vec![own.map(|(name, value)| (name.clone(), value.clone())).collect()]);
    all
}

fn merged(one: &Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = one.clone();
    for (name, value) in other {
        match (merged.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(value)) if name == "properties" => {
                for (name, schema) in value {
                    let both = match known.get(name) {
                        Some(other) if other != schema => json!({ "allOf": [other, schema] }),
                        _ => schema.clone(),
                    };
                    known.insert(name.clone(), both);
                }
            }
            (Some(known), value) => *known = value.clone(),
            (None, value) => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    merged
}
