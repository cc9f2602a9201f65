//! The work that is measured: answers of the built-in contracts, rendered and parsed.

use std::borrow::Cow;
use std::time::Duration;

use demur_contract::{
    ResponseView, Condition, Contract, ErrorId, Location, ParseResult, Problem, RetryAfter, Value, Violation, builtin,
};

pub mod peers;

/// The id that every answer carries.
pub const REQUEST_ID: &str = "req_0123456789abcdef0123456789abcdef";

/// One answer of one contract.
pub struct Case {
    /// `contract/error`, and the rule that is broken where there is one.
    pub name: String,
    /// The problem.
    pub problem: Problem<'static>,
    /// Its status.
    pub status: u16,
    /// As rendered.
    pub content: Vec<u8>,
}

/// Loads a built-in.
pub fn contract(name: &str) -> Contract {
    Contract::load(&builtin::source(name).unwrap()).unwrap().contract
}

/// An unknown key, a parameter beyond its maximum, a rate exceeded.
pub fn typical(contract: &Contract) -> Vec<Case> {
    let conditions = [Condition::CredentialUnknown, Condition::ParamMaximum, Condition::RateExceeded];
    conditions.map(|condition| Case::new(contract, contract.answer(condition), Some(condition))).into()
}

/// Every error of the contract; one that answers violations once for each rule that it answers.
pub fn every(contract: &Contract) -> Vec<Case> {
    let mut cases = Vec::new();
    for (error, _) in contract.entries() {
        let is_answered =
            |condition: &Condition| condition.is_violation() && contract.answer(*condition) == error;
        let rules: Vec<Condition> = Condition::all().filter(is_answered).collect();
        if rules.is_empty() {
            cases.push(Case::new(contract, error, None));
        }
        cases.extend(rules.into_iter().map(|rule| Case::new(contract, error, Some(rule))));
    }
    cases
}

impl Case {
    fn new(contract: &Contract, error: ErrorId, condition: Option<Condition>) -> Self {
        let entry = contract.entry(error);
        let mut problem = Problem::new(error, REQUEST_ID);
        let mut name = format!("{}/{}", contract.name(), entry.name);
        let named = entry.params.iter().map(|name| (Cow::Owned(name.clone()), Value::from("a value")));
        problem.params = named.collect();
        if let Some(rule) = condition.filter(|condition| condition.is_violation()) {
            problem.violations = Cow::Owned(vec![violation(rule)]);
            name = format!("{name} {}", rule.name());
        }
        if entry.status.as_u16() == 429 {
            problem.retry_after = Some(RetryAfter { delay: Duration::from_secs(7) });
        }
        let mut content = Vec::new();
        contract.render(&problem, &mut content);
        Self { name, problem, status: entry.status.as_u16(), content }
    }

    /// Renders into a buffer that is there.
    pub fn render(&self, contract: &Contract, out: &mut Vec<u8>) -> usize {
        out.clear();
        contract.render(&self.problem, out);
        out.len()
    }

    /// Parses; answers something of what came back.
    pub fn parse(&self, contract: &Contract) -> usize {
        match contract.parse(&ResponseView::new(self.status, &self.content)) {
            ParseResult::Exact(read) => 1 + read.violations.len(),
            ParseResult::Ambiguous { candidates } => candidates.len(),
            ParseResult::Unknown { .. } => 0,
        }
    }
}

/// A parameter that breaks the rule.
pub fn violation(condition: Condition) -> Violation {
    Violation {
        condition,
        location: Location::Query,
        param: "limit".into(),
        pointer: "/limit".into(),
        value: Some("101".into()),
        limit: Some(Value::Int(100)),
        allowed: vec!["10".into(), "20".into()],
    }
}
