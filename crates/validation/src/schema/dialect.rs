//! OpenAPI 3.0 writes JSON Schema in a dialect of its own; here it becomes 2020-12.
//!
//! One schema object at a time: the walk that finds them all is `walk`'s.

use serde_json::{Map, Value};

/// How schemas are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The dialect of OpenAPI 3.0: `nullable`, boolean `exclusiveMinimum`, nothing beside `$ref`.
    OpenApi30,
    /// JSON Schema 2020-12.
    OpenApi31,
}

impl Dialect {
    /// Rewrites one schema object to 2020-12, in place. Its subschemas keep their pointers.
    pub(super) fn normalise(self, schema: &mut Map<String, Value>) {
        match self {
            Dialect::OpenApi31 => {}
            Dialect::OpenApi30 => {
                if schema.contains_key("$ref") {
                    schema.retain(|key, _| key == "$ref");
                    return;
                }
                exclusive(schema, "exclusiveMinimum", "minimum");
                exclusive(schema, "exclusiveMaximum", "maximum");
                nullable(schema);
            }
        }
    }
}

/// `minimum: 5, exclusiveMinimum: true` → `exclusiveMinimum: 5`.
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

/// `type: string, nullable: true` → `type: [string, "null"]`. Without a `type` it has no effect, and an
/// `enum` must list null by itself (OpenAPI 3.0.3, and its proposal of 2019-10-31 that clarifies it).
fn nullable(schema: &mut Map<String, Value>) {
    let is_nullable = schema.remove("nullable") == Some(Value::Bool(true));
    if let (true, Some(Value::String(name))) = (is_nullable, schema.get("type")) {
        let types = vec![Value::String(name.clone()), Value::String("null".to_owned())];
        schema.insert("type".to_owned(), Value::Array(types));
    }
}

/// Takes members that only an answer has (`readOnly`) out of `required`: no request can be blamed for
/// leaving them out (OpenAPI 3.0.3 and 3.1, "readOnly").
pub(super) fn require_for_requests(schema: &mut Map<String, Value>, read_only: &[String]) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_none_or(|name| !read_only.iter().any(|known| known == name)));
    }
}
