//! `parse(render(p)) = p`, less the declared losses: for every built-in and for generated contracts.
//!
//! Two halves: what is declared as kept comes back, and whatever comes back is what was given. Nothing is ever guessed.

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

/// A contract with what is declared of it.
struct Declared {
    contract: Contract,
    losses: Vec<FieldFidelity>,
    twins: Vec<AmbiguousPair>,
}

impl Declared {
    fn new(contract: Contract) -> Self {
        Self { losses: contract.round_trip_report(), twins: contract.ambiguous_pairs(), contract }
    }

    /// What is declared of a part, for the error or for its format.
    fn fidelity(&self, error: ErrorId, part: &str) -> Option<&Fidelity> {
        let format = self.contract.format_of(error);
        let of = |error: Option<ErrorId>| {
            self.losses.iter().find(|loss| loss.error == error && loss.format == format && loss.part == part)
        };
        of(Some(error)).or(of(None)).map(|loss| &loss.fidelity)
    }

    fn are_twins(&self, one: ErrorId, two: ErrorId) -> bool {
        self.twins.iter().any(|twins| {
            (twins.first, twins.second) == (one, two) || (twins.second, twins.first) == (one, two)
        })
    }

    fn check(&self, problem: &Problem<'_>) -> Result<(), TestCaseError> {
        let mut content = Vec::new();
        self.contract.render(problem, &mut content);
        let text = String::from_utf8(content.clone()).unwrap();
        prop_assert!(serde_json::from_str::<Json>(&text).is_ok(), "no JSON: {text}");
        let entry = self.contract.entry(problem.error);
        let delay = problem.retry_after.map(|delay| delay.seconds().to_string());
        // What the content is said to keep must come back from it alone.
        let in_field = |part: &str| matches!(self.fidelity(problem.error, part), Some(Fidelity::InField(_)));
        let (delay_in_field, id_in_field) = (in_field("retry_after"), in_field("request_id"));
        let fields = |name: &str| match name {
            "retry-after" if delay_in_field => delay.as_deref(),
            name if id_in_field && name == self.contract.request_id().field => {
                Some(problem.request_id.as_ref())
            }
            _ => None,
        };
        let answer = ResponseView { status: entry.status.as_u16(), fields: &fields, content: &content };
        match self.contract.parse(&answer) {
            ParseResult::Unknown { .. } => prop_assert!(false, "{}: not recognised: {text}", entry.name),
            ParseResult::Ambiguous { candidates } => {
                prop_assert!(candidates.contains(&problem.error), "{}: {text}", entry.name);
                for other in candidates.into_iter().filter(|other| *other != problem.error) {
                    let name = &self.contract.entry(other).name;
                    prop_assert!(
                        self.are_twins(problem.error, other),
                        "{} {name} are no twins: {text}",
                        entry.name
                    );
                }
            }
            ParseResult::Exact(read) => self.came_back(problem, &read, &text)?,
        }
        Ok(())
    }

    fn came_back(
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
        self.params_came_back(problem, back, text)?;
        self.message_came_back(problem, back, text)?;
        self.violations_came_back(problem, read, text)
    }

