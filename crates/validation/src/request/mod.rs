//! What is wrong with one request.

use demur_contract::{Condition, Violation};
use serde_json::{Map, Value};

/// The parameters of one request, checked.
#[derive(Debug, Default)]
pub struct Parameters {
    /// Every declared parameter that is present, by name, with the type that its schema gives it. Where
    /// two locations use one name, the path's goes before the query's, the header's and the cookie's.
    pub values: Map<String, Value>,
    /// What is wrong, sorted and capped; empty where all is well.
    pub violations: Vec<Violation>,
}

/// The content of one request, checked.
#[derive(Debug)]
pub enum Content {
    /// It was read.
    Checked {
        /// The JSON value; `None` where there is no content, or the content is not JSON.
        value: Option<Value>,
        /// What is wrong, sorted and capped; empty where all is well.
        violations: Vec<Violation>,
    },
    /// It cannot be read, so that nothing can be said of its parts.
    Refused(ContentProblem),
}

/// Why content cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentProblem {
    /// One of `body.invalid_json`, `body.too_deep`, `body.unsupported_media_type`, `body.unreadable`.
    pub condition: Condition,
    /// What exactly, for the journal. It holds places and names, no values of the caller's.
    pub cause: String,
}
