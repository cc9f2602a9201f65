//! Reads `paths`: all operations and what they declare.
//!
//! Schemas are kept as pointers here. They are checked and compiled afterwards.

use std::collections::{HashMap, HashSet};

use demur_source::{Span, did_you_mean};
use http::Method;

use super::bodies::{RawBody, RawResponse};
use super::operation::template_names;
use super::parameters::RawParameter;
use super::reader::DocumentReader;
use super::security::SecurityRequirement;
use crate::tree::Located;

/// The keys of a path item that declare operations.
pub(crate) const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// The method of RFC 10008, a key of path items since OpenAPI 3.2.
const QUERY: &str = "QUERY";

const ROOT_KEYS: [&str; 11] = [
    "openapi",
    "$self",
    "info",
    "jsonSchemaDialect",
    "servers",
    "paths",
    "webhooks",
    "components",
    "security",
    "tags",
    "externalDocs",
];
const PATH_KEYS: [&str; 15] = [
    "$ref",
    "summary",
    "description",
    "get",
    "put",
    "post",
    "delete",
    "options",
    "head",
    "patch",
    "trace",
    "query",
    "additionalOperations",
    "servers",
    "parameters",
];
const OPERATION_KEYS: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
];

/// The maximum length of a chain of path items that refer to each other.
const MAX_ITEMS: usize = 20;

/// An operation as declared.
pub(super) struct RawOperation {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    /// The pointer of the declaration.
    pub(super) pointer: String,
    /// The span of the path's key.
    pub(super) path_span: Span,
    pub(super) parameters: Vec<RawParameter>,
    pub(super) body: Option<RawBody>,
    pub(super) responses: Vec<RawResponse>,
    /// `None` if the operation inherits the document's `security`.
    pub(super) security: Option<Vec<SecurityRequirement>>,
    /// The number of its parts that cannot be used.
    pub(super) unsupported: usize,
    /// Whether no request can match its path.
    pub(super) is_unreachable: bool,
}

/// A path item, with what it means for its operations.
struct PathKey<'k> {
    path: &'k str,
    span: Span,
    is_unreachable: bool,
}

impl<'r> DocumentReader<'r> {
    /// Reads all operations.
    pub(super) fn operations(&mut self) -> Vec<RawOperation> {
        let root = self.root.clone();
        self.known_keys(&root, "an OpenAPI document", &ROOT_KEYS);
        self.check_dialect(&root);
        let Some(paths) = root.member("paths") else {
            if root.member("webhooks").is_none() && root.member("components").is_none() {
                self.error(root.node.span, "missing-key", "missing key `paths` in an OpenAPI document", None);
            }
            return Vec::new();
        };
        if paths.node.as_map().is_none() {
            let message = format!("`paths` must be a mapping, not {}", paths.node.kind_name());
            self.error(paths.node.span, "wrong-kind", message, None);
        }
        let mut operations = Vec::new();
        for (key, item) in paths.members() {
            if key.name.starts_with("x-") {
                continue;
            }
            if !key.name.starts_with('/') {
                let message = format!("path `{}` must start with `/`", key.name);
                let help = Some(format!("write `/{}`", key.name));
                self.fault(key.span, "path", message, help, "requests for it are not found");
                continue;
            }
            let is_unreachable = self.check_path(&key.name, key.span, &paths);
            let key = PathKey { path: &key.name, span: key.span, is_unreachable };
            self.path_item(&key, item, &mut operations);
        }
        self.duplicate_ids(&mut operations);
        operations.into_iter().map(|(operation, _)| operation).collect()
    }

    /// Reports a path that no request can have, and returns whether it is one.
    fn check_path(&mut self, path: &str, span: Span, paths: &Located<'r>) -> bool {
        let Some(at) = path.find(['?', '#']) else { return false };
        let (base, what) = (&path[..at], if path[at..].starts_with('?') { "query" } else { "fragment" });
        let message = format!("path `{path}` contains a {what}, which is not part of a path");
        let (consequence, help) = match paths.member(base) {
            Some(_) => {
                let help = format!("move its operations to `{base}`, under a method that is not used there");
                (format!("its operations are never served: requests are checked as those of `{base}`"), help)
            }
            None => {
                let help = format!("write `{base}`, and declare a query under `parameters`");
                (format!("its operations are never served: requests for `{base}` are not found"), help)
            }
        };
        self.fault(span, "path", message, Some(help), &consequence);
        true
    }

