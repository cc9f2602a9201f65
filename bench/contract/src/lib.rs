//! The work that is measured: an error of each built-in contract, rendered and parsed.

use std::borrow::Cow;

use demur_contract::{Answer, Condition, Contract, Location, Parsed, Problem, RetryAfter, Value, Violation, builtin};

/// One answer of one contract.
pub struct Case {
    /// `contract/condition`.
    pub name: String,
    /// The contract.
    pub contract: Contract,
    /// The problem.
    pub problem: Problem<'static>,
    /// As rendered.
    pub content: Vec<u8>,
}

/// Loads a built-in.
pub fn contract(name: &str) -> Contract {
    Contract::load(&builtin::source(name).unwrap()).unwrap().contract
}

/// For each built-in: an unknown key, a parameter beyond its maximum, a rate exceeded.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in builtin::names() {
        for condition in [Condition::CredentialUnknown, Condition::ParamMaximum, Condition::RateExceeded] {
            let contract = contract(name);
            let mut problem = Problem::new(contract.answer(condition), "req_0123456789abcdef0123456789abcdef");
            if condition.is_violation() {
                problem.violations = Cow::Owned(vec![Violation {
                    condition,
                    location: Location::Query,
                    param: "limit".into(),
                    pointer: "/limit".into(),
                    value: Some("101".into()),
                    limit: Some(Value::Int(100)),
                    allowed: Vec::new(),
                }]);
            }
            if condition == Condition::RateExceeded {
                problem.retry_after = Some(RetryAfter { delay: std::time::Duration::from_secs(7) });
            }
            let mut content = Vec::new();
            contract.render(&problem, &mut content);
            cases.push(Case { name: format!("{name}/{}", condition.name()), contract, problem, content });
        }
    }
    cases
}

impl Case {
    /// Renders into a buffer that is there.
    pub fn render(&self, out: &mut Vec<u8>) -> usize {
        out.clear();
        self.contract.render(&self.problem, out);
        out.len()
    }

    /// Parses; answers something of what came back.
    pub fn parse(&self) -> usize {
        let status = self.contract.entry(self.problem.error).status.as_u16();
        match self.contract.parse(&Answer::new(status, &self.content)) {
            Parsed::Exact(read) => 1 + read.violations.len(),
            Parsed::Ambiguous { candidates } => candidates.len(),
            Parsed::Unknown { .. } => 0,
        }
    }
}
