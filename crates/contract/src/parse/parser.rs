//! The data for parsing, made when a contract is loaded: entries by status and format, and their texts for violations.

use super::signature::TextSignature;
use crate::catalogue::{ErrorEntry, ErrorId, ErrorStatus};
use crate::condition::Condition;
use crate::template::Template;

/// The data for parsing, made when a contract is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parser {
    /// The entries by status, from 400 on, and by format.
    by_status: Vec<Vec<Group>>,
    /// The texts of each entry for violations.
    rules: Vec<Vec<RuleText>>,
}

/// The entries with one status and one format.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) format: usize,
    pub(super) entries: Vec<ErrorId>,
}

impl Parser {
    /// `entries` are those of the contract, and `rules` the texts of each for violations.
    pub(super) fn new<'e>(
        entries: impl Iterator<Item = (ErrorId, &'e ErrorEntry)>,
        rules: Vec<Vec<RuleText>>,
    ) -> Self {
        let mut by_status: Vec<Vec<Group>> = (400..600).map(|_| Vec::new()).collect();
        for (error, entry) in entries {
            let Some(groups) = by_status.get_mut(position(entry.status)) else { continue };
            match groups.iter_mut().find(|group| group.format == entry.format) {
                Some(group) => group.entries.push(error),
                None => groups.push(Group { format: entry.format, entries: vec![error] }),
            }
        }
        Self { by_status, rules }
    }

    pub(super) fn groups(&self, status: u16) -> &[Group] {
        let groups = ErrorStatus::new(status).and_then(|status| self.by_status.get(position(status)));
        groups.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn rules(&self, error: ErrorId) -> &[RuleText] {
        &self.rules[usize::from(error.0)]
    }
}

fn position(status: ErrorStatus) -> usize {
    usize::from(status.as_u16() - 400)
}

/// A message template for violations, and the rules that have it.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    pub(crate) template: Template,
    pub(crate) conditions: Vec<Condition>,
    /// The byte pairs of the literals: one signature for each combination of plural forms.
    signatures: Vec<TextSignature>,
}

impl RuleText {
    pub(super) fn new(template: &Template, condition: Condition) -> Self {
        let signatures = template.pattern().alternatives().map(|pattern| {
            let mut signature = TextSignature::default();
            pattern.literals().for_each(|literal| signature.add(literal));
            signature
        });
        Self { signatures: signatures.collect(), template: template.clone(), conditions: vec![condition] }
    }

    /// The rule as a slice, if it has this text.
    pub(super) fn only(&self, rule: Condition) -> Option<&[Condition]> {
        let at = self.conditions.iter().position(|condition| *condition == rule)?;
        Some(&self.conditions[at..=at])
    }

    /// Whether a text with this signature can match; `false` is certain.
    pub(super) fn may_match(&self, text: TextSignature) -> bool {
        self.signatures.iter().any(|signature| text.covers(*signature))
    }
}
