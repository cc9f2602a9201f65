//! Answer → problem: the formats and texts that render, read backwards.
//!
//! Three steps, each in a file of its own: the content becomes a flat list of spans ([`tape`]), a format is laid over
//! it ([`reading`]), and each entry that has the status and the format says whether it can have made that ([`judge`]) and
//! what it says then ([`findings`]).
//! Never a guess: an answer that two entries can have made is [`ParseResult::Ambiguous`], one that none can have made
//! is [`ParseResult::Unknown`], and a value that a text does not give back for certain is not given back.
//!
//! Any bytes are accepted. Time is linear in them for each entry of the status, and so is memory: names that stand for
//! several violations are said again within an allowance alone. Nothing recurses on what was received.

mod captures;
mod fields;
mod limits;
mod match_format;
mod matcher;
mod pattern;
mod rules;
mod signature;
mod tape;

use std::borrow::Cow;
use std::time::Duration;

use crate::catalogue::{EntrySource, ErrorId};
use crate::contract::Contract;
use crate::problem::{Location, Problem, RetryAfter, Value, Violation};
use crate::violations::FieldStyle;
use crate::{Condition, ErrorStatus};
use smallvec::SmallVec;

use captures::CapturedValues;
pub use limits::{RecoveredLimit, Reset, ietf_limits};
use match_format::FormatMatch;
use matcher::{Matcher, MessageSource};
pub(crate) use pattern::{Decidable, Overlap, TextPattern};
pub(crate) use rules::RuleText;
use tape::{Tape, Tokens};

/// What was received: an answer as HTTP has it.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    /// The status.
    pub status: u16,
    /// Looks a header field up by its name in lower case; for a field that came several times, the values joined by
    /// commas.
    pub fields: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The content.
    pub content: &'a [u8],
}

impl<'a> ResponseView<'a> {
    /// An answer of which only status and content are known.
    pub fn new(status: u16, content: &'a [u8]) -> Self {
        Self { status, fields: &|_| None, content }
    }
}

/// What an answer turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseResult<'a> {
    /// One error, and no other.
    Exact(ParsedProblem<'a>),
    /// One of these: the answer does not tell which.
    Ambiguous {
        /// At least two.
        candidates: Vec<ErrorId>,
    },
    /// None of the contract's errors.
    Unknown {
        /// The content.
        raw: &'a [u8],
    },
}

/// What came back from an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedProblem<'a> {
    /// The problem, less what the contract's [losses](Contract::round_trip_report) say. Its violations are those of which
    /// the answer tells everything.
    pub problem: Problem<'a>,
    /// Every violation, as far as the answer tells of it.
    pub violations: Vec<RecoveredViolation<'a>>,
    /// How the limits stand, by the contract's families of fields.
    pub limits: Vec<RecoveredLimit<'a>>,
    /// Whether trying again is advised, where the contract has a field for it.
    pub should_retry: Option<bool>,
    /// Members that the format does not have.
    pub unknown_members: Vec<UnknownMember<'a>>,
}

/// What came back of one violation. What is `None` the answer does not tell, or not for certain.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecoveredViolation<'a> {
    /// The rules that it can have broken: one, where the answer tells; none, where its message is not the
    /// contract's.
    pub rules: &'a [Condition],
    /// The parameter, in the contract's style.
    pub field: Option<Cow<'a, str>>,
    /// The parameter as the message calls it.
    pub param: Option<Cow<'a, str>>,
    /// What was said.
    pub message: Option<Cow<'a, str>>,
    /// JSON Pointer to the value.
    pub pointer: Option<Cow<'a, str>>,
    /// In which part of the request it stands.
    pub location: Option<Location>,
    /// The offending value, or several as the message joins them.
    pub value: Option<Cow<'a, str>>,
    /// The rule's own value.
    pub limit: Option<Cow<'a, str>>,
    /// What would be allowed, as the message joins it.
    pub allowed: Option<Cow<'a, str>>,
}

/// A member that the format does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMember<'a> {
    /// JSON Pointer to it.
    pub pointer: String,
    /// Its value as it stands in the content.
    pub raw: &'a str,
}

/// What parsing needs beyond the catalogue, made when a contract is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parser {
    /// The entries of each status from 400 on, by the format that they share.
    by_status: Vec<Vec<Group>>,
    /// What each entry can say of violations.
    rules: Vec<Vec<RuleText>>,
}

#[derive(Debug, Clone)]
struct Group {
    format: usize,
    entries: Vec<ErrorId>,
}

