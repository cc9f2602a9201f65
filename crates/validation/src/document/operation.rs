//! One operation of a document.

use http::Method;

/// A method on a path, with what it takes.
#[derive(Debug)]
pub struct Operation {
    index: usize,
    id: String,
    method: Method,
    path: String,
    content_required: bool,
    media_types: Vec<String>,
}

impl Operation {
    /// Its position in [`ApiDocument::operations`](crate::ApiDocument::operations), for tables beside it.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The `operationId`; where the document gives none, `METHOD /path`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path template, as written: `/shelves/{shelf}`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether content must be sent.
    pub fn content_required(&self) -> bool {
        self.content_required
    }

    /// The media types (or ranges such as `image/*`) in which content is taken, in the document's order.
    /// Empty where the operation declares no content.
    pub fn media_types(&self) -> impl Iterator<Item = &str> {
        self.media_types.iter().map(String::as_str)
    }
}
