//! What the parts of the loader share: the state of a load, drafts of entries, and reports of mistakes.

use std::sync::Arc;

use demur_source::{Diagnostics, Node, NodeKind, Source, Span, did_you_mean};

use super::code_style::CodeStyle;
use crate::catalogue::{ErrorEntry, Show};
use crate::claim_names;
use crate::contract::Format;
use crate::format::slot_within;
use crate::template::{Template, TemplateParameter};

/// A claim and its position in the file.
pub(crate) struct WrittenClaim {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// An entry whose claims have not been resolved yet.
pub(crate) struct Draft {
    pub(crate) entry: ErrorEntry,
    pub(crate) claims: Vec<WrittenClaim>,
    /// The other entries to which it refers, by name.
    pub(crate) named: Vec<(String, Span)>,
    pub(crate) span: Span,
}

/// The settings of a contract that apply to all its errors.
pub(crate) struct ContractDefaults {
    pub(crate) formats: Vec<Format>,
    pub(crate) types: Vec<(String, String)>,
    pub(crate) statuses: Vec<(u16, String)>,
    pub(crate) closed: bool,
    pub(crate) doc_url: Option<Template>,
    pub(crate) code_style: Option<CodeStyle>,
    pub(crate) show: Show,
}

pub(crate) struct ContractReader<'s> {
    pub(crate) source: &'s Arc<Source>,
    pub(crate) diagnostics: Diagnostics,
}

impl ContractReader<'_> {
    pub(crate) fn error(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.diagnostics.error(self.source, span, check, message, help);
    }

    pub(crate) fn warning(
        &mut self,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.diagnostics.warning(self.source, span, check, message, help);
    }

    /// Reads one of a fixed set of words. `what` names the setting in the message.
    pub(super) fn one_of<T: Copy>(
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

    pub(super) fn unknown_word(&mut self, word: &str, span: Span, what: &str, known: &[&str]) {
        let help = match did_you_mean(word, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("use one of {}", in_backticks(known)),
        };
        self.error(span, "unknown-word", format!("`{word}` is not {what}"), help);
    }

    pub(super) fn unknown_rule(&mut self, name: &str, span: Span) {
        let rules = claim_names().into_iter().filter_map(|claim| claim.strip_prefix("param.invalid."));
        let known: Vec<&str> = ["required", "requires", "invalid"].into_iter().chain(rules).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("use one of {}", in_backticks(&known)),
        };
        self.error(span, "unknown-rule", format!("unknown rule `{name}`"), help);
    }

    pub(crate) fn unknown_condition(&mut self, name: &str, span: Span) {
        let known = claim_names();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                let branches: Vec<&str> = known.into_iter().filter(|name| !name.contains('.')).collect();
                format!("use one of {}, or a condition below one of them", in_backticks(&branches))
            }
        };
        self.error(span, "unknown-condition", format!("unknown condition `{name}`"), help);
    }

    /// Reports parameters other than `names` and those of violations; returns whether there are none.
    pub(super) fn check_known_parameters(&mut self, template: &Template, span: Span, names: &[&str]) -> bool {
        let mut all_known = true;
        for parameter in template.parameters() {
            let TemplateParameter::Named(name) = parameter else { continue };
            if names.contains(&name.as_str()) {
                continue;
            }
            all_known = false;
            let of_violations =
                ["param", "field", "value", "values", "limit", "allowed", "pointer", "location"];
            let known = if names.is_empty() { &of_violations[..] } else { names };
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(known) => format!("did you mean `{{{known}}}`?"),
                None => {
                    let known: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
                    format!("use one of {}", known.join(", "))
                }
            };
            self.error(span, "unknown-parameter", format!("unknown parameter `{{{name}}}`"), help);
        }
        all_known
    }

    /// Reads a string; `null` is `None`, and anything else is reported.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let text = node.scalar_text();
        if text.is_none() && node.kind != NodeKind::Null {
            self.report_not_string(node);
        }
        text
    }

    fn report_not_string(&mut self, node: &Node) {
        let message = format!("expected a string, not {}", node.kind_name());
        let help = "put text that begins with `[` or `{` in quotes".to_owned();
        self.error(node.span, "wrong-kind", message, help);
    }

    pub(super) fn template(&mut self, node: &Node) -> Option<Template> {
        let Some(text) = node.scalar_text() else {
            self.report_not_string(node);
            return None;
        };
        // Parameters in braces are replaced in a text, and slots are not.
        if let Some(slot) = slot_within(&text.replace('{', " ")) {
            let message = format!("`{slot}` within a text is not replaced");
            let help = "write a parameter in braces, such as `{param}`, or leave the `$` out".to_owned();
            self.error(node.span, "slot-in-text", message, help);
        }
        match Template::parse(&text) {
            Ok(template) => Some(template),
            Err(error) => {
                self.error(node.span, "template", error.to_string(), error.help().to_owned());
                None
            }
        }
    }
}

/// A list of words as messages show it: each in backticks, separated by commas.
pub(super) fn in_backticks(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
