//! Validates requests and responses against OpenAPI documents, and evaluates CEL rules.
//!
//! - [`ApiDocument::find`] looks up the operation of a request.
//! - [`ApiDocument::check_parameters`] and [`ApiDocument::check_body`] return each rule of the document that the
//!   request breaks as a [`Violation`](demur_contract::Violation).
//! - [`ApiDocument::check_response`] checks a response of the upstream.
//! - [`Expression::evaluate`] evaluates a rule of the operator.
//!
//! Documents and rules are compiled when they are loaded, and all their mistakes are reported then, each with its
//! location. The crate does no I/O, and it does not choose the error for a violation: that is up to the contract.

mod acceptor;
mod document;
mod media_type;
mod options;
mod path;
mod request;
mod rule;
mod schema;
mod tree;

pub use document::{
    ApiDocument, CATCH_ALL, Find, Operation, RouteMatch, SavedMatch, SecurityKind, SecurityScheme,
};
pub use options::{
    Discriminators, DocumentOptions, Formats, ServerPaths, UnknownPaths, UnknownQuery, Unsupported,
};
pub use path::{CanonicalPath, PathCharacters, PathFault, canonical_path};
pub use request::{
    BodyProblem, CheckedBody, PossibleViolation, RequestParameters, ResponseCheck, ResponseFault,
};
pub use rule::{Declarations, Expression, RuleFailure, RuleInputs, Uses, Variable};
pub use tree::ReadFile;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
