//! An API document as one tree of nodes: its files, JSON Pointers into it, and the targets of references.

mod files;
mod pointer;
mod references;
mod uri;

pub use files::ReadFile;
pub(crate) use files::{Files, NO_FILES, ReferenceTarget, is_remote};
pub(crate) use pointer::{JsonReference, Located, join, reference, tokens};
pub(crate) use references::{unreadable, unresolved};
