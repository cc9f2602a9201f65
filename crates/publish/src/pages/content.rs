//! A page before it is rendered.

use super::block::Block;

/// A page of one API in one language.
pub(crate) struct Content {
    /// Its file, relative to the folder of the language: `errors/rate_limited.html`.
    pub(crate) path: String,
    pub(crate) title: String,
    /// Whether the title is code.
    pub(crate) is_code: bool,
    /// The method before the title.
    pub(crate) method: Option<String>,
    /// A class of failures and a text beside the title.
    pub(crate) pill: Option<(&'static str, String)>,
    /// Inline Markdown.
    pub(crate) lede: String,
    /// The pages above it: text and file.
    pub(crate) crumbs: Vec<(String, Option<String>)>,
    pub(crate) blocks: Vec<Block>,
}

impl Content {
    /// A page without anything beside its title.
    pub(crate) fn plain(path: &str, title: String, lede: String, blocks: Vec<Block>) -> Self {
        let (pill, crumbs) = (None, Vec::new());
        Self { path: path.to_owned(), title, is_code: false, method: None, pill, lede, crumbs, blocks }
    }
}
