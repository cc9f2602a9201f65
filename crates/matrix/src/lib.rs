//! The answer matrix: every error that an API can return, by operation, with its causes and its exact response.
//!
//! The contract, the OpenAPI document, the plans and the rules together determine which conditions can occur at an
//! operation. [`Matrix::build`] compiles them once. Everything that describes errors to the outside reads the result.
//!
//! - `why.rs` decides whether a condition can occur at an operation, and why: a pure function.
//! - `example.rs` makes an example of each, which the engine renders as it renders the rejection of a request.
//! - `build.rs` puts both together; `model.rs` is the result.
//!
//! Causes and carriers are open sets: a reader must accept kinds that it does not know.

mod build;
mod example;
mod model;
mod operation;
mod refused;
mod why;

pub use example::{EXAMPLE_REQUEST_ID, example_limits, example_now, own_example};
pub use model::{
    Absent, Answer, ApiMatrix, Carrier, Cause, CauseKind, Cell, ContractMatrix, ErrorSummary,
    ExampleRejection, Matrix, OperationMatrix, RetrySummary, VERSION,
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
