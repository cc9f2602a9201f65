//! The loader: reads a contract file, collects all diagnostics, and returns a contract if none of them is an error.
//!
//! [`crate::manual`] describes every key. [`crate::claims`] finds the error that answers each condition.

mod code_style;
mod entry;
mod extends;
mod formats;
mod from_path;
mod headers;
mod http;
mod locales;
mod reader;

use std::sync::Arc;

use demur_source::{Diagnostics, Fields, Node, Source, Span};

use crate::catalogue::{EntrySource, ErrorEntry, ErrorId, Show};
use crate::claims::{self, ClaimMap};
use crate::compile::compile;
use crate::contract::{Contract, Format, Metadata, Variants};
use crate::format::FormatNode;
use crate::parse::Parser;
use crate::template::TemplateParameter;
use crate::violations::{FieldStyle, ViolationTexts, rule_claim};
use crate::{Condition, claim_names};

pub(crate) use code_style::CodeStyle;
pub(crate) use entry::doc_url;
pub use from_path::LoadError;
use http::is_url_or_path;
pub(crate) use reader::{ContractDefaults, ContractReader, Draft};

/// A contract and its warnings.
#[derive(Debug)]
pub struct Loaded {
    /// The contract.
    pub contract: Contract,
    /// What is valid but probably not intended; contains no errors.
    pub warnings: Diagnostics,
}

/// The maximum number of errors in a contract. It is limited because each error is compared with all others.
const MAX_ERRORS: usize = 2048;

impl Contract {
    /// Loads a contract file.
    ///
    /// # Errors
    ///
    /// All errors and warnings in the file, each with its position and with help on how to fix it.
    pub fn load(source: &Arc<Source>) -> Result<Loaded, Diagnostics> {
        let (root, mut diagnostics) = demur_source::parse_lossy(source)?;
        let root = extends::resolve(root, source, &mut diagnostics);
        let mut reader = ContractReader { source, diagnostics };
        let contract = reader.contract(&root);
        match contract {
            Some(contract) if !reader.diagnostics.has_errors() => {
                Ok(Loaded { contract, warnings: reader.diagnostics.sorted() })
            }
            _ => Err(reader.diagnostics.sorted()),
        }
    }
}

