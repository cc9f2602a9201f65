//! The API's own OpenAPI document with exactly its errors: a new document, or an overlay that makes it of the old one.
//!
//! Each operation gets one response for each status. Its schema is the union of the errors of that status, each pinned by
//! what the contract tells it apart by, and it has an example of each error and the headers of their answers. Responses
//! with other statuses and everything else in the document stay as they are.

mod response;
mod schema;

use std::collections::BTreeSet;

use demur_contract::Contract;
use demur_engine::settings::ApiSettings;
use demur_matrix::ContractMatrix;
use serde_json::{Map, Value, json};

pub use schema::Unions;

use schema::ErrorSchemas;

/// The document with its errors. Operations that are marked with `x-internal: true` are left out.
///
/// `document` is the file as it was read; references to other files stay.
pub fn write(
    document: &Value,
    settings: &ApiSettings,
    contract: &Contract,
    matrix: &ContractMatrix,
    unions: Unions,
) -> Value {
    let mut written = document.clone();
    for change in changes(document, settings, contract, matrix, unions) {
        change.apply(&mut written);
    }
    written
}

/// An OpenAPI Overlay 1.0 that makes the same of the document.
pub fn overlay(
    document: &Value,
    settings: &ApiSettings,
    contract: &Contract,
    matrix: &ContractMatrix,
    unions: Unions,
) -> Value {
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or(&settings.name);
    let version = document.pointer("/info/version").cloned().unwrap_or(json!("1"));
    let changes = changes(document, settings, contract, matrix, unions);
    json!({
        "overlay": "1.0.0",
        "info": { "title": format!("Errors of {title}"), "version": version },
        "actions": changes.iter().map(Change::action).collect::<Vec<_>>(),
    })
}

/// A step from the old document to the new one.
enum Change {
    /// Removes what these keys lead to.
    Remove(Vec<String>),
    /// Merges an object into the one that these keys lead to.
    Merge(Vec<String>, Value),
}

impl Change {
    fn apply(&self, document: &mut Value) {
        match self {
            Change::Remove(path) => {
                let Some((last, before)) = path.split_last() else { return };
                if let Some(Value::Object(members)) = document.pointer_mut(&pointer(before)) {
                    members.shift_remove(last);
                }
            }
            Change::Merge(path, value) => {
                if let Some(target) = document.pointer_mut(&pointer(path)) {
                    merge(target, value);
                }
            }
        }
    }

    fn action(&self) -> Value {
        match self {
            Change::Remove(path) => json!({ "target": json_path(path), "remove": true }),
            Change::Merge(path, value) => json!({ "target": json_path(path), "update": value }),
        }
    }
}

fn merge(target: &mut Value, value: &Value) {
    match (target, value) {
        (Value::Object(target), Value::Object(value)) => {
            for (name, member) in value {
                match target.get_mut(name) {
                    Some(known) => merge(known, member),
                    None => {
                        target.insert(name.clone(), member.clone());
                    }
                }
            }
        }
        (target, value) => *target = value.clone(),
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

/// A normalized path (RFC 9535, section 2.7).
fn json_path(path: &[String]) -> String {
    let escaped = |key: &String| key.replace('\\', "\\\\").replace('\'', "\\'");
    let steps: String = path.iter().map(|key| format!("['{}']", escaped(key))).collect();
    format!("${steps}")
}

/// The keys of a JSON Pointer.
fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

fn changes(
    document: &Value,
    settings: &ApiSettings,
    contract: &Contract,
    matrix: &ContractMatrix,
    unions: Unions,
) -> Vec<Change> {
    let taken = document.pointer("/components/schemas").and_then(Value::as_object);
    let taken: BTreeSet<&str> = taken.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let mut schemas = ErrorSchemas::new(contract, matrix, &taken);
    let mut changes = Vec::new();
    for operation in &matrix.operations {
        let Some(declared) = settings.document.operation(&operation.id) else { continue };
        let path = keys(declared.pointer());
        // An operation in another file is that file's.
        let Some(old) = document.pointer(declared.pointer()) else { continue };
        if operation.internal {
            changes.push(Change::Remove(path));
            continue;
        }
        for (status, _) in old.get("responses").and_then(Value::as_object).into_iter().flatten() {
            if status.starts_with(['4', '5']) || status == "default" {
                changes.push(Change::Remove([&path[..], &["responses".to_owned(), status.clone()]].concat()));
            }
        }
        let responses = response::responses(operation, contract, &mut schemas, unions);
        changes.push(Change::Merge(path, json!({ "responses": responses })));
    }
    let mut components = Map::new();
    components.insert("schemas".to_owned(), schemas.finish().into());
    changes.push(Change::Merge(Vec::new(), json!({ "components": components })));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped() {
        let path = keys("/paths/~1a~1{b}'s/get");
        assert_eq!(path, ["paths", "/a/{b}'s", "get"]);
        assert_eq!(pointer(&path), "/paths/~1a~1{b}'s/get");
        assert_eq!(json_path(&path), r"$['paths']['/a/{b}\'s']['get']");
        assert_eq!(json_path(&[]), "$");
    }

    #[test]
    fn changes_apply_as_an_overlay_does() {
        let mut document = json!({ "a": { "b": 1, "c": { "d": [1] } }, "e": 2 });
        Change::Remove(keys("/a/b")).apply(&mut document);
        Change::Merge(keys("/a"), json!({ "c": { "f": 3, "d": [2] } })).apply(&mut document);
        Change::Remove(keys("/x/y")).apply(&mut document);
        Change::Merge(Vec::new(), json!({ "g": {} })).apply(&mut document);
        assert_eq!(document, json!({ "a": { "c": { "d": [2], "f": 3 } }, "e": 2, "g": {} }));
    }
}
