//! Walks an OpenAPI document and writes down what its operations declare, reporting every mistake on the
//! way. What comes out is raw: schemas are still pointers, checked and compiled afterwards.

use std::collections::{HashMap, HashSet};

use demur_source::{Diagnostics, Span, did_you_mean};
use http::Method;

use super::files::{Files, ReferenceTarget, is_remote};
use super::pointer::Located;
use super::security::SecurityRequirement;

/// OpenAPI's fixed fields of a path item that are operations.
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

/// What an operation declares, unresolved.
pub(super) struct RawOperation {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    /// Where the path's key stands, for mistakes of the path.
    pub(super) path_span: Span,
    pub(super) parameters: Vec<super::parameters::RawParameter>,
    pub(super) content: Option<super::contents::RawBody>,
    pub(super) answers: Vec<super::contents::RawResponse>,
    /// `None`: the document's.
    pub(super) security: Option<Vec<SecurityRequirement>>,
}

/// Reads one document; the mistakes go to `found`.
pub(super) struct DocumentReader<'r> {
    pub(super) files: &'r Files,
    pub(super) root: Located<'r>,
    pub(super) found: &'r mut Diagnostics,
    /// Whether mistakes are warnings, because nobody is held against what is read.
    pub(super) is_idle: bool,
    /// Whether answers are held against the document.
    pub(super) checks_answers: bool,
    /// What was said once for all its places.
    pub(super) said: HashSet<&'static str>,
}

