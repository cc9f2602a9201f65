//! A loaded OpenAPI document: its operations, and the checks of requests and responses against them.
//!
//! `operations` (with `parameters`, `bodies` and `security`) reads the declarations and reports mistakes,
//! [`crate::schema`] checks and compiles the schemas they name, `compile` turns both into rules, `routes` looks up
//! the operation of a request, and [`crate::request`] applies the rules.

mod bodies;
mod compile;
mod operation;
mod operations;
mod parameters;
mod reader;
mod routes;
mod saved_match;
mod security;
mod servers;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, Source, did_you_mean, parse};

pub use operation::{CATCH_ALL, Operation};
pub use routes::{Find, RouteMatch};
pub use saved_match::SavedMatch;
pub use security::{SecurityKind, SecurityScheme};

use crate::request::{
    self, CheckedBody, ParameterContext, PossibleViolation, RequestParameters, ResponseCheck,
};
use crate::schema::{Dialect, Schemas};
use crate::tree::{Files, Located, NO_FILES, ReadFile};
use crate::{DocumentOptions, ServerPaths, UnknownPaths};
use compile::{compile_operations, compile_responses, schema_locations};
use reader::DocumentReader;

/// A compiled OpenAPI document.
pub struct ApiDocument {
    operations: Vec<Operation>,
    by_id: HashMap<String, usize>,
    routes: routes::Routes,
    security_schemes: Vec<SecurityScheme>,
    /// The paths of the servers, without a slash at the end. The longest one first.
    server_paths: Vec<String>,
    /// The index of the operation for all other paths.
    catch_all: Option<usize>,
    options: DocumentOptions,
    json: Arc<serde_json::Value>,
}

impl ApiDocument {
    /// Compiles an OpenAPI 3.0, 3.1 or 3.2 document in YAML or JSON that is contained in one file.
    ///
    /// Returns `None` if the document has errors. Parts that cannot be used are errors only with
    /// [`Unsupported::Reject`](crate::Unsupported::Reject). All errors and warnings are added to `diagnostics`.
    pub fn load(
        source: &Arc<Source>,
        options: &DocumentOptions,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut read = |_: &str| Err(NO_FILES.to_owned());
        Self::load_files(source, &mut read, options, diagnostics)
    }

    /// Compiles a document that may refer to other files.
    ///
    /// `read` is called with the name of each file that a `$ref` refers to: a path relative to the folder of the root
    /// file (`schemas/pet.yaml`), or a URI as written. It must only return files that the operator provided.
    pub fn load_files(
        source: &Arc<Source>,
        read: &mut ReadFile<'_>,
        options: &DocumentOptions,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let mut root = match parse(source) {
            Ok(root) => root,
            Err(mistakes) => {
                diagnostics.extend(mistakes);
                return None;
            }
        };
        if root.as_map().is_none() {
            let message = format!("an OpenAPI document must be a mapping, not {}", root.kind_name());
            diagnostics.error(source, root.span, "wrong-kind", message, None);
            return None;
        }
        // The caller's list may already hold errors of other files.
        let mut own = Diagnostics::new();
        let files = Files::gather(source, &mut root, read, &mut own);
        let document = Self::compile(&files, source, &root, options, &mut own);
        let has_errors = own.has_errors();
        diagnostics.extend(own.sorted());
        document.filter(|_| !has_errors)
    }

