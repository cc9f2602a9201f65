//! `locale:`, `locales:` and `problem_json:`: the other ways in which a contract can be spoken.
//!
//! All that a translator has to know of a language stands in one block, which mirrors the texts of the file
//! under the same names. What is missing there is a warning that names it, and stays in the default language.

use demur_source::{Fields, Key, Node, NodeKind, Span, did_you_mean};

use super::ContractReader;
use crate::catalogue::EntrySource;
use crate::claim_names;
use crate::contract::Contract;
use crate::format::{Slot, ViolationSlot};
use crate::locale::{Language, TagError, tag};
use crate::plural::Plurals;
use crate::template::Template;
use crate::variants::{TranslatedContract, Translation};
use crate::violations::{ViolationTexts, rule_claim, rule_name};

/// What the file says of languages and media types, before the contract is there.
pub(super) struct Voices<'n> {
    pub(super) locale: String,
    pub(super) plurals: Option<Plurals>,
    locales: &'n [(Key, Node)],
    speaks_problems: bool,
}

/// As many names as a person reads in one help.
const SHOWN: usize = 6;

const MEMBERS: [&str; 3] = ["title", "message", "user_message"];

impl ContractReader<'_> {
    pub(super) fn voices<'n>(&mut self, fields: &mut Fields<'n>) -> Voices<'n> {
        let mut locale = "en".to_owned();
        let mut language = Some(Language::english());
        if let Some(node) = fields.node("locale") {
            locale = node.scalar_text().unwrap_or_default();
            language = self.tag(&locale, node.span);
        }
        let locales = fields.map("locales", &mut self.found);
        let speaks_problems = fields.node("problem_json").is_none_or(|node| match node.kind {
            NodeKind::Bool(speaks) => speaks,
            _ => {
                let word = node.scalar_text().unwrap_or_default();
                self.one_of(&word, node.span, "`on` or `off`", &[("on", true), ("off", false)])
                    .unwrap_or(true)
            }
        });
        // A tag that is wrong was told; the rest of the file is read all the same.
        let plurals = Plurals::of(&language.unwrap_or_else(Language::english));
        Voices { locale, plurals, locales, speaks_problems }
    }

    /// Gives the contract its views. `root` is the file, for the places of what is missing.
    pub(super) fn attach(&mut self, mut contract: Contract, voices: &Voices<'_>, root: &Node) -> Contract {
        self.unused_forms_of_default(&contract, root);
        for (key, node) in voices.locales {
            let Some(language) = self.tag(&key.name, key.span) else { continue };
            if key.name == contract.locale {
                let message = format!("`{}` is the language of the contract's own texts", key.name);
                self.error(
                    key.span,
                    "default-locale",
                    message,
                    "leave it out here, or change `locale`".to_owned(),
                );
                continue;
            }
            let Some(plurals) = Plurals::of(&language) else { continue };
            if let Some(translation) = self.translation((key, node), plurals, voices, &contract, root) {
                contract.translate(translation);
            }
        }
        if voices.speaks_problems {
            contract.build_problem_variant();
        }
        contract
    }

    fn tag(&mut self, text: &str, span: Span) -> Option<Language> {
        match tag(text) {
            Ok(language) => return Some(language),
            Err(TagError::Malformed) => {
                let help = "write a tag of BCP 47: `it`, `pt-BR`".to_owned();
                self.error(span, "locale", format!("`{text}` is no language tag"), help);
            }
            Err(TagError::Unknown) => {
                let help = "two letters as in ISO 639-1: `it`, `pt`, `uk`".to_owned();
                self.error(span, "locale", format!("there is no language `{text}`"), help);
            }
            Err(TagError::Spelling(usual)) => {
                let message = format!("`{text}` is not how this language tag is spelt");
                self.error(span, "locale", message, format!("did you mean `{usual}`?"));
            }
        }
        None
    }

    fn translation(
        &mut self,
        (key, node): (&Key, &Node),
        plurals: Plurals,
        voices: &Voices<'_>,
        contract: &Contract,
        root: &Node,
    ) -> Option<Translation> {
        let source = self.source;
        let mut fields = Fields::of(node, source, "a language", &mut self.found)?;
        let errors = fields.map("errors", &mut self.found);
        let violations = fields.map("violations", &mut self.found);
        fields.finish(&mut self.found);

        let mut translated: Vec<TranslatedContract> =
            contract.entries.iter().map(|_| TranslatedContract::default()).collect();
        for (name, node) in errors {
            let Some(index) = contract.entries.iter().position(|entry| entry.name == name.name) else {
                // An entry that could not be read was told where it stands.
                if root.get("errors").is_some_and(|errors| errors.get(&name.name).is_some()) {
                    continue;
                }
                let known = contract.entries.iter().map(|entry| entry.name.as_str());
                let help = did_you_mean(&name.name, known).map(|known| format!("did you mean `{known}`?"));
                let message = format!("there is no error `{}` to translate", name.name);
                self.error(name.span, "unknown-error", message, help);
                continue;
            };
            translated[index] = self.texts_of_error(node, index, &plurals, contract);
        }
        self.untranslated_errors(key, &translated, contract, root);
        self.usual_titles(key, &translated, voices, contract, root);
        let texts = self.texts_of_violations(violations, &plurals, contract);
        self.untranslated_violations(key, violations, voices, contract, root);
        Some(Translation {
            locale: key.name.clone(),
            plurals,
            errors: translated,
            texts: ViolationTexts::new(&texts),
        })
    }

    /// `name: text`, or `name: { title: …, message: …, user_message: … }`
    fn texts_of_error(
        &mut self,
        node: &Node,
        index: usize,
        plurals: &Plurals,
        contract: &Contract,
    ) -> TranslatedContract {
        let entry = &contract.entries[index];
        if node.as_map().is_none() {
            let message = self.translated_text(node, &[&entry.message], plurals);
            return TranslatedContract { message, ..TranslatedContract::default() };
        }
        let source = self.source;
        let mut translated = TranslatedContract::default();
        let Some(mut fields) = Fields::of(node, source, "a translated error", &mut self.found) else {
            return translated;
        };
        let default_user_message: Vec<&Template> = entry.user_message.iter().collect();
        for (member, defaults, into) in [
            ("title", vec![&entry.title], &mut translated.title),
            ("message", vec![&entry.message], &mut translated.message),
            ("user_message", default_user_message, &mut translated.user_message),
        ] {
            *into = fields.node(member).and_then(|node| self.translated_text(node, &defaults, plurals));
        }
        fields.finish(&mut self.found);
        translated
    }

    /// A text, whose parameters must be those of the default texts.
    fn translated_text(
        &mut self,
        node: &Node,
        defaults: &[&Template],
        plurals: &Plurals,
    ) -> Option<Template> {
        let template = self.template(node)?;
        let known = || defaults.iter().flat_map(|default| default.parameters());
        for parameter in template.parameters() {
            if known().any(|other| other == parameter) {
                continue;
            }
            let help = match did_you_mean(parameter.as_str(), known().map(|known| known.as_str())) {
                Some(known) => format!("did you mean `{{{known}}}`?"),
                None => "a translation has the parameters of the default text, and no others".to_owned(),
            };
            let message = format!("the default text has no parameter `{{{}}}`", parameter.as_str());
            self.error(node.span, "unknown-parameter", message, help);
            break;
        }
        self.unused_forms(&template, node.span, plurals);
        Some(template)
    }

    fn texts_of_violations(
        &mut self,
        entries: &[(Key, Node)],
        plurals: &Plurals,
        contract: &Contract,
    ) -> Vec<(String, Template)> {
        let mut texts = Vec::new();
        for (key, node) in entries {
            let claim = rule_claim(&key.name);
            if !claim_names().contains(&claim.as_str()) {
                self.unknown_rule(&key.name, key.span);
                continue;
            }
            // One text may stand for many rules: whatever one of theirs speaks of may be spoken of.
            let defaults: Vec<&Template> = crate::Condition::all()
                .filter(|rule| rule.is_violation() && rule.covered_by(&claim))
                .map(|rule| contract.violation_text(contract.entry(contract.answer(rule)), rule))
                .collect();
            if let Some(template) = self.translated_text(node, &defaults, plurals) {
                texts.push((claim, template));
            }
        }
        texts
    }

    fn untranslated_errors(
        &mut self,
        key: &Key,
        texts: &[TranslatedContract],
        contract: &Contract,
        root: &Node,
    ) {
        let source = self.source;
        let locale = &key.name;
        let mut derived = Vec::new();
        for (entry, text) in contract.entries.iter().zip(texts) {
            let has = [text.title.is_some(), text.message.is_some(), text.user_message.is_some()];
            if let EntrySource::Derived(of) = entry.source {
                if of.is_listed() && !has[0] {
                    derived.push(entry.name.as_str());
                }
                continue;
            }
            let declared = root.get("errors").and_then(|errors| errors.get(&entry.name));
            for (member, has) in MEMBERS.iter().zip(has) {
                if !has && declared.is_some_and(|node| node.get(member).is_some()) {
                    let message = format!("`{locale}` has no {member} for `{}`", entry.name);
                    let help = "it stays in the default language until it is translated".to_owned();
                    self.found.warning(source, key.span, "missing-translation", message, help);
                }
            }
        }
        if !derived.is_empty() {
            let message = format!("`{locale}` has no title for {} derived errors", derived.len());
            let first = derived[..derived.len().min(SHOWN)].join(", ");
            let more = if derived.len() > SHOWN { ", …" } else { "" };
            let help = format!("claim their conditions, or translate them by name: {first}{more}");
            self.found.warning(source, key.span, "missing-translation", message, help);
        }
    }

    /// Titles that stand nowhere in the file are English texts too, where a client sees them: in the error's own format, or
    /// in a problem document, which always has a title.
    fn usual_titles(
        &mut self,
        key: &Key,
        texts: &[TranslatedContract],
        voices: &Voices<'_>,
        contract: &Contract,
        root: &Node,
    ) {
        let is_usual = |name: &str| {
            let declared = root.get("errors").and_then(|errors| errors.get(name));
            declared.is_some_and(|node| node.get("title").is_none())
        };
        let untold: Vec<&str> = contract
            .entries
            .iter()
            .zip(texts)
            .filter(|(entry, text)| {
                let slots = contract.shape(entry).slots();
                let as_message = text.message.is_none() && entry.message == entry.title;
                let in_format = slots.contains(&&Slot::Title)
                    || as_message && slots.iter().any(|slot| matches!(slot, Slot::Message | Slot::Detail));
                text.title.is_none() && is_usual(&entry.name) && (voices.speaks_problems || in_format)
            })
            .map(|(entry, _)| entry.name.as_str())
            .collect();
        if untold.is_empty() {
            return;
        }
        let first = untold[..untold.len().min(SHOWN)].join(", ");
        let more = if untold.len() > SHOWN { ", …" } else { "" };
        let (message, help) = match voices.speaks_problems {
            true => (
                format!(
                    "`{}` has no title for {} errors, which problem documents show",
                    key.name,
                    untold.len()
                ),
                format!("add `title` to {first}{more}, or write `problem_json: off`"),
            ),
            false => (
                format!("`{}` has no title for {} errors, which their formats show", key.name, untold.len()),
                format!("add `title` to {first}{more}"),
            ),
        };
        self.found.warning(self.source, key.span, "missing-translation", message, help);
    }

    /// Each text of the contract's own needs one; and where violations are shown, so do the usual texts.
    fn untranslated_violations(
        &mut self,
        key: &Key,
        translated: &[(Key, Node)],
        voices: &Voices<'_>,
        contract: &Contract,
        root: &Node,
    ) {
        let source = self.source;
        let claims: Vec<String> = translated.iter().map(|(key, _)| rule_claim(&key.name)).collect();
        let own = root.get("violations").and_then(|node| node.get("messages")).and_then(Node::as_map);
        for (rule, _) in own.unwrap_or_default() {
            let claim = rule_claim(&rule.name);
            let covers = |known: &String| claim == *known || claim.starts_with(&format!("{known}."));
            if !claims.iter().any(covers) {
                let message = format!("`{}` has no text for the rule `{}`", key.name, rule.name);
                let help = "it stays in the default language until it is translated".to_owned();
                self.found.warning(source, key.span, "missing-translation", message, help);
            }
        }
        // A problem document shows what is said of each violation, whatever the contract's own formats show.
        let shows_violations = voices.speaks_problems
            || contract.formats.iter().any(|format| {
                let speaks =
                    |slot: &&Slot| matches!(slot, Slot::Detail | Slot::Violation(ViolationSlot::Message));
                format.shape.slots().iter().any(speaks)
            });
        let untold: Vec<&str> = crate::Condition::all()
            .filter(|rule| rule.is_violation() && contract.texts.of(*rule).is_none())
            .filter(|rule| !contract.entry(contract.answer(*rule)).message.speaks_of_violation())
            .filter(|rule| !claims.iter().any(|claim| rule.covered_by(claim)))
            .map(rule_name)
            .collect();
        if shows_violations && !untold.is_empty() {
            let message = format!("`{}` leaves {} usual texts for rules in English", key.name, untold.len());
            let help = format!("add to `violations`: {}", untold.join(", "));
            self.found.warning(source, key.span, "missing-translation", message, help);
        }
    }

    fn unused_forms_of_default(&mut self, contract: &Contract, root: &Node) {
        let plurals = contract.plurals.clone();
        let rules = root.get("violations").and_then(|node| node.get("messages")).and_then(Node::as_map);
        for (_, node) in rules.unwrap_or_default() {
            if let Some(text) = node.scalar_text().and_then(|text| Template::parse(&text).ok()) {
                self.unused_forms(&text, node.span, &plurals);
            }
        }
        for entry in &contract.entries {
            let node = root.get("errors").and_then(|errors| errors.get(&entry.name));
            let span = node.map_or(root.span, |node| node.span);
            let texts = [Some(&entry.title), Some(&entry.message), entry.user_message.as_ref()];
            for text in texts.into_iter().flatten() {
                self.unused_forms(text, span, &plurals);
            }
        }
    }

    fn unused_forms(&mut self, template: &Template, span: Span, plurals: &Plurals) {
        for plural in template.plurals() {
            for category in plural.unused(plurals) {
                let message = format!("this language never asks for the plural form `{category}`");
                let help = "the categories of each language stand in CLDR's plural rules".to_owned();
                self.found.warning(self.source, span, "unused-plural", message, help);
            }
        }
    }
}
