//! What a configuration publishes: reference pages, documents, and generated code.
//!
//! [`Site`] are the reference pages: for people, and for programs as Markdown and JSON. [`matrix_page`] is the answer matrix as a page. [`openapi`] writes the
//! API's own document with its errors. [`codegen`] generates typed Rust errors from a contract, for the
//! service that raises them and the client that matches them.

pub mod codegen;
mod matrix;
pub mod openapi;
mod pages;

pub use matrix::matrix_page;
pub use minijinja::Error as TemplateError;
pub use pages::{Branding, CONTENT_SECURITY_POLICY, Found, Site, SiteFile};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