    /// A parameter that is kept is the very value, of its kind.
    fn params_came_back(
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
                // A slot that not every answer has may keep the kind all the same.
                Some(Value::Text(_)) if returned == Some(value) => {}
                Some(expected) => prop_assert_eq!(returned, Some(expected), "{} {}", name, text),
                // It may be missing, and must not be wrong.
                None => prop_assert!(
                    returned.is_none_or(|back| *back == *value || *back == as_text || is_quoted(back)),
                    "{name} {returned:?} {text}"
                ),
            }
        }
        for (name, value) in &back.params {
            // Nothing comes back that nobody gave: texts of the error itself may tell of a violation.
            let is_of_violation = |violation: &Violation| {
                let told = match name.as_ref() {
                    "param" => self.shown(violation).map(str::to_owned),
                    "value" => violation.value.clone(),
                    "values" => Some(quoted(violation.value.as_slice())),
                    "allowed" if *value == Value::Text(quoted(&violation.allowed)) => return true,
                    "limit" => violation.limit.as_ref().map(written),
                    "allowed" => Some(violation.allowed.join(", ")),
                    "pointer" => Some(violation.pointer.clone()),
                    "location" => Some(violation.location.as_str().to_owned()),
                    _ => return false,
                };
                told.is_none_or(|told| *value == Value::Text(told))
            };
            let is_given = problem.param(name).is_some() || problem.violations.iter().any(is_of_violation);
            prop_assert!(is_given, "nobody gave {name} {value:?} {text}");
        }
        Ok(())
    }

    fn message_came_back(
        &self,
        problem: &Problem<'_>,
        back: &Problem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let entry = self.contract.entry(problem.error);
        let literal = entry.message.as_literal();
        let is_kept =
            self.fidelity(problem.error, "message") == Some(&Fidelity::Changed(vec![Difference::AsSaid]));
        match (&back.message, &problem.message) {
            (Some(message), Some(given)) => prop_assert_eq!(message, given, "{}", text),
            // Without a message of its own it is what the catalogue says, where that has parameters.
            (Some(message), None) => prop_assert!(literal.is_none(), "{} {}", message, text),
            (None, Some(given)) if is_kept => prop_assert_eq!(literal, Some(given.as_ref()), "{}", text),
            (None, _) => {}
        }
        Ok(())
    }

    fn violations_came_back(
        &self,
        problem: &Problem<'_>,
        read: &ParsedProblem<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let entry = self.contract.entry(problem.error);
        let is_own = |violation: &&Violation| self.contract.answer(violation.condition) == problem.error;
        let shown: Vec<&Violation> = match entry.show {
            Show::All => problem.violations.iter().collect(),
            Show::First | Show::SameError => problem.violations.iter().filter(is_own).collect(),
        };
        let back = &read.violations;
        if shown.is_empty() {
            // A message about a violation says that there was one.
            let speaks = entry.message.violation_parameters().next().is_some()
                || entry.message.to_string().contains("{pointer}");
            prop_assert!(back.is_empty() || speaks, "{}", text);
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
            Difference::Within(locations) => shown.iter().any(|given| !locations.contains(&given.location)),
            _ => false,
        };
        let may_be_unseen = is_changed(Difference::UnlessMessage)
            || is_changed(Difference::UnlessEmpty)
            || changes.iter().any(stands_elsewhere);
        if may_be_unseen && back.is_empty() {
            return Ok(());
        }
        let is_gathered = is_changed(Difference::Collected) || is_changed(Difference::FirstOfName);
        match (is_changed(Difference::FirstAlone), is_gathered) {
            (true, _) => prop_assert_eq!(back.len(), 1, "{}", text),
            (_, true) => prop_assert!((1..=shown.len()).contains(&back.len()), "{}", text),
            (_, false) => prop_assert_eq!(back.len(), shown.len(), "{}", text),
        }
        let is_in_order = !changes.iter().any(|change| {
            matches!(
                change,
                Difference::FirstAlone | Difference::Collected | Difference::ByName | Difference::FirstOfName
            )
        });
        for (index, back) in back.iter().enumerate() {
            let candidates = if is_in_order { &shown[index..=index] } else { &shown[..] };
            let mut found = Ok(());
            for given in candidates {
                found = self.same(given, back, problem, text);
                if found.is_ok() {
                    break;
                }
            }
            found?;
        }
        for violation in read.problem.violations.iter() {
            let is_given = |given: &&Violation| {
                (given.condition, given.location, &given.param, &given.pointer)
                    == (violation.condition, violation.location, &violation.param, &violation.pointer)
            };
            prop_assert!(problem.violations.iter().any(|given| is_given(&given)), "{:?} {}", violation, text);
        }
        Ok(())
    }

    /// What the contract calls the parameter, where that is known here.
    fn shown<'v>(&self, violation: &'v Violation) -> Option<&'v str> {
        match self.contract.field_style() {
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
        let shown = self.shown(given);
        let param = back.field.as_deref().or(back.param.as_deref());
        for (part, returned, given) in [
            ("violation.pointer", back.pointer.as_deref(), Some(given.pointer.as_str())),
            ("violation.location", location, Some(given.location.as_str())),
            ("violation.param", param, shown),
            ("violation.param", back.param.as_deref(), shown.filter(|_| back.param.is_some())),
            (
                "violation.value",
                back.value.as_deref(),
                given.value.as_deref().or(Some("")).filter(|_| !is_collected),
            ),
            ("violation.limit", back.limit.as_deref(), Some(limit.as_str())),
            ("violation.allowed", back.allowed.as_deref(), Some(allowed.as_str())),
        ] {
            let Some(given) = given else { continue };
            let is_kept = match fidelity(part) {
                Some(Fidelity::Kept) => true,
                Some(Fidelity::Changed(changes)) => changes.iter().all(|change| match change {
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

/// A value as texts show it.
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::List(texts) => texts.join(", "),
    }
}

/// A list as texts show it that ask for `|quoted`.
fn quoted(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
}

/// Whether every value that a text may show is of digits, which no literal of a generated contract has.
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

fn builtins() -> Vec<Declared> {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(|name| Declared::new(load(name))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn generated_contracts_come_back(text in contract(), particulars in particulars()) {
        let declared = Declared::new(load(&text));
        for (error, _) in declared.contract.entries() {
            declared.check(&problem(&declared.contract, error, &particulars)).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        }
    }

    #[test]
    fn every_condition_has_one_answer(text in contract()) {
        let contract = load(&text);
        for condition in Condition::all().filter(|condition| *condition != Condition::ClientGone) {
            let entry = contract.entry(contract.answer(condition));
            if let demur_contract::EntrySource::Derived(of) = entry.source {
                prop_assert_eq!(of, condition);
                prop_assert_eq!(entry.status.as_u16(), condition.defaults().status);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn built_in_contracts_come_back(particulars in particulars()) {
        thread_local!(static BUILTINS: Vec<Declared> = builtins());
        BUILTINS.with(|all| {
            for declared in all {
                for (error, entry) in declared.contract.entries() {
                    declared
                        .check(&problem(&declared.contract, error, &particulars))
                        .map_err(|found| TestCaseError::fail(format!("{} {}: {found}", declared.contract.name(), entry.name)))?;
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    /// An answer that was cut, changed or made up is judged, and nothing more.
    #[test]
    fn any_content_is_survived(text in contract(), noise in hostile(), at in any::<prop::sample::Index>(), particulars in particulars()) {
        let contract = load(&text);
        for (error, entry) in contract.entries() {
            let mut content = Vec::new();
            contract.render(&problem(&contract, error, &particulars), &mut content);
            let at = at.index(content.len() + 1);
            content.splice(at..at, noise.bytes());
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), &content));
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), &content[..at]));
            let _ = contract.parse(&ResponseView::new(entry.status.as_u16(), noise.as_bytes()));
        }
    }
}

#[test]
fn a_megabyte_comes_back() {
    for declared in builtins() {
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
            let error = declared.contract.answer_violations(&violations).unwrap();
            let mut problem = Problem::new(error, "req_0123456789");
            problem.violations = Cow::Owned(violations);
            declared.check(&problem).unwrap();
        }
    }
}
