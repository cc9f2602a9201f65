//! Generates typed errors in Rust (`demur generate rust`).
//!
//! For a service: one type for each declared error, with its parameters as fields. An undeclared error, or one without its
//! parameters, does not compile. For a client: one enum of all declared errors, so that a `match` covers each of them, with
//! one variant for errors outside the contract.
//!
//! In a service (with the generated module in `tests/generated/` of this crate):
//!
//! ```
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! use demur_tower::Raise;
//!
//! fn buy(left: u32) -> Result<&'static str, Raise> {
//!     if left == 0 {
//!         return Err(shop::OutOfStock { item: "Tea".into(), left: 0.into() }.into());
//!     }
//!     Ok("yours")
//! }
//! # assert!(buy(0).is_err());
//! ```
//!
//! A missing parameter does not compile:
//!
//! ```compile_fail,E0063
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # use demur_tower::Raise;
//! # fn buy() -> Result<(), Raise> {
//! Err(shop::OutOfStock { item: "Tea".into() }.into())
//! # }
//! ```
//!
//! An undeclared error does not compile either:
//!
//! ```compile_fail,E0425
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # use demur_tower::Raise;
//! # fn buy() -> Result<(), Raise> {
//! Err(shop::OutOfTea.into())
//! # }
//! ```
//!
//! Nor does another message, unless the error is `open` in the contract (`Closed` is, `NotFound` is not):
//!
//! ```
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # let raised: demur_tower::Raise =
//! shop::Closed.with_message("Back at nine.")
//! # ;
//! ```
//! ```compile_fail,E0599
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # let raised: demur_tower::Raise =
//! shop::NotFound.with_message("Gone fishing.")
//! # ;
//! ```
//!
//! In a client, a `match` covers every error, and a missing one does not compile:
//!
//! ```
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/client.rs")); }
//! use shop::Error;
//!
//! fn describe(error: &Error) -> &'static str {
//!     match error {
//!         Error::OutOfStock { .. } => "sold out",
//!         Error::Closed(_) => "closed",
//!         Error::NotFound(_) => "no such thing",
//!         Error::TooManyRequests(_) => "slower, please",
//!         Error::InvalidRequest(_) | Error::MissingParam(_) => "our mistake",
//!         Error::InternalError(_) | Error::Unrecognized(_) => "theirs",
//!     }
//! }
//! ```
//! ```compile_fail,E0004
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/client.rs")); }
//! # use shop::Error;
//! fn describe(error: &Error) -> &'static str {
//!     match error {
//!         Error::Closed(_) => "closed",
//!         Error::NotFound(_) => "no such thing",
//!         Error::TooManyRequests(_) => "slower, please",
//!         Error::InvalidRequest(_) | Error::MissingParam(_) => "our mistake",
//!         Error::InternalError(_) | Error::Unrecognized(_) => "theirs",
//!     }
//! }
//! ```

mod names;

use std::fmt::Write;

use demur_contract::{Contract, EntrySource, ErrorEntry, Template};

use names::{TypeNames, field, text};

/// The side that uses the generated code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerateFor {
    /// Handlers behind `demur-tower`.
    Service,
    /// Callers that use `demur-client`.
    Client,
}

