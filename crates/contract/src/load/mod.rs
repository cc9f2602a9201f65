//! The file → a contract. Reads everything, collects every mistake, and only then decides.
//!
//! What the keys mean stands in [`crate::manual`]; how the answers are distributed in [`crate::answers`].

mod code_style;
mod entry;
mod formats;
mod from_path;
mod headers;
mod http;
mod locales;

use std::sync::Arc;

use demur_source::{Diagnostics, Fields, Node, NodeKind, Source, Span, did_you_mean};

use crate::catalogue::{EntrySource, ErrorEntry, ErrorId, Show};
use crate::claims::{self, ClaimMap};
use crate::compile::compile;
use crate::contract::{Contract, Format, Metadata};
use crate::format::FormatNode;
use crate::parse::Parser;
use crate::template::{Template, TemplateParameter};
use crate::variants::Variants;
use crate::violations::{FieldStyle, ViolationTexts, rule_claim};
use crate::{Condition, claim_names};

pub(crate) use code_style::CodeStyle;
pub(crate) use entry::doc_url;
pub use from_path::LoadError;
use http::is_address;

/// A contract, and what a person should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The contract.
    pub contract: Contract,
    /// Warnings only.
    pub warnings: Diagnostics,
}

/// The most errors of one contract: they are compared with each other.
const MAX_ERRORS: usize = 2048;

/// A claim as it was written.
pub(crate) struct WrittenClaim {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// An entry before it is known that the file is sound.
pub(crate) struct Draft {
    pub(crate) entry: ErrorEntry,
    pub(crate) claims: Vec<WrittenClaim>,
    /// Other entries that it names.
    pub(crate) named: Vec<(String, Span)>,
    pub(crate) span: Span,
}

/// What a contract says once for all its errors.
pub(crate) struct ContractDefaults {
    pub(crate) formats: Vec<Format>,
    pub(crate) types: Vec<(String, String)>,
    pub(crate) statuses: Vec<(u16, String)>,
    pub(crate) closed: bool,
    pub(crate) doc_url: Option<Template>,
    pub(crate) code_style: Option<CodeStyle>,
    pub(crate) show: Show,
}

impl Contract {
    /// Reads a contract file.
    ///
    /// `Err` holds every mistake that could be found, each with its place and a mend.
    pub fn load(source: &Arc<Source>) -> Result<Loaded, Diagnostics> {
        let (root, found) = demur_source::parse_lossy(source)?;
        let mut reader = ContractReader { source, found };
        let contract = reader.contract(&root);
        match contract {
            Some(contract) if !reader.found.has_errors() => {
                Ok(Loaded { contract, warnings: reader.found.sorted() })
            }
            _ => Err(reader.found.sorted()),
        }
    }
}

pub(crate) struct ContractReader<'s> {
    pub(crate) source: &'s Arc<Source>,
    pub(crate) found: Diagnostics,
}