    fn compile(
        files: &Files,
        source: &Arc<Source>,
        root: &Node,
        options: &DocumentOptions,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        // Reading continues with an unsupported version, so that all mistakes are reported at once.
        let dialect = dialect(source, root, diagnostics)?;
        let checks_responses = options.checks_responses;
        let mut reader = DocumentReader::new(files, root, options, diagnostics);
        let security_schemes = reader.security_schemes();
        let server_paths = reader.server_paths();
        let mut declared = reader.operations();
        let security = reader.requirements(&Located::root(root));
        let routes = routes::Routes::build(&declared, &mut reader);
        let locations = schema_locations(&declared, checks_responses);
        let (requests, responses) = Schemas::check(files, root, dialect, &locations, options, diagnostics)?;
        let mut responses = compile_responses(&mut declared, responses.as_ref(), diagnostics);
        let mut operations = compile_operations(declared, &requests, diagnostics);
        for operation in &mut operations {
            operation.responses = std::mem::take(&mut responses[operation.index]);
            if operation.security.is_none() {
                operation.security.clone_from(&security);
            }
        }
        let catch_all = (options.unknown_paths == UnknownPaths::Forward).then_some(operations.len());
        operations.extend(catch_all.map(Operation::catch_all));
        let by_id = operations.iter().map(|operation| (operation.id.clone(), operation.index)).collect();
        let (options, json) = (*options, requests.document());
        Some(Self { operations, by_id, routes, security_schemes, server_paths, catch_all, options, json })
    }

    /// The document of an API without one: all requests belong to the operation [`CATCH_ALL`].
    pub fn without_declarations(options: &DocumentOptions) -> Self {
        Self {
            operations: vec![Operation::catch_all(0)],
            by_id: HashMap::from([(CATCH_ALL.to_owned(), 0)]),
            routes: routes::Routes::default(),
            security_schemes: Vec::new(),
            server_paths: Vec::new(),
            catch_all: Some(0),
            options: *options,
            json: Arc::default(),
        }
    }

    /// The paths of the document's `servers`, such as `/v1`, if any server has one.
    pub fn server_paths(&self) -> &[String] {
        &self.server_paths
    }

    /// The document with all files that it refers to, for what is not compiled: titles, descriptions, examples. Its
    /// schemas are rewritten to JSON Schema 2020-12, as requests are validated against them, and each `$ref` in a schema is
    /// a pointer into this value.
    pub fn as_json(&self) -> &Arc<serde_json::Value> {
        &self.json
    }

    /// The declared security schemes.
    pub fn security_schemes(&self) -> &[SecurityScheme] {
        &self.security_schemes
    }

    /// Checks a response against what the operation declares.
    ///
    /// Returns `None` if the document was loaded without [`checks_responses`](DocumentOptions::checks_responses).
    pub fn check_response(
        &self,
        operation: &Operation,
        status: http::StatusCode,
        content_type: Option<&str>,
        bytes: &[u8],
    ) -> Option<ResponseCheck> {
        let options = &self.options;
        let check =
            || request::check_response(options, &operation.responses, status.as_u16(), content_type, bytes);
        options.checks_responses.then(check)
    }

    /// Whether [`check_response`](Self::check_response) needs the body of a response with this status.
    pub fn needs_response_body(&self, operation: &Operation, status: http::StatusCode) -> bool {
        let rule = request::rule_for(&operation.responses, status.as_u16());
        self.options.checks_responses
            && rule.is_some_and(|rule| rule.media_types.iter().any(|media_type| media_type.schema.is_some()))
    }

