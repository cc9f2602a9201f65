//! `locale:`, `locales:` and `problem_json:`, the other languages and media types of a contract.
//!
//! All texts of a language are in one block, under the same names as in the rest of the file. A missing text is a warning,
//! and stays in the default language.

use demur_source::{Fields, Key, Node, NodeKind, Span, did_you_mean};

use super::reader::ContractReader;
use crate::catalogue::EntrySource;
use crate::claim_names;
use crate::contract::Contract;
use crate::format::{Slot, ViolationSlot};
use crate::locale::{Language, TagError, tag};
use crate::plural::Plurals;
use crate::template::Template;
use crate::variants::{TranslatedEntry, Translation};
use crate::violations::{ViolationTexts, rule_claim, rule_name};

/// The settings of languages and media types, before the contract is built.
pub(super) struct VariantSettings<'n> {
    pub(super) locale: String,
    pub(super) plurals: Option<Plurals>,
    locales: &'n [(Key, Node)],
    has_problem_json: bool,
}

/// The maximum number of names that one help lists.
const LISTED: usize = 6;

const MEMBERS: [&str; 3] = ["title", "message", "user_message"];

impl ContractReader<'_> {
    pub(super) fn variant_settings<'n>(&mut self, fields: &mut Fields<'n>) -> VariantSettings<'n> {
        let mut locale = "en".to_owned();
        let mut language = Some(Language::english());
        if let Some(node) = fields.node("locale") {
            locale = node.scalar_text().unwrap_or_default();
            language = self.tag(&locale, node.span);
        }
        let locales = fields.map("locales", &mut self.diagnostics);
        let has_problem_json = fields.node("problem_json").is_none_or(|node| match node.kind {
            NodeKind::Bool(is_on) => is_on,
            _ => {
                let word = node.scalar_text().unwrap_or_default();
                self.one_of(&word, node.span, "`on` or `off`", &[("on", true), ("off", false)])
                    .unwrap_or(true)
            }
        });
        // An invalid tag has been reported. The rest of the file is still checked, as if in English.
        let plurals = Plurals::of(&language.unwrap_or_else(Language::english));
        VariantSettings { locale, plurals, locales, has_problem_json }
    }

    /// Adds the variants to a contract. `root` is the file, for the positions of missing texts.
    pub(super) fn build_variants(
        &mut self,
        mut contract: Contract,
        variants: &VariantSettings<'_>,
        root: &Node,
    ) -> Contract {
        self.warn_unused_forms_of_default(&contract, root);
        for (key, node) in variants.locales {
            let Some(language) = self.tag(&key.name, key.span) else { continue };
            if key.name == contract.locale {
                let message = format!("`{}` is the default language and cannot be translated", key.name);
                let help = "remove it from `locales`, or change `locale`".to_owned();
                self.error(key.span, "default-locale", message, help);
                continue;
            }
            let Some(plurals) = Plurals::of(&language) else { continue };
            if let Some(translation) = self.translation((key, node), plurals, variants, &contract, root) {
                contract.translate(translation);
            }
        }
        if variants.has_problem_json {
            contract.build_problem_variant();
        }
        contract
    }

    fn tag(&mut self, text: &str, span: Span) -> Option<Language> {
        match tag(text) {
            Ok(language) => return Some(language),
            Err(TagError::Malformed) => {
                let help = "write a BCP 47 tag, such as `it` or `pt-BR`".to_owned();
                self.error(span, "locale", format!("`{text}` is not a language tag"), help);
            }
            Err(TagError::Unknown) => {
                let help = "use a two-letter code of ISO 639-1, such as `it` or `pt`".to_owned();
                self.error(span, "locale", format!("unknown language `{text}`"), help);
            }
            Err(TagError::NotCanonical(canonical)) => {
                let message = format!("`{text}` is not the canonical form of the language tag");
                self.error(span, "locale", message, format!("write `{canonical}`"));
            }
        }
        None
    }

    fn translation(
        &mut self,
        (key, node): (&Key, &Node),
        plurals: Plurals,
        variants: &VariantSettings<'_>,
        contract: &Contract,
        root: &Node,
    ) -> Option<Translation> {
        let source = self.source;
        let mut fields = Fields::of(node, source, "a translation", &mut self.diagnostics)?;
        let errors = fields.map("errors", &mut self.diagnostics);
        let violations = fields.map("violations", &mut self.diagnostics);
        fields.finish(&mut self.diagnostics);

        let mut translated: Vec<TranslatedEntry> =
            contract.entries.iter().map(|_| TranslatedEntry::default()).collect();
        for (name, node) in errors {
            let Some(index) = contract.entries.iter().position(|entry| entry.name == name.name) else {
                // An entry that could not be read has been reported at its own position.
                if root.get("errors").is_some_and(|errors| errors.get(&name.name).is_some()) {
                    continue;
                }
                let known = contract.entries.iter().map(|entry| entry.name.as_str());
                let help = did_you_mean(&name.name, known).map(|known| format!("did you mean `{known}`?"));
                let message = format!("translation of the unknown error `{}`", name.name);
                self.error(name.span, "unknown-error", message, help);
                continue;
            };
            translated[index] = self.texts_of_error(node, index, &plurals, contract);
        }
        self.warn_untranslated_errors(key, &translated, contract, root);
        self.warn_untranslated_titles(key, &translated, variants, contract, root);
        let texts = self.texts_of_violations(violations, &plurals, contract);
        self.warn_untranslated_violations(key, violations, variants, contract, root);
        Some(Translation {
            locale: key.name.clone(),
            plurals,
            errors: translated,
            texts: ViolationTexts::new(&texts),
        })
    }

    /// Reads `name: text`, or `name: { title: …, message: …, user_message: … }`.
    fn texts_of_error(
        &mut self,
        node: &Node,
        index: usize,
        plurals: &Plurals,
        contract: &Contract,
    ) -> TranslatedEntry {
        let entry = &contract.entries[index];
        if node.as_map().is_none() {
            let message = self.translated_text(node, &[&entry.message], plurals);
            return TranslatedEntry { message, ..TranslatedEntry::default() };
        }
        let source = self.source;
        let mut translated = TranslatedEntry::default();
        let Some(mut fields) = Fields::of(node, source, "a translated error", &mut self.diagnostics) else {
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
        fields.finish(&mut self.diagnostics);
        translated
    }

    /// Reads a translated text, which can only have the parameters of the default texts.
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
                None => "a translation can only use the parameters of the default text".to_owned(),
            };
            let message = format!("the default text has no parameter `{{{}}}`", parameter.as_str());
            self.error(node.span, "unknown-parameter", message, help);
            break;
        }
        self.warn_unused_forms(&template, node.span, plurals);
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
            // One text can apply to many rules, so it can use the parameters of all their default texts.
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

    fn warn_untranslated_errors(
        &mut self,
        key: &Key,
        texts: &[TranslatedEntry],
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
                    let message =
                        format!("language `{locale}`: the error `{}` has no `{member}`", entry.name);
                    let help =
                        "clients get the text in the default language until you translate it".to_owned();
                    self.diagnostics.warning(source, key.span, "missing-translation", message, help);
                }
            }
        }
        if !derived.is_empty() {
            let message = format!("language `{locale}`: {} no `title`", have(derived.len(), "derived error"));
            let help = format!("translate their titles, or claim their conditions: {}", first_of(&derived));
            self.diagnostics.warning(source, key.span, "missing-translation", message, help);
        }
    }

    /// Warns of default titles, which are in English, if clients see them: in the error's own format, or in a problem
    /// document, which always has a title.
    fn warn_untranslated_titles(
        &mut self,
        key: &Key,
        texts: &[TranslatedEntry],
        variants: &VariantSettings<'_>,
        contract: &Contract,
        root: &Node,
    ) {
        let has_default_title = |name: &str| {
            let declared = root.get("errors").and_then(|errors| errors.get(name));
            declared.is_some_and(|node| node.get("title").is_none())
        };
        let untranslated: Vec<&str> = contract
            .entries
            .iter()
            .zip(texts)
            .filter(|(entry, text)| {
                let slots = contract.shape(entry).slots();
                let as_message = text.message.is_none() && entry.message == entry.title;
                let in_format = slots.contains(&&Slot::Title)
                    || as_message && slots.iter().any(|slot| matches!(slot, Slot::Message | Slot::Detail));
                text.title.is_none()
                    && has_default_title(&entry.name)
                    && (variants.has_problem_json || in_format)
            })
            .map(|(entry, _)| entry.name.as_str())
            .collect();
        if untranslated.is_empty() {
            return;
        }
        let (names, errors) = (first_of(&untranslated), have(untranslated.len(), "error"));
        let (message, help) = match variants.has_problem_json {
            true => (
                format!("language `{}`: {errors} no `title`, which problem documents contain", key.name),
                format!("add `title` to {names}, or write `problem_json: off`"),
            ),
            false => (
                format!("language `{}`: {errors} no `title`, which their formats contain", key.name),
                format!("add `title` to {names}"),
            ),
        };
        self.diagnostics.warning(self.source, key.span, "missing-translation", message, help);
    }

    /// Warns of texts for rules that are not translated: those of the contract, and the default ones if clients see them.
    fn warn_untranslated_violations(
        &mut self,
        key: &Key,
        translated: &[(Key, Node)],
        variants: &VariantSettings<'_>,
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
                let message = format!("language `{}`: the rule `{}` has no text", key.name, rule.name);
                let help = "clients get the text in the default language until you translate it".to_owned();
                self.diagnostics.warning(source, key.span, "missing-translation", message, help);
            }
        }
        // A problem document shows the message of each violation, whatever the contract's own formats show.
        let shows_violations = variants.has_problem_json
            || contract.formats.iter().any(|format| {
                let is_message =
                    |slot: &&Slot| matches!(slot, Slot::Detail | Slot::Violation(ViolationSlot::Message));
                format.shape.slots().iter().any(is_message)
            });
        let untranslated: Vec<&str> = crate::Condition::all()
            .filter(|rule| rule.is_violation() && contract.texts.of(*rule).is_none())
            .filter(|rule| !contract.entry(contract.answer(*rule)).message.uses_violation())
            .filter(|rule| !claims.iter().any(|claim| rule.covered_by(claim)))
            .map(rule_name)
            .collect();
        if shows_violations && !untranslated.is_empty() {
            let message = format!(
                "language `{}`: {} no text, and their default texts are English",
                key.name,
                have(untranslated.len(), "rule")
            );
            let help = format!("add to `violations`: {}", untranslated.join(", "));
            self.diagnostics.warning(source, key.span, "missing-translation", message, help);
        }
    }

    fn warn_unused_forms_of_default(&mut self, contract: &Contract, root: &Node) {
        let plurals = contract.plurals.clone();
        let rules = root.get("violations").and_then(|node| node.get("messages")).and_then(Node::as_map);
        for (_, node) in rules.unwrap_or_default() {
            if let Some(text) = node.scalar_text().and_then(|text| Template::parse(&text).ok()) {
                self.warn_unused_forms(&text, node.span, &plurals);
            }
        }
        for entry in &contract.entries {
            let node = root.get("errors").and_then(|errors| errors.get(&entry.name));
            let span = node.map_or(root.span, |node| node.span);
            let texts = [Some(&entry.title), Some(&entry.message), entry.user_message.as_ref()];
            for text in texts.into_iter().flatten() {
                self.warn_unused_forms(text, span, &plurals);
            }
        }
    }

    fn warn_unused_forms(&mut self, template: &Template, span: Span, plurals: &Plurals) {
        for plural in template.plurals() {
            for category in plural.unused(plurals) {
                let message = format!("the language does not use the plural form `{category}`");
                let help = "remove the form; CLDR's plural rules list the forms of each language".to_owned();
                self.diagnostics.warning(self.source, span, "unused-plural", message, help);
            }
        }
    }
}

/// `1 error has` or `2 errors have`.
fn have(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what} has") } else { format!("{count} {what}s have") }
}

/// The first few of a list of names, as one help shows them.
fn first_of(names: &[&str]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED { format!("{first}, …") } else { first }
}
