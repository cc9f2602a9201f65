//! `parse(render(p)) = p`, except for the losses in the round-trip report, for built-in and generated contracts.
//! Long because each part of a problem has its rule.
//!
//! Two properties hold: every part that is reported as kept is recovered, and every part that is recovered is correct.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod generated;

use std::borrow::Cow;

use demur_contract::{
    AmbiguousPair, Condition, Contract, Difference, ErrorId, Fidelity, FieldFidelity, FieldStyle, Location,
    ParseResult, ParsedProblem, Problem, RecoveredViolation, ResponseView, Show, Value, Violation, builtin,
};
use generated::{contract, hostile, load, particulars, problem};
use proptest::prelude::*;
use serde_json::Value as Json;

/// A contract with its round-trip report.
struct ReportedContract {
    contract: Contract,
    report: Vec<FieldFidelity>,
    pairs: Vec<AmbiguousPair>,
}

impl ReportedContract {
    fn new(contract: Contract) -> Self {
        Self { report: contract.round_trip_report(), pairs: contract.ambiguous_pairs(), contract }
    }

    /// The reported fidelity of a part, for the error or its format.
    fn fidelity(&self, error: ErrorId, part: &str) -> Option<&Fidelity> {
        let format = self.contract.format_of(error);
        let of = |error: Option<ErrorId>| {
            self.report.iter().find(|row| row.error == error && row.format == format && row.part == part)
        };
        of(Some(error)).or(of(None)).map(|row| &row.fidelity)
    }

    fn is_ambiguous_pair(&self, one: ErrorId, two: ErrorId) -> bool {
        self.pairs
            .iter()
            .any(|pair| (pair.first, pair.second) == (one, two) || (pair.second, pair.first) == (one, two))
    }

    fn check(&self, problem: &Problem<'_>) -> Result<(), TestCaseError> {
        let mut body = Vec::new();
        self.contract.render(problem, &mut body);
        let text = String::from_utf8(body.clone()).unwrap();
        prop_assert!(serde_json::from_str::<Json>(&text).is_ok(), "no JSON: {text}");
        let entry = self.contract.entry(problem.error);
        let delay = problem.retry_after.map(|delay| delay.seconds().to_string());
        // A part that is reported as kept in the body must be recovered without the header.
        let in_header =
            |part: &str| matches!(self.fidelity(problem.error, part), Some(Fidelity::InHeader(_)));
        let (delay_in_header, id_in_header) = (in_header("retry_after"), in_header("request_id"));
        let headers = |name: &str| match name {
            "retry-after" if delay_in_header => delay.as_deref(),
            name if id_in_header && name == self.contract.request_id().header => {
                Some(problem.request_id.as_ref())
            }
            _ => None,
        };
        let response = ResponseView { status: entry.status.as_u16(), headers: &headers, body: &body };
        match self.contract.parse(&response) {
            ParseResult::Unknown { .. } => prop_assert!(false, "{}: not recognized: {text}", entry.name),
            ParseResult::Ambiguous { candidates } => {
                prop_assert!(candidates.contains(&problem.error), "{}: {text}", entry.name);
                for other in candidates.into_iter().filter(|other| *other != problem.error) {
                    let name = &self.contract.entry(other).name;
                    prop_assert!(
                        self.is_ambiguous_pair(problem.error, other),
                        "{} {name} are not an ambiguous pair: {text}",
                        entry.name
                    );
                }
            }
            ParseResult::Exact(read) => self.assert_recovered(problem, &read, &text)?,
        }
        Ok(())
    }

    fn assert_recovered(
        &self,
        problem: &Problem<'_>,
        read: &ParsedProblem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let back = &read.problem;
        prop_assert_eq!(back.error, problem.error, "{}", text);
        prop_assert_eq!(&back.request_id, &problem.request_id, "{}", text);
        let seconds = |problem: &Problem<'_>| problem.retry_after.map(|delay| delay.seconds());
        prop_assert_eq!(seconds(back), seconds(problem), "{}", text);
        prop_assert!(read.unknown_members.is_empty(), "{}", text);
        self.params_assert_recovered(problem, back, text)?;
        self.message_assert_recovered(problem, back, text)?;
        self.violations_assert_recovered(problem, read, text)
    }

