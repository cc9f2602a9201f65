//! Rewrites schemas of OpenAPI 3.0 to JSON Schema 2020-12, one schema object at a time.

use serde_json::{Map, Value};

/// A schema dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAPI 3.0: `nullable`, boolean `exclusiveMinimum`, `$ref` without siblings.
    OpenApi30,
    /// JSON Schema 2020-12.
    OpenApi31,
}

impl Dialect {
    /// Rewrites a schema object to 2020-12. Its subschemas keep their pointers.
    pub(super) fn normalise(self, schema: &mut Map<String, Value>) {
        if self == Dialect::OpenApi30 && schema.contains_key("$ref") {
            schema.retain(|key, _| key == "$ref");
            return;
        }
        // In 3.1 these are not part of the dialect, but nothing else can be meant.
        exclusive(schema, "exclusiveMinimum", "minimum");
        exclusive(schema, "exclusiveMaximum", "maximum");
        nullable(schema);
        null_types(schema);
    }
}

/// Rewrites `minimum: 5, exclusiveMinimum: true` to `exclusiveMinimum: 5`.
fn exclusive(schema: &mut Map<String, Value>, flag: &str, bound: &str) {
    match schema.get(flag) {
        Some(Value::Bool(true)) => match schema.remove(bound) {
            Some(value) => {
                schema.insert(flag.to_owned(), value);
            }
            None => {
                schema.remove(flag);
            }
        },
        Some(Value::Bool(false)) => {
            schema.remove(flag);
        }
        _ => {}
    }
}

/// Rewrites `type: null` and `type: [string, null]`, with a null where its name is meant.
fn null_types(schema: &mut Map<String, Value>) {
    match schema.get_mut("type") {
        Some(Value::Array(types)) => {
            types.iter_mut().filter(|name| name.is_null()).for_each(|name| *name = "null".into());
            let mut seen = std::collections::HashSet::new();
            types.retain(|name| seen.insert(name.to_string()));
        }
        Some(name) if name.is_null() => *name = "null".into(),
        _ => {}
    }
}

/// Rewrites `type: string, nullable: true` to `type: [string, "null"]`. Without `type`, `nullable` has no effect, and
/// `enum` must list null itself (OpenAPI 3.0.3, clarified by its proposal of 2019-10-31).
fn nullable(schema: &mut Map<String, Value>) {
    let is_nullable = schema.remove("nullable") == Some(Value::Bool(true));
    if let (true, Some(Value::String(name))) = (is_nullable, schema.get("type")) {
        let types = vec![Value::String(name.clone()), Value::String("null".to_owned())];
        schema.insert("type".to_owned(), Value::Array(types));
    }
}

/// Replaces a reference by one to a pointer.
pub(super) fn set_reference(schema: &mut Map<String, Value>, target: &str) {
    for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
        if schema.remove(name).is_some() {
            schema.insert("$ref".to_owned(), Value::String(format!("#{target}")));
        }
    }
}

/// Removes identifiers, which would change how the rewritten references are resolved.
pub(super) fn remove_ids(schema: &mut Map<String, Value>) {
    for name in ["$id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$schema", "$vocabulary"] {
        if schema.get(name).is_some_and(|value| !value.is_object() || name == "$vocabulary") {
            schema.remove(name);
        }
    }
}

/// Adds the bounds of `format: int32` and `int64`: the upstream would truncate larger values.
pub(super) fn bound_integers(schema: &mut Map<String, Value>) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("int64") => (i64::MIN, i64::MAX),
        _ => return,
    };
    let number = |schema: &Map<String, Value>, name: &str| schema.get(name).and_then(Value::as_f64);
    if number(schema, "minimum")
        .or_else(|| number(schema, "exclusiveMinimum"))
        .is_none_or(|bound| bound < least as f64)
    {
        schema.insert("minimum".to_owned(), least.into());
    }
    if number(schema, "maximum")
        .or_else(|| number(schema, "exclusiveMaximum"))
        .is_none_or(|bound| bound > most as f64)
    {
        schema.insert("maximum".to_owned(), most.into());
    }
}
