//! Visits every schema of a document once: reports mistakes, and rewrites it to 2020-12.
//!
//! Iterates along references from the schemas that requests and responses are validated against. Mistakes in all
//! other schemas are warnings.

use std::collections::HashSet;

use demur_source::{Diagnostics, Node, NodeKind, Span, did_you_mean};
use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::dialect::Dialect;
use super::rewrite::{Rewriter, SchemaSide};
use super::vocabulary::{FORMATS, IN_PLACE, MANY, NAMED, ONE, OTHER, TYPES};
use super::{cycles, pattern};
use crate::Formats;
use crate::tree::{Files, Located, ReferenceTarget, tokens, unreadable, unresolved};

/// The maximum number of characters of an error text, which may quote the document.
const MAX_QUOTE: usize = 200;

/// The state of the walk.
pub(super) struct SchemaWalk<'w> {
    files: &'w Files,
    root: Located<'w>,
    dialect: Dialect,
    formats: Formats,
    side: SchemaSide,
    rewriter: Rewriter<'w>,
    visited: HashSet<String>,
    /// The pointers of reported schemas, so that nothing is reported twice.
    reported: HashSet<String>,
    /// Unknown formats, each reported once.
    unknown_formats: HashSet<String>,
    /// The edges between schemas that apply to the same value.
    in_place: Vec<cycles::SchemaStep>,
    /// Whether mistakes are warnings, because nothing is validated against the schema.
    is_unused: bool,
    is_valid: bool,
}

impl<'w> SchemaWalk<'w> {
    pub(super) fn new(files: &'w Files, root: &'w Node, dialect: Dialect, formats: Formats) -> Self {
        Self {
            files,
            root: Located::root(root),
            dialect,
            formats,
            side: SchemaSide::Requests,
            rewriter: Rewriter { files, root: Located::root(root), dialect, formats },
            visited: HashSet::new(),
            reported: HashSet::new(),
            unknown_formats: HashSet::new(),
            in_place: Vec::new(),
            is_unused: false,
            is_valid: true,
        }
    }

    /// Visits the schemas of one side, and returns whether there are no errors.
    pub(super) fn check_used(
        &mut self,
        side: SchemaSide,
        locations: &[String],
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        self.side = side;
        let before = std::mem::take(&mut self.visited);
        let starts = locations.iter().filter_map(|pointer| self.root.at(pointer)).collect();
        self.visit_all(starts, document, diagnostics);
        self.visited.extend(before);
        for (pointer, span) in cycles::find(&std::mem::take(&mut self.in_place)) {
            let message = "the schema refers to itself without an end".to_owned();
            let help =
                "use this `$ref` only inside `properties`, `items` or another part of the value".to_owned();
            self.report(&pointer, span, "ref-cycle", message, Some(help), diagnostics);
        }
        self.is_valid
    }

    /// Visits the remaining schemas below `components`.
    pub(super) fn check_unused(&mut self, document: &mut Value, diagnostics: &mut Diagnostics) {
        self.is_unused = true;
        let schemas = self.root.at("/components/schemas");
        let starts = schemas.iter().flat_map(|schemas| schemas.members()).map(|(_, schema)| schema).collect();
        self.visit_all(starts, document, diagnostics);
    }

    fn visit_all(&mut self, starts: Vec<Located<'w>>, document: &mut Value, diagnostics: &mut Diagnostics) {
        let mut rest = starts;
        // Schemas that were reached by name, not as a part of another. Each is validated against the meta-schema.
        let mut names: Vec<Located<'w>> = rest.clone();
        while let Some(schema) = rest.pop() {
            if !self.visited.insert(schema.pointer.clone()) {
                continue;
            }
            match &schema.node.kind {
                NodeKind::Map(_) => {
                    let referred = self.schema(&schema, &mut rest, diagnostics);
                    self.rewriter.rewrite(self.side, &schema, referred.as_ref(), document);
                    names.extend(referred.clone());
                    rest.extend(referred);
                }
                NodeKind::Bool(_) => {}
                _ => {
                    let message = format!("a schema must be a mapping, not {}", schema.node.kind_name());
                    self.report(&schema.pointer, schema.node.span, "schema", message, None, diagnostics);
                }
            }
        }
        let mut checked = HashSet::new();
        for schema in names {
            if checked.insert(schema.pointer.clone()) {
                self.check_meta_schema(&schema, document, diagnostics);
            }
        }
    }

