//! The catalogue: the errors of a contract.

use std::fmt;
use std::time::Duration;

use crate::template::Template;
use crate::{Condition, RetryClass};

/// The number of an error in the catalogue of its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(pub(crate) u16);

/// The status of an error: 400 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorStatus(u16);

impl ErrorStatus {
    /// 500.
    pub const INTERNAL: Self = Self(500);

    /// Checks a status; `None` if it is not 4xx or 5xx.
    pub fn new(status: u16) -> Option<Self> {
        (400..=599).contains(&status).then_some(Self(status))
    }

    /// The status as a number.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One error of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorEntry {
    /// The name by which the API raises it, unique in the contract.
    pub name: String,
    /// The status.
    pub status: ErrorStatus,
    /// The type, if the contract has types of errors.
    pub kind: Option<String>,
    /// The code in the response; `None` if the error has none.
    pub code: Option<String>,
    /// A short summary.
    pub title: Template,
    /// What went wrong, for a developer.
    pub message: Template,
    /// Whether the API may replace the message.
    pub open: bool,
    /// What went wrong, for an end user.
    pub user_message: Option<Template>,
    /// The URL of its documentation.
    pub doc_url: Option<String>,
    /// Whether and when a client may retry.
    pub retry: Retry,
    /// The violations that a response shows.
    pub show: Show,
    /// Whether the invalid elements of one list are shown as one violation.
    pub collect: bool,
    /// The names of the parameters that are set when the error is raised.
    pub params: Vec<String>,
    /// Whether an upstream may raise it: it is the API's own, or answers a condition that an upstream may raise. Keys,
    /// rate limits and credits are enforced by the gateway.
    pub upstream_may_raise: bool,
    /// The names of other errors that clients are not meant to distinguish from this one.
    pub same_as: Vec<String>,
    /// Whether the entry is declared or derived.
    pub source: EntrySource,
    /// Texts for the reference pages.
    pub docs: Docs,
    /// The index of the format.
    pub(crate) format: usize,
}

/// The origin of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntrySource {
    /// The contract file declares it.
    Declared,
    /// It is derived from the condition table, because no error claims this condition.
    Derived(Condition),
}

/// The retry settings of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Whether and when a client may retry.
    pub class: RetryClass,
    /// The delay if the response has none.
    pub default_delay: Option<Duration>,
    /// The maximum number of attempts.
    pub attempts: Option<u32>,
}

/// The violations that a response shows. The log has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// Only the first.
    First,
    /// Those that the same error answers.
    SameError,
    /// All.
    #[default]
    All,
}

impl Show {
    pub(crate) const ALL: [(&'static str, Show); 3] =
        [("first", Show::First), ("same_error", Show::SameError), ("all", Show::All)];
}

/// The documentation of an error for the reference pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Docs {
    /// A description in a few sentences.
    pub description: Option<String>,
    /// The cause.
    pub cause: Option<String>,
    /// The steps of the fix.
    pub fix: Vec<String>,
    /// Further reading.
    pub links: Vec<String>,
    /// The API version that introduced it.
    pub since: Option<String>,
    /// The API version that no longer uses it.
    pub deprecated: Option<String>,
    /// The name of the error that replaces it.
    pub replaced_by: Option<String>,
}