    /// A kept parameter has the same value and type.
    fn params_assert_recovered(
        &self,
        problem: &Problem<'_>,
        back: &Problem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        for (name, value) in &problem.params {
            let as_text = Value::Text(written(value));
            let expected = match self.fidelity(problem.error, &format!("params.{name}")) {
                Some(Fidelity::Kept) => Some(value),
                Some(Fidelity::Changed(changes)) => match changes.as_slice() {
                    [Difference::UnlessEmpty] if *value != Value::Text(String::new()) => Some(value),
                    [Difference::AsText] if !written(value).is_empty() => Some(&as_text),
                    [Difference::AsText, Difference::Unless(_)] if is_tame(problem) => Some(&as_text),
                    _ => None,
                },
                _ => None,
            };
            let returned = back.param(name);
            let is_quoted = |returned: &Value| match value {
                Value::List(texts) => *returned == Value::Text(quoted(texts)),
                Value::Text(_) | Value::Int(_) => false,
            };
            match expected {
                // As the message joins it.
                Some(Value::Text(_)) if returned.is_some_and(is_quoted) => {}
                // An optional slot may keep the type all the same.
                Some(Value::Text(_)) if returned == Some(value) => {}
                Some(expected) => prop_assert_eq!(returned, Some(expected), "{} {}", name, text),
                // It may be missing, but must not be wrong.
                None => prop_assert!(
                    returned.is_none_or(|back| *back == *value || *back == as_text || is_quoted(back)),
                    "{name} {returned:?} {text}"
                ),
            }
        }
        for (name, value) in &back.params {
            // Every recovered parameter was set, or comes from a violation in the texts of the error.
            let is_of_violation = |violation: &Violation| {
                let expected = match name.as_ref() {
                    "param" => self.name_of(violation).map(str::to_owned),
                    "value" => violation.value.clone(),
                    "values" => Some(quoted(violation.value.as_slice())),
                    "allowed" if *value == Value::Text(quoted(&violation.allowed)) => return true,
                    "limit" => violation.limit.as_ref().map(written),
                    "allowed" => Some(violation.allowed.join(", ")),
                    "pointer" => Some(violation.pointer.clone()),
                    "location" => Some(violation.location.as_str().to_owned()),
                    _ => return false,
                };
                expected.is_none_or(|expected| *value == Value::Text(expected))
            };
            let is_given = problem.param(name).is_some() || problem.violations.iter().any(is_of_violation);
            prop_assert!(is_given, "{name} {value:?} was not set: {text}");
        }
        Ok(())
    }

    fn message_assert_recovered(
        &self,
        problem: &Problem<'_>,
        back: &Problem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let entry = self.contract.entry(problem.error);
        let literal = entry.message.as_literal();
        let is_kept =
            self.fidelity(problem.error, "message") == Some(&Fidelity::Changed(vec![Difference::AsRendered]));
        match (&back.message, &problem.message) {
            (Some(message), Some(given)) => prop_assert_eq!(message, given, "{}", text),
            // Without a message of its own, it is that of the catalogue, if that has parameters.
            (Some(message), None) => prop_assert!(literal.is_none(), "{} {}", message, text),
            (None, Some(given)) if is_kept => prop_assert_eq!(literal, Some(given.as_ref()), "{}", text),
            (None, _) => {}
        }
        Ok(())
    }

    fn violations_assert_recovered(
        &self,
        problem: &Problem<'_>,
        read: &ParsedProblem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let entry = self.contract.entry(problem.error);
        let is_own = |violation: &&Violation| self.contract.answer(violation.condition) == problem.error;
        let visible: Vec<&Violation> = match entry.show {
            Show::All => problem.violations.iter().collect(),
            Show::First | Show::SameError => problem.violations.iter().filter(is_own).collect(),
        };
        let back = &read.violations;
        if visible.is_empty() {
            // A message with parameters of a violation shows that there was one.
            let uses_violation = entry.message.violation_parameters().next().is_some()
                || entry.message.to_string().contains("{pointer}");
            prop_assert!(back.is_empty() || uses_violation, "{}", text);
            return Ok(());
        }
        let changes = match self.fidelity(problem.error, "violations") {
            Some(Fidelity::Kept) => &[][..],
            Some(Fidelity::Changed(changes)) => changes,
            Some(Fidelity::Lost(_)) => {
                prop_assert!(back.is_empty(), "{}", text);
                return Ok(());
            }
            fidelity => return Err(TestCaseError::fail(format!("{fidelity:?}"))),
        };
        let is_changed = |change: Difference| changes.contains(&change);
        let stands_elsewhere = |change: &Difference| match change {
            Difference::Within(locations) => visible.iter().any(|given| !locations.contains(&given.location)),
            _ => false,
        };
        let may_be_unseen = is_changed(Difference::UnlessMessage)
            || is_changed(Difference::UnlessEmpty)
            || changes.iter().any(stands_elsewhere);
        if may_be_unseen && back.is_empty() {
            return Ok(());
        }
        let is_gathered = is_changed(Difference::Collected) || is_changed(Difference::FirstOfName);
        match (is_changed(Difference::FirstOnly), is_gathered) {
            (true, _) => prop_assert_eq!(back.len(), 1, "{}", text),
            (_, true) => prop_assert!((1..=visible.len()).contains(&back.len()), "{}", text),
            (_, false) => prop_assert_eq!(back.len(), visible.len(), "{}", text),
        }
        let is_in_order = !changes.iter().any(|change| {
            matches!(
                change,
                Difference::FirstOnly | Difference::Collected | Difference::ByName | Difference::FirstOfName
            )
        });
        for (index, back) in back.iter().enumerate() {
            let candidates = if is_in_order { &visible[index..=index] } else { &visible[..] };
            let mut diagnostics = Ok(());
            for given in candidates {
                diagnostics = self.same(given, back, problem, text);
                if diagnostics.is_ok() {
                    break;
                }
            }
            diagnostics?;
        }
        for violation in read.problem.violations.iter() {
            let is_given = |given: &&Violation| {
                let param = self.param_of(given);
                (given.condition, given.location, param.as_str(), &given.pointer)
                    == (violation.condition, violation.location, &violation.param, &violation.pointer)
            };
            prop_assert!(problem.violations.iter().any(|given| is_given(&given)), "{:?} {}", violation, text);
        }
        Ok(())
    }

