//! The compiled contract.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::catalogue::{ErrorEntry, ErrorId};
use crate::compile::Op;
use crate::format::{FormatNode, Slot, ViolationSlot};
use crate::limit_headers::LimitHeaders;
use crate::parse::Parser;
use crate::plural::Plurals;
use crate::template::{Template, TemplateParameter};
use crate::violations::{DEFAULT_TEXTS, FieldStyle, ViolationTexts, primary_violation, rule_claim};
use crate::{Condition, Violation};

/// An error contract, loaded and checked. It is immutable; a reload makes a new one.
#[derive(Debug, Clone)]
pub struct Contract {
    pub(crate) name: String,
    pub(crate) about: Metadata,
    pub(crate) content_type: String,
    pub(crate) request_id: RequestIdSettings,
    pub(crate) limit_headers: Vec<LimitHeaders>,
    pub(crate) formats: Vec<Format>,
    pub(crate) entries: Vec<ErrorEntry>,
    pub(crate) programs: Vec<Vec<Op>>,
    /// The error of each condition, by [`Condition::index`].
    pub(crate) by_condition: Vec<ErrorId>,
    /// The condition of each status of an upstream's error response, from 400 to 599.
    pub(crate) by_upstream_status: Vec<Condition>,
    /// The errors of the API's own conditions.
    pub(crate) by_name: HashMap<String, ErrorId>,
    pub(crate) texts: ViolationTexts,
    pub(crate) field_style: FieldStyle,
    /// The language of the texts.
    pub(crate) locale: String,
    pub(crate) plurals: Plurals,
    pub(crate) variants: Variants,
    pub(crate) parser: Parser,
}

/// The variants of a contract.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variants {
    /// One contract for each language except the default one.
    pub(crate) translations: Vec<Contract>,
    /// The contract with problem documents, unless it uses them already or `problem_json` is off.
    pub(crate) problem: Option<Box<Contract>>,
}

/// A format and its name.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    pub(crate) name: String,
    pub(crate) shape: FormatNode,
}

/// The header and the prefix of request IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestIdSettings {
    /// The name of the header, in lower case.
    pub header: String,
    /// The prefix of every request ID.
    pub prefix: String,
}

/// The documentation of a contract for the reference pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name of the API for people.
    pub title: Option<String>,
    /// A description in a few sentences.
    pub description: Option<String>,
    /// A contact for support.
    pub support: Option<String>,
    /// The URL of the public documentation that the contract follows.
    pub source: Option<String>,
    /// The documented statuses and their descriptions.
    pub statuses: Vec<(u16, String)>,
    /// Whether `statuses` lists all statuses of errors.
    pub statuses_closed: bool,
    /// The types of errors and their descriptions.
    pub types: Vec<(String, String)>,
    /// The members of the formats, by their paths, and their descriptions.
    pub members: Vec<(String, String)>,
    /// Sections of the first reference page: headings and texts in Markdown.
    pub guide: Vec<(String, String)>,
}

/// The properties of an error that its format shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibleFields {
    /// The type.
    pub kind: bool,
    /// The code.
    pub code: bool,
    /// The title.
    pub title: bool,
    /// The message of the error.
    pub message: bool,
    /// The message of the violation that names the error, or of the error if there is no violation.
    pub detail: bool,
    /// The messages of violations.
    pub violations: bool,
}

impl Contract {
    /// The name of the contract in configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The documentation for the reference pages.
    pub fn about(&self) -> &Metadata {
        &self.about
    }

    /// The media type of every error body.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The header and the prefix of request IDs.
    pub fn request_id(&self) -> &RequestIdSettings {
        &self.request_id
    }

    /// The headers about limits and retries.
    pub fn limit_headers(&self) -> &[LimitHeaders] {
        &self.limit_headers
    }

    /// The error that answers a condition: the one that claims it, or a derived one. Every condition has exactly one error;
    /// that of `client.gone`, which is never sent, is that of `internal`.
    pub fn answer(&self, condition: Condition) -> ErrorId {
        self.by_condition[condition.index()]
    }

    /// The condition of an upstream's error response of which only the status is understood: that of the contract's claim
    /// on `upstream.refused.STATUS`, or the one that means the same to a client. A status that is no error is a failure.
    ///
    /// 401, 402 and 407 are about the gateway's account at the upstream, and a failure too.
    pub fn upstream_condition(&self, status: u16) -> Condition {
        let index = usize::from(status).checked_sub(400);
        let known = index.and_then(|index| self.by_upstream_status.get(index));
        known.copied().unwrap_or(Condition::UpstreamFailed)
    }

