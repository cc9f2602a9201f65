//! The compiled contract, and what can be asked of it.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::catalogue::{ErrorEntry, ErrorId};
use crate::compile::Op;
use crate::format::{FormatNode, Slot, ViolationSlot};
use crate::limit_headers::LimitHeaders;
use crate::parse::Parser;
use crate::plural::Plurals;
use crate::template::{Template, TemplateParameter};
use crate::variants::Variants;
use crate::violations::{FieldStyle, USUAL_TEXTS, ViolationTexts, precedence, rule_claim};
use crate::{Condition, Violation};

/// One error contract, loaded and checked. Immutable: a reload makes a new one.
#[derive(Debug, Clone)]
pub struct Contract {
    pub(crate) name: String,
    pub(crate) about: Metadata,
    pub(crate) content_type: String,
    pub(crate) request_id: RequestIdField,
    pub(crate) families: Vec<LimitHeaders>,
    pub(crate) formats: Vec<Format>,
    pub(crate) entries: Vec<ErrorEntry>,
    pub(crate) programs: Vec<Vec<Op>>,
    /// One error for each condition, by [`Condition::index`].
    pub(crate) answers: Vec<ErrorId>,
    /// The API's own conditions.
    pub(crate) by_name: HashMap<String, ErrorId>,
    pub(crate) texts: ViolationTexts,
    pub(crate) field_style: FieldStyle,
    /// The language of the texts.
    pub(crate) locale: String,
    pub(crate) plurals: Plurals,
    pub(crate) views: Variants,
    pub(crate) parser: Parser,
}

/// A named format.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    pub(crate) name: String,
    pub(crate) shape: FormatNode,
}

/// Where the request's id stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestIdField {
    /// The name of the header field, in lower case.
    pub field: String,
    /// What every id begins with.
    pub prefix: String,
}

/// What the reference pages say of the contract as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What people call the API.
    pub title: Option<String>,
    /// In a few sentences.
    pub description: Option<String>,
    /// Whom to ask.
    pub support: Option<String>,
    /// The public documentation that the contract follows.
    pub source: Option<String>,
    /// The documented statuses and their descriptions.
    pub statuses: Vec<(u16, String)>,
    /// Whether those are all there are.
    pub statuses_closed: bool,
    /// The classes of error and their descriptions.
    pub types: Vec<(String, String)>,
    /// What the members of the format mean.
    pub members: Vec<(String, String)>,
}

/// What the answers of an error have a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibleFields {
    /// The class of error.
    pub kind: bool,
    /// The code.
    pub code: bool,
    /// The title.
    pub title: bool,
    /// The message, in any case.
    pub message: bool,
    /// The message where there is no violation, else what is said of one.
    pub detail: bool,
    /// What is said of violations.
    pub violations: bool,
}

impl Contract {
    /// The name by which configuration refers to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the reference pages say.
    pub fn about(&self) -> &Metadata {
        &self.about
    }

    /// The media type of every answer.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Where the request's id stands.
    pub fn request_id(&self) -> &RequestIdField {
        &self.request_id
    }

    /// Which header fields tell of limits.
    pub fn field_families(&self) -> &[LimitHeaders] {
        &self.families
    }

    /// The error that answers a condition: claimed, or derived from the table. Every condition has exactly
    /// one; `client.gone`, which nobody is left to read, has the answer of `internal`.
    pub fn answer(&self, condition: Condition) -> ErrorId {
        self.answers[condition.index()]
    }

    /// The error that answers several violations (the most fundamental one speaks), or `None` where there
    /// are none.
    pub fn answer_violations(&self, violations: &[Violation]) -> Option<ErrorId> {
        let primary = violations.iter().min_by_key(|violation| precedence(violation.condition))?;
        Some(self.answer(primary.condition))
    }

    /// The error that answers one of the API's own conditions.
    pub fn named(&self, condition: &str) -> Option<ErrorId> {
        self.by_name.get(condition).copied()
    }

