//! Visits every schema of a document once: reports mistakes, and rewrites it to 2020-12.
//!
//! Iterates along references from the schemas that requests and responses are validated against. Mistakes in all
//! other schemas are warnings.

use std::collections::HashSet;

use demur_source::{Diagnostics, Node, NodeKind, Span, did_you_mean};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::dialect::Dialect;
use super::losses::Losses;
use super::rewrite::{Rewriter, SchemaSide};
use super::vocabulary::{FORMATS, IN_PLACE, MANY, NAMED, ONE, OTHER, TYPES};
use super::{access, cycles, pattern, unsatisfiable};
use crate::tree::{Files, Located, ReferenceTarget, join, tokens, unreadable, unresolved};
use crate::{DocumentOptions, Formats, Unsupported};

/// The maximum number of characters of an error text, which may quote the document.
const MAX_QUOTE: usize = 200;

/// The state of the walk.
pub(super) struct SchemaWalk<'w> {
    files: &'w Files,
    root: Located<'w>,
    dialect: Dialect,
    formats: Formats,
    unsupported: Unsupported,
    side: SchemaSide,
    rewriter: Rewriter<'w>,
    visited: HashSet<String>,
    /// The pointers of reported schemas, so that nothing is reported twice.
    reported: HashSet<String>,
    /// Unknown formats, each reported once.
    unknown_formats: HashSet<String>,
    /// The edges between schemas that apply to the same value.
    in_place: Vec<cycles::SchemaStep>,
    /// The pointers of schemas with the flag of the current side.
    flagged: HashSet<String>,
    /// What the document of the current side has lost.
    losses: Losses,
    /// Whether mistakes are warnings, because nothing is validated against the schema.
    is_unused: bool,
    is_valid: bool,
}

impl<'w> SchemaWalk<'w> {
    pub(super) fn new(files: &'w Files, root: &'w Node, dialect: Dialect, options: &DocumentOptions) -> Self {
        let formats = options.formats;
        Self {
            files,
            root: Located::root(root),
            dialect,
            formats,
            unsupported: options.unsupported,
            side: SchemaSide::Requests,
            rewriter: Rewriter { files, dialect, formats },
            visited: HashSet::new(),
            reported: HashSet::new(),
            unknown_formats: HashSet::new(),
            in_place: Vec::new(),
            flagged: HashSet::new(),
            losses: Losses::default(),
            is_unused: false,
            is_valid: true,
        }
    }

    /// Visits the schemas of one side. Returns what they lost, and whether there are no errors.
    pub(super) fn check_used(
        &mut self,
        side: SchemaSide,
        locations: &[String],
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) -> (Losses, bool) {
        self.side = side;
        let before = std::mem::take(&mut self.visited);
        let starts = locations.iter().filter_map(|pointer| self.root.at(pointer)).collect();
        self.visit_all(starts, document, diagnostics);
        for step in cycles::find(&std::mem::take(&mut self.in_place)) {
            let message = "endless cycle: the schema refers back to itself for the same value".to_owned();
            let help = "refer back only from a part of the value, such as `properties` or `items`".to_owned();
            if self.report(&step.from, step.span, "ref-cycle", message, Some(help), diagnostics) {
                self.losses.keyword(document, &step.from, &step.keyword);
            }
        }
        let mut losses = std::mem::take(&mut self.losses);
        for pointer in losses.finish(document, &self.visited) {
            let span = self.root.node.nearest(&pointer).span;
            let keyword = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("`{keyword}` is not checked, because a part of it cannot be used");
            self.warn(&pointer, span, "unsupported", message, None, diagnostics);
        }
        access::relax_required(document, &self.visited, &std::mem::take(&mut self.flagged));
        self.unsatisfiable(document, diagnostics);
        self.visited.extend(before);
        (losses, self.is_valid)
    }

