//! The content of a page, apart from its form: HTML and Markdown are rendered from the same blocks.
//!
//! Text is inline Markdown. Links to pages of the same language begin with `@/`.

use serde::Serialize;

/// A part of a page.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Block {
    /// The questions that an error page answers first.
    Answers { answers: Vec<Question> },
    /// A section. `full` has its heading above instead of beside it.
    Section { id: String, heading: String, full: bool, blocks: Vec<Block> },
    /// A paragraph.
    Text { text: String },
    /// Markdown of the contract or the document, with blocks.
    Prose { markdown: String },
    /// A list.
    List { items: Vec<String> },
    /// A numbered list.
    Steps { items: Vec<String> },
    /// A table.
    Table { head: Vec<String>, rows: Vec<Row> },
    /// Code, highlighted if it is JSON or a response.
    Code { caption: String, text: String },
    /// The same in several languages.
    Tabs { label: String, tabs: Vec<Tab> },
    /// Names and values.
    Spec { rows: Vec<(String, String)> },
    /// A text for end users.
    Quote { text: String },
    /// A JSON body, each line beside its meaning.
    Members { lines: Vec<Line> },
    /// The index of errors, which can be filtered.
    Index { groups: Vec<Group>, facets: Vec<Facet>, total: usize },
    /// The full-text search.
    Search,
}

/// One of the questions, with its answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Question {
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) text: String,
    /// The class of the failure, for the verdict.
    pub(crate) class: Option<&'static str>,
}

/// A row of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The ID of the row, for links.
    pub(crate) id: Option<String>,
    pub(crate) cells: Vec<String>,
}

impl Row {
    pub(crate) fn of<const N: usize>(cells: [String; N]) -> Self {
        Self { id: None, cells: cells.into() }
    }
}

/// Code in one language.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tab {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) code: String,
}

/// A line of an annotated body.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) indent: usize,
    pub(crate) json: String,
    pub(crate) meaning: String,
}

/// The errors of one type or status.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) class: &'static str,
    pub(crate) errors: Vec<IndexRow>,
}

/// An error in the index.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IndexRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) class: &'static str,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) retry: &'static str,
    pub(crate) retry_text: String,
    pub(crate) fault: String,
    pub(crate) causes: String,
    pub(crate) link: String,
}

/// A property by which the index can be filtered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Facet {
    pub(crate) name: &'static str,
    pub(crate) label: String,
    pub(crate) values: Vec<(String, String)>,
}

pub(crate) fn section(id: &str, heading: impl Into<String>, blocks: Vec<Block>) -> Block {
    Block::Section { id: id.to_owned(), heading: heading.into(), full: false, blocks }
}

pub(crate) fn text(text: impl Into<String>) -> Block {
    Block::Text { text: text.into() }
}

/// A table whose head is a list of texts.
pub(crate) fn table(head: &[&str], rows: Vec<Row>) -> Block {
    Block::Table { head: head.iter().map(|text| (*text).to_owned()).collect(), rows }
}
