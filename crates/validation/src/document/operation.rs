//! One operation of a document, compiled.

use std::sync::Arc;

use demur_contract::Location;
use http::Method;

use super::security::SecurityRequirement;
use crate::path::{PathCharacters, canonical_path};
use crate::request::{Aliases, BodyRule, ParameterRule, ResponseRule, Style, accepts};

/// A method on a path, with what it takes.
pub struct Operation {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    /// Sorted by location, then in the order of declaration: the order in which violations are answered.
    pub(crate) parameters: Vec<ParameterRule>,
    /// The names that the query may have, for those that servers take for one of them.
    pub(crate) query_names: Aliases,
    pub(crate) body: Option<Arc<BodyRule>>,
    pub(super) responses: Vec<ResponseRule>,
    /// `None`: the document says nothing of who may ask.
    pub(super) security: Option<Vec<SecurityRequirement>>,
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

    /// The names of the parameters in the path, in their order there.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        template_names(&self.path)
    }

    /// The characters that its path must be able to contain: those in its template, and `;` for a parameter of style
    /// `matrix`.
    pub fn path_characters(&self) -> PathCharacters {
        let has_matrix = self.parameters.iter().any(|parameter| parameter.style == Style::Matrix);
        let declared = if has_matrix { PathCharacters::SEMICOLON } else { PathCharacters::NONE };
        canonical_path(&self.path).characters.with(declared)
    }

    /// Whether a parameter is required; `None` where the operation has none of that name and location.
    pub fn requires(&self, location: Location, name: &str) -> Option<bool> {
        let is_it = |rule: &&ParameterRule| rule.location == location && rule.name == name;
        self.parameters.iter().find(is_it).map(|rule| rule.required)
    }

    /// The names of its parameters at one location, in the order of declaration.
    pub fn parameters(&self, location: Location) -> impl Iterator<Item = &str> {
        let at = self.parameters.iter().filter(move |rule| rule.location == location);
        at.map(|rule| rule.name.as_str())
    }

    /// Whether the operation declares content at all; only then must it be read before it is passed on.
    pub fn takes_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether content must be sent.
    pub fn body_required(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.required)
    }

    /// The media types (or ranges such as `image/*`) in which content is taken, in the document's order.
    /// None where the operation declares no content.
    pub fn media_types(&self) -> impl Iterator<Item = &str> {
        let media_types = self.body.as_ref().map(|body| body.media_types.as_slice());
        media_types.unwrap_or_default().iter().map(|media_type| media_type.range.as_str())
    }

    /// The names of all declared parameters, in the order in which violations are answered.
    pub fn all_parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Whether the operation has a success in a media type that `Accept` takes. An operation whose document
    /// names none is acceptable to all.
    pub fn is_acceptable(&self, accept: &str) -> bool {
        let successes = self.responses.iter().filter(|response| response.status.is_success());
        let mut offered =
            successes.flat_map(|response| response.media_types.iter()).map(|media| media.range.as_str());
        let offered: Vec<&str> = offered.by_ref().collect();
        offered.is_empty() || accepts(accept, offered.iter().copied())
    }

    /// The sets of schemes of which one must be satisfied; an empty set means that nobody is asked. `None`
    /// where the document says nothing at all.
    pub fn security(&self) -> Option<&[Vec<String>]> {
        self.security.as_deref()
    }
}

/// The names between braces of a path template, in their order.
pub(super) fn template_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