    /// The parameter that a complete violation comes back with. Where another style than the name is shown, it is the first
    /// part of the pointer; the body as a whole has none.
    fn param_of(&self, violation: &Violation) -> String {
        match self.contract.field_style() {
            _ if violation.pointer.is_empty() => String::new(),
            FieldStyle::Name => violation.param.clone(),
            FieldStyle::Pascal | FieldStyle::Camel | FieldStyle::Path | FieldStyle::Pointer => {
                let first = violation.pointer.split('/').nth(1).unwrap_or_default();
                first.replace("~1", "/").replace("~0", "~")
            }
        }
    }

    /// The name of the parameter in the style of the contract, for styles that need no conversion.
    fn name_of<'v>(&self, violation: &'v Violation) -> Option<&'v str> {
        match self.contract.field_style() {
            FieldStyle::Name if is_whole(violation) => Some(violation.location.as_str()),
            FieldStyle::Name => Some(&violation.param),
            FieldStyle::Pointer => Some(&violation.pointer),
            FieldStyle::Pascal | FieldStyle::Camel | FieldStyle::Path => None,
        }
    }

    fn same(
        &self,
        given: &Violation,
        back: &RecoveredViolation<'_>,
        problem: &Problem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let violation = given;
        let fidelity = |part: &str| self.fidelity(problem.error, part);
        prop_assert!(
            back.rules.is_empty() || back.rules.contains(&given.condition),
            "{:?} {:?} {}",
            given,
            back,
            text
        );
        let stands_within = |change: &Difference| match change {
            Difference::Within(locations) => locations.contains(&given.location),
            _ => false,
        };
        let is_rule_kept = match fidelity("violation.rule") {
            Some(Fidelity::Kept) => true,
            Some(Fidelity::Changed(changes)) => changes.iter().all(stands_within),
            _ => false,
        };
        if is_rule_kept {
            prop_assert_eq!(back.rule(), Some(given.condition), "{}", text);
        }
        let is_collected = self.contract.entry(problem.error).collect;
        let limit = given.limit.as_ref().map(written).unwrap_or_default();
        let allowed = given.allowed.join(", ");
        let quoted = [quoted(given.value.as_slice()), quoted(&given.allowed)];
        let location = back.location.map(Location::as_str);
        let name = self.name_of(given);
        let param = back.field.as_deref().or(back.param.as_deref());
        for (part, returned, given) in [
            ("violation.pointer", back.pointer.as_deref(), Some(given.pointer.as_str())),
            ("violation.location", location, Some(given.location.as_str())),
            ("violation.param", param, name),
            ("violation.param", back.param.as_deref(), name.filter(|_| back.param.is_some())),
            (
                "violation.value",
                back.value.as_deref(),
                given.value.as_deref().or(Some("")).filter(|_| !is_collected),
            ),
            ("violation.limit", back.limit.as_deref(), Some(limit.as_str())),
            ("violation.allowed", back.allowed.as_deref(), Some(allowed.as_str())),
        ] {
            let Some(given) = given else { continue };
            // A violation of a whole location has an empty name, which `$param` omits and `$violation.param` replaces.
            let is_unnamed = part == "violation.param" && is_whole(violation);
            let is_kept = match fidelity(part) {
                Some(Fidelity::Kept) => true,
                Some(Fidelity::Changed(changes)) => changes.iter().all(|change| match change {
                    Difference::UnlessEmpty if is_unnamed => false,
                    Difference::AsText | Difference::UnlessEmpty => !given.is_empty(),
                    Difference::Unless(_) => !given.is_empty() && is_tame(problem),
                    Difference::Restyled => true,
                    change => stands_within(change),
                }),
                _ => false,
            };
            match returned {
                // As the message joins it.
                Some(returned) if part.ends_with("value") && returned == quoted[0] => {}
                Some(returned) if part.ends_with("allowed") && returned == quoted[1] => {}
                Some(returned) => prop_assert_eq!(returned, given, "{} {}", part, text),
                None => prop_assert!(!is_kept, "{part} of {given:?} is lost: {text}"),
            }
        }
        Ok(())
    }
}

