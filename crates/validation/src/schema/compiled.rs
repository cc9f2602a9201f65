//! A compiled schema.

use std::sync::Arc;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::complexity::GrowthFactor;
use super::declared::Declared;
use super::inferred_types::{self, ValueStep};
use super::shape::Types;
use super::unsatisfiable;
use crate::tree::join;

/// A compiled schema.
pub(crate) struct Schema {
    pub(super) validator: Validator,
    pub(super) growth: GrowthFactor,
    pub(super) document: Arc<Value>,
    /// The pointer of the schema.
    pub(super) pointer: String,
}

impl Schema {
    pub(crate) fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Whether [`Schema::errors`] stays within its cost limit for this value.
    pub(crate) fn within_budget(&self, value: &Value) -> bool {
        self.growth.within_budget(value)
    }

    pub(crate) fn errors<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = ValidationError<'v>> {
        self.validator.iter_errors(value)
    }

    /// What it declares for the members of values.
    pub(crate) fn declared(&self) -> Declared {
        Declared::at(&self.document, &self.pointer)
    }

    /// The types at `path` in a valid value.
    pub(crate) fn types(&self, path: &[ValueStep]) -> Types {
        inferred_types::types(&self.document, &self.pointer, path)
    }

    /// Whether every valid object has the member at `path`.
    pub(crate) fn requires(&self, path: &[String]) -> bool {
        let mut starts = vec![self.pointer.clone()];
        for name in path {
            let all: Vec<String> =
                starts.iter().flat_map(|start| unsatisfiable::parts(&self.document, start)).collect();
            let schemas = || all.iter().filter_map(|at| Some((at, self.document.pointer(at)?)));
            let lists = |schema: &Value| {
                schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name))
            };
            if !schemas().any(|(_, schema)| lists(schema)) {
                return false;
            }
            let properties = schemas().filter(|(_, schema)| schema["properties"].get(name).is_some());
            starts = properties.map(|(at, _)| join(&join(at, "properties"), name)).collect();
        }
        true
    }

    /// The pointer of the schema in the document.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The document that contains the schema.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The value of a keyword, by the pointer that an error has.
    pub(crate) fn keyword(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }
}
