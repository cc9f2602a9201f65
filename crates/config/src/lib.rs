//! Reads `demur.yaml`.
//!
//! The settings are plain structs of the crates that use them, and can be made in Rust without a file. This crate fills
//! them: [`load_service`] for a Tower service, [`load_gateway`] (with the feature `gateway`) for a gateway. Both read the
//! same file; a service ignores what only a gateway needs. Every mistake is reported at once, with its location and a fix.
//!
//! Version 2 of the file is what the readers know. [`migrate`] knows the names of version 1: it upgrades a version 1 file
//! when it is loaded, and rewrites its text for `demur check --fix`.
//!
//! It starts nothing and opens no store.

mod addresses;
mod api;
mod authentication;
mod contract_version;
mod cors;
mod file;
#[cfg(feature = "gateway")]
mod gateway;
mod headers;
mod idempotency;
mod inputs;
mod metering;
pub mod migrate;
mod names;
mod operation;
mod overload;
mod path_characters;
mod plan;
mod reader;
mod references;
mod rule;
mod secret;
mod security;
mod service;
mod tokens;
mod units;
mod upstream_errors;
mod validation;
mod websocket;

pub use demur_source::{Diagnostics, Source};
#[cfg(feature = "gateway")]
pub use gateway::{load_gateway, load_gateway_with_inputs, load_store_only};
pub use headers::is_credential;
pub use inputs::{InputFiles, Inputs, changes};
pub use service::{ServiceSettings, load_service};
pub use units::{bytes, duration};

/// The version of the file that is written today.
pub const VERSION: &str = "2";

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