/// Whether it is about a location as a whole, such as the query or the body.
fn is_whole(violation: &Violation) -> bool {
    violation.param.is_empty() && violation.pointer.is_empty()
}

/// A value as in a rendered text.
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::List(texts) => texts.join(", "),
    }
}

/// A list as in a rendered text with `|quoted`.
fn quoted(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
}

/// Whether all values consist of digits, which no literal of a generated contract contains.
fn is_tame(problem: &Problem<'_>) -> bool {
    let is_tame = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_violation = |violation: &Violation| {
        let values = [violation.value.clone(), violation.limit.as_ref().map(written)];
        is_tame(&violation.param)
            && is_tame(violation.pointer.trim_start_matches('/'))
            && values
                .into_iter()
                .flatten()
                .chain(violation.allowed.iter().cloned())
                .all(|text| is_tame(&text))
    };
    problem.params.iter().all(|(_, value)| is_tame(&written(value)))
        && problem.violations.iter().all(of_violation)
        && problem.params.len() == 2
        && problem.retry_after.is_some()
}

fn builtins() -> Vec<ReportedContract> {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(|name| ReportedContract::new(load(name))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn generated_contracts_round_trip(text in contract(), particulars in particulars()) {
        let reported = ReportedContract::new(load(&text));
        for (error, _) in reported.contract.entries() {
            reported.check(&problem(&reported.contract, error, &particulars)).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        }
    }

    #[test]
    fn every_condition_has_one_error(text in contract()) {
        let contract = load(&text);
        for condition in Condition::all().filter(|condition| *condition != Condition::ClientGone) {
            let entry = contract.entry(contract.answer(condition));
            if let demur_contract::EntrySource::Derived(of) = entry.source {
                // An upstream's status may share the error of the condition that means the same.
                let equivalent = match condition {
                    Condition::UpstreamRefused(status) => status.equivalent(),
                    _ => None,
                };
                prop_assert!(of == condition || Some(of) == equivalent, "{} for {}", of, condition);
                prop_assert_eq!(entry.status.as_u16(), condition.defaults().status);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn built_in_contracts_round_trip(particulars in particulars()) {
        thread_local!(static BUILTINS: Vec<ReportedContract> = builtins());
        BUILTINS.with(|all| {
            for reported in all {
                for (error, entry) in reported.contract.entries() {
                    reported
                        .check(&problem(&reported.contract, error, &particulars))
                        .map_err(|diagnostics| TestCaseError::fail(format!("{} {}: {diagnostics}", reported.contract.name(), entry.name)))?;
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    /// Parsing truncated, changed or random bodies does not panic.
    #[test]
    fn parsing_any_body_does_not_panic(text in contract(), noise in hostile(), at in any::<prop::sample::Index>(), particulars in particulars()) {
        let contract = load(&text);
        for (error, entry) in contract.entries() {
            let mut body = Vec::new();
            contract.render(&problem(&contract, error, &particulars), &mut body);
            let at = at.index(body.len() + 1);
            body.splice(at..at, noise.bytes());
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), &body));
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), &body[..at]));
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), noise.as_bytes()));
        }
    }
}

#[test]
fn values_of_a_megabyte_round_trip() {
    for reported in builtins() {
        for unit in ["\"", "\u{1}", "&#34;", "é", "' must be less than or equal to '"] {
            let long = unit.repeat((1 << 20) / unit.len());
            let violations = vec![Violation {
                condition: Condition::ParamMaximum,
                location: Location::Query,
                param: "limit".into(),
                pointer: "/limit".into(),
                value: Some(long.clone()),
                limit: Some(Value::Text(long.clone())),
                allowed: vec![long],
            }];
            let error = reported.contract.answer_violations(&violations).unwrap();
            let mut problem = Problem::new(error, "req_0123456789");
            problem.violations = Cow::Owned(violations);
            reported.check(&problem).unwrap();
        }
    }
}
