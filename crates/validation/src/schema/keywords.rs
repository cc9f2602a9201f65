//! Keywords that contain no schema, and keywords of older drafts: warns of those without an effect.

use demur_source::{Diagnostics, NodeKind, Span, did_you_mean};
use serde_json::Value;

use super::cycles;
use super::dialect::Dialect;
use super::vocabulary::{FORMATS, MANY, NAMED, ONE, OTHER};
use super::walk::SchemaWalk;
use crate::Formats;
use crate::tree::{Located, join};

impl<'w> SchemaWalk<'w> {
    /// Checks a keyword that contains no schema.
    pub(super) fn keyword(
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
    pub(super) fn recursive(
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
    pub(super) fn older(
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

    /// Warns of keywords beside `$ref`, which OpenAPI 3.0 ignores.
    pub(super) fn ref_siblings(&mut self, schema: &Located<'w>, diagnostics: &mut Diagnostics) {
        const REMARKS: [&str; 6] = ["$ref", "title", "description", "example", "deprecated", "readOnly"];
        for (key, member) in schema.members() {
            if !REMARKS.contains(&key.name.as_str()) && !key.name.starts_with("x-") {
                let message = format!("OpenAPI 3.0 ignores `{}` beside `$ref`", key.name);
                let help = "move the `$ref` into `allOf`".to_owned();
                self.warn(&member.pointer, key.span, "ref-siblings", message, Some(help), diagnostics);
            }
        }
    }
}