    /// The names of the API's own conditions, sorted.
    pub fn own_conditions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Those of them that are the API's alone: words that an error claims beside the gateway's conditions, and
    /// the name of an error that claims nothing. Every generation of one API must answer them.
    pub fn api_conditions(&self) -> Vec<&str> {
        let is_word = |name: &str, error: &ErrorId| self.entry(*error).name != name;
        let claimed: HashSet<ErrorId> = self
            .by_name
            .iter()
            .filter(|(name, error)| is_word(name, error))
            .map(|(_, error)| *error)
            .collect();
        let mut names = self.own_conditions();
        names.retain(|name| {
            self.by_name.get(*name).is_some_and(|error| {
                is_word(name, error) || !claimed.contains(error) && !self.answers.contains(error)
            })
        });
        names
    }

    /// The entry of an error of this contract.
    pub fn entry(&self, error: ErrorId) -> &ErrorEntry {
        &self.entries[usize::from(error.0)]
    }

    /// Every entry: those of the file in its order, then the derived ones.
    pub fn entries(&self) -> impl Iterator<Item = (ErrorId, &ErrorEntry)> {
        (0u16..).map(ErrorId).zip(&self.entries)
    }

    /// Whether the content of this error's answers shows the request's id.
    pub fn shows_request_id(&self, error: ErrorId) -> bool {
        let entry = self.entry(error);
        let in_text = |text: &Template| text.parameters().any(|name| *name == TemplateParameter::RequestId);
        in_text(&entry.title)
            || in_text(&entry.message)
            || self.shape(entry).slots().iter().any(|slot| **slot == Slot::RequestId)
    }

    /// What this error's answers have a place for.
    pub fn shows(&self, error: ErrorId) -> VisibleFields {
        let slots = self.shape(self.entry(error)).slots();
        let shows = |slot: Slot| slots.contains(&&slot);
        VisibleFields {
            kind: shows(Slot::Type),
            code: shows(Slot::Code),
            title: shows(Slot::Title),
            message: shows(Slot::Message),
            detail: shows(Slot::Detail),
            violations: shows(Slot::Detail) || shows(Slot::Violation(ViolationSlot::Message)),
        }
    }

    /// What is said of a violation of this rule where this error's answers show violations.
    pub fn text_of_rule(&self, error: ErrorId, rule: Condition) -> &Template {
        self.violation_text(self.entry(error), rule)
    }

    /// The name of the format in which this error is answered, as [`Contract::round_trip_report`] calls it.
    pub fn format_of(&self, error: ErrorId) -> &str {
        &self.formats[self.entry(error).format].name
    }

    /// How parameters are called on the wire.
    pub fn field_style(&self) -> FieldStyle {
        self.field_style
    }

    pub(crate) fn program(&self, error: ErrorId) -> &[Op] {
        &self.programs[usize::from(error.0)]
    }

    pub(crate) fn shape(&self, entry: &ErrorEntry) -> &FormatNode {
        &self.formats[entry.format].shape
    }

    /// What is said of a violation: the contract's text for the rule, else the error's own message where it
    /// speaks of the violation, else the usual text.
    pub(crate) fn violation_text<'c>(&'c self, entry: &'c ErrorEntry, rule: Condition) -> &'c Template {
        if let Some(text) = self.texts.of(rule) {
            return text;
        }
        if entry.message.speaks_of_violation() {
            return &entry.message;
        }
        usual_texts().of(rule).unwrap_or(&entry.message)
    }
}

fn usual_texts() -> &'static ViolationTexts {
    static USUAL: OnceLock<ViolationTexts> = OnceLock::new();
    USUAL.get_or_init(|| {
        let texts: Vec<(String, Template)> = USUAL_TEXTS
            .iter()
            .filter_map(|(rule, text)| Some((rule_claim(rule), Template::parse(text).ok()?)))
            .collect();
        ViolationTexts::new(&texts)
    })
}