    /// Warns of schemas that admit nothing.
    fn unsatisfiable(&mut self, document: &Value, diagnostics: &mut Diagnostics) {
        let mut pointers: Vec<&String> = self.visited.iter().collect();
        pointers.sort_unstable();
        let found: Vec<(String, String)> = pointers
            .into_iter()
            .filter_map(|pointer| Some((pointer.clone(), unsatisfiable::contradiction(document, pointer)?)))
            .collect();
        for (pointer, reason) in found {
            let span = self.root.node.nearest(&pointer).span;
            let who = match self.side {
                SchemaSide::Requests => "requests with such a value are rejected",
                SchemaSide::Responses => "responses with such a value are invalid",
            };
            let message = format!("the schema admits no value, so all {who}: {reason}");
            self.warn(&pointer, span, "unsatisfiable", message, None, diagnostics);
        }
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
                    let referred = self.schema(&schema, &mut rest, document, diagnostics);
                    if schema.node.get(self.side.flag()).is_some_and(|flag| flag.kind == NodeKind::Bool(true))
                    {
                        self.flagged.insert(schema.pointer.clone());
                    }
                    self.rewriter.rewrite(&schema, referred.as_ref(), document);
                    names.extend(referred.clone());
                    rest.extend(referred);
                }
                NodeKind::Bool(_) => {}
                _ => {
                    let message = format!("a schema must be a mapping, not {}", schema.node.kind_name());
                    if self.report(&schema.pointer, schema.node.span, "schema", message, None, diagnostics) {
                        self.losses.schema(document, &schema.pointer);
                    }
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
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) -> Option<Located<'w>> {
        let reference = schema.member("$ref").or_else(|| schema.member("$dynamicRef"));
        let target = match reference {
            Some(target) => self.follow(schema, &target, document, diagnostics),
            None => self.recursive(schema, document, diagnostics),
        };
        if self.dialect == Dialect::OpenApi30 && schema.member("$ref").is_some() {
            self.ref_siblings(schema, diagnostics);
            return target;
        }
        for (key, member) in schema.members() {
            let keyword = key.name.as_str();
            let before = rest.len();
            if keyword == "items" && member.node.as_seq().is_some() {
                rest.extend(member.items());
                self.older(schema, (keyword, key.span), "prefixItems", diagnostics);
                self.losses.rename(&schema.pointer, "items", "prefixItems");
            } else if keyword == "additionalItems"
                && schema.node.get("items").is_some_and(|items| items.as_seq().is_some())
            {
                rest.push(member);
            } else if keyword == "dependencies" && member.node.as_map().is_some() {
                rest.extend(
                    member.members().map(|(_, part)| part).filter(|part| part.node.as_seq().is_none()),
                );
                self.older(
                    schema,
                    (keyword, key.span),
                    "dependentRequired` or `dependentSchemas",
                    diagnostics,
                );
                self.losses.rename(&schema.pointer, "dependencies", "");
            } else if ONE.contains(&keyword) {
                rest.push(member);
            } else if MANY.contains(&keyword) {
                rest.extend(member.items());
            } else if NAMED.contains(&keyword) {
                if keyword == "patternProperties" {
                    for (pattern, located) in member.members() {
                        if self.pattern(&pattern.name, pattern.span, &located.pointer, diagnostics) {
                            self.losses.pattern_property(document, &schema.pointer, &pattern.name);
                        }
                    }
                }
                rest.extend(member.members().map(|(_, part)| part));
            } else if keyword == "pattern" {
                if let Some(pattern) = member.node.as_str()
                    && self.pattern(pattern, member.node.span, &member.pointer, diagnostics)
                {
                    self.losses.keyword(document, &schema.pointer, "pattern");
                }
            } else {
                self.keyword(keyword, key.span, schema, &member, diagnostics);
            }
            if IN_PLACE.contains(&keyword) {
                let parts = &rest[before..];
                let steps = parts.iter().map(|part| cycles::SchemaStep {
                    from: schema.pointer.clone(),
                    to: part.pointer.clone(),
                    keyword: keyword.to_owned(),
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
            self.nullable(schema, member, span, diagnostics);
        } else if let ("exclusiveMinimum" | "exclusiveMaximum", NodeKind::Bool(is_exclusive)) =
            (keyword, &member.node.kind)
        {
            let bound = if keyword == "exclusiveMinimum" { "minimum" } else { "maximum" };
            if *is_exclusive && schema.member(bound).is_none() {
                let message = format!("`{keyword}: true` has no effect without `{bound}`");
                self.warn(&member.pointer, span, "no-effect", message, None, diagnostics);
            } else if self.dialect == Dialect::OpenApi31 {
                self.older(schema, (keyword, span), &format!("{keyword}: NUMBER"), diagnostics);
            }
        } else if keyword == "additionalItems" {
            let message = "`additionalItems` has no effect without a list under `items`".to_owned();
            let help = "write `items`".to_owned();
            self.warn(&member.pointer, span, "no-effect", message, Some(help), diagnostics);
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

    /// Warns where `nullable` has no effect, or is not part of the dialect.
    fn nullable(
        &mut self,
        schema: &Located<'w>,
        member: &Located<'w>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) {
        if member.node.kind != NodeKind::Bool(true) && self.dialect == Dialect::OpenApi30 {
            return;
        }
        let (message, help) = match (self.dialect, schema.member("type").is_some()) {
            (Dialect::OpenApi30, true) => return,
            (Dialect::OpenApi30, false) => (
                "`nullable` has no effect without `type` beside it: null is accepted only if the other keywords allow it",
                "add `type` beside it, or a branch for null: `anyOf: [{ $ref: … }, { type: string, nullable: true, enum: [null] }]`",
            ),
            (Dialect::OpenApi31, true) => (
                "`nullable` is not part of OpenAPI 3.1, and is read as in 3.0: null is accepted",
                "write `type: [string, 'null']`",
            ),
            (Dialect::OpenApi31, false) => (
                "`nullable` has no effect in OpenAPI 3.1 without `type`: null is accepted only if the other keywords allow it",
                "write `anyOf: [{ $ref: … }, { type: 'null' }]`",
            ),
        };
        let (message, help) = (message.to_owned(), Some(help.to_owned()));
        self.warn(&member.pointer, span, "nullable", message, help, diagnostics);
    }

    /// Follows the `$recursiveRef` of draft 2019-09: to the enclosing schema with a `$recursiveAnchor`.
    fn recursive(
        &mut self,
        schema: &Located<'w>,
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) -> Option<Located<'w>> {
        let reference = schema.member("$recursiveRef")?;
        let mut around = schema.pointer.as_str();
        let anchor = loop {
            let is_anchor = |schema: &Located<'w>| {
                schema.node.get("$recursiveAnchor").is_some_and(|flag| flag.kind == NodeKind::Bool(true))
            };
            match self.root.at(around).filter(is_anchor) {
                Some(anchor) if reference.node.as_str() == Some("#") => break Some(anchor),
                _ => around = &around[..around.rfind('/').unwrap_or_default()],
            }
            if around.is_empty() {
                break None;
            }
        };
        let span = reference.node.span;
        match &anchor {
            Some(anchor) => {
                self.older(schema, ("$recursiveRef", span), "$ref` or `$dynamicRef", diagnostics);
                let (from, to) = (schema.pointer.clone(), anchor.pointer.clone());
                self.in_place.push(cycles::SchemaStep {
                    from,
                    to,
                    keyword: "$recursiveRef".to_owned(),
                    span,
                });
            }
            None => {
                let message =
                    "`$recursiveRef` must be `#`, below a schema with `$recursiveAnchor: true`".to_owned();
                if self.report(&reference.pointer, span, "unresolved-ref", message, None, diagnostics) {
                    self.losses.keyword(document, &schema.pointer, "$recursiveRef");
                }
            }
        }
        anchor
    }

    /// Warns of a keyword of an older draft, which is understood.
    fn older(
        &mut self,
        schema: &Located<'w>,
        (keyword, span): (&str, Span),
        now: &str,
        diagnostics: &mut Diagnostics,
    ) {
        let message = format!("`{keyword}` is written as in an older draft, and read as `{now}`");
        let pointer = join(&schema.pointer, keyword);
        self.warn(&pointer, span, "older-draft", message, Some(format!("write `{now}`")), diagnostics);
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
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) -> Option<Located<'w>> {
        let span = target.node.span;
        let keyword = target.pointer.rsplit('/').next().unwrap_or_default();
        let Some(text) = target.node.as_str() else {
            let message = format!("`$ref` must be a string, not {}", target.node.kind_name());
            if self.report(&target.pointer, span, "wrong-kind", message, None, diagnostics) {
                self.lose_reference(schema, keyword, document);
            }
            return None;
        };
        let pointer = match self.files.target(target) {
            ReferenceTarget::Local(pointer) => pointer,
            ReferenceTarget::Unreadable(cause) => {
                let (message, help) = unreadable(text, &cause);
                // The operator can provide the file.
                self.error(&target.pointer, span, "remote-ref", message, help, diagnostics);
                return None;
            }
        };
        let located = self.root.at(&pointer);
        match &located {
            Some(located) => self.in_place.push(cycles::SchemaStep {
                from: schema.pointer.clone(),
                to: located.pointer.clone(),
                keyword: "$ref".to_owned(),
                span,
            }),
            None => {
                let (message, help) = unresolved(&self.root, text, &pointer);
                if self.report(&target.pointer, span, "unresolved-ref", message, help, diagnostics) {
                    self.lose_reference(schema, keyword, document);
                }
            }
        }
        located
    }

    /// Takes a reference out. In 3.0, its siblings have no effect, and must not gain one.
    fn lose_reference(&mut self, schema: &Located<'w>, keyword: &str, document: &mut Value) {
        match self.dialect {
            Dialect::OpenApi30 => self.losses.schema(document, &schema.pointer),
            Dialect::OpenApi31 => self.losses.keyword(document, &schema.pointer, keyword),
        }
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

    /// Returns whether the pattern must be dropped.
    fn pattern(&mut self, pattern: &str, span: Span, pointer: &str, diagnostics: &mut Diagnostics) -> bool {
        match pattern::problem(pattern) {
            Some((message, help)) => self.report(pointer, span, "pattern", message, help, diagnostics),
            None => false,
        }
    }

    /// Validates a schema against the meta-schema: types and bounds of keywords, unknown types. Keywords that cannot be
    /// used are removed until there are none.
    fn check_meta_schema(
        &mut self,
        schema: &Located<'w>,
        document: &mut Value,
        diagnostics: &mut Diagnostics,
    ) {
        const ROUNDS: usize = 5;
        for _ in 0..ROUNDS {
            let errors = self.meta_errors(schema, document);
            let mut is_repaired = false;
            for MetaError { pointer, message, help } in errors {
                let span = self.root.node.nearest(&pointer).span;
                if self.report(&pointer, span, "schema", message, help, diagnostics) {
                    self.drop_keyword(&pointer, document);
                    is_repaired = true;
                }
            }
            if !is_repaired {
                return;
            }
        }
        self.losses.schema(document, &schema.pointer);
    }

    fn meta_errors(&self, schema: &Located<'w>, document: &Value) -> Vec<MetaError> {
        let Some(value) = document.pointer(&schema.pointer) else { return Vec::new() };
        let mut errors = Vec::new();
        for error in jsonschema::draft202012::meta::validator().iter_errors(value) {
            let pointer = format!("{}{}", schema.pointer, error.instance_path().as_str());
            // Already checked above, with better messages.
            let is_format = matches!(error.kind(), ValidationErrorKind::Format { .. });
            let is_tuple = pointer.strip_suffix("/items").is_some_and(|owner| self.losses.is_tuple(owner));
            if is_format || is_tuple || pointer.ends_with("/$ref") || pointer.ends_with("/$dynamicRef") {
                continue;
            }
            let (message, help) = meta_message(&pointer, &error);
            errors.push(MetaError { pointer, message, help });
        }
        errors
    }

    /// Removes the keyword that contains a pointer.
    fn drop_keyword(&mut self, pointer: &str, document: &mut Value) {
        let mut owner = pointer;
        while !self.visited.contains(owner) {
            match owner.rfind('/') {
                Some(slash) => owner = &owner[..slash],
                None => return,
            }
        }
        match tokens(&pointer[owner.len()..]).next() {
            Some(keyword) => self.losses.keyword(document, owner, &keyword),
            None => self.losses.schema(document, owner),
        }
    }

    /// Reports a part that cannot be used, once. Returns whether it must be taken out of the document.
    fn report(
        &mut self,
        pointer: &str,
        span: Span,
        check: &'static str,
        message: String,
        help: Option<String>,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        if self.is_unused || self.unsupported == Unsupported::Reject {
            self.error(pointer, span, check, message, help, diagnostics);
            return false;
        }
        let message = format!("{message}: it has no effect, and values are not checked against it");
        self.warn(pointer, span, check, message, help, diagnostics);
        true
    }

    /// Reports an error once. In a schema that is not used it is a warning.
    fn error(
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

/// A keyword with an invalid value.
struct MetaError {
    pointer: String,
    message: String,
    help: Option<String>,
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
    let text: String = error.to_string().chars().take(MAX_QUOTE).collect();
    (format!("invalid `{keyword}`: {text}"), None)
}
