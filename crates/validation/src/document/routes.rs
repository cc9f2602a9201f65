//! Method and path → operation, by a radix tree.

use std::fmt;

use http::Method;

use super::Operation;

/// What a method and a path mean.
#[derive(Debug)]
pub enum Find<'d, 'p> {
    /// An operation.
    Found(Found<'d, 'p>),
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The value of an `Allow` field: `GET, HEAD, POST`.
        allow: &'d str,
    },
    /// No such path.
    NotFound,
}

/// An operation, and the parameters in the path that led to it.
pub struct Found<'d, 'p> {
    /// The operation.
    pub operation: &'d Operation,
    path: matchit::Params<'d, 'p>,
}

impl<'p> Found<'_, 'p> {
    /// A path parameter as it stands in the target, still percent-encoded.
    pub fn raw_path_parameter(&self, name: &str) -> Option<&'p str> {
        self.path.get(name)
    }
}

impl fmt::Debug for Found<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path parameters are the caller's data: they do not belong into a log by accident.
        f.debug_struct("Found").field("operation", &self.operation.id()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Routes;

impl Routes {
    pub(crate) fn find<'d, 'p>(&'d self, _: &'d [Operation], _: &Method, _: &'p str) -> Find<'d, 'p> {
        Find::NotFound
    }
}