    /// All operations in the order of the document. The position is [`Operation::index`].
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation with this ID.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.get(*self.by_id.get(id)?)
    }

    /// The ID most similar to `id`, for a suggestion in a diagnostic.
    pub fn similar_operation(&self, id: &str) -> Option<&str> {
        did_you_mean(id, self.operations.iter().map(Operation::id))
    }

    /// Looks up the operation for a method and a path.
    ///
    /// `path` is the path of the request target, still percent-encoded, without the query and without the prefix under
    /// which the API is mounted. With [`ServerPaths::Use`] it begins with the path of a server. HEAD falls back to the
    /// operation of GET.
    pub fn find<'d, 'p>(&'d self, method: &http::Method, path: &'p str) -> Find<'d, 'p> {
        let found = match self.below_server(path) {
            Some(path) => self.routes.find(&self.operations, method, path),
            None => Find::NotFound,
        };
        let catch_all = self.catch_all.and_then(|index| self.operations.get(index));
        match (found, catch_all) {
            (Find::NotFound, Some(operation)) => {
                let within = self.below_server(path).unwrap_or(path);
                let lenient_match = self.routes.lenient_match(&self.operations, method, within);
                Find::Found(RouteMatch { operation, path: smallvec::SmallVec::new(), lenient_match })
            }
            (found, _) => found,
        }
    }

    /// The path without that of its server.
    fn below_server<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.options.server_paths == ServerPaths::Ignore || self.server_paths.is_empty() {
            return Some(path);
        }
        let below = |server: &String| path.strip_prefix(server.as_str()).filter(|rest| rest.starts_with('/'));
        self.server_paths.iter().find_map(below)
    }

    /// A match that was saved, for the same path. `None` if it is not of this document.
    pub fn restore<'d, 'p>(&'d self, saved: &SavedMatch, path: &'p str) -> Option<RouteMatch<'d, 'p>> {
        saved.restore(&self.operations, path)
    }

    /// Checks the path, query, header and cookie parameters of a request.
    pub fn check_parameters(
        &self,
        matched: &RouteMatch<'_, '_>,
        query: Option<&str>,
        headers: &http::HeaderMap,
    ) -> RequestParameters {
        let context = ParameterContext {
            rules: &matched.operation.parameters,
            query_names: &matched.operation.query_names,
            body: matched.operation.body.as_deref(),
            raw_path_parameter: &|name| matched.raw_path_parameter(name),
            query,
            headers,
        };
        request::check_parameters(&self.options, &context)
    }

    /// The violations that requests of an operation can have, for documentation. Each has a different condition, location
    /// or pointer.
    pub fn possible_violations(&self, operation: &Operation) -> Vec<PossibleViolation> {
        let has_query_names = !operation.query_names.is_empty();
        let body = operation.body.as_deref();
        request::possible_violations(&self.options, &operation.parameters, has_query_names, body)
    }

    /// Whether a JSON body is valid, without reading it into a value as [`ApiDocument::check_body`] does. It accepts nothing
    /// that `check_body` rejects; `false` says nothing.
    pub fn accepts_body(&self, operation: &Operation, content_type: Option<&str>, bytes: &[u8]) -> bool {
        let rule = operation.body.as_deref();
        rule.is_some_and(|rule| request::accepts_body(&self.options, rule, content_type, bytes))
    }

    /// Checks the body of a request against what the operation declares.
    ///
    /// A body that the operation does not declare is not checked. A required body that is missing is
    /// `body.missing`.
    pub fn check_body(&self, operation: &Operation, content_type: Option<&str>, bytes: &[u8]) -> CheckedBody {
        match &operation.body {
            Some(rule) => request::check_body(&self.options, rule, content_type, bytes),
            None => CheckedBody::Checked { value: None, violations: Vec::new() },
        }
    }
}

impl fmt::Debug for ApiDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiDocument").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// The schema dialect of the document's version. `None` for Swagger 2, which cannot be read any further.
fn dialect(source: &Arc<Source>, root: &Node, diagnostics: &mut Diagnostics) -> Option<Dialect> {
    let Some(version) = root.get("openapi") else {
        if let Some(version) = root.get("swagger") {
            let message = "Swagger 2 is not supported, only OpenAPI 3.0 to 3.2";
            let help = "convert the document to OpenAPI 3".to_owned();
            diagnostics.error(source, version.span, "version", message, help);
            return None;
        }
        let message = "missing key `openapi` in an OpenAPI document";
        diagnostics.error(source, root.span, "version", message, "add `openapi: 3.1.0`".to_owned());
        return Some(Dialect::OpenApi31);
    };
    let text = version.scalar_text().unwrap_or_default();
    let is = |line: &str| text == line || text.strip_prefix(line).is_some_and(|rest| rest.starts_with('.'));
    if is("3.0") {
        return Some(Dialect::OpenApi30);
    }
    // 3.2 has the schemas of 3.1.
    if !is("3.1") && !is("3.2") {
        let message = format!("OpenAPI version `{text}` is not supported, only 3.0 to 3.2");
        diagnostics.error(source, version.span, "version", message, "write `openapi: 3.1.0`".to_owned());
    }
    Some(Dialect::OpenApi31)
}
