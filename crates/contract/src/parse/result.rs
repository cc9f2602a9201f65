//! What parsing recovers from a response.

use std::borrow::Cow;

use super::limits::RecoveredLimit;
use crate::Condition;
use crate::catalogue::{EntrySource, ErrorId};
use crate::contract::Contract;
use crate::problem::{Location, Problem, Value, Violation};
use crate::violations::FieldStyle;

/// The result of parsing a response.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseResult<'a> {
    /// Exactly one error can have made the response.
    Exact(ParsedProblem<'a>),
    /// Several errors can have made the response.
    Ambiguous {
        /// These errors, at least two.
        candidates: Vec<ErrorId>,
    },
    /// No error of the contract can have made the response.
    Unknown {
        /// The body.
        raw: &'a [u8],
    },
}

/// A problem recovered from a response.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedProblem<'a> {
    /// The problem, without the parts that the [round-trip report](Contract::round_trip_report) calls lost. It has only those
    /// violations that the response describes completely.
    pub problem: Problem<'a>,
    /// All violations, with the parts that the response shows.
    pub violations: Vec<RecoveredViolation<'a>>,
    /// The limits, from the contract's limit headers.
    pub limits: Vec<RecoveredLimit<'a>>,
    /// Whether the response advises a retry, if the contract has a header for it.
    pub should_retry: Option<bool>,
    /// The members that the format does not have.
    pub unknown_members: Vec<UnknownMember<'a>>,
}

/// A violation recovered from a response. A part is `None` if the response does not determine it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecoveredViolation<'a> {
    /// The rules that can have been broken: one if the response determines it, none if the message is not the contract's.
    pub rules: &'a [Condition],
    /// The name of the parameter from its slot, in the style of the contract.
    pub field: Option<Cow<'a, str>>,
    /// The name of the parameter from the message.
    pub param: Option<Cow<'a, str>>,
    /// The message.
    pub message: Option<Cow<'a, str>>,
    /// The JSON Pointer to the invalid value.
    pub pointer: Option<Cow<'a, str>>,
    /// The part of the request.
    pub location: Option<Location>,
    /// The invalid value, or several as the message joins them.
    pub value: Option<Cow<'a, str>>,
    /// The value of the rule, such as the maximum.
    pub limit: Option<Cow<'a, str>>,
    /// The allowed values, as the message joins them.
    pub allowed: Option<Cow<'a, str>>,
}

/// A member that the format does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMember<'a> {
    /// The JSON Pointer to the member.
    pub pointer: String,
    /// The value as written in the body.
    pub raw: &'a str,
}

impl ParsedProblem<'_> {
    /// Whether the contract file declares the error, so that an upstream can have meant it.
    pub fn is_declared(&self, contract: &Contract) -> bool {
        contract.entry(self.problem.error).source == EntrySource::Declared
    }
}

impl RecoveredViolation<'_> {
    /// The rule that was broken, if the response determines it.
    pub fn rule(&self) -> Option<Condition> {
        match self.rules {
            [rule] => Some(*rule),
            _ => None,
        }
    }

    /// The complete violation, if its rule, location, pointer and parameter are known.
    pub(super) fn complete(&self, style: FieldStyle) -> Option<Violation> {
        // Checked first, because one of them is usually unknown and copying would be for nothing.
        let (condition, location, pointer) = (self.rule()?, self.location?, self.pointer.as_ref()?);
        let own = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.as_ref().to_owned());
        let param = match style {
            // The body as a whole has a name in texts only.
            _ if pointer.is_empty() => Some(String::new()),
            FieldStyle::Name => own(&self.field).or_else(|| own(&self.param)),
            // The pointer begins with the name of the parameter.
            FieldStyle::Pascal | FieldStyle::Camel | FieldStyle::Path | FieldStyle::Pointer => {
                let first = pointer.split('/').nth(1).unwrap_or_default();
                Some(first.replace("~1", "/").replace("~0", "~"))
            }
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
