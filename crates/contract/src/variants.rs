//! The same contract, otherwise spoken: in another language, or as problem documents (RFC 9457).
//!
//! A view is a contract of its own with the same errors, statuses and codes under the same
//! [`ErrorId`](crate::ErrorId)s, but with other texts or another format. So whoever renders or decodes
//! chooses a view once and then works as ever, and answers in the default language cost nothing extra.

use std::sync::Arc;

use demur_source::{Diagnostics, Source};

use crate::compile::compile;
use crate::contract::{Contract, Format};
use crate::format::FormatNode;
use crate::locale::{lookup, weight};
use crate::parse::Parser;
use crate::template::Template;
use crate::violations::ViolationTexts;
use crate::{Condition, ResponseView};

/// The media type of problem documents.
const PROBLEM_JSON: &str = "application/problem+json";

/// RFC 9457, with the members that this contract's own answers could show. `errors` is as the RFC's own
/// example has it, `violated-policies` as draft-ietf-httpapi-ratelimit-headers has it.
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

/// The other ways in which a contract can be spoken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variants {
    /// One for each language but the default one.
    pub(crate) translations: Vec<Contract>,
    /// As problem documents, where the contract is not that already and does not rule it out.
    pub(crate) problem: Option<Box<Contract>>,
}

/// The texts of one error in another language; `None` keeps the default's.
#[derive(Debug, Default)]
pub(crate) struct TranslatedContract {
    pub(crate) title: Option<Template>,
    pub(crate) message: Option<Template>,
    pub(crate) user_message: Option<Template>,
}

impl Contract {
    /// The language of this contract's texts, as a tag of BCP 47.
    pub fn locale(&self) -> &str {
        &self.locale
    }

    /// The languages in which it can be spoken, its own first.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.locale()).chain(self.views.translations.iter().map(Contract::locale))
    }

    /// Whether it can be spoken in more than one language.
    pub fn has_translations(&self) -> bool {
        !self.views.translations.is_empty()
    }

    /// This contract with its texts in another language, by its very tag.
    pub fn in_locale(&self, tag: &str) -> Option<&Contract> {
        if self.locale == tag {
            return Some(self);
        }
        self.views.translations.iter().find(|view| view.locale == tag)
    }

    /// This contract in the language that an `Accept-Language` asks for (RFC 4647, lookup), or in its own.
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
            Some(position) => &self.views.translations[position - 1],
        }
    }

    /// This contract as problem documents, `None` where it is that already or rules it out.
    pub fn as_problem(&self) -> Option<&Contract> {
        self.views.problem.as_deref()
    }

    /// This contract as problem documents where an `Accept` asks for them rather than for its own media
    /// type (RFC 9110, section 12.5.1), else itself.
    ///
    /// Its own media type is what clients of this API know; so an equal weight is not enough.
    pub fn for_accept(&self, accept: &str) -> &Contract {
        let Some(problem) = self.as_problem() else { return self };
        // Only a client that names the type can mean it: nearly none does, and the rest is not looked at.
        if !names_problems(accept) {
            return self;
        }
        let own = self.content_type().split(';').next().unwrap_or_default().trim();
        if quality(accept, PROBLEM_JSON) > quality(accept, own) { problem } else { self }
    }

    /// This contract as an answer says that it is spoken: in the language of its `Content-Language`, and as problem
    /// documents where its `Content-Type` is theirs.
    pub(crate) fn view_of<'a>(&'a self, answer: &ResponseView<'a>) -> &'a Contract {
        let field = |name| (answer.fields)(name).map(str::trim);
        let spoken = match self.has_translations().then(|| field("content-language")).flatten() {
            // Nearly always, and no list is made for it.
            Some(tag) if tag.eq_ignore_ascii_case(&self.locale) => self,
            Some(tags) => self.for_accept_language(tags),
            None => self,
        };
        let Some(problem) = spoken.as_problem() else { return spoken };
        let is_problem = field("content-type").is_some_and(is_problem_type);
        if is_problem { problem } else { spoken }
    }

    /// Makes the view in another language.
    pub(crate) fn translate(&mut self, view: Translation) {
        let mut translated = self.clone();
        translated.views = Variants::default();
        translated.locale = view.locale;
        translated.plurals = view.plurals;
        for (entry, texts) in translated.entries.iter_mut().zip(view.errors) {
            let spoke_its_title = entry.message == entry.title;
            if let Some(title) = texts.title {
                entry.title = title;
            }
            match texts.message {
                Some(message) => entry.message = message,
                // Without a message of its own the error says its title, in any language.
                None if spoke_its_title => entry.message = entry.title.clone(),
                None => {}
            }
            entry.user_message = texts.user_message.or(entry.user_message.take());
        }
        translated.texts = view.texts.or(&self.texts);
        translated.recompile();
        self.views.translations.push(translated);
    }

    /// Makes the views as problem documents, of itself and of its translations.
    pub(crate) fn build_problem_variant(&mut self) {
        let own = self.content_type.split(';').next().unwrap_or_default().trim();
        if own.eq_ignore_ascii_case(PROBLEM_JSON) {
            return;
        }
        let mut problem = self.clone();
        problem.views = Variants::default();
        problem.content_type = PROBLEM_JSON.to_owned();
        problem.formats = vec![Format { name: "default".to_owned(), shape: problem_shape() }];
        for entry in &mut problem.entries {
            entry.format = 0;
            entry.doc_url.get_or_insert_with(|| "about:blank".to_owned());
        }
        problem.recompile();
        self.views.problem = Some(Box::new(problem));
        self.views.translations.iter_mut().for_each(Contract::build_problem_variant);
    }

    fn recompile(&mut self) {
        let violations = Condition::all().filter(|condition| condition.is_violation());
        let answering: Vec<usize> =
            violations.map(|condition| usize::from(self.answer(condition).0)).collect();
        self.programs = (0..)
            .zip(&self.entries)
            .map(|(index, entry)| compile(self.shape(entry), entry, answering.contains(&index)))
            .collect();
        self.parser = Parser::new(self);
    }
}

