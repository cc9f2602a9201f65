//! What is wrong with one request: its parameters, its content.
//!
//! Answers are data. Which error a violation becomes, and in which words, is the contract's.

mod accept;
mod aliases;
mod body;
mod branch;
mod excerpt;
mod form;
mod header_value;
mod json;
mod keyword;
mod multipart;
mod ordering;
mod parameters;
mod query_pairs;
mod response;
mod style;
mod style_decode;
mod text;
mod violations;

use demur_contract::{Condition, Violation};
use serde_json::{Map, Value};

pub(crate) use accept::accepts;
pub(crate) use aliases::Aliases;
pub(crate) use body::{BodyRule, MediaTypeRule, check_body};
pub(crate) use parameters::{ParameterContext, ParameterRule, check_parameters};
pub use response::{ResponseCheck, ResponseFault};
pub(crate) use response::{ResponseRule, StatusRange, check_response, rule_for};
pub(crate) use style::{PartEncoding, Style};

/// More fields of a query or a form are not read: PHP, Werkzeug, Express and Tomcat drop those beyond it, or reject.
const MAX_FIELDS: usize = 1_000;

/// The parameters of one request, checked.
#[derive(Default)]
pub struct RequestParameters {
    /// Every declared parameter that is present, by name, with the type that its schema gives it. Where
    /// two locations use one name, the path's goes before the query's, the header's and the cookie's.
    pub values: Map<String, Value>,
    /// What is wrong, sorted by location, then by declaration at every depth; empty where all is well.
    pub violations: Vec<Violation>,
    /// Names in the query that the document does not know; only where the options ask for a warning.
    pub unknown: Vec<String>,
}

/// The content of one request, checked.
pub enum CheckedBody {
    /// It was read.
    Checked {
        /// The value of JSON, or of a form; `None` where there is no content, or content of another kind.
        value: Option<Value>,
        /// What is wrong, sorted by declaration at every depth; empty where all is well.
        violations: Vec<Violation>,
    },
    /// It cannot be read, so that nothing can be said of its parts.
    Rejected(BodyProblem),
}

/// Why content cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyProblem {
    /// One of `body.invalid_json`, `body.too_deep`, `body.unsupported_media_type`, `body.unreadable`.
    pub condition: Condition,
    /// What exactly, for the journal: places and names, no values of the caller's but the media type.
    pub cause: String,
}

/// Values may be secrets, such as a header's: only the names are shown.
impl std::fmt::Debug for RequestParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.values.keys().collect();
        f.debug_struct("Parameters")
            .field("names", &names)
            .field("violations", &self.violations.len())
            .finish_non_exhaustive()
    }
}

/// Values may be secrets: only what kind of answer it is gets shown.
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