    /// The error that answers several violations, which is that of the most fundamental one; `None` if there are none.
    pub fn answer_violations(&self, violations: &[Violation]) -> Option<ErrorId> {
        primary_violation(violations).map(|primary| self.answer(primary.condition))
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

    /// The conditions that only the API raises, sorted: names that an error claims and that are not conditions of the
    /// gateway, and the names of errors that claim nothing. All contract versions of an API must answer the same ones.
    pub fn api_conditions(&self) -> Vec<&str> {
        let is_claimed_name = |name: &str, error: &ErrorId| self.entry(*error).name != name;
        let claimed: HashSet<ErrorId> = self
            .by_name
            .iter()
            .filter(|(name, error)| is_claimed_name(name, error))
            .map(|(_, error)| *error)
            .collect();
        let mut names = self.own_conditions();
        names.retain(|name| {
            self.by_name.get(*name).is_some_and(|error| {
                is_claimed_name(name, error) || !claimed.contains(error) && !self.by_condition.contains(error)
            })
        });
        names
    }

    /// The entry of an error. The error must be one of this contract.
    pub fn entry(&self, error: ErrorId) -> &ErrorEntry {
        &self.entries[usize::from(error.0)]
    }

    /// All entries: the declared ones in the order of the file, then the derived ones.
    pub fn entries(&self) -> impl Iterator<Item = (ErrorId, &ErrorEntry)> {
        (0u16..).map(ErrorId).zip(&self.entries)
    }

    /// Whether the body of this error shows the request ID.
    pub fn shows_request_id(&self, error: ErrorId) -> bool {
        let entry = self.entry(error);
        let in_text = |text: &Template| text.parameters().any(|name| *name == TemplateParameter::RequestId);
        in_text(&entry.title)
            || in_text(&entry.message)
            || self.shape(entry).slots().iter().any(|slot| **slot == Slot::RequestId)
    }

    /// The properties that the format of this error shows.
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

    /// Whether an error answers any rule of violations; else it is raised with violations by code.
    fn answers_violations(&self, entry: &ErrorEntry) -> bool {
        let mut rules = Condition::all().filter(|condition| condition.is_violation());
        rules.any(|rule| std::ptr::eq(self.entry(self.answer(rule)), entry))
    }

    /// The message template for violations of `rule` in responses with this error.
    pub fn text_of_rule(&self, error: ErrorId, rule: Condition) -> &Template {
        self.violation_text(self.entry(error), rule)
    }

    /// The name of the format of this error.
    pub fn format_of(&self, error: ErrorId) -> &str {
        &self.formats[self.entry(error).format].name
    }

    /// The style of parameter names in responses.
    pub fn field_style(&self) -> FieldStyle {
        self.field_style
    }

    pub(crate) fn program(&self, error: ErrorId) -> &[Op] {
        &self.programs[usize::from(error.0)]
    }

    pub(crate) fn shape(&self, entry: &ErrorEntry) -> &FormatNode {
        &self.formats[entry.format].shape
    }

    /// The message template for violations of `rule` in a response of the error `entry`: the contract's text for the rule,
    /// else the message of the error that answers the rule if it has parameters of a violation, else the default text. The
    /// message of an error that answers other rules would say something false.
    pub(crate) fn violation_text<'c>(&'c self, entry: &'c ErrorEntry, rule: Condition) -> &'c Template {
        if let Some(text) = self.texts.of(rule) {
            return text;
        }
        let answer = self.entry(self.answer(rule));
        if answer.message.uses_violation() {
            return &answer.message;
        }
        if entry.message.uses_violation() && !self.answers_violations(entry) {
            return &entry.message;
        }
        default_texts().of(rule).unwrap_or(&entry.message)
    }
}

fn default_texts() -> &'static ViolationTexts {
    static DEFAULTS: OnceLock<ViolationTexts> = OnceLock::new();
    DEFAULTS.get_or_init(|| {
        let texts: Vec<(String, Template)> = DEFAULT_TEXTS
            .iter()
            .filter_map(|(rule, text)| Some((rule_claim(rule), Template::parse(text).ok()?)))
            .collect();
        ViolationTexts::new(&texts)
    })
}
