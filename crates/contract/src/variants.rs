//! Variants of a contract: in another language, or with problem documents (RFC 9457).
//!
//! A variant is a contract with the same errors, statuses and codes under the same [`ErrorId`](crate::ErrorId)s, but with
//! other texts or another format. Code that renders or parses selects a variant once and then uses it like any contract,
//! and responses in the default language cost nothing extra.

use std::sync::Arc;

use demur_source::{Diagnostics, Source};

use crate::catalogue::Show;
use crate::compile::compile;
use crate::contract::{Contract, Format, Variants};
use crate::format::FormatNode;
use crate::locale::{lookup, weight};
use crate::template::Template;
use crate::violations::ViolationTexts;
use crate::{Condition, ResponseView};

/// The media type of problem documents.
const PROBLEM_JSON: &str = "application/problem+json";

/// The format of problem documents (RFC 9457). `errors` follows the example in the RFC, `violated-policies` follows
/// draft-ietf-httpapi-ratelimit-headers.
const PROBLEM_FORMAT: &str = "\
type: $doc_url
title: $title
status: $status
detail: $message
instance?: $request_id
code?: $code
violated-policies?: $params.violated_policies
errors?:
  - pointer: $violation.pointer
    location: $violation.location
    rule: $violation.rule
    detail: $violation.message
";

/// The texts of one error in another language; `None` keeps the default text.
#[derive(Debug, Default)]
pub(crate) struct TranslatedEntry {
    pub(crate) title: Option<Template>,
    pub(crate) message: Option<Template>,
    pub(crate) user_message: Option<Template>,
}

impl Contract {
    /// The language of the texts, as a BCP 47 tag.
    pub fn locale(&self) -> &str {
        &self.locale
    }

    /// All available languages, that of this contract first.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.locale()).chain(self.variants.translations.iter().map(Contract::locale))
    }

    /// Whether the contract has translations.
    pub fn has_translations(&self) -> bool {
        !self.variants.translations.is_empty()
    }

    /// The variant in the language with exactly this tag.
    pub fn in_locale(&self, tag: &str) -> Option<&Contract> {
        if self.locale == tag {
            return Some(self);
        }
        self.variants.translations.iter().find(|translation| translation.locale == tag)
    }

    /// The variant in the language that an `Accept-Language` prefers (RFC 4647, lookup, and the likely subtags of CLDR); this contract if there is none.
    ///
    /// ```
    /// # use demur_contract::Contract;
    /// # let file = demur_source::Source::new("shop.yaml", r#"
    /// # demur: 1
    /// # name: shop
    /// # formats: { default: { message: $message } }
    /// # locales: { it: { errors: { bad_request: La richiesta non è valida., internal: Qualcosa è andato storto. } } }
    /// # errors:
    /// #   bad_request: { status: 400, message: The request is invalid., on: [request] }
    /// #   internal: { status: 500, message: Something went wrong., on: [internal] }
    /// # "#);
    /// # let contract = Contract::load(&file).unwrap().contract;
    /// assert_eq!(contract.for_accept_language("de, it-CH;q=0.8").locale(), "it");
    /// assert_eq!(contract.for_accept_language("de").locale(), "en");
    /// ```
    pub fn for_accept_language(&self, accept_language: &str) -> &Contract {
        if !self.has_translations() {
            return self;
        }
        let tags: Vec<&str> = self.locales().collect();
        match lookup(accept_language, &tags) {
            None | Some(0) => self,
            Some(position) => &self.variants.translations[position - 1],
        }
    }

    /// The variant with problem documents; `None` if this contract uses them already or `problem_json` is off.
    pub fn as_problem(&self) -> Option<&Contract> {
        self.variants.problem.as_deref()
    }

    /// The variant with problem documents if an `Accept` prefers them to the contract's own media type (RFC 9110,
    /// section 12.5.1), else this contract.
    ///
    /// Clients of the API know its own media type, so equal weights select that.
    pub fn for_accept(&self, accept: &str) -> &Contract {
        let Some(problem) = self.as_problem() else { return self };
        // Nearly no client names the type, so this avoids parsing the header for the others.
        if !names_problems(accept) {
            return self;
        }
        let own = self.content_type().split(';').next().unwrap_or_default().trim();
        if quality(accept, PROBLEM_JSON) > quality(accept, own) { problem } else { self }
    }

    /// The variant of a response, by its `Content-Language` and its `Content-Type`.
    pub(crate) fn variant_of<'a>(&'a self, response: &ResponseView<'a>) -> &'a Contract {
        let header = |name| (response.headers)(name).map(str::trim);
        let translated = match self.has_translations().then(|| header("content-language")).flatten() {
            // The common case, which needs no list of languages.
            Some(tag) if tag.eq_ignore_ascii_case(&self.locale) => self,
            Some(tags) => self.for_accept_language(tags),
            None => self,
        };
        let Some(problem) = translated.as_problem() else { return translated };
        let is_problem = header("content-type").is_some_and(is_problem_type);
        if is_problem { problem } else { translated }
    }

    /// Adds the variant in another language.
    pub(crate) fn translate(&mut self, translation: Translation) {
        let mut translated = self.clone();
        translated.variants = Variants::default();
        translated.locale = translation.locale;
        translated.plurals = translation.plurals;
        for (entry, texts) in translated.entries.iter_mut().zip(translation.errors) {
            let message_is_title = entry.message == entry.title;
            if let Some(title) = texts.title {
                entry.title = title;
            }
            match texts.message {
                Some(message) => entry.message = message,
                // An error without a message of its own uses its title, also in a translation.
                None if message_is_title => entry.message = entry.title.clone(),
                None => {}
            }
            entry.user_message = texts.user_message.or(entry.user_message.take());
        }
        translated.texts = translation.texts.or(&self.texts);
        translated.recompile();
        self.variants.translations.push(translated);
    }

    /// Adds the variant with problem documents, also to the translations.
    pub(crate) fn build_problem_variant(&mut self) {
        let own = self.content_type.split(';').next().unwrap_or_default().trim();
        if own.eq_ignore_ascii_case(PROBLEM_JSON) {
            return;
        }
        let mut problem = self.clone();
        problem.variants = Variants::default();
        // All violations, whatever the contract's own format has room for.
        for entry in &mut problem.entries {
            entry.show = Show::All;
            entry.collect = false;
        }
        problem.content_type = PROBLEM_JSON.to_owned();
        problem.formats = vec![Format { name: "default".to_owned(), shape: problem_shape() }];
        for entry in &mut problem.entries {
            entry.format = 0;
            entry.doc_url.get_or_insert_with(|| "about:blank".to_owned());
        }
        problem.recompile();
        self.variants.problem = Some(Box::new(problem));
        self.variants.translations.iter_mut().for_each(Contract::build_problem_variant);
    }

    fn recompile(&mut self) {
        let violations = Condition::all().filter(|condition| condition.is_violation());
        let answering: Vec<usize> =
            violations.map(|condition| usize::from(self.answer(condition).0)).collect();
        self.programs = (0..)
            .zip(&self.entries)
            .map(|(index, entry)| compile(self.shape(entry), entry, answering.contains(&index)))
            .collect();
        self.parser = self.build_parser();
    }
}