impl ContractReader<'_> {
    pub(crate) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.error(self.source, span, check, message, help);
    }

    pub(crate) fn warning(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.found.warning(self.source, span, check, message, help);
    }

    fn contract(&mut self, root: &Node) -> Option<Contract> {
        let source = self.source;
        let mut fields = Fields::of(root, source, "a contract", &mut self.found)?;
        match fields.node("demur").map(|node| (node.scalar_text(), node.span)) {
            Some((Some(version), _)) if version == "1" => {}
            Some((_, span)) => {
                self.error(
                    span,
                    "version",
                    "this version of the file is not known",
                    "write `demur: 1`".to_owned(),
                );
            }
            None => self.error(
                fields.span(),
                "missing-key",
                "the file has no version",
                "begin with `demur: 1`".to_owned(),
            ),
        }
        let name = fields.text("name", &mut self.found);
        if fields.node("name").is_none() {
            fields.missing("name", &mut self.found);
        }
        let about = self.about(&mut fields);
        let content_type = self.content_type(&mut fields);
        let request_id = self.request_id(fields.node("request_id"));
        let families = self.families(&mut fields);
        let defaults = self.defaults(&mut fields, &about);
        let (field_style, texts, show) = self.violations(fields.node("violations"));
        let defaults = ContractDefaults { show, ..defaults };

        let mut drafts = Vec::new();
        if fields.node("errors").is_none() {
            fields.missing("errors", &mut self.found);
        }
        let errors = fields.map("errors", &mut self.found);
        if errors.len() > MAX_ERRORS {
            let message = format!("a contract has at most {MAX_ERRORS} errors");
            self.error(fields.span(), "too-many-errors", message, None);
        }
        for (key, node) in errors.iter().take(MAX_ERRORS) {
            drafts.extend(self.entry(key, node, &defaults));
        }
        let map = |name: &str| root.get(name).and_then(Node::as_map).unwrap_or_default();
        self.members_of_formats(map("members"), map("formats"));
        self.params_of_formats(map("formats"), &drafts);
        let voices = self.voices(&mut fields);
        let span = fields.span();
        fields.finish(&mut self.found);

        let places: Vec<Span> = drafts.iter().map(|draft| draft.span).collect();
        let ClaimMap { entries, answers, by_name, violation_errors, unclaimed } =
            claims::resolve(self, drafts, &defaults);
        // Where there is no catalogue at all, that is the mistake.
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
            // That is told by now, and what the file says beside is to be looked at all the same.
            formats.push(Format { name: "default".to_owned(), shape: FormatNode::Object(Vec::new()) });
        }
        let mut contract = Contract {
            name: name?,
            about,
            content_type,
            request_id,
            families,
            formats,
            entries,
            programs,
            answers,
            by_name,
            texts,
            field_style,
            locale: voices.locale.clone(),
            plurals: voices.plurals.clone()?,
            views: Variants::default(),
            parser: Parser::default(),
        };
        contract.parser = Parser::new(&contract);
        // Which errors look alike is a question for a contract that is sound.
        if !self.found.has_errors() {
            self.tell_twins(&contract, &places, span);
            self.tell_credentials(&contract, &places, span);
        }
        Some(self.attach(contract, &voices, root))
    }

    /// Pairs that no one could tell apart, where the contract does not say that this is meant.
    fn tell_twins(&mut self, contract: &Contract, places: &[Span], root: Span) {
        for twins in contract.ambiguous_pairs().into_iter().filter(|twins| !twins.declared) {
            let (first, second) = (contract.entry(twins.first), contract.entry(twins.second));
            let at = places.get(usize::from(twins.second.0));
            let at = at.copied().unwrap_or(Span::new(root.start, root.start));
            let (check, cannot) = match twins.always {
                true => ("indistinguishable", "cannot"),
                false => ("look-alike", "cannot always"),
            };
            let message = format!("a client {cannot} tell `{}` from `{}`", second.name, first.name);
            let partings: Vec<&str> = twins.partings.iter().map(|parting| parting.as_str()).collect();
            let help = format!(
                "{} would part them; where it is meant, write `same_as: [{}]`",
                partings.join(", or "),
                first.name
            );
            self.found.warning(self.source, at, check, message, help);
        }
    }

    /// Whether a key has the right form is worth knowing to those who guess, and to nobody else.
    fn tell_credentials(&mut self, contract: &Contract, places: &[Span], root: Span) {
        let malformed = contract.answer(Condition::CredentialMalformed);
        let unknown = contract.answer(Condition::CredentialUnknown);
        let [one, other] = [malformed, unknown].map(|error| contract.entry(error));
        let is_derived = |entry: &ErrorEntry| matches!(entry.source, EntrySource::Derived(_));
        // Derived answers do not differ.
        if malformed == unknown || is_derived(one) && is_derived(other) {
            return;
        }
        let place = |error: ErrorId| places.get(usize::from(error.0)).copied();
        let at = place(malformed).or_else(|| place(unknown)).unwrap_or(Span::new(root.start, root.start));
        let message = format!(
            "`credential.malformed` is answered by `{}` and `credential.unknown` by `{}`, which tells callers \
             whether a guessed key has the right form",
            one.name, other.name
        );
        let help = "answer both with one error: `on: [credential.malformed, credential.unknown]`".to_owned();
        self.found.warning(self.source, at, "credential-answers", message, help);
    }

    fn about(&mut self, fields: &mut Fields<'_>) -> Metadata {
        let mut about = Metadata {
            title: fields.text("title", &mut self.found),
            description: fields.text("description", &mut self.found),
            support: fields.text("support", &mut self.found),
            source: fields.text("source", &mut self.found),
            ..Metadata::default()
        };
        about.types = self.described(fields, "types");
        about.members = self.described(fields, "members");
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
            let help = "write `closed`, `open`, or a mapping of statuses to descriptions".to_owned();
            return self.error(node.span, "wrong-kind", "`statuses` cannot be read", help);
        };
        for (key, value) in entries {
            match (key.name.parse::<u16>(), &value.kind) {
                (Ok(status), _) if (100..=599).contains(&status) => {
                    about.statuses.push((status, self.text(value).unwrap_or_default()));
                }
                (_, demur_source::NodeKind::Bool(closed)) if key.name == "closed" => {
                    about.statuses_closed = *closed;
                }
                _ => {
                    let message = format!("`{}` is no HTTP status", key.name);
                    self.error(key.span, "status", message, "100 to 599, or `closed: true`".to_owned());
                }
            }
        }
    }

    fn described(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Vec<(String, String)> {
        let entries = fields.map(name, &mut self.found);
        let described =
            entries.iter().map(|(key, node)| (key.name.clone(), self.text(node).unwrap_or_default()));
        described.collect()
    }

    /// The value of a closed set of words.
    fn one_of<T: Copy>(
        &mut self,
        word: &str,
        span: Span,
        what: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(known, _)| *known == word) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        self.unknown_word(word, span, what, &known);
        None
    }

    fn unknown_word(&mut self, word: &str, span: Span, what: &str, known: &[&str]) {
        let help = match did_you_mean(word, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.error(span, "unknown-word", format!("`{word}` is not {what}"), help);
    }

    fn defaults(&mut self, fields: &mut Fields<'_>, about: &Metadata) -> ContractDefaults {
        let source = self.source;
        let mut formats = Vec::new();
        for (key, node) in fields.map("formats", &mut self.found) {
            let shape = FormatNode::read(node, source, &mut self.found);
            self.slots_as_names(node);
            formats.push(Format { name: key.name.clone(), shape });
        }
        if !formats.iter().any(|format| format.name == "default") {
            let help = "add `formats: { default: … }`, the shape of an answer".to_owned();
            self.error(fields.span(), "missing-format", "a contract needs a format called `default`", help);
        }
        let doc_url = fields.node("doc_url").and_then(|node| {
            let template = self.template(node)?;
            let leads = template.parameters().any(
                |parameter| matches!(parameter, TemplateParameter::Named(name) if name == "name" || name == "code"),
            );
            if !leads {
                let help = "put `{name}` or `{code}` where the error's own page differs".to_owned();
                let message = "this leads every error to the same page";
                self.found.warning(source, node.span, "doc-url", message, help);
            }
            if !self.only_knows(&template, node.span, &["name", "code"]) {
                return Some(template);
            }
            if !is_address(&doc_url(&template, "name", Some("code"))) {
                let help = "write a URL, `https://shop.example/errors/{name}`, or a path, `/errors/{name}`";
                self.error(node.span, "not-a-url", "this leads nowhere", help.to_owned());
            }
            Some(template)
        });
        let code_style = fields.node("code_style").and_then(|node| {
            let word = node.scalar_text().unwrap_or_default();
            self.one_of(&word, node.span, "a style of codes", &CodeStyle::ALL)
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
            node.and_then(|node| Fields::of(node, source, "`violations`", &mut self.found))
        {
            if let Some(node) = fields.node("field") {
                let word = node.scalar_text().unwrap_or_default();
                style =
                    self.one_of(&word, node.span, "a style of names", &FieldStyle::ALL).unwrap_or_default();
            }
            if let Some(node) = fields.node("show") {
                let word = node.scalar_text().unwrap_or_default();
                show =
                    self.one_of(&word, node.span, "a choice of violations", &Show::ALL).unwrap_or_default();
            }
            for (key, node) in fields.map("messages", &mut self.found) {
                let claim = rule_claim(&key.name);
                if !claim_names().contains(&claim.as_str()) {
                    self.unknown_rule(&key.name, key.span);
                }
                if let Some(template) = self.template(node) {
                    self.only_knows(&template, node.span, &[]);
                    texts.push((claim, template));
                }
            }
            fields.finish(&mut self.found);
        }
        (style, ViolationTexts::new(&texts), show)
    }

    fn unknown_rule(&mut self, name: &str, span: Span) {
        let rules = claim_names().into_iter().filter_map(|claim| claim.strip_prefix("param.invalid."));
        let known: Vec<&str> = ["required", "requires", "invalid"].into_iter().chain(rules).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.error(span, "unknown-rule", format!("there is no rule `{name}`"), help);
    }

    pub(crate) fn unknown_condition(&mut self, name: &str, span: Span) {
        let known = claim_names();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "the conditions are listed in docs/conditions.md".to_owned(),
        };
        self.error(span, "unknown-condition", format!("there is no condition `{name}`"), help);
    }

    /// No parameters but those of violations and these. Whether that is so.
    fn only_knows(&mut self, template: &Template, span: Span, names: &[&str]) -> bool {
        let mut knows_all = true;
        for parameter in template.parameters() {
            let TemplateParameter::Named(name) = parameter else { continue };
            if names.contains(&name.as_str()) {
                continue;
            }
            knows_all = false;
            let of_violations =
                ["param", "field", "value", "values", "limit", "allowed", "pointer", "location"];
            let known = if names.is_empty() { &of_violations[..] } else { names };
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(known) => format!("did you mean `{{{known}}}`?"),
                None => format!("there are: {}", known.join(", ")),
            };
            self.error(span, "unknown-parameter", format!("no one gives `{{{name}}}`"), help);
        }
        knows_all
    }

    /// Text, and nothing where there is nothing.
    fn text(&mut self, node: &Node) -> Option<String> {
        let text = node.scalar_text();
        if text.is_none() && node.kind != NodeKind::Null {
            self.not_text(node);
        }
        text
    }

    fn not_text(&mut self, node: &Node) {
        let message = format!("this must be text, not {}", node.kind_name());
        self.error(
            node.span,
            "wrong-kind",
            message,
            "write one text; what begins with `[` or `{` goes in quotes".to_owned(),
        );
    }

    fn template(&mut self, node: &Node) -> Option<Template> {
        let Some(text) = node.scalar_text() else {
            self.not_text(node);
            return None;
        };
        match Template::parse(&text) {
            Ok(template) => Some(template),
            Err(error) => {
                self.error(node.span, "template", error.to_string(), None);
                None
            }
        }
    }
}
