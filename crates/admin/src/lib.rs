//! The admin API of a gateway: accounts, keys, credits, the journal and the configuration over HTTP.
//!
//! - [`AdminApi`] answers requests. Its OpenAPI document routes and validates them, and names the role that each operation
//!   requires; its errors are a contract. Both are data.
//! - [`Host`] is what it administers: the gateway around it.
//! - [`AdminDatabase`] has the tokens, the audit log, and the responses to requests with an `Idempotency-Key`. The command
//!   line opens it too.
//! - [`guard`] rejects requests for other names (DNS rebinding) and from pages of other sites. The console uses it too.
//!
//! It has no sockets: the server around it, and its address, are the caller's.

mod api;
mod commands;
mod context;
mod database;
mod document;
mod error;
pub mod guard;
mod host;
mod operation;
mod records;
mod request;
mod response;
mod role;
mod writes;

pub use api::{AdminApi, MAX_BODY_BYTES};
pub use database::{AdminDatabase, AuditEntry, DatabaseError, Issued, NewToken, StoredToken, TokenState};
pub use document::openapi_document;
pub use host::{ApiInfo, Configuration, Host, RejectedReload, Reloaded};
pub use role::{Role, UnknownRole};

#[cfg(test)]
mod tests;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
