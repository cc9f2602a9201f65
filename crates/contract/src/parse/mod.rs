//! Parsing: recovers the problem from an error response, with the same formats and texts that render it.
//!
//! There are three steps, each in its own file: the body becomes a flat list of values ([`tape`]), a format is matched
//! against it ([`match_format`]), and each entry with the status and the format is checked for whether it can have made the
//! response ([`matcher`]), which yields its values ([`captures`]).
//!
//! The parser never guesses. A response that two entries can have made is [`ParseResult::Ambiguous`], one that no entry can
//! have made is [`ParseResult::Unknown`], and a value that a text does not determine is not returned.
//!
//! Any bytes are accepted. For each entry with the status, time and memory are linear in the length of the body; copies of
//! names that apply to several violations are limited by an allowance. Nothing recurses on the input.

mod captures;
mod fit;
mod headers;
mod limits;
mod match_format;
mod matcher;
mod parser;
mod pattern;
mod result;
mod rules;
mod search;
mod shown;
mod signature;
mod tape;

use std::borrow::Cow;
use std::time::Duration;

use crate::catalogue::ErrorId;
use crate::contract::Contract;
use crate::problem::{Problem, RetryAfter, Value};
use smallvec::SmallVec;

use captures::CapturedValues;
pub use limits::{RecoveredLimit, Reset, ietf_limits};
use match_format::FormatMatch;
use matcher::{Matcher, MessageSource};
use parser::Group;
pub(crate) use parser::{Parser, RuleText};
pub(crate) use pattern::{Decidable, Overlap, PatternPart, TextPattern};
pub use result::{ParseResult, ParsedProblem, RecoveredViolation, UnknownMember};
pub use shown::{ShownFields, ShownViolation};
use tape::{Tape, Tokens};

/// A received HTTP response.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    /// The status.
    pub status: u16,
    /// Returns the value of a header by its lower-case name. The values of a repeated header are joined by commas.
    pub headers: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> ResponseView<'a> {
    /// A response without headers.
    pub fn new(status: u16, body: &'a [u8]) -> Self {
        Self { status, headers: &|_| None, body }
    }
}

impl Contract {
    /// The data for parsing, from all that is in the contract by now.
    pub(crate) fn build_parser(&self) -> Parser {
        Parser::new(self.entries(), self.entries().map(|(error, _)| rules::texts(self, error)).collect())
    }

