//! Violations in the making: gathered from several schemas, put in order, capped.

use demur_contract::{Location, Violation};

use crate::document::pointer::{join, tokens};

/// More broken rules than this are not looked at: a hostile request could break a hundred thousand.
const MAX_GATHERED: usize = 1_000;

/// Gathers violations with what their order depends on.
#[derive(Default)]
pub(super) struct Violations {
    gathered: Vec<(usize, Violation)>,
}

impl Violations {
    /// `rank` is the position of the parameter or property among its siblings in the document.
    pub(super) fn push(&mut self, rank: usize, violation: Violation) {
        if !self.is_full() {
            self.gathered.push((rank, violation));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.gathered.len() >= MAX_GATHERED
    }

    /// By location, then by declaration, then by place; elements of a list by their number. The rules of
    /// one value keep the order in which they were found.
    pub(super) fn finish(mut self, max: usize) -> Vec<Violation> {
        self.gathered.sort_by_cached_key(|(rank, violation)| {
            (violation.location, *rank, sort_key(&violation.pointer))
        });
        let mut violations: Vec<Violation> =
            self.gathered.into_iter().map(|(_, violation)| violation).collect();
        // Two branches of `allOf` that say the same are one rule to the caller.
        violations.dedup();
        violations.truncate(max);
        violations
    }
}

/// `/10` goes after `/9`.
fn sort_key(pointer: &str) -> Vec<(Option<usize>, String)> {
    tokens(pointer).map(|token| (token.parse().ok(), token.into_owned())).collect()
}

/// Where a value that is judged stands in the request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A parameter: its value's pointers begin with its name.
    Parameter { location: Location, name: &'a str, rank: usize },
    /// The content: its members are the parameters.
    Content,
}

impl Subject<'_> {
    pub(super) fn location(&self) -> Location {
        match self {
            Subject::Parameter { location, .. } => *location,
            Subject::Content => Location::Body,
        }
    }

    /// A pointer within the value, as one within the location.
    pub(super) fn pointer(&self, within: &str) -> String {
        match self {
            Subject::Parameter { name, .. } => format!("{}{within}", join("", name)),
            Subject::Content => within.to_owned(),
        }
    }

    /// The name on the wire of what stands at a pointer within the value.
    pub(super) fn param(&self, within: &str) -> String {
        match self {
            Subject::Parameter { name, .. } => (*name).to_owned(),
            Subject::Content => tokens(within).next().unwrap_or_default().into_owned(),
        }
    }
}
