//! Rewrites schemas to JSON Schema 2020-12.

use serde_json::Value;

use super::dialect::{self, Dialect};
use super::pattern;
use super::uri::{file_name, fragment};
use crate::Formats;
use crate::tree::{Files, Located};

/// Who sends the values of a schema: this decides between `readOnly` and `writeOnly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaSide {
    /// Clients.
    Requests,
    /// The upstream.
    Responses,
}

impl SchemaSide {
    /// The keyword of members that this side need not send.
    pub(super) fn flag(self) -> &'static str {
        match self {
            SchemaSide::Requests => "readOnly",
            SchemaSide::Responses => "writeOnly",
        }
    }
}

/// Rewrites the schemas of one document.
pub(super) struct Rewriter<'w> {
    pub(super) files: &'w Files,
    pub(super) dialect: Dialect,
    pub(super) formats: Formats,
}

impl<'w> Rewriter<'w> {
    /// Rewrites a schema. `target` is the target of its `$ref`.
    pub(super) fn rewrite(&self, schema: &Located<'w>, target: Option<&Located<'w>>, document: &mut Value) {
        let Some(Value::Object(object)) = document.pointer_mut(&schema.pointer) else { return };
        self.dialect.normalise(object);
        match target {
            // A `$dynamicRef` is resolved at validation time: named schemas keep their names.
            Some(target) if self.files.is_dynamic() => {
                if let (Some(id), true) = (self.files.id(&target.pointer), object.contains_key("$ref")) {
                    object.insert("$ref".to_owned(), Value::String(file_name(id)));
                }
            }
            Some(target) => {
                dialect::remove_ids(object);
                dialect::set_reference(object, &fragment(&target.pointer));
            }
            None if self.files.is_dynamic() => {}
            None => dialect::remove_ids(object),
        }
        pattern::rewrite(object);
        if self.formats == Formats::Assert {
            dialect::bound_integers(object);
        }
    }
}
