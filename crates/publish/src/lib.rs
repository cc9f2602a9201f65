//! Generates code from a contract.
//!
//! [`codegen::generate`] generates typed errors in Rust, for a service that raises them or a client that matches them. It
//! is a pure function from a contract to text; the command line reads and writes the files.

pub mod codegen;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