/// A language and its texts.
pub(crate) struct Translation {
    pub(crate) locale: String,
    pub(crate) plurals: crate::plural::Plurals,
    /// One for each entry of the contract.
    pub(crate) errors: Vec<TranslatedContract>,
    pub(crate) texts: ViolationTexts,
}

fn problem_shape() -> FormatNode {
    let source: Arc<Source> = Source::new("problem documents", PROBLEM_FORMAT);
    let mut found = Diagnostics::new();
    // A test holds that this text is sound.
    demur_source::parse(&source)
        .map_or(FormatNode::Object(Vec::new()), |node| FormatNode::read(&node, &source, &mut found))
}

fn is_problem_type(media_type: &str) -> bool {
    let (media_type, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    media_type.trim_end().eq_ignore_ascii_case(PROBLEM_JSON)
}

fn names_problems(accept: &str) -> bool {
    const NEEDLE: &[u8] = b"/problem+json";
    accept.as_bytes().windows(NEEDLE.len()).any(|window| window.eq_ignore_ascii_case(NEEDLE))
}

/// What an `Accept` thinks of a media type, in thousandths: the most specific range that matches it decides.
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
    fn the_shape_of_problem_documents_is_sound() {
        let FormatNode::Object(members) = problem_shape() else { panic!() };
        assert_eq!(members.len(), 8);
        let source = Source::new("problem documents", PROBLEM_FORMAT);
        let mut found = Diagnostics::new();
        FormatNode::read(&demur_source::parse(&source).unwrap(), &source, &mut found);
        assert!(found.is_empty(), "{found}");
    }

    #[test]
    fn other_languages_change_nothing_of_the_default_one() {
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
    fn the_most_specific_range_weighs() {
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