/// Generates a module for a contract. `source` is the text of the contract, which the module of a client contains.
///
/// The output is deterministic, compiles without warnings since edition 2021, and is formatted as by rustfmt, except for
/// long lines.
pub fn generate(contract: &Contract, source: &str, side: GenerateFor) -> String {
    let declared: Vec<&ErrorEntry> = contract
        .entries()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.source == EntrySource::Declared)
        .collect();
    let names = TypeNames::of(&declared);
    let mut out = String::new();
    head(contract, side, &mut out);
    match side {
        GenerateFor::Service => {
            for entry in &declared {
                service_error(entry, names.of_entry(&entry.name), &mut out);
            }
        }
        GenerateFor::Client => {
            contract_text(source, &mut out);
            client_enum(contract, &declared, &names, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn head(contract: &Contract, side: GenerateFor, out: &mut String) {
    let what = match side {
        GenerateFor::Service => "for handlers",
        GenerateFor::Client => "for clients",
    };
    let title = contract.about().title.as_deref().unwrap_or(contract.name());
    push(out, &format!("// The errors of {}, {what}.\n//\n", one_line(title)));
    push(out, "// Generated by `demur generate rust` from the contract. Do not edit.\n\n");
}

/// The parameters that a handler sets: those the error declares, and those in its texts that come from a violation
/// otherwise, because an error raised by a handler has no violations.
fn parameters(entry: &ErrorEntry) -> Vec<&str> {
    let mut parameters: Vec<&str> = entry.params.iter().map(String::as_str).collect();
    for name in [&entry.title, &entry.message].into_iter().flat_map(Template::violation_parameters) {
        if !parameters.contains(&name) {
            parameters.push(name);
        }
    }
    parameters
}

/// The type of an error, which converts to `demur_tower::Raise`.
fn service_error(entry: &ErrorEntry, name: &str, out: &mut String) {
    let parameters = parameters(entry);
    docs(entry, "", out);
    push(out, "#[derive(Debug, Clone, PartialEq)]\n");
    if parameters.is_empty() {
        push(out, &format!("pub struct {name};\n\n"));
    } else {
        push(out, &format!("pub struct {name} {{\n"));
        for param in &parameters {
            push(out, &format!("    /// `{{{param}}}` in the message.\n"));
            push(out, &format!("    pub {}: demur_tower::Value,\n", field(param)));
        }
        push(out, "}\n\n");
    }
    let with: String = parameters
        .iter()
        .map(|param| format!("\n            .with({}, error.{})", text(param), field(param)))
        .collect();
    let error = if parameters.is_empty() { format!("_: {name}") } else { format!("error: {name}") };
    push(out, &format!("impl From<{name}> for demur_tower::Raise {{\n    fn from({error}) -> Self {{\n"));
    push(out, &format!("        demur_tower::Raise::error({}){with}\n    }}\n}}\n\n", text(&entry.name)));
    if entry.open {
        push(out, &format!("impl {name} {{\n    /// Raises the error with another message.\n"));
        push(out, "    pub fn with_message(self, message: impl Into<String>) -> demur_tower::Raise {\n");
        push(out, "        demur_tower::Raise::from(self).message(message)\n    }\n}\n\n");
    }
}

/// The contract: a client decodes with the contract it was generated from.
fn contract_text(source: &str, out: &mut String) {
    push(out, "/// The contract, for `demur_client::ClientBuilder::contract_text`.\n");
    push(out, &format!("pub const CONTRACT: &str = {};\n\n", text(source)));
}

fn client_enum(contract: &Contract, declared: &[&ErrorEntry], names: &TypeNames, out: &mut String) {
    push(out, &format!("/// Every declared error of {}.\n", one_line(contract.name())));
    push(out, "#[allow(clippy::enum_variant_names)]\n#[derive(Debug, Clone)]\npub enum Error {\n");
    for entry in declared {
        docs(entry, "    ", out);
        let name = names.of_entry(&entry.name);
        if entry.params.is_empty() {
            push(out, &format!("    {name}(Box<demur_client::ApiError>),\n"));
            continue;
        }
        push(out, &format!("    {name} {{\n"));
        for param in &entry.params {
            push(out, &format!("        /// `{{{param}}}`, if the response contains it.\n"));
            push(out, &format!("        {}: Option<String>,\n", field(param)));
        }
        push(out, "        /// The whole error.\n        error: Box<demur_client::ApiError>,\n    },\n");
    }
    push(out, "    /// Another error, or one that the response does not identify.\n");
    push(out, "    Unrecognized(Box<demur_client::ApiError>),\n}\n\n");

    push(out, "impl From<Box<demur_client::ApiError>> for Error {\n");
    push(out, "    fn from(error: Box<demur_client::ApiError>) -> Self {\n        match error.name() {\n");
    for entry in declared {
        let (name, known) = (names.of_entry(&entry.name), text(&entry.name));
        if entry.params.is_empty() {
            push(out, &format!("            Some({known}) => Error::{name}(error),\n"));
            continue;
        }
        push(out, &format!("            Some({known}) => Error::{name} {{\n"));
        for param in &entry.params {
            let (field, param) = (field(param), text(param));
            push(out, &format!("                {field}: error.param_named({param}).map(str::to_owned),\n"));
        }
        push(out, "                error,\n            },\n");
    }
    push(out, "            _ => Error::Unrecognized(error),\n        }\n    }\n}\n\n");

    push(
        out,
        "impl Error {\n    /// The parts common to all errors: status, message, request ID, retry advice.\n",
    );
    push(out, "    pub fn details(&self) -> &demur_client::ApiError {\n        match self {\n");
    for entry in declared {
        let name = names.of_entry(&entry.name);
        let shape = if entry.params.is_empty() { "(error)" } else { " { error, .. }" };
        push(out, &format!("            Error::{name}{shape} => error,\n"));
    }
    push(out, "            Error::Unrecognized(error) => error,\n        }\n    }\n}\n\n");
    push(out, "impl std::fmt::Display for Error {\n");
    push(out, "    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {\n");
    push(out, "        self.details().fmt(f)\n    }\n}\n\nimpl std::error::Error for Error {}\n");
}

/// The documentation of an error: status, code and texts.
fn docs(entry: &ErrorEntry, indent: &str, out: &mut String) {
    let code = entry.code.as_deref().unwrap_or(&entry.name);
    let message = entry.message.to_string();
    let mut line = format!("{} `{}`", entry.status, one_line(code));
    if !message.is_empty() {
        let _ = write!(line, ": {}", one_line(&message));
    }
    push(out, &format!("{indent}/// {line}\n"));
    if let Some(description) = &entry.docs.description {
        push(out, &format!("{indent}///\n{indent}/// {}\n", one_line(description)));
    }
}

/// Text of the contract for a comment: on one line, so that it cannot start code, with brackets escaped, so that it cannot
/// start a link.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect::<String>().replace('[', "\\[").replace(']', "\\]").replace('<', "\\<").trim().to_owned()
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}
