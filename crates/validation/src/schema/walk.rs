//! Visits every schema of a document once: reports mistakes, and rewrites it to 2020-12.
//!
//! Iterates along references from the schemas that requests and responses are validated against. Mistakes in all
//! other schemas are warnings.

use std::collections::HashSet;

use demur_source::{Diagnostics, Node, NodeKind, Span};
use serde_json::Value;

use super::dialect::Dialect;
use super::losses::Losses;
use super::rewrite::{Rewriter, SchemaSide};
use super::vocabulary::{IN_PLACE, MANY, NAMED, ONE};
use super::{access, cycles, discriminator, pattern, unsatisfiable};
use crate::tree::{Files, Located, ReferenceTarget, join, unreadable, unresolved};
use crate::{Discriminators, DocumentOptions, Formats, Unsupported};

/// The state of the walk.
pub(super) struct SchemaWalk<'w> {
    pub(super) files: &'w Files,
    pub(super) root: Located<'w>,
    pub(super) dialect: Dialect,
    pub(super) formats: Formats,
    pub(super) unsupported: Unsupported,
    pub(super) discriminators: Discriminators,
    pub(super) side: SchemaSide,
    pub(super) rewriter: Rewriter<'w>,
    pub(super) visited: HashSet<String>,
    /// The pointers of reported schemas, so that nothing is reported twice.
    pub(super) reported: HashSet<String>,
    /// Unknown formats, each reported once.
    pub(super) unknown_formats: HashSet<String>,
    /// The edges between schemas that apply to the same value.
    pub(super) in_place: Vec<cycles::SchemaStep>,
    /// The pointers of schemas with the flag of the current side.
    pub(super) flagged: HashSet<String>,
    /// What the document of the current side has lost.
    pub(super) losses: Losses,
    /// Whether mistakes are warnings, because nothing is validated against the schema.
    pub(super) is_unused: bool,
    pub(super) is_valid: bool,
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
            discriminators: options.discriminators,
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
            let message = "the schema refers to itself without an end".to_owned();
            let help =
                "use this `$ref` only inside `properties`, `items` or another part of the value".to_owned();
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
        if self.discriminators == Discriminators::Decide {
            self.decide(document, diagnostics);
        }
        access::relax_required(document, &self.visited, &std::mem::take(&mut self.flagged));
        self.unsatisfiable(document, diagnostics);
        self.visited.extend(before);
        (losses, self.is_valid)
    }

    /// Lets discriminators decide, and warns of those that cannot.
    fn decide(&mut self, document: &mut Value, diagnostics: &mut Diagnostics) {
        let mut pointers: Vec<String> = self.visited.iter().cloned().collect();
        pointers.sort_unstable();
        for pointer in pointers {
            if let Err(target) = discriminator::decide(document, &pointer) {
                let span = self.root.node.nearest(&join(&pointer, "discriminator")).span;
                let message = format!(
                    "`discriminator` decides nothing: its mapping names `{target}`, which is no branch"
                );
                self.warn(&pointer, span, "unsupported", message, None, diagnostics);
            }
        }
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

    /// Returns whether the pattern must be dropped.
    fn pattern(&mut self, pattern: &str, span: Span, pointer: &str, diagnostics: &mut Diagnostics) -> bool {
        match pattern::problem(pattern) {
            Some((message, help)) => self.report(pointer, span, "pattern", message, help, diagnostics),
            None => false,
        }
    }

    /// Reports a part that cannot be used, once. Returns whether it must be taken out of the document.
    pub(super) fn report(
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
    pub(super) fn error(
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
    pub(super) fn warn(
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
