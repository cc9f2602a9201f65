//! A first contract, configuration and plan from an OpenAPI document.
//!
//! - `responses.rs` lists the error responses of a document.
//! - `shape.rs` recognises what the members of their schemas mean, and makes a format of a contract of them.
//! - `errors.rs` finds the codes that schemas and examples declare: one error each, and one for each status without codes.
//! - `claims.rs` decides which conditions each error answers.
//! - `contract.rs` and `configuration.rs` write the files, with the texts of `text.rs`. What was not recognised is a comment there.

mod claims;
mod configuration;
mod contract;
mod errors;
mod responses;
mod shape;
mod text;

use serde_json::Value;

/// The files, and what is in them.
pub(crate) struct Draft {
    pub(crate) contract: String,
    pub(crate) configuration: String,
    /// The number of errors.
    pub(crate) errors: usize,
    /// What was not recognised.
    pub(crate) remarks: Vec<String>,
}

/// Drafts the files for a document. `name` is that of the contract, `files` are the paths of contract and document as the
/// configuration names them.
pub(crate) fn draft(document: &Value, name: &str, files: (&str, &str)) -> Draft {
    let responses = responses::error_responses(document);
    let mut found = errors::find(document, &responses);
    claims::assign(&mut found.errors);
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or("My API");
    Draft {
        contract: contract::write(&found, name, title, &responses),
        configuration: configuration::write(document, name, title, files),
        errors: found.errors.len(),
        remarks: found.remarks,
    }
}
