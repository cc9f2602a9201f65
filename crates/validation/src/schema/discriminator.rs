//! Makes `discriminator` decide, where the operator chose that.
//!
//! OpenAPI 3.1.1 says that a discriminator does not change the outcome of validation. Many documents are written the other
//! way: their branches overlap, and only the discriminator tells them apart. Each branch of `oneOf` and `anyOf` then gets
//! one more condition, that the property has one of the values that select this branch. Nothing moves, so pointers of
//! keywords stay what they are.

use serde_json::{Map, Value, json};

use crate::tree::tokens;

/// Adds the conditions to the branches of the schema at `pointer`, if it has a discriminator. The error is a value of the
/// mapping that names no branch: then the discriminator decides nothing.
pub(super) fn decide(document: &mut Value, pointer: &str) -> Result<(), String> {
    let Some(schema) = document.pointer_mut(pointer).and_then(Value::as_object_mut) else { return Ok(()) };
    let Some(discriminator) = schema.get("discriminator").and_then(Value::as_object) else { return Ok(()) };
    let Some(property) = discriminator.get("propertyName").and_then(Value::as_str).map(str::to_owned) else {
        return Ok(());
    };
    let mapping = discriminator.get("mapping").and_then(Value::as_object).cloned().unwrap_or_default();
    for keyword in ["oneOf", "anyOf"] {
        let Some(branches) = schema.get_mut(keyword).and_then(Value::as_array_mut) else { continue };
        let names: Vec<Option<String>> = branches.iter().map(name_of).collect();
        let values = values(&names, &mapping)?;
        for (branch, values) in branches.iter_mut().zip(values) {
            // A branch without a name cannot be selected, and stays as it is.
            if let (Value::Object(branch), false) = (branch, values.is_empty()) {
                let condition =
                    json!({ "properties": { &property: { "enum": values } }, "required": [&property] });
                match branch.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(conditions) => conditions.push(condition),
                    _ => return Ok(()),
                }
            }
        }
    }
    Ok(())
}

/// The values that select each branch: those of the mapping, and its name, unless the mapping gives it to another branch.
fn values(names: &[Option<String>], mapping: &Map<String, Value>) -> Result<Vec<Vec<String>>, String> {
    let mut values: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let position = |target: &str| names.iter().position(|name| name.as_deref() == Some(target));
    for (value, target) in mapping {
        let target = target.as_str().unwrap_or_default();
        match position(&last_name(target)) {
            Some(position) => values[position].push(value.clone()),
            None => return Err(target.to_owned()),
        }
    }
    for (values, name) in values.iter_mut().zip(names) {
        values.extend(name.iter().filter(|name| !mapping.contains_key(*name)).cloned());
    }
    Ok(values)
}

fn name_of(branch: &Value) -> Option<String> {
    branch.get("$ref").and_then(Value::as_str).map(last_name)
}

/// `Cat` for `Cat`, `#/components/schemas/Cat` and `cat.yaml#/Cat`.
pub(crate) fn last_name(reference: &str) -> String {
    let fragment = reference.split_once('#').map_or(reference, |(_, fragment)| fragment);
    tokens(fragment).last().map_or_else(|| fragment.to_owned(), |name| name.into_owned())
}
