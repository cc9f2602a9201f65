//! The language of rules: a subset of CEL with bounded cost.
//!
//! It adds to the `cel` crate: bounded loops, precompiled patterns for `matches`, and the function `date`.

use std::sync::{Arc, LazyLock};

use cel::Env;
use cel::ExecutionError;
use cel::common::ast::{IdedExpr, SourceInfo};
use cel::common::types::{CelBool, CelString, CelTimestamp, DYN_TYPE, STRING_TYPE};
use cel::common::value::CowVal;
use demur_source::Span;

use super::pattern::{PATTERN_TYPE, RulePattern};
use super::span::RuleSpans;

/// The maximum length of a rule in bytes.
const MAX_TEXT: usize = 4_000;
/// The maximum number of iterations of a loop.
const MAX_LOOP: i64 = 10_000;

/// The error for nesting beyond a limit, whether the parser or `lint` finds it.
pub(super) const TOO_DEEP: &str = "expression is nested too deeply";
pub(super) const TOO_DEEP_HELP: &str = "split the rule into several rules";

/// Replaces `matches` once the pattern is compiled. No rule can contain an `@`.
pub(super) const MATCHES: &str = "@matches";
/// Wraps the list of a loop.
pub(super) const BOUNDED: &str = "@bounded";
/// Prefixes of the variables that replace a member and `has(member)`, followed by its number.
pub(super) const MEMBER: &str = "@member";
pub(super) const HAS: &str = "@has";
/// Prefix of the variables that replace precomputed values, followed by their number.
pub(super) const PREPARED: &str = "@ready";

/// The functions and operators, shared by all rules.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut environment = Env::stdlib().with_optional_support(false);
        let added = [
            environment.add_overload("date", "demur_date", vec![STRING_TYPE], date),
            environment.add_overload(MATCHES, "demur_matches", vec![STRING_TYPE, PATTERN_TYPE], matches),
            environment.add_overload(BOUNDED, "demur_bounded", vec![DYN_TYPE], bounded),
        ];
        debug_assert!(added.iter().all(Result::is_ok), "names of our own cannot be taken: {added:?}");
        Arc::new(environment)
    });
    ENVIRONMENT.clone()
}

/// The source positions of all parts of an expression.
pub(super) struct Positions(SourceInfo);

impl Positions {
    /// The span of a name. The parser gives the parenthesis as the position of a call, and the dot as that of a
    /// member.
    pub(super) fn name(&self, id: u64, name: &str, spans: &RuleSpans<'_>) -> Span {
        let start = self.start(id, spans);
        let (before, after) = spans.text.split_at(start);
        let begin = match before.trim_end().strip_suffix(name) {
            Some(before) => before.len(),
            None => start + after.find(name).unwrap_or(0),
        };
        let end = (begin + name.len()).min(spans.text.len());
        if spans.text.get(begin..end) == Some(name) { Span::new(begin, end) } else { Span::new(start, start) }
    }

    /// The position of any other part.
    pub(super) fn part(&self, id: u64, spans: &RuleSpans<'_>) -> Span {
        let start = self.start(id, spans);
        Span::new(start, start)
    }

    fn start(&self, id: u64, spans: &RuleSpans<'_>) -> usize {
        self.0.offset_for(id).map_or(0, |(start, _)| spans.byte(usize::try_from(start).unwrap_or(0)))
    }
}

/// Parses a rule and reports all syntax errors.
pub(super) fn parse(text: &str, spans: &mut RuleSpans<'_>) -> Option<(IdedExpr, Positions)> {
    let whole = Span::new(0, text.len());
    if text.len() > MAX_TEXT {
        spans.error(whole, format!("a rule must be at most {MAX_TEXT} bytes long"), None);
        return None;
    }
    if text.trim().is_empty() {
        spans.error(whole, "a rule must not be empty", None);
        return None;
    }
    match environment().parser().parse_with_source_info(text) {
        Ok((root, info)) => Some((root, Positions(info))),
        Err(errors) => {
            for error in errors.errors {
                let [line, column] =
                    [error.pos.0, error.pos.1].map(|number| usize::try_from(number).unwrap_or(0));
                let at = spans.line_column(line, column);
                // The parser reports its own recursion limit as an internal error, and others that follow from it.
                if error.msg.contains("Recursion limit") {
                    spans.error(Span::new(at, at), TOO_DEEP, Some(TOO_DEEP_HELP.to_owned()));
                    break;
                }
                // The message continues with a list of all expected tokens.
                let message = error.msg.split(" expecting ").next().unwrap_or_default();
                let message = match message.strip_prefix("Syntax error: ").unwrap_or(message) {
                    end if end.contains("<EOF>") && end.starts_with("mismatched input '<EOF>'") => {
                        "the rule ends too early"
                    }
                    other => other,
                };
                spans.error(Span::new(at, at), format!("syntax error: {message}"), None);
            }
            None
        }
    }
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|text| text.downcast_ref::<CelString<'_>>());
    let pattern = arguments.get(1).and_then(|pattern| pattern.downcast_ref::<RulePattern>());
    match (text, pattern) {
        (Some(text), Some(pattern)) => Ok(CowVal::owned(CelBool::from(pattern.is_match(text.inner())))),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

/// Returns a list unchanged if it is short enough for a loop.
fn bounded<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let size = list.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    if size > MAX_LOOP {
        let message = format!("loop over {size} elements, more than the maximum of {MAX_LOOP}");
        return Err(ExecutionError::function_error("loop", message));
    }
    Ok(list)
}

/// `date('2026-02-28')`: midnight in UTC. The text must be an existing day in the form `YYYY-MM-DD`.
fn date<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|text| text.downcast_ref::<CelString<'_>>());
    let text = text.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let moment = midnight(text.inner()).ok_or_else(|| {
        ExecutionError::function_error("date", "the string is not a date in the form YYYY-MM-DD")
    })?;
    Ok(CowVal::owned(CelTimestamp::from(moment)))
}

fn midnight(text: &str) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    let bytes = text.as_bytes();
    let is_form = bytes.len() == 10
        && bytes.iter().enumerate().all(|(position, byte)| match position {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_form {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    // Timestamps in CEL start with the year 1.
    let year = i32::try_from(year).ok().filter(|year| *year > 0)?;
    let date = chrono::NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().fixed_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_existing_dates_in_one_form() {
        assert_eq!(midnight("2026-02-28").unwrap().to_rfc3339(), "2026-02-28T00:00:00+00:00");
        assert!(midnight("2024-02-29").is_some());
        for text in [
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-00-10",
            "0000-01-01",
            "26-02-28",
            "2026-2-28",
            "2026-02-28 ",
            "2026/02/28",
            "+026-02-28",
            "",
        ] {
            assert!(midnight(text).is_none(), "{text:?}");
        }
    }
}
