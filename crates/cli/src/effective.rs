//! The effective configuration: a file with all defaults, and without secrets.
//!
//! The defaults are those of the JSON Schema. A test loads a file with and without them, and compares the results.

use demur_config::is_credential;
use serde_json::{Map, Value as Json};

use crate::commands::schema::CONFIGURATION;
use crate::exit::CommandFailure;

/// In place of a secret that is written in the file itself.
const HIDDEN: &str = "(hidden)";

/// Adds the defaults to a configuration, and hides secrets.
pub(crate) fn of(tree: &Json) -> Result<Json, CommandFailure> {
    let schema: Json = serde_json::from_str(CONFIGURATION).map_err(|error| {
        CommandFailure::unavailable(format!("the built-in schema is invalid JSON: {error}"), None)
    })?;
    let mut effective = tree.clone();
    // Also of a file that was upgraded.
    effective["demur"] = demur_config::VERSION.parse::<u64>().unwrap_or_default().into();
    fill(&mut effective, &schema, &schema);
    hide(&mut effective);
    Ok(effective)
}

fn fill(value: &mut Json, schema: &Json, root: &Json) {
    let schema = resolved(value, schema, root);
    match value {
        Json::Object(members) => {
            let properties = schema.get("properties").and_then(Json::as_object);
            for (name, property) in properties.into_iter().flatten() {
                if !members.contains_key(name)
                    && let Some(default) = default_of(property, root)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    write_out(name, member);
                    fill(member, property, root);
                }
            }
            let known = |name: &String| properties.is_some_and(|properties| properties.contains_key(name));
            if let Some(more) = schema.get("additionalProperties").filter(|more| more.is_object()) {
                members
                    .iter_mut()
                    .filter(|(name, _)| !known(name))
                    .for_each(|(_, member)| fill(member, more, root));
            }
        }
        Json::Array(items) => {
            if let Some(of_items) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(item, of_items, root));
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A value that stands for a mapping with one key.
fn write_out(name: &str, value: &mut Json) {
    let key = match (name, value.is_string()) {
        ("upstream", true) => "url",
        ("access_log", true) => "requests",
        _ => return,
    };
    *value = Json::Object(Map::from_iter([(key.to_owned(), value.take())]));
}

fn default_of<'s>(schema: &'s Json, root: &'s Json) -> Option<&'s Json> {
    schema.get("default").or_else(|| referred(schema, root)?.get("default"))
}

fn referred<'s>(schema: &Json, root: &'s Json) -> Option<&'s Json> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}

/// The schema behind a reference, or the alternative for a value of this kind.
fn resolved<'s>(value: &Json, schema: &'s Json, root: &'s Json) -> &'s Json {
    if let Some(referred) = referred(schema, root) {
        return resolved(value, referred, root);
    }
    let kind = match value {
        Json::Object(_) => "object",
        Json::Array(_) => "array",
        _ => return schema,
    };
    let alternatives = ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema.get(name)?.as_array());
    let resolved = alternatives.flatten().map(|schema| resolved(value, schema, root));
    resolved.into_iter().find(|schema| schema.get("type").is_some_and(|of| of == kind)).unwrap_or(schema)
}

/// Hides what headers are set to that carry a credential. A reference to a secret is none.
fn hide(value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "set"
                    && let Json::Object(headers) = member
                {
                    let secrets =
                        headers.iter_mut().filter(|(name, value)| is_credential(name) && !value.is_object());
                    secrets.for_each(|(_, value)| *value = HIDDEN.into());
                } else {
                    hide(member);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(hide),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// As YAML. Every text is in quotes, as in JSON, unless it is a plain word.
pub(crate) fn yaml(value: &Json) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Json, indent: usize, text: &mut String) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str(&word(name));
                text.push(':');
                write_below(member, indent + 2, text);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                write(item, indent + 2, text);
            }
        }
        Json::String(string) => {
            text.push_str(&word(string));
            text.push('\n');
        }
        other => {
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

fn write_below(value: &Json, indent: usize, text: &mut String) {
    let is_block = value.as_object().is_some_and(|members| !members.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty());
    if is_block {
        text.push('\n');
        text.push_str(&" ".repeat(indent));
    } else {
        text.push(' ');
    }
    write(value, indent, text);
}

/// A text that YAML reads as that text.
fn word(text: &str) -> String {
    let is_plain = text
        .starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '.')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_./".contains(char))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n", "."]
            .contains(&text.to_ascii_lowercase().as_str())
        && text.parse::<f64>().is_err();
    if is_plain { text.to_owned() } else { Json::from(text).to_string() }
}
