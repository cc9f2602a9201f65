//! `parse(render(p)) = p`, less the declared losses: for every built-in and for generated contracts.
//!
//! Two halves: what is declared as kept comes back, and whatever comes back is what was given. Nothing is ever guessed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod generated;

use std::borrow::Cow;

use demur_contract::{
    Answer, Change, Condition, Contract, ErrorId, Fate, FieldStyle, Loss, Parsed, Problem, Recovered,
    RecoveredViolation, Show, Twins, Value, Violation, builtin,
};
use generated::{contract, hostile, load, particulars, problem};
use proptest::prelude::*;
use serde_json::Value as Json;

/// A contract with what is declared of it.
struct Declared {
    contract: Contract,
    losses: Vec<Loss>,
    twins: Vec<Twins>,
}

impl Declared {
    fn new(contract: Contract) -> Self {
        Self { losses: contract.losses(), twins: contract.twins(), contract }
    }

    /// What is declared of a part, for the error or for its format.
    fn fate(&self, error: ErrorId, part: &str) -> Option<&Fate> {
        let format = &self.losses.iter().find(|loss| loss.error == Some(error)).map(|loss| &loss.format);
        let of_error = self.losses.iter().find(|loss| loss.error == Some(error) && loss.part == part);
        let of_format = self
            .losses
            .iter()
            .find(|loss| loss.error.is_none() && Some(&loss.format) == *format && loss.part == part);
        of_error.or(of_format).map(|loss| &loss.fate)
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
        let fields = |name: &str| match name {
            "retry-after" => delay.as_deref(),
            name if name == self.contract.request_id().field => Some(problem.request_id.as_ref()),
            _ => None,
        };
        let answer = Answer { status: entry.status.as_u16(), fields: &fields, content: &content };
        match self.contract.parse(&answer) {
            Parsed::Unknown { .. } => prop_assert!(false, "{}: not recognised: {text}", entry.name),
            Parsed::Ambiguous { candidates } => {
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
            Parsed::Exact(read) => self.came_back(problem, &read, &text)?,
        }
        Ok(())
    }

    fn came_back(
        &self,
        problem: &Problem<'_>,
        read: &Recovered<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let back = &read.problem;
        prop_assert_eq!(back.error, problem.error, "{}", text);
        prop_assert_eq!(&back.request_id, &problem.request_id, "{}", text);
        let seconds = |problem: &Problem<'_>| problem.retry_after.map(|delay| delay.seconds());
        prop_assert_eq!(seconds(back), seconds(problem), "{}", text);
        prop_assert!(read.unknown_members.is_empty(), "{}", text);
        for (name, value) in &problem.params {
            let returned = back.param(name);
            let fate = self.fate(problem.error, &format!("params.{name}"));
            let as_text = written(value);
            match fate {
                Some(Fate::Kept) => {
                    let returned = returned.map(written);
                    prop_assert_eq!(returned, Some(as_text), "{} {}", name, text);
                }
                Some(Fate::Changed(Change::AsText)) if !as_text.is_empty() => {
                    prop_assert_eq!(returned.map(written), Some(as_text), "{} {}", name, text);
                }
                Some(Fate::Unless(_)) if is_tame(problem) => {
                    prop_assert_eq!(returned.map(written), Some(as_text), "{} {}", name, text);
                }
                // It may be missing, and must not be wrong.
                _ => {
                    if let Some(returned) = returned {
                        prop_assert_eq!(written(returned), as_text, "{} {}", name, text);
                    }
                }
            }
        }
        if let Some(message) = &back.message {
            // Without a message of its own it is what the catalogue says, where that has parameters.
            let entry = self.contract.entry(problem.error);
            let is_of_catalogue = problem.message.is_none() && entry.message.as_literal().is_none();
            prop_assert!(
                is_of_catalogue || Some(message) == problem.message.as_ref(),
                "{} {}",
                message,
                text
            );
        }
        self.violations_came_back(problem, read, text)
    }

    fn violations_came_back(
        &self,
        problem: &Problem<'_>,
        read: &Recovered<'_>,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let entry = self.contract.entry(problem.error);
        let is_own = |violation: &&Violation| self.contract.answer(violation.condition) == problem.error;
        let shown: Vec<&Violation> = match entry.show {
            Show::All => problem.violations.iter().collect(),
            Show::First | Show::SameError => problem.violations.iter().filter(is_own).collect(),
        };
        if shown.is_empty() && !entry.message.to_string().contains('{') {
            prop_assert!(read.violations.is_empty(), "{}", text);
        }
        if shown.is_empty() || entry.collect {
            return Ok(());
        }
        if self.fate(problem.error, "violations") == Some(&Fate::Kept) && read.violations.len() == shown.len()
        {
            // A keyed format gathers by the name it shows: with one name twice the order may be another.
            let names: std::collections::BTreeSet<_> =
                read.violations.iter().map(|back| &back.field).collect();
            let is_in_order = !text.contains(r#""errors":{"#) || names.len() == read.violations.len();
            for (given, back) in shown.iter().zip(&read.violations).filter(|_| is_in_order) {
                self.same(given, back, problem.error, text)?;
            }
        } else {
            for back in &read.violations {
                prop_assert!(
                    back.rule().is_none_or(|rule| shown.iter().any(|given| given.condition == rule)),
                    "{}",
                    text
                );
            }
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

    fn same(
        &self,
        given: &Violation,
        back: &RecoveredViolation<'_>,
        error: ErrorId,
        text: &str,
    ) -> Result<(), TestCaseError> {
        let is_kept = |part: &str| self.fate(error, part) == Some(&Fate::Kept);
        prop_assert!(
            back.rules.is_empty() || back.rules.contains(&given.condition),
            "{:?} {:?} {}",
            given,
            back,
            text
        );
        if is_kept("violation.rule") {
            prop_assert_eq!(back.rule(), Some(given.condition), "{}", text);
        }
        if is_kept("violation.pointer") {
            prop_assert_eq!(back.pointer.as_deref(), Some(given.pointer.as_str()), "{}", text);
        }
        if is_kept("violation.location") {
            prop_assert_eq!(back.location, Some(given.location), "{}", text);
        }
        let name = match self.contract.field_style() {
            FieldStyle::Name => Some(given.param.as_str()),
            FieldStyle::Pointer => Some(given.pointer.as_str()),
            FieldStyle::Pascal | FieldStyle::Camel | FieldStyle::Path => None,
        };
        if let Some(name) = name {
            for shown in [&back.field, &back.param].into_iter().flatten() {
                prop_assert_eq!(shown.as_ref(), name, "{}", text);
            }
            if is_kept("violation.param") {
                prop_assert_eq!(back.field.as_deref().or(back.param.as_deref()), Some(name), "{}", text);
            }
        }
        let limit = given.limit.as_ref().map(written);
        let allowed = given.allowed.join(", ");
        for (returned, given) in [
            (&back.value, given.value.as_deref()),
            (&back.limit, limit.as_deref()),
            (&back.allowed, Some(allowed.as_str())),
        ] {
            if let Some(returned) = returned {
                prop_assert_eq!(Some(returned.as_ref()), given, "{}", text);
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
                prop_assert_eq!(entry.status.as_u16(), condition.usual().status);
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
            let _ = contract.parse(&Answer::new(entry.status.as_u16(), &content));
            let _ = contract.parse(&Answer::new(entry.status.as_u16(), &content[..at]));
            let _ = contract.parse(&Answer::new(entry.status.as_u16(), noise.as_bytes()));
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
                location: demur_contract::Location::Query,
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
