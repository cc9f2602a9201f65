//! Validates schemas against the meta-schema of JSON Schema 2020-12, and drops keywords with invalid values.

use demur_source::{Diagnostics, did_you_mean};
use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::vocabulary::TYPES;
use super::walk::SchemaWalk;
use crate::tree::{Located, tokens};

/// The maximum number of characters of an error text, which may quote the document.
const MAX_QUOTE: usize = 200;

impl<'w> SchemaWalk<'w> {
    /// Validates a schema against the meta-schema: types and bounds of keywords, unknown types. Keywords that cannot be
    /// used are removed until there are none.
    pub(super) fn check_meta_schema(
        &mut self,
        schema: &Located<'w>,
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) {
        const ROUNDS: usize = 5;
        for _ in 0..ROUNDS {
            let errors = self.meta_errors(schema, document);
            let mut is_repaired = false;
            for MetaError { pointer, message, help } in errors {
                let span = self.root.node.nearest(&pointer).span;
                if self.report(&pointer, span, "schema", message, help, diagnostics) {
                    self.drop_keyword(&pointer, document);
                    is_repaired = true;
                }
            }
            if !is_repaired {
                return;
            }
        }
        self.losses.schema(document, &schema.pointer);
    }

    fn meta_errors(&self, schema: &Located<'w>, document: &Value) -> Vec<MetaError> {
        let Some(value) = document.pointer(&schema.pointer) else { return Vec::new() };
        let mut errors = Vec::new();
        for error in jsonschema::draft202012::meta::validator().iter_errors(value) {
            let pointer = format!("{}{}", schema.pointer, error.instance_path().as_str());
            // Already checked above, with better messages.
            let is_format = matches!(error.kind(), ValidationErrorKind::Format { .. });
            let is_tuple = pointer.strip_suffix("/items").is_some_and(|owner| self.losses.is_tuple(owner));
            if is_format || is_tuple || pointer.ends_with("/$ref") || pointer.ends_with("/$dynamicRef") {
                continue;
            }
            let (message, help) = meta_message(&pointer, &error);
            errors.push(MetaError { pointer, message, help });
        }
        errors
    }

    /// Removes the keyword that contains a pointer.
    fn drop_keyword(&mut self, pointer: &str, document: &mut Value) {
        let mut owner = pointer;
        while !self.visited.contains(owner) {
            match owner.rfind('/') {
                Some(slash) => owner = &owner[..slash],
                None => return,
            }
        }
        match tokens(&pointer[owner.len()..]).next() {
            Some(keyword) => self.losses.keyword(document, owner, &keyword),
            None => self.losses.schema(document, owner),
        }
    }
}

/// A keyword with an invalid value.
struct MetaError {
    pointer: String,
    message: String,
    help: Option<String>,
}

/// Message and help for an error of the meta-schema.
fn meta_message(pointer: &str, error: &ValidationError<'_>) -> (String, Option<String>) {
    let path: Vec<_> = tokens(pointer).collect();
    let keyword = path.iter().rev().find(|token| token.parse::<usize>().is_err());
    let keyword = keyword.map_or("schema", |token| token.as_ref());
    if keyword == "type" {
        let names: Vec<&str> = match error.instance().as_ref() {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if let Some(unknown) = names.into_iter().find(|name| !TYPES.contains(name)) {
            let help = match did_you_mean(unknown, TYPES) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("use one of: {}", TYPES.join(", ")),
            };
            return (format!("unknown type `{unknown}`"), Some(help));
        }
    }
    if let ValidationErrorKind::Type { kind: TypeKind::Single(expected) } = error.kind() {
        let found: String = match error.instance().as_ref() {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let found: String = found.chars().take(MAX_QUOTE).collect();
        let expected = match expected {
            JsonType::Array => "a list",
            JsonType::Boolean => "`true` or `false`",
            JsonType::Integer => "an integer",
            JsonType::Null => "null",
            JsonType::Number => "a number",
            JsonType::Object => "a mapping",
            JsonType::String => "a string",
        };
        let help = (keyword == "required")
            .then(|| "list the names of required properties in the schema of the object".to_owned());
        return (format!("`{keyword}` must be {expected}, not {found}"), help);
    }
    let text: String = error.to_string().chars().take(MAX_QUOTE).collect();
    (format!("invalid `{keyword}`: {text}"), None)
}