    /// The limits in the contract's limit headers, of a response of any status.
    pub fn limits_in<'a>(&self, headers: &dyn Fn(&str) -> Option<&'a str>) -> Vec<RecoveredLimit<'a>> {
        headers::limits(&self.limit_headers, headers)
    }

    /// Parses a response.
    ///
    /// The response is parsed by the variant of its `Content-Language` and `Content-Type`, and if that does not recognize
    /// it, by this contract itself.
    ///
    /// ```
    /// # use demur_contract::{ResponseView, Contract, ParseResult, builtin};
    /// # let contract = Contract::load(&builtin::source("problem").unwrap()).unwrap().contract;
    /// let body = br#"{"type":"about:blank","title":"Rate limit exceeded","status":429,
    ///     "detail":"Rate limit exceeded","code":"rate_exceeded","request_id":"req_1","hint":[1]}"#;
    /// let headers = |name: &str| (name == "retry-after").then_some("7");
    /// let response = ResponseView { status: 429, headers: &headers, body };
    /// let ParseResult::Exact(parsed) = contract.parse(&response) else { panic!() };
    /// assert_eq!(contract.entry(parsed.problem.error).name, "rate_exceeded");
    /// assert_eq!(parsed.problem.request_id, "req_1");
    /// assert_eq!(parsed.problem.retry_after.unwrap().seconds(), 7);
    /// let unknown = &parsed.unknown_members[0];
    /// assert_eq!((unknown.pointer.as_str(), unknown.raw), ("/hint", "[1]"));
    /// ```
    pub fn parse<'a>(&'a self, response: &ResponseView<'a>) -> ParseResult<'a> {
        let variant = self.variant_of(response);
        // A message that can be the contract's own, in any variant, is not taken for one of the API.
        let parsed = self.parse_as(variant, response, MessageSource::Contract);
        if !matches!(parsed, ParseResult::Unknown { .. }) {
            return parsed;
        }
        self.parse_as(variant, response, MessageSource::Any)
    }

    fn parse_as<'a>(
        &'a self,
        variant: &'a Self,
        response: &ResponseView<'a>,
        source: MessageSource,
    ) -> ParseResult<'a> {
        if !std::ptr::eq(variant, self) {
            let parsed = variant.parse_as_own(response, source);
            if !matches!(parsed, ParseResult::Unknown { .. }) {
                return parsed;
            }
            // The headers may be wrong: a text may be in the default language all the same.
        }
        self.parse_as_own(response, source)
    }

    fn parse_as_own<'a>(&'a self, response: &ResponseView<'a>, source: MessageSource) -> ParseResult<'a> {
        let unknown = ParseResult::Unknown { raw: response.body };
        let groups = self.parser.groups(response.status);
        if groups.is_empty() || source == MessageSource::Any && !self.has_open_violations(groups) {
            return unknown;
        }
        let mut tokens = Tokens::new();
        let Some(tape) = Tape::read(response.body, &mut tokens) else { return unknown };
        let mut best = Matches::default();
        for group in groups {
            let mut matched = FormatMatch::new(response.body.len());
            if !matched.read(&self.formats[group.format].shape, response.status, &tape) {
                if matched.exceeds_allowance() {
                    return unknown;
                }
                continue;
            }
            // Nearly always only one group fits, and its values are written to their final place.
            if best.errors.is_empty() {
                self.match_entries(group, &tape, &matched, source, &mut best);
                best.unknown = matched.unknown;
                continue;
            }
            // A format without unknown members is a better match than one with.
            let (best_is_complete, is_complete) = (best.unknown.is_empty(), matched.unknown.is_empty());
            if best_is_complete && !is_complete {
                continue;
            }
            let mut matches = Matches::default();
            self.match_entries(group, &tape, &matched, source, &mut matches);
            if matches.errors.is_empty() {
                continue;
            }
            if is_complete && !best_is_complete {
                matches.unknown = matched.unknown;
                best = matches;
            } else {
                best.errors.append(&mut matches.errors);
            }
        }
        match best.errors.as_slice() {
            [] => unknown,
            [error] => ParseResult::Exact(self.recovered(*error, &mut best.values, best.unknown, response)),
            _ => ParseResult::Ambiguous { candidates: best.errors.into_vec() },
        }
    }

    /// Finds the entries of a group that can have made a response with the format of the group.
    fn match_entries<'a>(
        &'a self,
        group: &Group,
        tape: &Tape<'_, 'a>,
        matched: &FormatMatch<'a, 'a>,
        source: MessageSource,
        matches: &mut Matches<'a>,
    ) {
        for error in group.entries.iter().copied() {
            let matcher =
                Matcher { entry: self.entry(error), rules: self.parser.rules(error), tape, matched, source };
            if !matcher.may_fit() {
                continue;
            }
            // Only the values of the first entry are needed.
            let fits = if matches.errors.is_empty() {
                let fits = matcher.capture(&mut matches.values).is_some();
                if !fits {
                    matches.values = CapturedValues::default();
                }
                fits
            } else {
                matcher.capture(&mut CapturedValues::default()).is_some()
            };
            if fits {
                matches.errors.push(error);
            }
        }
    }

    /// Whether one of these entries answers violations and has an open message.
    fn has_open_violations(&self, groups: &[Group]) -> bool {
        let mut errors = groups.iter().flat_map(|group| group.entries.iter().copied());
        errors.any(|error| self.entry(error).open && !self.parser.rules(error).is_empty())
    }

    fn recovered<'a>(
        &'a self,
        error: ErrorId,
        captured: &mut CapturedValues<'a>,
        unknown_members: Vec<UnknownMember<'a>>,
        response: &ResponseView<'a>,
    ) -> ParsedProblem<'a> {
        // The struct is large, so its parts are moved out one by one.
        let CapturedValues { texts, values, message, request_id, retry_after, violations, .. } = captured;
        let mut params: Vec<(Cow<'a, str>, Value)> = Vec::with_capacity(values.len() + texts.len());
        params.extend(values.drain(..).map(|(name, value, _)| (Cow::Borrowed(name), value)));
        // A value from a slot of its own has precedence over one from a text, because it keeps its type.
        for (name, text, _) in texts.drain(..) {
            if !params.iter().any(|(known, _)| known == name) {
                params.push((Cow::Borrowed(name), Value::Text(text.into_owned())));
            }
        }
        let seconds = |seconds| RetryAfter { delay: Duration::from_secs(seconds) };
        let id_in_header = || (response.headers)(&self.request_id.header).map(Cow::Borrowed);
        let complete = violations.iter().filter_map(|violation| violation.complete(self.field_style));
        let problem = Problem {
            error,
            params,
            message: message.take(),
            violations: complete.collect(),
            request_id: request_id.take().or_else(id_in_header).unwrap_or_default(),
            retry_after: headers::retry_after(&self.limit_headers, response.headers)
                .or(retry_after.map(seconds)),
        };
        ParsedProblem {
            problem,
            violations: std::mem::take(violations),
            limits: headers::limits(&self.limit_headers, response.headers),
            should_retry: headers::should_retry(&self.limit_headers, response.headers),
            unknown_members,
        }
    }
}

/// The entries that can have made the response, and the values of the first of them.
#[derive(Default)]
struct Matches<'a> {
    errors: SmallVec<[ErrorId; 8]>,
    values: CapturedValues<'a>,
    unknown: Vec<UnknownMember<'a>>,
}
