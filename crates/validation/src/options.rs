//! What an operator decides about a document, beyond what the document itself says.

/// The settings of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentOptions {
    /// Whether `format` is a rule or a remark.
    pub formats: Formats,
    /// What is done with query parameters that the document does not declare.
    pub unknown_query: UnknownQuery,
    /// Whether answers can be held against the document, too: that takes memory for a second set of schemas.
    pub checks_responses: bool,
    /// How many violations of one request are kept: the first ones in their order.
    pub max_violations: usize,
    /// How deep JSON content may nest; [`DocumentOptions::MAX_DEPTH`] at the most.
    pub max_depth: usize,
}

impl DocumentOptions {
    /// What reads the content goes no deeper.
    pub const MAX_DEPTH: usize = 120;
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            formats: Formats::Assert,
            unknown_query: UnknownQuery::Ignore,
            checks_responses: false,
            max_violations: 20,
            max_depth: 64,
        }
    }
}

/// What `format` means. JSON Schema leaves it open, so that it is a setting of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formats {
    /// A value that does not have its format is a violation. Formats that are not known are not asserted.
    Assert,
    /// `format` is documentation only.
    Annotate,
}

/// What is done with query parameters that the document does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownQuery {
    /// Each is a violation.
    Reject,
    /// They are passed on, and named in [`RequestParameters::unknown`](crate::RequestParameters::unknown).
    Warn,
    /// They are passed on unread.
    Ignore,
}
