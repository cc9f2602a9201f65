//! Method and path → operation, by a radix tree: looking up allocates nothing, and takes as long with ten
//! thousand operations as with ten.

use std::collections::HashMap;
use std::fmt;

use http::Method;

use super::Operation;
use super::reader::{METHODS, RawOperation, Reader};

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
pub(crate) struct Routes {
    tree: matchit::Router<PathMethods>,
}

/// The operations of one path.
#[derive(Debug, Default)]
struct PathMethods {
    /// Parallel to `METHODS`: the operation's index.
    operations: [Option<usize>; METHODS.len()],
    allow: String,
}

const GET: usize = 0;
const HEAD: usize = 5;

impl PathMethods {
    /// HEAD is answered wherever GET is (RFC 9110 §9.3.2), unless the document declares it by itself.
    fn operation(&self, method: &Method) -> Option<usize> {
        let position = METHODS.iter().position(|(_, known)| known == method)?;
        self.operations[position].or_else(|| (position == HEAD).then(|| self.operations[GET]).flatten())
    }

    fn name_allowed(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for (position, (_, method)) in METHODS.iter().enumerate() {
            if self.operations[position].is_some() {
                names.push(method.as_str());
            }
        }
        if self.operations[GET].is_some() && self.operations[HEAD].is_none() {
            names.insert(1, "HEAD");
        }
        self.allow = names.join(", ");
    }
}

impl Routes {
    /// Builds the tree; paths that cannot be told apart are reported.
    pub(super) fn build(operations: &[RawOperation], reader: &mut Reader<'_>) -> Self {
        // In the document's order, so that of two paths in conflict the second is the one complained about.
        let mut order: Vec<&RawOperation> = Vec::new();
        let mut paths: HashMap<&str, PathMethods> = HashMap::new();
        for (index, operation) in operations.iter().enumerate() {
            let methods = paths.entry(&operation.path).or_insert_with(|| {
                order.push(operation);
                PathMethods::default()
            });
            if let Some(position) = METHODS.iter().position(|(_, method)| *method == operation.method) {
                methods.operations[position] = Some(index);
            }
        }
        let mut tree = matchit::Router::new();
        for operation in order {
            let Some(mut methods) = paths.remove(operation.path.as_str()) else { continue };
            methods.name_allowed();
            // A `*` would mean something to the tree that it does not mean in OpenAPI.
            let problem = match operation.path.contains("{*") {
                true => Some("a parameter's name cannot start with `*`".to_owned()),
                false => tree.insert(&operation.path, methods).err().map(|error| conflict(&error)),
            };
            if let Some(problem) = problem {
                let message = format!("the path `{}` cannot be used: {problem}", operation.path);
                reader.error(operation.path_span, "path", message, None);
            }
        }
        Self { tree }
    }

    pub(super) fn find<'d, 'p>(
        &'d self,
        operations: &'d [Operation],
        method: &Method,
        path: &'p str,
    ) -> Find<'d, 'p> {
        let Ok(matched) = self.tree.at(path) else { return Find::NotFound };
        match matched.value.operation(method).and_then(|index| operations.get(index)) {
            Some(operation) => Find::Found(Found { operation, path: matched.params }),
            None => Find::MethodNotAllowed { allow: &matched.value.allow },
        }
    }
}

fn conflict(error: &matchit::InsertError) -> String {
    match error {
        matchit::InsertError::Conflict { with } => {
            format!("the same requests would match `{with}`")
        }
        matchit::InsertError::InvalidParamSegment => {
            "a segment between two `/` can hold one parameter only".to_owned()
        }
        other => other.to_string(),
    }
}