impl<'r> DocumentReader<'r> {
    /// Reads every operation.
    pub(super) fn operations(&mut self) -> Vec<RawOperation> {
        let root = self.root.clone();
        self.known_keys(&root, "an OpenAPI document", &ROOT_KEYS);
        self.unread(&root);
        let Some(paths) = root.member("paths") else {
            if root.member("webhooks").is_none() && root.member("components").is_none() {
                self.error(root.node.span, "missing-key", "an OpenAPI document needs `paths`", None);
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
                let message = format!("the path `{}` must start with `/`", key.name);
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
                let message = format!("this operation has no operationId; it is known as `{derived}`");
                let help = "add `operationId: …`, so that a change of the path does not rename it".to_owned();
                self.warning(key.span, "operation-id", message, Some(help));
                (derived, key.span)
            });
            let mut parameters = shared.clone();
            for own in self.parameters(&operation) {
                // An operation's parameter replaces the path's of the same name and location, in its place.
                match parameters.iter_mut().find(|known| known.is_same(&own)) {
                    Some(known) => *known = own,
                    None => parameters.push(own),
                }
            }
            self.template(path, path_span, &parameters, key.span);
            let content = operation.member("requestBody").and_then(|body| self.content(body));
            self.is_idle = !self.checks_answers;
            let answers = self.answers(&operation);
            self.is_idle = false;
            let security = self.requirements(&operation);
            let operation = RawOperation {
                id,
                method: method.clone(),
                path: path.to_owned(),
                path_span,
                parameters,
                content,
                answers,
                security,
            };
            operations.push((operation, id_span));
        }
    }

    /// Path parameters and the template must name the same.
    fn template(
        &mut self,
        path: &str,
        path_span: Span,
        parameters: &[super::parameters::RawParameter],
        operation_span: Span,
    ) {
        let in_template: Vec<&str> = template_names(path).collect();
        let declared: Vec<_> = parameters.iter().filter(|parameter| parameter.is_in_path()).collect();
        for name in &in_template {
            if !declared.iter().any(|parameter| parameter.name == *name) {
                let message = format!("the path parameter `{name}` of `{path}` is not declared");
                let help =
                    format!("add `{{ name: {name}, in: path, required: true, schema: … }}` to `parameters`");
                self.error(operation_span, "path-parameter", message, Some(help));
            }
        }
        for parameter in declared {
            if !in_template.contains(&parameter.name.as_str()) {
                let message = format!("`{path}` has no `{{{}}}`", parameter.name);
                let help = did_you_mean(&parameter.name, in_template.iter().copied())
                    .map(|name| format!("did you mean `{name}`?"));
                self.error(parameter.span, "path-parameter", message, help);
            }
        }
        let unique: HashSet<_> = in_template.iter().collect();
        if unique.len() < in_template.len() {
            let message = format!("`{path}` names one parameter twice");
            self.error(path_span, "path-parameter", message, None);
        }
    }

    /// A path that cannot be looked up.
    pub(super) fn unusable(&mut self, operation: &RawOperation, problem: &str) {
        let message = format!("the path `{}` cannot be used: {problem}", operation.path);
        self.error(operation.path_span, "path", message, None);
    }

    fn duplicate_ids(&mut self, operations: &[(RawOperation, Span)]) {
        let mut seen: HashMap<&str, &RawOperation> = HashMap::new();
        for (operation, span) in operations {
            if let Some(first) = seen.insert(&operation.id, operation) {
                let message =
                    format!("the operationId `{}` is taken by {} {}", operation.id, first.method, first.path);
                self.error(*span, "operation-id", message, Some("choose another one".to_owned()));
            }
        }
    }

    /// What the document says and this gateway does not read, so that nobody believes that it holds.
    fn unread(&mut self, root: &Located<'r>) {
        if let Some(dialect) = root.member("jsonSchemaDialect") {
            let text = dialect.node.scalar_text().unwrap_or_default();
            let known = [
                "https://spec.openapis.org/oas/3.1/dialect/base",
                "https://json-schema.org/draft/2020-12/schema",
            ];
            if !known.contains(&text.trim_end_matches('#')) {
                let message = format!("the schema dialect `{text}` is not supported: 2020-12 is used");
                self.warning(dialect.node.span, "unsupported", message, None);
            }
        }
    }

    /// Follows `$ref` from one object of the document to another, to its end.
    pub(super) fn resolve(&mut self, start: Located<'r>, what: &str) -> Option<Located<'r>> {
        let mut place = start;
        let mut seen = HashSet::new();
        loop {
            let Some(target) = place.member("$ref") else {
                if place.node.as_map().is_none() {
                    let message = format!("{what} must be a mapping, not {}", place.node.kind_name());
                    self.error(place.node.span, "wrong-kind", message, None);
                    return None;
                }
                return Some(place);
            };
            let span = target.node.span;
            if !seen.insert(place.pointer.clone()) {
                self.error(span, "ref-cycle", "this `$ref` leads back to itself", None);
                return None;
            }
            place = self.follow(&target)?;
        }
    }

    /// The place that the text of one `$ref` names.
    fn follow(&mut self, target: &Located<'r>) -> Option<Located<'r>> {
        let text = target.node.as_str().unwrap_or_default();
        match self.files.target(target) {
            ReferenceTarget::Local(pointer) => {
                let place = self.root.at(&pointer);
                if place.is_none() {
                    let (message, help) = unresolved(&self.root, text, &pointer);
                    self.error(target.node.span, "unresolved-ref", message, help);
                }
                place
            }
            ReferenceTarget::Unreadable(cause) => {
                let (message, help) = unreadable(text, &cause);
                self.error(target.node.span, "remote-ref", message, help);
                None
            }
        }
    }

    /// Warns of keys that OpenAPI does not have here: usually a slip of the pen.
    pub(super) fn known_keys(&mut self, place: &Located<'r>, what: &str, known: &[&str]) {
        for (key, _) in place.members() {
            if key.name.starts_with("x-") || known.contains(&key.name.as_str()) {
                continue;
            }
            let message = format!("{what} has no key `{}`", key.name);
            let help =
                did_you_mean(&key.name, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            self.warning(key.span, "unknown-key", message, help);
        }
    }

    /// A boolean member; absent is `None`.
    pub(super) fn boolean(&mut self, place: &Located<'r>, name: &str) -> Option<bool> {
        let member = place.member(name)?;
        match member.node.kind {
            demur_source::NodeKind::Bool(value) => Some(value),
            _ => {
                let message = format!("`{name}` must be true or false, not {}", member.node.kind_name());
                self.error(member.node.span, "wrong-kind", message, None);
                None
            }
        }
    }

    pub(super) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if self.is_idle {
            return self.warning(span, check, message, help);
        }
        self.files.error(self.found, span, check, message, help);
    }

    /// A warning at the first of many places, which would say the same at each.
    pub(super) fn warn_once(&mut self, span: Span, check: &'static str, message: &'static str) {
        if self.said.insert(message) {
            self.warning(span, check, message, None);
        }
    }

    pub(super) fn warning(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.files.warning(self.found, span, check, message, help);
    }
}

/// The names between braces of a path template, in their order.
pub(super) fn template_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// What is said of a `$ref` into nothing.
pub(crate) fn unresolved(root: &Located<'_>, text: &str, pointer: &str) -> (String, Option<String>) {
    let message = format!("`{text}` names nothing");
    let help = pointer.rsplit_once('/').and_then(|(parent, name)| {
        let siblings = root.at(parent)?;
        let names: Vec<&str> = siblings.node.as_map()?.iter().map(|(key, _)| key.name.as_str()).collect();
        let meant = did_you_mean(name, names)?;
        let before = text.strip_suffix(name)?;
        Some(format!("did you mean `{before}{meant}`?"))
    });
    (message, help)
}

/// What is said of a `$ref` to what cannot be read.
pub(crate) fn unreadable(text: &str, cause: &str) -> (String, Option<String>) {
    let name = text.split('#').next().unwrap_or_default();
    let message = format!("`{text}` cannot be read: {cause}");
    let help = if is_remote(name) {
        "nothing is fetched: keep a copy beside the document, and name it by its path, or under `references`"
    } else if name.is_empty() {
        "name a place as `#/components/schemas/…`"
    } else {
        "paths are relative to the file in which they stand"
    };
    (message, Some(help.to_owned()))
}
