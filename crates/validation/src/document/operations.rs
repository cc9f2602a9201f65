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

const ROOT_KEYS: [&str; 10] = [
    "openapi",
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
const PATH_KEYS: [&str; 13] = [
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
                self.error(key.span, "path", message, Some(format!("write `/{}`", key.name)));
                continue;
            }
            let Some(item) = self.resolve(item, "a path item") else { continue };
            self.path_item(&key.name, key.span, &item, &mut operations);
        }
        self.duplicate_ids(&operations);
        operations.into_iter().map(|(operation, _)| operation).collect()
    }

    fn path_item(
        &mut self,
        path: &str,
        path_span: Span,
        item: &Located<'r>,
        operations: &mut Vec<(RawOperation, Span)>,
    ) {
        self.known_keys(item, "a path item", &PATH_KEYS);
        let shared = self.parameters(item);
        for (key, operation) in item.members() {
            let Some((_, method)) = METHODS.iter().find(|(name, _)| *name == key.name) else { continue };
            if operation.node.as_map().is_none() {
                let message = format!("an operation must be a mapping, not {}", operation.node.kind_name());
                self.error(operation.node.span, "wrong-kind", message, None);
                continue;
            }
            self.known_keys(&operation, "an operation", &OPERATION_KEYS);
            let id =
                operation.member("operationId").and_then(|id| Some((id.node.scalar_text()?, id.node.span)));
            let (id, id_span) = id.unwrap_or_else(|| {
                let derived = format!("{method} {path}");
                let message = format!("operation has no `operationId`, so its ID is `{derived}`");
                let help = "add `operationId`, so that the ID does not change with the path".to_owned();
                self.warning(key.span, "operation-id", message, Some(help));
                (derived, key.span)
            });
            let mut parameters = shared.clone();
            for own in self.parameters(&operation) {
                // An operation's parameter replaces the path item's parameter of the same name and location.
                match parameters.iter_mut().find(|known| known.is_same(&own)) {
                    Some(known) => *known = own,
                    None => parameters.push(own),
                }
            }
            self.check_template(path, path_span, &parameters, key.span);
            let body = operation.member("requestBody").and_then(|body| self.body(body));
            self.warn_only = !self.checks_responses;
            let responses = self.responses(&operation);
            self.warn_only = false;
            let security = self.requirements(&operation);
            let operation = RawOperation {
                id,
                method: method.clone(),
                path: path.to_owned(),
                pointer: operation.pointer.clone(),
                path_span,
                parameters,
                body,
                responses,
                security,
            };
            operations.push((operation, id_span));
        }
    }

    /// Checks that the path template and the declared path parameters have the same names.
    fn check_template(
        &mut self,
        path: &str,
        path_span: Span,
        parameters: &[RawParameter],
        operation_span: Span,
    ) {
        let in_template: Vec<&str> = template_names(path).collect();
        let declared: Vec<_> = parameters.iter().filter(|parameter| parameter.is_in_path()).collect();
        for name in &in_template {
            if !declared.iter().any(|parameter| parameter.name == *name) {
                let message = format!("path parameter `{name}` of `{path}` is not declared");
                let help =
                    format!("add `{{ name: {name}, in: path, required: true, schema: … }}` to `parameters`");
                self.error(operation_span, "path-parameter", message, Some(help));
            }
        }
        for parameter in declared {
            if !in_template.contains(&parameter.name.as_str()) {
                let message = format!("path parameter `{}` does not occur in `{path}`", parameter.name);
                let help = did_you_mean(&parameter.name, in_template.iter().copied())
                    .map(|name| format!("did you mean `{name}`?"));
                self.error(parameter.span, "path-parameter", message, help);
            }
        }
        let unique: HashSet<_> = in_template.iter().collect();
        if unique.len() < in_template.len() {
            let message = format!("`{path}` contains the same parameter twice");
            self.error(path_span, "path-parameter", message, None);
        }
    }

    /// Reports a path that cannot be routed.
    pub(super) fn reject_path(&mut self, operation: &RawOperation, problem: &str) {
        let message = format!("path `{}` cannot be routed: {problem}", operation.path);
        self.error(operation.path_span, "path", message, None);
    }

    fn duplicate_ids(&mut self, operations: &[(RawOperation, Span)]) {
        let mut seen: HashMap<&str, &RawOperation> = HashMap::new();
        for (operation, span) in operations {
            if let Some(first) = seen.insert(&operation.id, operation) {
                let message = format!(
                    "duplicate `operationId` `{}`, already used by `{} {}`",
                    operation.id, first.method, first.path
                );
                self.error(*span, "operation-id", message, Some("choose a unique ID".to_owned()));
            }
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