    /// Checks a schema object, adds its subschemas to `rest`, and returns the target of its `$ref`.
    fn schema(
        &mut self,
        schema: &Located<'w>,
        rest: &mut Vec<Located<'w>>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Located<'w>> {
        let reference = schema.member("$ref").or_else(|| schema.member("$dynamicRef"));
        let target = reference.and_then(|target| self.follow(schema, &target, diagnostics));
        if self.dialect == Dialect::OpenApi30 && schema.member("$ref").is_some() {
            self.ref_siblings(schema, diagnostics);
            return target;
        }
        for (key, member) in schema.members() {
            let keyword = key.name.as_str();
            let before = rest.len();
            if ONE.contains(&keyword) {
                rest.push(member);
            } else if MANY.contains(&keyword) {
                rest.extend(member.items());
            } else if NAMED.contains(&keyword) {
                if keyword == "patternProperties" {
                    for (pattern, located) in member.members() {
                        self.pattern(&pattern.name, pattern.span, &located.pointer, diagnostics);
                    }
                }
                rest.extend(member.members().map(|(_, part)| part));
            } else if keyword == "pattern" {
                if let Some(pattern) = member.node.as_str() {
                    self.pattern(pattern, member.node.span, &member.pointer, diagnostics);
                }
            } else {
                self.keyword(keyword, key.span, schema, &member, diagnostics);
            }
            if IN_PLACE.contains(&keyword) {
                let parts = &rest[before..];
                let steps = parts.iter().map(|part| cycles::SchemaStep {
                    from: schema.pointer.clone(),
                    to: part.pointer.clone(),
                    span: key.span,
                });
                self.in_place.extend(steps);
            }
        }
        target
    }

    /// Checks a keyword that contains no schema.
    fn keyword(
        &mut self,
        keyword: &str,
        span: Span,
        schema: &Located<'w>,
        member: &Located<'w>,
        diagnostics: &mut Diagnostics,
    ) {
        if keyword == "$schema" {
            let text = member.node.as_str().unwrap_or_default().trim_end_matches('#');
            if text != "https://json-schema.org/draft/2020-12/schema" {
                let message =
                    format!("schema dialect `{text}` is not supported, JSON Schema 2020-12 is used instead");
                self.warn(&member.pointer, span, "unsupported", message, None, diagnostics);
            }
        } else if keyword == "$vocabulary" {
            let message =
                "custom vocabularies are not supported, JSON Schema 2020-12 is used instead".to_owned();
            self.warn(&member.pointer, span, "unsupported", message, None, diagnostics);
        } else if keyword == "format" {
            self.format(member, diagnostics);
        } else if keyword == "nullable" {
            let message = match self.dialect {
                Dialect::OpenApi31 => "`nullable` has no effect in OpenAPI 3.1",
                Dialect::OpenApi30 if schema.member("type").is_none() => {
                    "`nullable` has no effect without `type`"
                }
                Dialect::OpenApi30 => return,
            };
            let help = match self.dialect {
                Dialect::OpenApi31 => "write `type: [string, 'null']`",
                Dialect::OpenApi30 => "add `type` beside it",
            };
            self.warn(
                &member.pointer,
                span,
                "nullable",
                message.to_owned(),
                Some(help.to_owned()),
                diagnostics,
            );
        } else if !OTHER.contains(&keyword) && !keyword.starts_with("x-") {
            // JSON Schema allows any other keyword: only those that resemble a known one are reported.
            let known = OTHER.iter().chain(&ONE).chain(&MANY).chain(&NAMED).copied();
            if let Some(suggestion) = did_you_mean(keyword, known) {
                let message = format!("unknown keyword `{keyword}` has no effect");
                let help = format!("did you mean `{suggestion}`?");
                self.warn(&member.pointer, span, "unknown-key", message, Some(help), diagnostics);
            }
        }
    }

    /// Warns of an unknown format, which JSON Schema ignores.
    fn format(&mut self, member: &Located<'w>, diagnostics: &mut Diagnostics) {
        let Some(name) = member.node.as_str() else { return };
        if self.formats == Formats::Annotate || FORMATS.contains(&name) || self.is_unused {
            return;
        }
        if self.unknown_formats.insert(name.to_owned()) {
            let message = format!("unknown format `{name}` is not validated (reported once)");
            let help = did_you_mean(name, FORMATS).map(|suggestion| format!("did you mean `{suggestion}`?"));
            self.warn(&member.pointer, member.node.span, "unsupported", message, help, diagnostics);
        }
    }

    fn follow(
        &mut self,
        schema: &Located<'w>,
        target: &Located<'w>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Located<'w>> {
        let span = target.node.span;
        let Some(text) = target.node.as_str() else {
            let message = format!("`$ref` must be a string, not {}", target.node.kind_name());
            self.report(&target.pointer, span, "wrong-kind", message, None, diagnostics);
            return None;
        };
        let pointer = match self.files.target(target) {
            ReferenceTarget::Local(pointer) => pointer,
            ReferenceTarget::Unreadable(cause) => {
                let (message, help) = unreadable(text, &cause);
                self.report(&target.pointer, span, "remote-ref", message, help, diagnostics);
                return None;
            }
        };
        let located = self.root.at(&pointer);
        match &located {
            Some(located) => self.in_place.push(cycles::SchemaStep {
                from: schema.pointer.clone(),
                to: located.pointer.clone(),
                span,
            }),
            None => {
                let (message, help) = unresolved(&self.root, text, &pointer);
                self.report(&target.pointer, span, "unresolved-ref", message, help, diagnostics);
            }
        }
        located
    }

    /// Warns of keywords beside `$ref`, which OpenAPI 3.0 ignores.
    fn ref_siblings(&mut self, schema: &Located<'w>, diagnostics: &mut Diagnostics) {
        const REMARKS: [&str; 6] = ["$ref", "title", "description", "example", "deprecated", "readOnly"];
        for (key, member) in schema.members() {
            if !REMARKS.contains(&key.name.as_str()) && !key.name.starts_with("x-") {
                let message = format!("OpenAPI 3.0 ignores `{}` beside `$ref`", key.name);
                let help = "move the `$ref` into `allOf`".to_owned();
                self.warn(&member.pointer, key.span, "ref-siblings", message, Some(help), diagnostics);
            }
        }
    }

    fn pattern(&mut self, pattern: &str, span: Span, pointer: &str, diagnostics: &mut Diagnostics) {
        if let Some((message, help)) = pattern::problem(pattern) {
            self.report(pointer, span, "pattern", message, help, diagnostics);
        }
    }

    /// Validates a schema against the meta-schema: types and bounds of keywords, unknown types.
    fn check_meta_schema(&mut self, schema: &Located<'w>, document: &Value, diagnostics: &mut Diagnostics) {
        let Some(value) = document.pointer(&schema.pointer) else { return };
        let validator = jsonschema::draft202012::meta::validator();
        for error in validator.iter_errors(value) {
            let pointer = format!("{}{}", schema.pointer, error.instance_path().as_str());
            // Already checked above, with better messages.
            let is_format = matches!(error.kind(), ValidationErrorKind::Format { .. });
            if is_format || pointer.ends_with("/$ref") || pointer.ends_with("/$dynamicRef") {
                continue;
            }
            let span = self.root.node.nearest(&pointer).span;
            let (message, help) = meta_message(&pointer, &error);
            self.report(&pointer, span, "schema", message, help, diagnostics);
        }
    }

    fn report(
        &mut self,
        pointer: &str,
        span: Span,
        check: &'static str,
        message: String,
        help: Option<String>,
        diagnostics: &mut Diagnostics,
    ) {
        if !self.reported.insert(pointer.to_owned()) {
            return;
        }
        if self.is_unused {
            let message = format!("{message} (this schema is not used)");
            self.files.warning(diagnostics, span, check, message, help);
        } else {
            self.is_valid = false;
            self.files.error(diagnostics, span, check, message, help);
        }
    }

    /// Reports a warning once, whichever side is visited.
    fn warn(
        &mut self,
        pointer: &str,
        span: Span,
        check: &'static str,
        message: String,
        help: Option<String>,
        diagnostics: &mut Diagnostics,
    ) {
        if self.reported.insert(pointer.to_owned()) {
            self.files.warning(diagnostics, span, check, message, help);
        }
    }
}

/// Message and help for an error of the meta-schema.
fn meta_message(pointer: &str, error: &ValidationError<'_>) -> (String, Option<String>) {
    let path: Vec<_> = tokens(pointer).collect();
    let keyword = path.iter().rev().find(|token| token.parse::<usize>().is_err());
    let keyword = keyword.map_or("schema", |token| token.as_ref());
    if keyword == "type" {
        let names: Vec<&str> = match error.instance().as_ref() {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if let Some(unknown) = names.into_iter().find(|name| !TYPES.contains(name)) {
            let help = match did_you_mean(unknown, TYPES) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("use one of: {}", TYPES.join(", ")),
            };
            return (format!("unknown type `{unknown}`"), Some(help));
        }
    }
    if let ValidationErrorKind::Type { kind: TypeKind::Single(expected) } = error.kind() {
        let found: String = match error.instance().as_ref() {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let found: String = found.chars().take(MAX_QUOTE).collect();
        let expected = match expected {
            JsonType::Array => "a list",
            JsonType::Boolean => "`true` or `false`",
            JsonType::Integer => "an integer",
            JsonType::Null => "null",
            JsonType::Number => "a number",
            JsonType::Object => "a mapping",
            JsonType::String => "a string",
        };
        let help = (keyword == "required")
            .then(|| "list the names of required properties in the schema of the object".to_owned());
        return (format!("`{keyword}` must be {expected}, not {found}"), help);
    }
    let text: String = error.to_string().chars().take(MAX_QUOTE).collect();
    (format!("invalid `{keyword}`: {text}"), None)
}
