//! A compiled operation.

use std::sync::Arc;

use demur_contract::Location;
use http::Method;

use super::security::SecurityRequirement;
use crate::path::{PathCharacters, canonical_path};
use crate::request::{Aliases, BodyRule, ParameterRule, ResponseRule, Style, accepts};

/// The ID of the operation for all paths that the document does not have. Its path is `/*`.
pub const CATCH_ALL: &str = "*";

/// A method on a path, with its rules.
pub struct Operation {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) pointer: String,
    /// Sorted by location, then by declaration. Violations are reported in this order.
    pub(crate) parameters: Vec<ParameterRule>,
    /// The names that the query may contain, to detect names that servers read as one of these.
    pub(crate) query_names: Aliases,
    pub(crate) body: Option<Arc<BodyRule>>,
    pub(super) responses: Vec<ResponseRule>,
    /// `None` if neither the operation nor the document has `security`.
    pub(super) security: Option<Vec<SecurityRequirement>>,
    pub(super) unsupported: usize,
}

impl Operation {
    /// The operation for all paths that the document does not have, whatever the method.
    pub(super) fn catch_all(index: usize) -> Self {
        Self {
            index,
            id: CATCH_ALL.to_owned(),
            method: Method::GET,
            path: "/*".to_owned(),
            // Nothing is there.
            pointer: "/paths/~1*".to_owned(),
            parameters: Vec::new(),
            query_names: Aliases::of(std::iter::empty()),
            body: None,
            responses: Vec::new(),
            security: None,
            unsupported: 0,
        }
    }

    /// Whether this is the operation for all paths that the document does not have.
    pub fn is_catch_all(&self) -> bool {
        self.id == CATCH_ALL
    }

    /// The position in [`ApiDocument::operations`](crate::ApiDocument::operations).
    pub fn index(&self) -> usize {
        self.index
    }

    /// The `operationId`, or `METHOD /path` if the document does not set it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of parts of its requests' declarations that cannot be used, and are not checked.
    pub fn unsupported(&self) -> usize {
        self.unsupported
    }

    /// The method; of the operation for all other paths, GET.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path template as written: `/shelves/{shelf}`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The JSON Pointer of its declaration in [`ApiDocument::as_json`](crate::ApiDocument::as_json).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The names of the path parameters, in the order of the template.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        template_names(&self.path)
    }

    /// The characters that its paths may contain: those of the template, and `;` if a parameter has the style
    /// `matrix`.
    pub fn path_characters(&self) -> PathCharacters {
        let has_matrix = self.parameters.iter().any(|parameter| parameter.style == Style::Matrix);
        let declared = if has_matrix { PathCharacters::SEMICOLON } else { PathCharacters::NONE };
        canonical_path(&self.path).characters.with(declared)
    }

    /// Whether a parameter is required; `None` if it is not declared.
    pub fn requires(&self, location: Location, name: &str) -> Option<bool> {
        let is_it = |rule: &&ParameterRule| rule.location == location && rule.name == name;
        self.parameters.iter().find(is_it).map(|rule| rule.required)
    }

    /// The names of the parameters in a location, in the order of declaration.
    pub fn parameters(&self, location: Location) -> impl Iterator<Item = &str> {
        let at = self.parameters.iter().filter(move |rule| rule.location == location);
        at.map(|rule| rule.name.as_str())
    }

    /// Whether the operation declares a body. If not, the body can be forwarded without buffering.
    pub fn takes_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether the body is required.
    pub fn body_required(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.required)
    }

    /// The declared media types of the body, or ranges such as `image/*`, in the order of the document.
    pub fn media_types(&self) -> impl Iterator<Item = &str> {
        let media_types = self.body.as_ref().map(|body| body.media_types.as_slice());
        media_types.unwrap_or_default().iter().map(|media_type| media_type.range.as_str())
    }

    /// The names of all parameters, in the order in which violations are reported.
    pub fn all_parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Whether the operation has a successful response that an `Accept` header allows. Also true if no media types
    /// are declared.
    pub fn is_acceptable(&self, accept: &str) -> bool {
        let successes = self.responses.iter().filter(|response| response.status.is_success());
        let media_types = successes.flat_map(|response| response.media_types.iter());
        let offered: Vec<&str> = media_types.map(|media_type| media_type.range.as_str()).collect();
        offered.is_empty() || accepts(accept, offered.into_iter())
    }

    /// The declared responses: `404`, `4XX` or `default`, in the order of the document.
    pub fn response_statuses(&self) -> impl Iterator<Item = String> {
        self.responses.iter().map(|response| response.status.to_string())
    }

    /// The alternative sets of required security schemes. An empty set allows anonymous requests. `None` if nothing
    /// is declared.
    pub fn security(&self) -> Option<&[Vec<String>]> {
        self.security.as_deref()
    }
}

/// The names between braces in a path template, in order.
pub(super) fn template_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
