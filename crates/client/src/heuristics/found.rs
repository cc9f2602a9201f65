//! What is found of an error, and how members of a body are read.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::error::FieldViolation;

/// The parts of an error, as far as its format shows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HeuristicMatch {
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) violations: Vec<FieldViolation>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// Maximum characters of a message taken from a text body.
pub(super) const MAX_TEXT_CHARS: usize = 512;
/// Maximum number of violations.
pub(super) const MAX_VIOLATIONS: usize = 100;

/// A text or a number as text; `None` if it is empty.
pub(super) fn text(object: &Map<String, Json>, name: &str) -> Option<String> {
    match object.get(name)? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The first of several members that has a text.
pub(super) fn first_text(object: &Map<String, Json>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(object, name))
}

/// A text as one line, truncated.
pub(super) fn shortened(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT_CHARS).collect()
}