impl ContractReader<'_> {
    fn contract(&mut self, root: &Node) -> Option<Contract> {
        let source = self.source;
        let mut fields = Fields::of(root, source, "a contract", &mut self.diagnostics)?;
        match fields.node("demur").map(|node| (node.scalar_text(), node.span)) {
            Some((Some(version), _)) if version == "1" => {}
            Some((version, span)) => {
                let version = version.map_or_else(String::new, |version| format!(" `{version}`"));
                let message = format!("unsupported contract version{version}");
                let help = "write `demur: 1`; only the configuration has a version 2".to_owned();
                self.error(span, "version", message, help);
            }
            None => self.error(
                fields.span(),
                "missing-key",
                "a contract needs `demur`, the version of its format",
                "add `demur: 1` as the first line".to_owned(),
            ),
        }
        let name = fields.text("name", &mut self.diagnostics);
        if fields.node("name").is_none() {
            fields.missing("name", &mut self.diagnostics);
        }
        // Both are resolved already, and are known names in diagnostics.
        let _ = (fields.node("extends"), fields.node("settings"));
        let about = self.about(&mut fields);
        let content_type = self.content_type(&mut fields);
        let request_id = self.request_id(fields.node("request_id"));
        let limit_headers = self.limit_headers(&mut fields);
        let defaults = self.defaults(&mut fields, &about);
        let (field_style, texts, show) = self.violations(fields.node("violations"));
        let defaults = ContractDefaults { show, ..defaults };

        let mut drafts = Vec::new();
        if fields.node("errors").is_none() {
            fields.missing("errors", &mut self.diagnostics);
        }
        let errors = fields.map("errors", &mut self.diagnostics);
        if errors.len() > MAX_ERRORS {
            let message = format!("a contract can have at most {MAX_ERRORS} errors");
            self.error(fields.span(), "too-many-errors", message, None);
        }
        for (key, node) in errors.iter().take(MAX_ERRORS) {
            drafts.extend(self.entry(key, node, &defaults));
        }
        let map = |name: &str| root.get(name).and_then(Node::as_map).unwrap_or_default();
        self.check_described_members(map("members"), map("formats"));
        self.check_format_params(map("formats"), &drafts);
        let variants = self.variant_settings(&mut fields);
        let span = fields.span();
        fields.finish(&mut self.diagnostics);

        let spans: Vec<Span> = drafts.iter().map(|draft| draft.span).collect();
        let ClaimMap { entries, by_condition, by_name, violation_errors, unclaimed, by_upstream_status } =
            claims::resolve(self, drafts, &defaults);
        // Without a catalogue, the missing `errors` has been reported, and listing every condition would not help.
        if root.get("errors").is_some() {
            claims::report_unclaimed(self, &unclaimed, &defaults, span);
        }
        let programs = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let shape = defaults.formats.get(entry.format).map(|format| &format.shape);
                shape.map_or_else(Vec::new, |shape| compile(shape, entry, violation_errors.contains(&index)))
            })
            .collect();
        let mut formats = defaults.formats;
        if formats.is_empty() {
            // The missing format has been reported. The rest of the file is still checked, with an empty one.
            formats.push(Format { name: "default".to_owned(), shape: FormatNode::Object(Vec::new()) });
        }
        let mut contract = Contract {
            name: name?,
            about,
            content_type,
            request_id,
            limit_headers,
            formats,
            entries,
            programs,
            by_condition,
            by_upstream_status,
            by_name,
            texts,
            field_style,
            locale: variants.locale.clone(),
            plurals: variants.plurals.clone()?,
            variants: Variants::default(),
            parser: Parser::default(),
        };
        contract.parser = contract.build_parser();
        // Comparing errors makes sense only if all of them could be read.
        if !self.diagnostics.has_errors() {
            self.warn_ambiguous_pairs(&contract, &spans, span);
            self.warn_key_format_disclosure(&contract, &spans, span);
        }
        Some(self.build_variants(contract, &variants, root))
    }

    /// Warns of errors that a client cannot distinguish, unless the contract declares this with `same_as`.
    fn warn_ambiguous_pairs(&mut self, contract: &Contract, spans: &[Span], root: Span) {
        for pair in contract.ambiguous_pairs().into_iter().filter(|pair| !pair.declared) {
            let (first, second) = (contract.entry(pair.first), contract.entry(pair.second));
            let at = spans.get(usize::from(pair.second.0));
            let at = at.copied().unwrap_or(Span::new(root.start, root.start));
            let (check, when) = match pair.always {
                true => ("indistinguishable", String::new()),
                false => ("look-alike", condition_of_likeness(first, second)),
            };
            let message =
                format!("a client cannot distinguish `{}` from `{}`{when}", second.name, first.name);
            let discriminators: Vec<&str> =
                pair.discriminators.iter().map(|discriminator| discriminator.as_str()).collect();
            let help = format!(
                "give one of them {}; if they are meant to look the same, add `same_as: [{}]`",
                discriminators.join(", or "),
                first.name
            );
            self.diagnostics.warning(self.source, at, check, message, help);
        }
    }

    /// Warns if the contract lets an attacker learn whether a guessed key has the format of real keys.
    fn warn_key_format_disclosure(&mut self, contract: &Contract, spans: &[Span], root: Span) {
        let malformed = contract.answer(Condition::CredentialMalformed);
        let unknown = contract.answer(Condition::CredentialUnknown);
        let [one, other] = [malformed, unknown].map(|error| contract.entry(error));
        let is_derived = |entry: &ErrorEntry| matches!(entry.source, EntrySource::Derived(_));
        // The two derived errors look the same.
        if malformed == unknown || is_derived(one) && is_derived(other) {
            return;
        }
        let span_of = |error: ErrorId| spans.get(usize::from(error.0)).copied();
        let at = span_of(malformed).or_else(|| span_of(unknown)).unwrap_or(Span::new(root.start, root.start));
        let message = format!(
            "`{}` is the error for `credential.malformed` and `{}` for `credential.unknown`: the difference \
             lets an attacker learn the format of keys",
            one.name, other.name
        );
        let help = "claim both in one error: `on: [credential.malformed, credential.unknown]`".to_owned();
        self.diagnostics.warning(self.source, at, "credential-answers", message, help);
    }

    fn about(&mut self, fields: &mut Fields<'_>) -> Metadata {
        let mut about = Metadata {
            title: fields.text("title", &mut self.diagnostics),
            description: fields.text("description", &mut self.diagnostics),
            support: fields.text("support", &mut self.diagnostics),
            source: fields.text("source", &mut self.diagnostics),
            ..Metadata::default()
        };
        about.types = self.described(fields, "types");
        about.members = self.described(fields, "members");
        about.guide = self.described(fields, "guide");
        if let Some(node) = fields.node("statuses") {
            match node.as_str() {
                Some("closed") => about.statuses_closed = true,
                Some("open") => {}
                _ => self.statuses(node, &mut about),
            }
        }
        about
    }

    /// `statuses: { closed: true, 200: "…", 400: "…" }`
    fn statuses(&mut self, node: &Node, about: &mut Metadata) {
        let Some(entries) = node.as_map() else {
            let message = format!(
                "`statuses` must be `closed`, `open`, or a mapping of statuses to descriptions, not {}",
                node.scalar_text().map_or_else(|| node.kind_name().to_owned(), |text| format!("`{text}`"))
            );
            return self.error(node.span, "wrong-kind", message, None);
        };
        for (key, value) in entries {
            match (key.name.parse::<u16>(), &value.kind) {
                (Ok(status), _) if (100..=599).contains(&status) => {
                    about.statuses.push((status, self.text(value).unwrap_or_default()));
                }
                (_, demur_source::NodeKind::Bool(closed)) if key.name == "closed" => {
                    about.statuses_closed = *closed;
                }
                _ if key.name == "closed" => {
                    let message = format!("`closed` must be `true` or `false`, not {}", value.kind_name());
                    self.error(value.span, "wrong-kind", message, None);
                }
                _ => {
                    let message = format!("`{}` is not an HTTP status", key.name);
                    let help = "write a status between 100 and 599".to_owned();
                    self.error(key.span, "status", message, help);
                }
            }
        }
    }

    fn described(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Vec<(String, String)> {
        let entries = fields.map(name, &mut self.diagnostics);
        let described =
            entries.iter().map(|(key, node)| (key.name.clone(), self.text(node).unwrap_or_default()));
        described.collect()
    }

    fn defaults(&mut self, fields: &mut Fields<'_>, about: &Metadata) -> ContractDefaults {
        let source = self.source;
        let mut formats = Vec::new();
        for (key, node) in fields.map("formats", &mut self.diagnostics) {
            let shape = FormatNode::read(node, source, &mut self.diagnostics);
            self.check_slot_names(node);
            formats.push(Format { name: key.name.clone(), shape });
        }
        if !formats.iter().any(|format| format.name == "default") {
            let help = "add `formats: { default: … }` with the JSON of an error response".to_owned();
            let message = "a contract needs a format named `default`";
            self.error(fields.span(), "missing-format", message, help);
        }
        let doc_url = fields.node("doc_url").and_then(|node| {
            let template = self.template(node)?;
            let is_per_error = template.parameters().any(
                |parameter| matches!(parameter, TemplateParameter::Named(name) if name == "name" || name == "code"),
            );
            if !is_per_error {
                let help = "use `{name}` or `{code}` in the URL of the error's page".to_owned();
                let message = "`doc_url` is the same for every error";
                self.diagnostics.warning(source, node.span, "doc-url", message, help);
            }
            if !self.check_known_parameters(&template, node.span, &["name", "code"]) {
                return Some(template);
            }
            if !is_url_or_path(&doc_url(&template, "name", Some("code"))) {
                let help = "write a URL like `https://shop.example/errors/{name}` or a path like `/errors/{name}`";
                let message = format!("`doc_url` is not a valid URL or path: `{template}`");
                self.error(node.span, "not-a-url", message, help.to_owned());
            }
            Some(template)
        });
        let code_style = fields.node("code_style").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a valid `code_style`", &CodeStyle::ALL)
        });
        ContractDefaults {
            formats,
            types: about.types.clone(),
            statuses: about.statuses.clone(),
            closed: about.statuses_closed,
            doc_url,
            code_style,
            show: Show::default(),
        }
    }

    fn violations(&mut self, node: Option<&Node>) -> (FieldStyle, ViolationTexts, Show) {
        let mut style = FieldStyle::default();
        let mut show = Show::default();
        let mut texts = Vec::new();
        let source = self.source;
        if let Some(mut fields) =
            node.and_then(|node| Fields::of(node, source, "`violations`", &mut self.diagnostics))
        {
            if let Some(node) = fields.node("field") {
                let word = node.scalar_text().unwrap_or_default();
                style = self
                    .one_of(&word, node.span, "a valid `field` style", &FieldStyle::ALL)
                    .unwrap_or_default();
            }
            if let Some(node) = fields.node("show") {
                let word = node.scalar_text().unwrap_or_default();
                show =
                    self.one_of(&word, node.span, "a valid value of `show`", &Show::ALL).unwrap_or_default();
            }
            for (key, node) in fields.map("messages", &mut self.diagnostics) {
                let claim = rule_claim(&key.name);
                if !claim_names().contains(&claim.as_str()) {
                    self.unknown_rule(&key.name, key.span);
                }
                if let Some(template) = self.template(node) {
                    self.check_known_parameters(&template, node.span, &[]);
                    texts.push((claim, template));
                }
            }
            fields.finish(&mut self.diagnostics);
        }
        (style, ViolationTexts::new(&texts), show)
    }
}

/// When two errors look the same that do not always: for some values of the parameters that their texts show.
fn condition_of_likeness(first: &ErrorEntry, second: &ErrorEntry) -> String {
    let texts = [first, second].into_iter().flat_map(|entry| {
        [Some(&entry.title), Some(&entry.message), entry.user_message.as_ref()].into_iter().flatten()
    });
    let mut names: Vec<String> = texts
        .flat_map(|text| text.parameters())
        .map(|parameter| format!("`{{{}}}`", parameter.as_str()))
        .collect();
    names.sort_unstable();
    names.dedup();
    match names.is_empty() {
        true => " in some responses".to_owned(),
        false => format!(" for some values of {}", names.join(", ")),
    }
}
