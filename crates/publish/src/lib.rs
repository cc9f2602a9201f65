//! What a configuration publishes: reference pages, documents, and generated code.
//!
//! [`matrix_page`] is the answer matrix as a page. [`codegen`] generates typed Rust errors from a contract, for the
//! service that raises them and the client that matches them.

pub mod codegen;
mod matrix;

pub use matrix::matrix_page;
pub use minijinja::Error as TemplateError;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
