//! Violations in JSON bodies: lists of objects or texts, or messages by field.

use serde_json::{Map, Value as Json};

use super::found::{MAX_VIOLATIONS, first_text};
use crate::error::FieldViolation;

/// How deep errors by field are read.
const MAX_DEPTH: usize = 8;

/// The violations of an object: a list of objects or texts, or a mapping by field, as in Rails, Laravel, ASP.NET and
/// Django.
pub(super) fn of(object: &Map<String, Json>) -> Vec<FieldViolation> {
    const NAMES: [&str; 8] = [
        "violations",
        "errors",
        "details",
        "invalid_params",
        "invalid-params",
        "fieldErrors",
        "field_errors",
        "fieldList",
    ];
    let Some(value) = NAMES.into_iter().find_map(|name| object.get(name)) else { return Vec::new() };
    match value {
        Json::Array(list) => items(list),
        Json::Object(fields) => by_field(fields),
        _ => Vec::new(),
    }
}

/// The violations of a list of objects or texts.
pub(super) fn items(items: &[Json]) -> Vec<FieldViolation> {
    const FIELDS: [&str; 11] = [
        "field",
        "path",
        "propertyPath",
        "name",
        "param",
        "pointer",
        "target",
        "subject",
        "source",
        "location",
        "property",
    ];
    const MESSAGES: [&str; 8] =
        ["message", "msg", "description", "defaultMessage", "reason", "detail", "error", "code"];
    let violation = |item: &Json| match item {
        Json::String(message) => Some(FieldViolation { field: None, message: Some(message.clone()) }),
        // A typed detail of Google's: read elsewhere.
        Json::Object(item) if item.contains_key("@type") => None,
        Json::Object(item) => {
            // FastAPI, and GraphQL's and zod's `path`: the steps from the part of the request to the value.
            let steps = ["loc", "path"].iter().find_map(|name| item.get(*name)?.as_array());
            let field = match steps {
                Some(steps) => Some(path_of(steps)).filter(|path| !path.is_empty()),
                None => first_text(item, &FIELDS),
            };
            Some(FieldViolation { field, message: first_text(item, &MESSAGES) })
        }
        _ => None,
    };
    items.iter().take(MAX_VIOLATIONS).filter_map(violation).collect()
}

/// `["body", "items", 0, "name"]` → `items.0.name`: without the part of the request.
pub(super) fn path_of(steps: &[Json]) -> String {
    const PARTS: [&str; 5] = ["body", "query", "path", "header", "cookie"];
    let is_part = |step: &Json| step.as_str().is_some_and(|step| PARTS.contains(&step));
    let skipped = usize::from(steps.len() > 1 && steps.first().is_some_and(is_part));
    let steps = steps.iter().skip(skipped).take(MAX_VIOLATIONS).map(|step| match step {
        Json::String(name) => name.clone(),
        other => other.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

/// Messages by field. A field may have fields of its own: `{"items": [{}, {"price": ["…"]}]}`, and Discord's `_errors`.
pub(super) fn by_field(fields: &Map<String, Json>) -> Vec<FieldViolation> {
    let mut found = Vec::new();
    for (field, value) in fields.iter().take(MAX_VIOLATIONS) {
        collect(field, value, &mut found, 0);
    }
    found
}

fn collect(field: &str, value: &Json, found: &mut Vec<FieldViolation>, depth: usize) {
    if depth > MAX_DEPTH || found.len() >= MAX_VIOLATIONS {
        return;
    }
    let mut add = |message: String| {
        found.push(FieldViolation { field: Some(field.to_owned()), message: Some(message) });
    };
    match value {
        Json::String(message) => add(message.clone()),
        Json::Array(messages) => {
            for (index, message) in messages.iter().enumerate().take(MAX_VIOLATIONS) {
                match message {
                    Json::Object(item) => match first_text(item, &["message", "error", "detail"]) {
                        Some(message) => {
                            found.push(FieldViolation {
                                field: Some(field.to_owned()),
                                message: Some(message),
                            });
                        }
                        None => collect(
                            &format!("{field}.{index}"),
                            &Json::Object(item.clone()),
                            found,
                            depth + 1,
                        ),
                    },
                    other => collect(field, other, found, depth + 1),
                }
                if found.len() >= MAX_VIOLATIONS {
                    return;
                }
            }
        }
        Json::Object(fields) => match fields.get("_errors") {
            Some(own) => collect(field, own, found, depth + 1),
            None => {
                for (name, value) in fields.iter().take(MAX_VIOLATIONS) {
                    collect(&format!("{field}.{name}"), value, found, depth + 1);
                }
            }
        },
        _ => {}
    }
}
