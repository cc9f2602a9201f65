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
        // The tree knows positions only: see `positional`.
        let position = self.operation.path_parameters().position(|known| known == name)?;
        self.path.iter().nth(position).map(|(_, text)| text)
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
        let mut order: Vec<(String, &RawOperation)> = Vec::new();
        let mut routes: HashMap<String, PathMethods> = HashMap::new();
        for (index, operation) in operations.iter().enumerate() {
            let route = positional(&operation.path);
            let methods = routes.entry(route.clone()).or_insert_with(|| {
                order.push((route, operation));
                PathMethods::default()
            });
            let Some(position) = METHODS.iter().position(|(_, method)| *method == operation.method) else {
                continue;
            };
            let before = methods.operations[position].replace(index).and_then(|index| operations.get(index));
            if let Some(first) = before {
                reader.unusable(operation, &format!("the same requests would match `{}`", first.path));
            }
        }
        let mut tree = matchit::Router::new();
        for (route, operation) in order {
            let Some(mut methods) = routes.remove(&route) else { continue };
            methods.name_allowed();
            if let Err(error) = tree.insert(&route, methods) {
                reader.unusable(operation, &conflict(&error));
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

/// A template with positions for names: `/shelves/{0}`. So `/shelves/{id}` and `/shelves/{shelf}/books` go
/// together, and so do two spellings of one path that have different methods, which real documents have.
fn positional(path: &str) -> String {
    let mut route = String::with_capacity(path.len());
    let mut rest = path;
    let mut position = 0;
    while let Some((before, (_, after))) =
        rest.split_once('{').and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
    {
        route += &format!("{}{{{position}}}", literal(before));
        position += 1;
        rest = after;
    }
    route + &literal(rest)
}

/// A brace without its partner is text, which the tree writes doubled.
fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn conflict(error: &matchit::InsertError) -> String {
    match error {
        matchit::InsertError::Conflict { .. } => "another path matches the same requests".to_owned(),
        matchit::InsertError::InvalidParamSegment => {
            "a segment between two `/` can hold one parameter only".to_owned()
        }
        other => other.to_string(),
    }
}