impl Parser {
    pub(crate) fn new(contract: &Contract) -> Self {
        let mut by_status: Vec<Vec<Group>> = (400..600).map(|_| Vec::new()).collect();
        for (error, entry) in contract.entries() {
            let Some(groups) = by_status.get_mut(position(entry.status)) else { continue };
            match groups.iter_mut().find(|group| group.format == entry.format) {
                Some(group) => group.entries.push(error),
                None => groups.push(Group { format: entry.format, entries: vec![error] }),
            }
        }
        let rules = contract.entries().map(|(error, _)| rules::texts(contract, error)).collect();
        Self { by_status, rules }
    }

    fn groups(&self, status: u16) -> &[Group] {
        let groups = ErrorStatus::new(status).and_then(|status| self.by_status.get(position(status)));
        groups.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn rules(&self, error: ErrorId) -> &[RuleText] {
        &self.rules[usize::from(error.0)]
    }
}

fn position(status: ErrorStatus) -> usize {
    usize::from(status.as_u16() - 400)
}

impl Contract {
    /// Recognises an answer, and gives back what it says.
    ///
    /// It is read in the language of its `Content-Language`, and as a problem document where its `Content-Type` says
    /// that it is one; what is not recognised so, as the contract's own.
    ///
    /// ```
    /// # use demur_contract::{ResponseView, Contract, ParseResult, builtin};
    /// # let contract = Contract::load(&builtin::source("problem").unwrap()).unwrap().contract;
    /// let content = br#"{"type":"about:blank","title":"Rate limit exceeded","status":429,
    ///     "detail":"Rate limit exceeded","code":"rate_exceeded","request_id":"req_1","hint":[1]}"#;
    /// let fields = |name: &str| (name == "retry-after").then_some("7");
    /// let answer = ResponseView { status: 429, fields: &fields, content };
    /// let ParseResult::Exact(read) = contract.parse(&answer) else { panic!() };
    /// assert_eq!(contract.entry(read.problem.error).name, "rate_exceeded");
    /// assert_eq!(read.problem.request_id, "req_1");
    /// assert_eq!(read.problem.retry_after.unwrap().seconds(), 7);
    /// assert_eq!((read.unknown_members[0].pointer.as_str(), read.unknown_members[0].raw), ("/hint", "[1]"));
    /// ```
    pub fn parse<'a>(&'a self, answer: &ResponseView<'a>) -> ParseResult<'a> {
        let view = self.view_of(answer);
        // What the contract can have said itself is that, in whichever language: only then it can be the API's wording.
        let parsed = self.parse_as(view, answer, MessageSource::Contracts);
        if !matches!(parsed, ParseResult::Unknown { .. }) {
            return parsed;
        }
        self.parse_as(view, answer, MessageSource::Any)
    }

