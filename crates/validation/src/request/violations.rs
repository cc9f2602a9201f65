//! Collects violations of several schemas, sorts them, and limits their number.

use demur_contract::{Location, Violation};

use crate::tree::{join, tokens};

/// The maximum number of violations collected: a hostile request could cause a hundred thousand.
const MAX_COLLECTED: usize = 1_000;

/// Violations with their sort keys.
#[derive(Default)]
pub(super) struct Violations {
    collected: Vec<(SortKey, Violation)>,
}

/// The sort key of a violation: the parameter, and the path to the value within it. A whole precedes its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct SortKey {
    /// The position of the parameter; 0 for the body.
    pub(super) rank: usize,
    /// The path from the parameter's value to the invalid part.
    pub(super) path: Vec<OrderKey>,
}

/// The sort key of a member or element: declared members in the order of the document, then others by number or name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrderKey {
    rank: usize,
    number: Option<usize>,
    name: String,
}

impl OrderKey {
    /// A member, with its position among the declared members.
    pub(super) fn member(rank: Option<usize>, name: &str) -> Self {
        match rank {
            Some(rank) => Self { rank, number: None, name: String::new() },
            None => Self { rank: usize::MAX, number: name.parse().ok(), name: name.to_owned() },
        }
    }

    /// An element of a list.
    pub(super) fn item(number: usize) -> Self {
        Self { rank: number, number: None, name: String::new() }
    }
}

impl Violations {
    pub(super) fn push(&mut self, key: SortKey, violation: Violation) {
        if !self.is_full() {
            self.collected.push((key, violation));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.collected.len() >= MAX_COLLECTED
    }

    /// Sorts by location, then by declaration at every depth. Violations of one value keep their order.
    pub(super) fn finish(mut self, max: usize) -> Vec<Violation> {
        self.collected.sort_by(|(key, violation), (other, beside)| {
            (violation.location, key).cmp(&(beside.location, other))
        });
        let mut violations: Vec<Violation> =
            self.collected.into_iter().map(|(_, violation)| violation).collect();
        // Two `allOf` branches may report the same.
        violations.dedup();
        violations.truncate(max);
        violations
    }
}

/// The location of a validated value in the request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A parameter. Pointers start with its name.
    Parameter { location: Location, name: &'a str, rank: usize },
    /// The body. Its members are the parameters.
    Body,
}

impl Subject<'_> {
    pub(super) fn location(&self) -> Location {
        match self {
            Subject::Parameter { location, .. } => *location,
            Subject::Body => Location::Body,
        }
    }

    /// Converts a pointer within the value to one within the location.
    pub(super) fn pointer(&self, within: &str) -> String {
        match self {
            Subject::Parameter { name, .. } => format!("{}{within}", join("", name)),
            Subject::Body => within.to_owned(),
        }
    }

    /// The parameter name of a pointer within the value.
    pub(super) fn param(&self, within: &str) -> String {
        match self {
            Subject::Parameter { name, .. } => (*name).to_owned(),
            Subject::Body => tokens(within).next().unwrap_or_default().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use demur_contract::Condition;

    use super::*;

    #[test]
    fn limits_collected_violations() {
        let mut violations = Violations::default();
        for number in 0..100_000 {
            let violation = Violation {
                condition: Condition::ParamUnknown,
                location: Location::Body,
                param: number.to_string(),
                pointer: join("", &number.to_string()),
                value: None,
                limit: None,
                allowed: Vec::new(),
            };
            violations.push(SortKey::default(), violation);
        }
        assert_eq!(violations.collected.len(), MAX_COLLECTED);
        assert_eq!(violations.finish(20).len(), 20);
    }
}
