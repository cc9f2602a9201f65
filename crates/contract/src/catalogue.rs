//! The catalogue: what a contract says of each error.

use std::fmt;
use std::time::Duration;

use crate::template::Template;
use crate::{Condition, RetryClass};

/// The number of an error in its contract's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(pub(crate) u16);

/// A status that an error can have: 400 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorStatus(u16);

impl ErrorStatus {
    /// 500.
    pub const INTERNAL: Self = Self(500);

    /// `None` for a status that tells of no error.
    pub fn new(status: u16) -> Option<Self> {
        (400..=599).contains(&status).then_some(Self(status))
    }

    /// The status.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorEntry {
    /// The name by which the API raises it, unique in the contract.
    pub name: String,
    /// The status.
    pub status: ErrorStatus,
    /// The class of error, where the contract has classes.
    pub kind: Option<String>,
    /// The code on the wire; `None` where this error shows none.
    pub code: Option<String>,
    /// A short summary.
    pub title: Template,
    /// What went wrong, for a developer.
    pub message: Template,
    /// The API may say another message than the catalogue's.
    pub open: bool,
    /// What an end user may be shown.
    pub user_message: Option<Template>,
    /// Where it is documented.
    pub doc_url: Option<String>,
    /// What a caller should do.
    pub retry: Retry,
    /// Which violations are shown.
    pub show: Show,
    /// Whether the bad elements of one list become one violation.
    pub collect: bool,
    /// Parameters that whoever raises it gives along.
    pub params: Vec<String>,
    /// Whether the API behind may raise it: it is the API's own, or answers some condition that an
    /// upstream can know of. Keys, rates and credits are the gateway's to judge.
    pub upstream_may_raise: bool,
    /// Other entries, by name, that a client is meant not to tell from this one.
    pub same_as: Vec<String>,
    /// Where it comes from.
    pub source: EntrySource,
    /// For the reference pages.
    pub docs: Docs,
    /// Which of the contract's formats.
    pub(crate) format: usize,
}

/// Whether a person declared an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntrySource {
    /// It stands in the file.
    Declared,
    /// Made from the table, for a condition that nothing claims.
    Derived(Condition),
}

/// What a caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Whether and when.
    pub class: RetryClass,
    /// The delay where the answer tells none.
    pub default_delay: Option<Duration>,
    /// How often at the most.
    pub attempts: Option<u32>,
}

/// Which of a request's violations an answer shows; all of them are known to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// The first alone.
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

/// What the reference pages say of an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Docs {
    /// In a few sentences.
    pub description: Option<String>,
    /// How it comes about.
    pub cause: Option<String>,
    /// What to do, one step each.
    pub fix: Vec<String>,
    /// Where to read on.
    pub links: Vec<String>,
    /// The version that brought it.
    pub since: Option<String>,
    /// The version from which it is no longer used.
    pub deprecated: Option<String>,
    /// The name of the error that took its place.
    pub replaced_by: Option<String>,
}