    fn parse_as<'a>(
        &'a self,
        view: &'a Self,
        answer: &ResponseView<'a>,
        wording: MessageSource,
    ) -> ParseResult<'a> {
        if !std::ptr::eq(view, self) {
            let parsed = view.parse_in_own_view(answer, wording);
            if !matches!(parsed, ParseResult::Unknown { .. }) {
                return parsed;
            }
            // A field says what was meant, not what was done: a text may have stayed in the API's own language.
        }
        self.parse_in_own_view(answer, wording)
    }

    fn parse_in_own_view<'a>(&'a self, answer: &ResponseView<'a>, wording: MessageSource) -> ParseResult<'a> {
        let unknown = ParseResult::Unknown { raw: answer.content };
        let groups = self.parser.groups(answer.status);
        if groups.is_empty() || wording == MessageSource::Any && !self.lets_others_say(groups) {
            return unknown;
        }
        let mut tokens = Tokens::new();
        let Some(tape) = Tape::read(answer.content, &mut tokens) else { return unknown };
        let mut best = Matches::default();
        for group in groups {
            let mut reading = FormatMatch::new(answer.content.len());
            if !reading.read(&self.formats[group.format].shape, answer.status, &tape) {
                if reading.is_beyond_bounds() {
                    return unknown;
                }
                continue;
            }
            // Nearly always there is one group alone that fits, and what it finds is written where it stays.
            if best.errors.is_empty() {
                self.hold(group, &tape, &reading, wording, &mut best);
                best.unknown = reading.unknown;
                continue;
            }
            // An answer without anything unknown in it is a better reading than one with.
            let (knew_all, knows_all) = (best.unknown.is_empty(), reading.unknown.is_empty());
            if knew_all && !knows_all {
                continue;
            }
            let mut found = Matches::default();
            self.hold(group, &tape, &reading, wording, &mut found);
            if found.errors.is_empty() {
                continue;
            }
            if knows_all && !knew_all {
                found.unknown = reading.unknown;
                best = found;
            } else {
                best.errors.append(&mut found.errors);
            }
        }
        match best.errors.as_slice() {
            [] => unknown,
            [error] => ParseResult::Exact(self.recovered(*error, &mut best.findings, best.unknown, answer)),
            _ => ParseResult::Ambiguous { candidates: best.errors.into_vec() },
        }
    }

    /// Holds the entries of a group against an answer that has its format.
    fn hold<'a>(
        &'a self,
        group: &Group,
        tape: &Tape<'_, 'a>,
        reading: &FormatMatch<'a, 'a>,
        wording: MessageSource,
        found: &mut Matches<'a>,
    ) {
        for error in group.entries.iter().copied() {
            let judge =
                Matcher { entry: self.entry(error), rules: self.parser.rules(error), tape, reading, wording };
            if !judge.may_fit() {
                continue;
            }
            // What the first of them says is wanted; of the others, only whether they fit.
            let fits = if found.errors.is_empty() {
                let fits = judge.judge(&mut found.findings).is_some();
                if !fits {
                    found.findings = CapturedValues::default();
                }
                fits
            } else {
                judge.judge(&mut CapturedValues::default()).is_some()
            };
            if fits {
                found.errors.push(error);
            }
        }
    }

    /// Whether one of these answers violations, and its message can be the API's own.
    fn lets_others_say(&self, groups: &[Group]) -> bool {
        let mut errors = groups.iter().flat_map(|group| group.entries.iter().copied());
        errors.any(|error| self.entry(error).open && !self.parser.rules(error).is_empty())
    }

    fn recovered<'a>(
        &'a self,
        error: ErrorId,
        findings: &mut CapturedValues<'a>,
        unknown_members: Vec<UnknownMember<'a>>,
        answer: &ResponseView<'a>,
    ) -> ParsedProblem<'a> {
        // It is large, so that its parts are taken where they are.
        let CapturedValues { texts, values, message, request_id, retry_after, violations, .. } = findings;
        let mut params: Vec<(Cow<'a, str>, Value)> = Vec::with_capacity(values.len() + texts.len());
        params.extend(values.drain(..).map(|(name, value, _)| (Cow::Borrowed(name), value)));
        // A value of its own says more than a text does: it keeps its kind.
        for (name, text, _) in texts.drain(..) {
            if !params.iter().any(|(known, _)| known == name) {
                params.push((Cow::Borrowed(name), Value::Text(text.into_owned())));
            }
        }
        let seconds = |seconds| RetryAfter { delay: Duration::from_secs(seconds) };
        let own_id = || (answer.fields)(&self.request_id.field).map(Cow::Borrowed);
        let complete = violations.iter().filter_map(|violation| violation.complete(self.field_style));
        let problem = Problem {
            error,
            params,
            message: message.take(),
            violations: complete.collect(),
            request_id: request_id.take().or_else(own_id).unwrap_or_default(),
            retry_after: fields::retry_after(&self.families, answer.fields).or(retry_after.map(seconds)),
        };
        ParsedProblem {
            problem,
            violations: std::mem::take(violations),
            limits: fields::limits(&self.families, answer.fields),
            should_retry: fields::should_retry(&self.families, answer.fields),
            unknown_members,
        }
    }
}

/// The entries that can have made the answer, and what the first of them says.
#[derive(Default)]
struct Matches<'a> {
    errors: SmallVec<[ErrorId; 8]>,
    findings: CapturedValues<'a>,
    unknown: Vec<UnknownMember<'a>>,
}

impl ParsedProblem<'_> {
    /// Whether the entry stands in the contract's file: an API behind the gateway can have meant it.
    pub fn is_declared(&self, contract: &Contract) -> bool {
        contract.entry(self.problem.error).source == EntrySource::Declared
    }
}

impl RecoveredViolation<'_> {
    /// The rule that was broken, where the answer tells.
    pub fn rule(&self) -> Option<Condition> {
        match self.rules {
            [rule] => Some(*rule),
            _ => None,
        }
    }

    /// The violation itself, where its rule, its place and its parameter are known.
    fn complete(&self, style: FieldStyle) -> Option<Violation> {
        // Mostly one of these is not known: nothing is copied before.
        let (condition, location, pointer) = (self.rule()?, self.location?, self.pointer.as_ref()?);
        let own = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.as_ref().to_owned());
        let param = match style {
            FieldStyle::Name => own(&self.field).or_else(|| own(&self.param)),
            FieldStyle::Pascal | FieldStyle::Camel | FieldStyle::Path | FieldStyle::Pointer => None,
        };
        Some(Violation {
            condition,
            location,
            param: param?,
            pointer: pointer.as_ref().to_owned(),
            value: own(&self.value),
            limit: own(&self.limit).map(Value::Text),
            allowed: own(&self.allowed).into_iter().collect(),
        })
    }
}