/// A language and its texts.
pub(crate) struct Translation {
    pub(crate) locale: String,
    pub(crate) plurals: crate::plural::Plurals,
    /// One for each entry of the contract.
    pub(crate) errors: Vec<TranslatedEntry>,
    pub(crate) texts: ViolationTexts,
}

fn problem_shape() -> FormatNode {
    let source: Arc<Source> = Source::new("problem documents", PROBLEM_FORMAT);
    let mut diagnostics = Diagnostics::new();
    // A test checks that the text is valid.
    demur_source::parse(&source)
        .map_or(FormatNode::Object(Vec::new()), |node| FormatNode::read(&node, &source, &mut diagnostics))
}

fn is_problem_type(media_type: &str) -> bool {
    let (media_type, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    media_type.trim_end().eq_ignore_ascii_case(PROBLEM_JSON)
}

fn names_problems(accept: &str) -> bool {
    const NEEDLE: &[u8] = b"/problem+json";
    accept.as_bytes().windows(NEEDLE.len()).any(|window| window.eq_ignore_ascii_case(NEEDLE))
}

/// The weight of a media type in an `Accept`, in thousandths, by the most specific range that matches it.
fn quality(accept: &str, media_type: &str) -> u16 {
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let mut best = (0, 0);
    for range in accept.split(',') {
        let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
        let range = range.trim();
        let specificity = match range.split_once('/') {
            _ if range.eq_ignore_ascii_case(media_type) => 3,
            Some((known, "*")) if known.eq_ignore_ascii_case(kind) => 2,
            Some(("*", "*")) => 1,
            _ => continue,
        };
        let Some(weight) = weight(parameters) else { continue };
        if specificity > best.0 || specificity == best.0 && weight > best.1 {
            best = (specificity, weight);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_format_is_valid() {
        let FormatNode::Object(members) = problem_shape() else { panic!() };
        assert_eq!(members.len(), 8);
        let source = Source::new("problem documents", PROBLEM_FORMAT);
        let mut diagnostics = Diagnostics::new();
        FormatNode::read(&demur_source::parse(&source).unwrap(), &source, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics}");
    }

    #[test]
    fn translations_do_not_change_the_default_language() {
        const ALONE: &str = "
demur: 1
name: shop
formats: { default: { message: $message, errors?: [$detail] } }
errors:
  bad_request: { status: 400, message: '{param} is bad.', on: [request, param] }
  internal: { status: 500, message: Ours., on: [internal] }
";
        let load = |text: &str| Contract::load(&Source::new("shop.yaml", text)).unwrap().contract;
        let alone = load(ALONE);
        let with = load(&format!("{ALONE}locales: {{ it: {{ errors: {{ internal: Nostra. }} }} }}\n"));
        assert!(with.has_translations());
        assert_eq!((&with.programs, &with.texts), (&alone.programs, &alone.texts));
        assert_eq!(format!("{:?}", with.parser), format!("{:?}", alone.parser));
    }

    #[test]
    fn quality_is_that_of_the_most_specific_range() {
        for (accept, problem, json) in [
            ("*/*", 1000, 1000),
            ("application/problem+json", 1000, 0),
            ("application/problem+json, application/json;q=0.9", 1000, 900),
            ("application/*;q=0.5, application/problem+json;q=0.2", 200, 500),
            ("Application/Problem+JSON ; q=0.7, */*;q=0.1", 700, 100),
            ("application/problem+json;q=0, */*", 0, 1000),
            ("text/html", 0, 0),
            ("application/problem+json;q=nonsense, text/*", 0, 0),
        ] {
            assert_eq!(quality(accept, PROBLEM_JSON), problem, "{accept}");
            assert_eq!(quality(accept, "application/json"), json, "{accept}");
        }
    }
}
