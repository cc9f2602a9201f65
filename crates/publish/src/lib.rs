//! What is made out of a contract for others to read.
//!
//! [`codegen::generate`] writes typed errors in Rust, for the service that raises them and for the client that
//! matches on them. Pure functions from a contract to text; files are the command line's business.

pub mod codegen;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