    /// Reads the operations of a path item. A `$ref` may stand beside other keys, which come first then (OpenAPI
    /// 3.0.3: only conflicts are undefined).
    fn path_item(
        &mut self,
        key: &PathKey<'_>,
        item: Located<'r>,
        operations: &mut Vec<(RawOperation, Span)>,
    ) {
        let before = self.unsupported;
        let mut items = vec![item];
        while let Some(target) = items.last().and_then(|item| item.member("$ref")) {
            if items.len() > MAX_ITEMS {
                let message = "`$ref` refers back to itself";
                self.fault(target.node.span, "ref-cycle", message, None, "the path item is incomplete");
                break;
            }
            let Some(next) = self.follow(&target) else { break };
            items.push(next);
        }
        let mut shared: Vec<RawParameter> = Vec::new();
        for item in &items {
            if item.node.as_map().is_none() {
                let message = format!("a path item must be a mapping, not {}", item.node.kind_name());
                self.fault(item.node.span, "wrong-kind", message, None, "requests for it are not found");
                continue;
            }
            self.known_keys(item, "a path item", &PATH_KEYS);
            self.own_servers(item);
            for parameter in self.parameters(item) {
                if !shared.iter().any(|known| known.is_same(&parameter)) {
                    shared.push(parameter);
                }
            }
        }
        let of_item = self.unsupported - before;
        let mut methods: HashSet<Method> = HashSet::new();
        for item in &items {
            for (method, span, operation) in self.methods(item) {
                if !methods.insert(method.clone()) {
                    let message = format!("`{method} {}` is already declared beside the `$ref`", key.path);
                    self.warning(span, "ref-siblings", message, Some("remove one of the two".to_owned()));
                    continue;
                }
                let before = self.unsupported;
                let read = self.operation(key, &shared, method, span, operation);
                let lost = of_item + self.unsupported - before;
                operations
                    .extend(read.map(|(read, span)| (RawOperation { unsupported: lost, ..read }, span)));
            }
        }
    }

    /// The operations of a path item, with the spans of their keys.
    fn methods(&mut self, item: &Located<'r>) -> Vec<(Method, Span, Located<'r>)> {
        let mut methods = Vec::new();
        for (key, operation) in item.members() {
            let known = METHODS.iter().find(|(name, _)| *name == key.name).map(|(_, method)| method.clone());
            let query = || (key.name == "query").then(|| Method::from_bytes(QUERY.as_bytes()).ok()).flatten();
            if let Some(method) = known.or_else(query) {
                methods.push((method, key.span, operation));
            } else if key.name == "additionalOperations" {
                for (key, operation) in operation.members() {
                    match Method::from_bytes(key.name.as_bytes()) {
                        Ok(method) => methods.push((method, key.span, operation)),
                        Err(_) => {
                            let message = format!("`{}` is not a valid method", key.name);
                            let consequence = "the operation is never served";
                            self.fault(key.span, "method", message, None, consequence);
                        }
                    }
                }
            }
        }
        methods
    }

    fn operation(
        &mut self,
        key: &PathKey<'_>,
        shared: &[RawParameter],
        method: Method,
        span: Span,
        operation: Located<'r>,
    ) -> Option<(RawOperation, Span)> {
        // OpenAPI defines no `$ref` here, but bundlers and most tools follow it.
        let operation = self.resolve(operation, "an operation")?;
        self.known_keys(&operation, "an operation", &OPERATION_KEYS);
        self.own_servers(&operation);
        let id = operation.member("operationId").and_then(|id| Some((id.node.scalar_text()?, id.node.span)));
        let (id, id_span) = id.unwrap_or_else(|| {
            let derived = derived_id(&method, key.path);
            let message = format!("operation has no `operationId`, so its ID is `{derived}`");
            let help = "add `operationId`, so that the ID does not change with the path".to_owned();
            self.warning(span, "operation-id", message, Some(help));
            (derived, span)
        });
        let mut parameters = shared.to_vec();
        for own in self.parameters(&operation) {
            // An operation's parameter replaces the path item's parameter of the same name and location.
            match parameters.iter_mut().find(|known| known.is_same(&own)) {
                Some(known) => *known = own,
                None => parameters.push(own),
            }
        }
        self.check_template(key.path, key.span, &mut parameters, span);
        let body = operation.member("requestBody").and_then(|body| self.body(body));
        self.warn_only = !self.checks_responses;
        let responses = self.responses(&operation);
        self.warn_only = false;
        let security = self.requirements(&operation);
        let read = RawOperation {
            id,
            method,
            path: key.path.to_owned(),
            pointer: operation.pointer.clone(),
            path_span: key.span,
            parameters,
            body,
            responses,
            security,
            unsupported: 0,
            is_unreachable: key.is_unreachable,
        };
        Some((read, id_span))
    }

