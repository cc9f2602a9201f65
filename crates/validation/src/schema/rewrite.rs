//! Rewrites schemas to JSON Schema 2020-12, for the side that sends their values.

use demur_source::{Node, NodeKind};
use serde_json::Value;

use super::dialect::{self, Dialect};
use super::pattern;
use super::uri::{file_name, fragment};
use crate::Formats;
use crate::tree::{Files, Located, ReferenceTarget};

/// Who sends the values of a schema: this decides between `readOnly` and `writeOnly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaSide {
    /// Clients.
    Requests,
    /// The upstream.
    Responses,
}

/// Rewrites the schemas of one document.
pub(super) struct Rewriter<'w> {
    pub(super) files: &'w Files,
    pub(super) root: Located<'w>,
    pub(super) dialect: Dialect,
    pub(super) formats: Formats,
}

impl<'w> Rewriter<'w> {
    /// Rewrites a schema for one side. `target` is the target of its `$ref`.
    pub(super) fn rewrite(
        &self,
        side: SchemaSide,
        schema: &Located<'w>,
        target: Option<&Located<'w>>,
        document: &mut Value,
    ) {
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
        let flag = match side {
            SchemaSide::Requests => "readOnly",
            SchemaSide::Responses => "writeOnly",
        };
        let properties = schema.member("properties");
        let optional = properties.iter().flat_map(|properties| properties.members());
        let optional = optional.filter(|(_, property)| self.has_flag(property, flag));
        let names: Vec<String> = optional.map(|(key, _)| key.name.clone()).collect();
        dialect::remove_required(object, &names);
    }

    fn has_flag(&self, property: &Located<'w>, flag: &str) -> bool {
        let has_flag = |node: &Node| node.get(flag).is_some_and(|flag| flag.kind == NodeKind::Bool(true));
        let target = || match self.files.target(&property.member("$ref")?) {
            ReferenceTarget::Local(pointer) => self.root.at(&pointer),
            ReferenceTarget::Unreadable(_) => None,
        };
        has_flag(property.node) || target().is_some_and(|target| has_flag(target.node))
    }
}
