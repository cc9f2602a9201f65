//! OpenAPI documents, JSON Schema and CEL rules: what is wrong with a request.
//!
//! Three questions, each answered by data and never by a response:
//!
//! - [`ApiDocument::find`]: which operation is meant?
//! - [`ApiDocument::check_parameters`], [`ApiDocument::check_content`]: which rules of the document does
//!   the request break? Each broken rule is a [`Violation`](demur_contract::Violation).
//! - [`Expression::evaluate`]: does a rule of the operator's own hold?
//!
//! Everything is compiled when a document or a rule is loaded, and every mistake in them is reported then,
//! all at once, with its place. What a violation is called on the wire, and which error answers it, is the
//! contract's business; who may ask, and at what price, is admission's. This crate does no I/O.

mod document;
mod options;
mod path;
mod request;
mod rule;
mod schema;

pub use document::files::ReadFile;
pub use document::{ApiDocument, Find, Operation, RouteMatch, SecurityKind, SecurityScheme};
pub use options::{DocumentOptions, Formats, UnknownQuery};
pub use path::{CanonicalPath, PathCharacters, PathFault, canonical_path};
pub use request::{ContentProblem, RequestContent, RequestParameters, ResponseCheck, ResponseFault};
pub use rule::{Declarations, Expression, RuleFailure, RuleInputs, Uses, Variable};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
