//! A loaded API document: its operations, and the questions that a request asks of them.
//!
//! `reader` (with `parameters` and `contents`) turns the text into raw declarations and reports mistakes,
//! [`crate::schema`] checks and compiles the schemas that those name, `routes` finds an operation, and what
//! is wrong with a request is found by [`crate::request`].

mod contents;
mod operation;
mod parameters;
pub(crate) mod pointer;
mod reader;
mod routes;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, Source, did_you_mean, parse};

pub(crate) use contents::essence;
pub use operation::Operation;
pub(crate) use reader::{not_local, unresolved};
pub use routes::{Find, Found};

use crate::DocumentOptions;
use crate::request::{self, Content, ContentRule, MediaTypeRule, ParameterRule, Parameters};
use crate::schema::{Dialect, Schemas};
use pointer::Located;
use reader::{RawOperation, Reader};

/// An OpenAPI document, compiled.
pub struct ApiDocument {
    operations: Vec<Operation>,
    by_id: HashMap<String, usize>,
    routes: routes::Routes,
    options: DocumentOptions,
}

impl ApiDocument {
    /// Reads and compiles an OpenAPI 3.0 or 3.1 document, in YAML or JSON. `None` where it cannot be used;
    /// why is in `found`, every mistake at its place.
    pub fn load(source: &Arc<Source>, options: &DocumentOptions, found: &mut Diagnostics) -> Option<Self> {
        let root = match parse(source) {
            Ok(root) => root,
            Err(mistakes) => {
                found.extend(mistakes);
                return None;
            }
        };
        // The caller's list may hold errors of other files already; this document is judged by its own.
        let mut own = Diagnostics::new();
        let document = Self::read(source, &root, options, &mut own);
        let has_errors = own.has_errors();
        found.extend(own.sorted());
        document.filter(|_| !has_errors)
    }

    fn read(
        source: &Arc<Source>,
        root: &Node,
        options: &DocumentOptions,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        if root.as_map().is_none() {
            let message = format!("an OpenAPI document must be a mapping, not {}", root.kind_name());
            found.error(source, root.span, "wrong-kind", message, None);
            return None;
        }
        // With a version that is missing or unknown the rest is read all the same: a person wants to see
        // the other mistakes too.
        let dialect = dialect(source, root, found)?;
        let mut reader = Reader { source, root: Located::root(root), found };
        let raw = reader.operations();
        let routes = routes::Routes::build(&raw, &mut reader);
        let schemas = Schemas::check(source, root, dialect, &schema_places(&raw), options, found);
        let operations = compile(raw, &schemas?, source, root, found);
        let by_id = operations.iter().map(|operation| (operation.id.clone(), operation.index)).collect();
        Some(Self { operations, by_id, routes, options: *options })
    }

    /// Every operation, in the order of the document: an operation's index is its position here.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation of that id.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.get(*self.by_id.get(id)?)
    }

    /// The id that `id` was probably meant to be, for whoever names operations in a configuration.
    pub fn similar_operation(&self, id: &str) -> Option<&str> {
        did_you_mean(id, self.operations.iter().map(Operation::id))
    }

    /// The operation that a method and a path mean. The path is the target's, still percent-encoded,
    /// without query, and without the prefix under which the API is mounted. HEAD means GET's operation
    /// where the document does not declare it by itself.
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
        request::check_parameters(&self.options, &found.operation.parameters, found, query, headers)
    }

    /// Checks the content against what the operation declares.
    ///
    /// Content that the operation does not declare is not looked at. Required JSON content that is absent
    /// is `body.invalid_json`, since nothing is not JSON; other required content that is absent is a
    /// `param.missing` without a name.
    pub fn check_content(&self, operation: &Operation, content_type: Option<&str>, bytes: &[u8]) -> Content {
        match &operation.content {
            Some(rule) => request::check_content(&self.options, rule, content_type, bytes),
            None => Content::Checked { value: None, violations: Vec::new() },
        }
    }
}

impl fmt::Debug for ApiDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiDocument").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// The version decides how schemas are read. `None` for Swagger 2, in which everything else differs too.
fn dialect(source: &Arc<Source>, root: &Node, found: &mut Diagnostics) -> Option<Dialect> {
    let Some(version) = root.get("openapi") else {
        if let Some(version) = root.get("swagger") {
            let message = "this is a Swagger 2 document: OpenAPI 3.0 and 3.1 are read";
            found.error(source, version.span, "version", message, "convert it to OpenAPI 3".to_owned());
            return None;
        }
        let message = "the document does not say its version";
        found.error(source, root.span, "version", message, "add `openapi: 3.1.0`".to_owned());
        return Some(Dialect::OpenApi31);
    };
    let text = version.scalar_text().unwrap_or_default();
    let is = |line: &str| text == line || text.strip_prefix(line).is_some_and(|rest| rest.starts_with('.'));
    if is("3.0") {
        return Some(Dialect::OpenApi30);
    }
    if !is("3.1") {
        let message = format!("OpenAPI `{text}` is not supported: 3.0 and 3.1 are read");
        found.error(source, version.span, "version", message, "write `openapi: 3.1.0`".to_owned());
    }
    Some(Dialect::OpenApi31)
}

/// The pointers of every schema that a request is held against.
fn schema_places(operations: &[RawOperation]) -> Vec<String> {
    let mut places = Vec::new();
    for operation in operations {
        places.extend(operation.parameters.iter().filter_map(|parameter| parameter.schema.clone()));
        let media_types = operation.content.iter().flat_map(|content| &content.media_types);
        places.extend(media_types.filter_map(|media_type| media_type.schema.clone()));
    }
    places
}

fn compile(
    raw: Vec<RawOperation>,
    schemas: &Schemas<'_>,
    source: &Arc<Source>,
    root: &Node,
    found: &mut Diagnostics,
) -> Vec<Operation> {
    let mut compiler = schemas.compiler(source, root, found);
    let mut operations = Vec::with_capacity(raw.len());
    for (index, operation) in raw.into_iter().enumerate() {
        let mut parameters: Vec<ParameterRule> = Vec::new();
        for parameter in operation.parameters {
            let pointer = parameter.schema.as_deref();
            let shape = pointer.map(|pointer| schemas.shape(pointer));
            if shape.as_ref().is_some_and(|shape| shape.is_object_only()) {
                let message =
                    format!("objects as parameters are not supported: `{}` is not checked", parameter.name);
                compiler.warning(parameter.span, message);
            }
            let shape = shape.filter(|shape| !shape.is_object_only());
            parameters.push(ParameterRule {
                schema: pointer.filter(|_| shape.is_some()).and_then(|pointer| compiler.schema(pointer)),
                shape: shape.unwrap_or_default(),
                name: parameter.name,
                location: parameter.location,
                required: parameter.required,
                explode: parameter.explode,
                allow_empty: parameter.allow_empty,
            });
        }
        parameters.sort_by_key(|parameter| parameter.location);
        let content = operation.content.map(|content| {
            let media_types = content.media_types.into_iter().map(|media_type| MediaTypeRule {
                schema: media_type.schema.and_then(|pointer| compiler.schema(&pointer)),
                range: media_type.range,
                is_json: media_type.is_json,
            });
            Arc::new(ContentRule { required: content.required, media_types: media_types.collect() })
        });
        let RawOperation { id, method, path, .. } = operation;
        operations.push(Operation { index, id, method, path, parameters, content });
    }
    operations
}
