//! The results of checking a request.

use demur_contract::{Condition, Violation};
use serde_json::{Map, Value};

/// The checked parameters of a request.
#[derive(Default)]
pub struct RequestParameters {
    /// All declared parameters that are present, by name, with the types of their schemas. If a name is used in
    /// several locations, path takes precedence over query, header and cookie.
    pub values: Map<String, Value>,
    /// All violations, sorted by location, then by declaration at every depth.
    pub violations: Vec<Violation>,
    /// Names in the query that the document does not declare, with [`UnknownQuery::Warn`](crate::UnknownQuery::Warn).
    pub unknown: Vec<String>,
}

/// The checked body of a request.
pub enum CheckedBody {
    /// The body could be read.
    Checked {
        /// The value of JSON or of a form. `None` if the body is absent or of another type.
        value: Option<Value>,
        /// All violations, sorted by declaration at every depth.
        violations: Vec<Violation>,
    },
    /// The body could not be read.
    Rejected(BodyProblem),
}

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyProblem {
    /// One of `body.missing`, `body.invalid_json`, `body.too_deep`, `body.unsupported_media_type`, `body.unreadable`.
    pub condition: Condition,
    /// The cause for the log: positions and names, but no values from the body.
    pub cause: String,
}

/// Shows only names: values may be secrets.
impl std::fmt::Debug for RequestParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.values.keys().collect();
        f.debug_struct("RequestParameters")
            .field("names", &names)
            .field("violations", &self.violations.len())
            .finish_non_exhaustive()
    }
}

/// Shows no values: they may be secrets.
impl std::fmt::Debug for CheckedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CheckedBody::Checked { value, violations } => f
                .debug_struct("Checked")
                .field("has_value", &value.is_some())
                .field("violations", &violations.len())
                .finish_non_exhaustive(),
            CheckedBody::Rejected(problem) => f.debug_tuple("Rejected").field(problem).finish(),
        }
    }
}