    /// Checks that the path template and the declared path parameters have the same names.
    fn check_template(
        &mut self,
        path: &str,
        path_span: Span,
        parameters: &mut Vec<RawParameter>,
        operation_span: Span,
    ) {
        let in_template: Vec<&str> = template_names(path).collect();
        // A fragment or a query was reported as a whole.
        let in_path = path.split(['?', '#']).next().unwrap_or_default();
        let declared: Vec<_> = parameters.iter().filter(|parameter| parameter.is_in_path()).collect();
        for name in &in_template {
            let is_in_path = template_names(in_path).any(|known| known == *name);
            if is_in_path && !declared.iter().any(|parameter| parameter.name == *name) {
                let message = format!("path parameter `{name}` of `{path}` is not declared");
                let help =
                    format!("add `{{ name: {name}, in: path, required: true, schema: … }}` to `parameters`");
                self.fault(operation_span, "path-parameter", message, Some(help), "any value is forwarded");
            }
        }
        for parameter in declared {
            if !in_template.contains(&parameter.name.as_str()) {
                let message = format!("path parameter `{}` does not occur in `{path}`", parameter.name);
                let help = did_you_mean(&parameter.name, in_template.iter().copied())
                    .map(|name| format!("did you mean `{name}`?"));
                self.fault(parameter.span, "path-parameter", message, help, "the declaration is ignored");
            }
        }
        let unique: HashSet<_> = in_template.iter().collect();
        if unique.len() < in_template.len() {
            let message = format!("`{path}` contains the same parameter twice");
            self.fault(path_span, "path-parameter", message, None, "only the first one is checked");
        }
        parameters
            .retain(|parameter| !parameter.is_in_path() || in_template.contains(&parameter.name.as_str()));
    }

    /// Reports a path that cannot be routed.
    pub(super) fn reject_path(&mut self, operation: &RawOperation, problem: &str) {
        let message = format!("path `{}` cannot be routed: {problem}", operation.path);
        self.fault(operation.path_span, "path", message, None, "the operation is never served");
    }

    /// Gives an operation whose ID is already used the ID of an operation without one.
    fn duplicate_ids(&mut self, operations: &mut [(RawOperation, Span)]) {
        let mut seen: HashMap<String, (Method, String)> = HashMap::new();
        for (operation, span) in operations {
            if let Some((method, path)) = seen.get(&operation.id) {
                let message =
                    format!("duplicate `operationId` `{}`, already used by `{method} {path}`", operation.id);
                operation.id = derived_id(&operation.method, &operation.path);
                let consequence = format!("its ID is `{}`", operation.id);
                let help = Some("choose a unique ID".to_owned());
                self.fault(*span, "operation-id", message, help, &consequence);
            }
            seen.insert(operation.id.clone(), (operation.method.clone(), operation.path.clone()));
        }
    }

    /// Warns of a schema dialect that is not supported.
    fn check_dialect(&mut self, root: &Located<'r>) {
        if let Some(dialect) = root.member("jsonSchemaDialect") {
            let text = dialect.node.scalar_text().unwrap_or_default();
            let known = [
                "https://spec.openapis.org/oas/3.1/dialect/base",
                "https://json-schema.org/draft/2020-12/schema",
            ];
            if !known.contains(&text.trim_end_matches('#')) {
                let message =
                    format!("schema dialect `{text}` is not supported, JSON Schema 2020-12 is used instead");
                self.warning(dialect.node.span, "unsupported", message, None);
            }
        }
    }
}

/// The ID of an operation without one.
fn derived_id(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}
