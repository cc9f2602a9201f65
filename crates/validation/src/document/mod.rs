//! A loaded API document: its operations, and the questions that a request asks of them.
//!
//! Reading the text is `read`'s, finding an operation is `routes`'s, and what is wrong with a request is
//! found by [`crate::request`].

mod operation;
mod routes;

use std::sync::Arc;

use demur_source::{Diagnostics, Source};

pub use operation::Operation;
pub use routes::{Find, Found};

use crate::DocumentOptions;
use crate::request::{Content, Parameters};

/// An OpenAPI document, compiled.
#[derive(Debug)]
pub struct ApiDocument {
    operations: Vec<Operation>,
    routes: routes::Routes,
    options: DocumentOptions,
}

impl ApiDocument {
    /// Reads and compiles an OpenAPI 3.0 or 3.1 document, in YAML or JSON. `None` where it cannot be used;
    /// why is in `found`, every mistake at its place.
    pub fn load(source: &Arc<Source>, options: &DocumentOptions, found: &mut Diagnostics) -> Option<Self> {
        let _ = (source, found);
        Some(Self { operations: Vec::new(), routes: routes::Routes::default(), options: *options })
    }

    /// Every operation, in the order of the document: an operation's index is its position here.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation of that id.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id() == id)
    }

    /// The operation that a method and a path mean. The path is the target's, still percent-encoded,
    /// without query, and without the prefix under which the API is mounted.
    pub fn find<'d, 'p>(&'d self, method: &http::Method, path: &'p str) -> Find<'d, 'p> {
        self.routes.find(&self.operations, method, path)
    }

    /// Checks path, query, header and cookie parameters.
    ///
    /// `values` of the answer holds every declared parameter that is present, by its name, for rules.
    pub fn check_parameters(
        &self,
        found: &Found<'_, '_>,
        query: Option<&str>,
        headers: &http::HeaderMap,
    ) -> Parameters {
        let _ = (found, query, headers, self.options);
        Parameters::default()
    }

    /// Checks the content against what the operation declares.
    ///
    /// Content that the operation does not declare is not looked at. Required JSON content that is absent
    /// is `body.invalid_json`, since nothing is not JSON; other required content that is absent is a
    /// `param.missing` without a name.
    pub fn check_content(&self, operation: &Operation, content_type: Option<&str>, bytes: &[u8]) -> Content {
        let _ = (operation, content_type, bytes);
        Content::Checked { value: None, violations: Vec::new() }
    }
}
