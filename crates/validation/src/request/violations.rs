//! Violations in the making: collected from several schemas, put in order, capped.

use demur_contract::{Location, Violation};

use crate::tree::{join, tokens};

/// More broken rules than this are not looked at: a hostile request could break a hundred thousand.
const MAX_COLLECTED: usize = 1_000;

/// Gathers violations with what their order depends on.
#[derive(Default)]
pub(super) struct Violations {
    collected: Vec<(ViolationPlace, Violation)>,
}

/// Where a violation stands, as far as the order goes: a parameter or the content, and the path to the value
/// in it. What is wrong with a whole goes before what is wrong with its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct ViolationPlace {
    /// The position of the parameter among all; 0 for the content.
    pub(super) rank: usize,
    /// From the parameter's value to the part of it that is wrong.
    pub(super) path: Vec<OrderKey>,
}

/// A member or an element, as far as the order goes: as the document declares them, and what it does not
/// declare behind that, by number or name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrderKey {
    rank: usize,
    number: Option<usize>,
    name: String,
}

impl OrderKey {
    /// A member that was declared at this position among its siblings, if it was.
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
    pub(super) fn push(&mut self, place: ViolationPlace, violation: Violation) {
        if !self.is_full() {
            self.collected.push((place, violation));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.collected.len() >= MAX_COLLECTED
    }

    /// By location, then by declaration, at every depth. The rules of one value keep the order in which they
    /// were found.
    pub(super) fn finish(mut self, max: usize) -> Vec<Violation> {
        self.collected.sort_by(|(place, violation), (other, beside)| {
            (violation.location, place).cmp(&(beside.location, other))
        });
        let mut violations: Vec<Violation> =
            self.collected.into_iter().map(|(_, violation)| violation).collect();
        // Two branches of `allOf` that say the same are one rule to the caller.
        violations.dedup();
        violations.truncate(max);
        violations
    }
}

/// Where a value that is judged stands in the request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A parameter: its value's pointers begin with its name.
    Parameter { location: Location, name: &'a str, rank: usize },
    /// The content: its members are the parameters.
    Body,
}

impl Subject<'_> {
    pub(super) fn location(&self) -> Location {
        match self {
            Subject::Parameter { location, .. } => *location,
            Subject::Body => Location::Body,
        }
    }

    /// A pointer within the value, as one within the location.
    pub(super) fn pointer(&self, within: &str) -> String {
        match self {
            Subject::Parameter { name, .. } => format!("{}{within}", join("", name)),
            Subject::Body => within.to_owned(),
        }
    }

    /// The name on the wire of what stands at a pointer within the value.
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
    fn no_more_is_gathered_than_could_ever_be_shown() {
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
            violations.push(ViolationPlace::default(), violation);
        }
        assert_eq!(violations.collected.len(), MAX_COLLECTED);
        assert_eq!(violations.finish(20).len(), 20);
    }
}
