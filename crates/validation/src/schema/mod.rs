//! The JSON Schemas of a document: checked, rewritten to one dialect, compiled.
//!
//! The whole document is one resource, and each schema is compiled as a reference to its pointer. So `$ref` needs no
//! inlining, recursion is free, and the location of a broken keyword is its pointer in the document.
//! [`crate::request`] turns errors into violations.

mod access;
mod compiled;
mod compiler;
mod complexity;
mod cost;
mod cycles;
mod declared;
mod dialect;
mod discriminator;
mod inferred_types;
mod keywords;
mod losses;
mod meta;
mod options;
mod pattern;
mod rewrite;
mod shape;
mod unsatisfiable;
mod uri;
mod vocabulary;
mod walk;

pub(crate) use compiled::Schema;
pub(crate) use compiler::{SchemaLocations, Schemas};
pub(crate) use declared::Declared;
pub(crate) use dialect::Dialect;
pub(crate) use discriminator::last_name;
pub(crate) use inferred_types::ValueStep;
pub(crate) use options::scalar_validator;
pub(crate) use pattern::original as original_pattern;
pub(crate) use shape::{Types, ValueShape};

/// Whether a format is validated.
pub(crate) fn is_known_format(name: &str) -> bool {
    vocabulary::FORMATS.contains(&name)
}
