//! The result of one rule while it is checked.

use demur_admission::Check;

/// The maximum number of violations reported for one rule.
const MAX_VIOLATIONS: usize = 20;

/// The check of one rule so far.
pub(super) struct RuleCheck {
    rule: &'static str,
    pub(super) examined: u64,
    violations: Vec<String>,
}

impl RuleCheck {
    pub(super) fn new(rule: &'static str) -> Self {
        Self { rule, examined: 0, violations: Vec::new() }
    }

    pub(super) fn add_violation(&mut self, violation: impl FnOnce() -> String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(violation());
        }
    }
}

impl From<RuleCheck> for Check {
    fn from(RuleCheck { rule, examined, violations }: RuleCheck) -> Self {
        Check { rule: rule.to_owned(), examined, violations }
    }
}
