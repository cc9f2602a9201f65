//! A compiled schema.

use std::sync::Arc;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::complexity::GrowthFactor;
use super::declared::Declared;
use super::inferred_types::{self, ValueStep};
use super::shape::Types;

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
