//! A first contract, configuration and plan from an OpenAPI document.
//!
//! - `responses.rs` lists the error responses of a document.
//! - `shape.rs` recognises what the members of their schemas mean, and makes a format of a contract of them.
//! - `errors.rs` finds the codes that schemas and examples declare: one error each, and one for each status without codes.
//! - `claims.rs` decides which conditions each error answers.
//! - `contract.rs` and `configuration.rs` write the files. What was not recognised is a comment there.

mod claims;
mod configuration;
mod contract;
mod errors;
mod responses;
mod shape;

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

/// A text on one line, without characters that a terminal or an editor would act on.
fn one_line(text: &str, max: usize) -> String {
    let shown: String = text
        .chars()
        .map(|char| if char.is_whitespace() { ' ' } else { char })
        .filter(|char| !demur_source::is_hidden(*char))
        .collect();
    let words: Vec<&str> = shown.split(' ').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// A text in YAML.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '$')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '$' | '.' | '|'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

/// `snake_case` of any text, as a name: `not_found` of `Not Found`. Empty if nothing is left.
fn snake(text: &str) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for char in text.chars().take(64) {
        match char {
            _ if char.is_ascii_alphanumeric() => {
                if char.is_ascii_uppercase() && was_lower {
                    out.push('_');
                }
                was_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
                out.push(char.to_ascii_lowercase());
            }
            _ => {
                was_lower = false;
                if !out.is_empty() && !out.ends_with('_') {
                    out.push('_');
                }
            }
        }
    }
    out.trim_end_matches('_').to_owned()
}
