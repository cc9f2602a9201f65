//! Typed errors in Rust: `demur generate rust`.
//!
//! For a service, one type for each declared error, with its parameters as fields: an error that is not
//! declared has no type, and one without its parameters is no value, so neither compiles. For a client, one
//! enum over all declared errors, so that a `match` names each of them, and an arm for what no contract
//! explains.
//!
//! In a service (the contract is that of this crate's tests; its module is in `tests/generated/`):
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
//! A forgotten parameter does not compile:
//!
//! ```compile_fail,E0063
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # use demur_tower::Raise;
//! # fn buy() -> Result<(), Raise> {
//! Err(shop::OutOfStock { item: "Tea".into() }.into())
//! # }
//! ```
//!
//! Nor does an error that the contract does not declare:
//!
//! ```compile_fail,E0425
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # use demur_tower::Raise;
//! # fn buy() -> Result<(), Raise> {
//! Err(shop::OutOfTea.into())
//! # }
//! ```
//!
//! Nor another message, where the contract does not leave it open (`Closed` does, `NotFound` does not):
//!
//! ```
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # let raised: demur_tower::Raise =
//! shop::Closed.saying("Back at nine.")
//! # ;
//! ```
//! ```compile_fail,E0599
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/service.rs")); }
//! # let raised: demur_tower::Raise =
//! shop::NotFound.saying("Gone fishing.")
//! # ;
//! ```
//!
//! In a client, a `match` names every error, and one that is forgotten does not compile:
//!
//! ```
//! # mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/client.rs")); }
//! use shop::Error;
//!
//! fn told(error: &Error) -> &'static str {
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
//! fn told(error: &Error) -> &'static str {
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

/// For whom the code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerateFor {
    /// For handlers behind `demur-tower`.
    Service,
    /// For callers with `demur-client`.
    Client,
}

/// Writes a module for this contract; `source` is the contract's own text, which a client carries along.
///
/// The same contract always gives the same text. It compiles under any edition from 2021 on, without a
/// warning, and is formatted as rustfmt does by default as far as its lines are short.
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
                raised(entry, names.of_entry(&entry.name), &mut out);
            }
        }
        GenerateFor::Client => {
            carried(source, &mut out);
            matched(contract, &declared, &names, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn head(contract: &Contract, side: GenerateFor, out: &mut String) {
    let what = match side {
        GenerateFor::Service => "to be raised by handlers",
        GenerateFor::Client => "as a caller sees them",
    };
    let title = contract.about().title.as_deref().unwrap_or(contract.name());
    push(out, &format!("// The errors of {}, {what}.\n//\n", one_line(title)));
    push(out, "// Made by `demur generate rust` from the contract. Do not edit: make it anew.\n\n");
}

/// The parameters that a handler gives: those that the error declares, and those of its texts that a violation
/// would fill in, since a handler's error has none.
fn given(entry: &ErrorEntry) -> Vec<&str> {
    let mut given: Vec<&str> = entry.params.iter().map(String::as_str).collect();
    for name in [&entry.title, &entry.message].into_iter().flat_map(Template::violation_parameters) {
        if !given.contains(&name) {
            given.push(name);
        }
    }
    given
}

/// One error, as a type that turns into `demur_tower::Raise`.
fn raised(entry: &ErrorEntry, name: &str, out: &mut String) {
    let given = given(entry);
    docs(entry, "", out);
    push(out, "#[derive(Debug, Clone, PartialEq)]\n");
    if given.is_empty() {
        push(out, &format!("pub struct {name};\n\n"));
    } else {
        push(out, &format!("pub struct {name} {{\n"));
        for param in &given {
            push(out, &format!("    /// `{{{param}}}` in the message.\n"));
            push(out, &format!("    pub {}: demur_tower::Value,\n", field(param)));
        }
        push(out, "}\n\n");
    }
    let with: String = given
        .iter()
        .map(|param| format!("\n            .with({}, error.{})", text(param), field(param)))
        .collect();
    let error = if given.is_empty() { format!("_: {name}") } else { format!("error: {name}") };
    push(out, &format!("impl From<{name}> for demur_tower::Raise {{\n    fn from({error}) -> Self {{\n"));
    push(out, &format!("        demur_tower::Raise::error({}){with}\n    }}\n}}\n\n", text(&entry.name)));
    if entry.open {
        push(out, &format!("impl {name} {{\n    /// With another message than the catalogue's.\n"));
        push(out, "    pub fn saying(self, message: impl Into<String>) -> demur_tower::Raise {\n");
        push(out, "        demur_tower::Raise::from(self).message(message)\n    }\n}\n\n");
    }
}

/// The contract itself: a client decodes with the one that it was made for.
fn carried(source: &str, out: &mut String) {
    push(out, "/// The contract, for `demur_client::Builder::contract_text`.\n");
    push(out, &format!("pub const CONTRACT: &str = {};\n\n", text(source)));
}

fn matched(contract: &Contract, declared: &[&ErrorEntry], names: &TypeNames, out: &mut String) {
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
            push(out, &format!("        /// `{{{param}}}`, where the answer shows it.\n"));
            push(out, &format!("        {}: Option<String>,\n", field(param)));
        }
        push(out, "        /// All of it.\n        error: Box<demur_client::ApiError>,\n    },\n");
    }
    push(out, "    /// None of them, or one of several that the answer does not part.\n");
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

    push(out, "impl Error {\n    /// What all errors have: status, message, request id, advice.\n");
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

/// Status, code and texts, as documentation.
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

/// Text of the contract inside a comment: no line of it may begin code, and no bracket a link.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect::<String>().replace('[', "\\[").replace(']', "\\]").replace('<', "\\<").trim().to_owned()
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
}
