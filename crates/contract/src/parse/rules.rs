//! The texts that an entry can have for violations, and the rules of each text.

use super::signature::TextSignature;
use crate::catalogue::Show;
use crate::contract::Contract;
use crate::template::Template;
use crate::{Condition, ErrorId};

/// A message template for violations, and the rules that have it.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    pub(crate) template: Template,
    pub(crate) conditions: Vec<Condition>,
    /// The byte pairs of the literals: one signature for each combination of plural forms.
    signatures: Vec<TextSignature>,
}

impl RuleText {
    fn new(template: &Template, condition: Condition) -> Self {
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

/// The texts of an entry; empty if it answers no violations.
pub(crate) fn texts(contract: &Contract, error: ErrorId) -> Vec<RuleText> {
    let entry = contract.entry(error);
    let answers = |condition: &Condition| contract.answer(*condition) == error;
    let rules = || Condition::all().filter(|condition| condition.is_violation());
    let mut texts: Vec<RuleText> = Vec::new();
    if !rules().any(|condition| answers(&condition)) {
        return texts;
    }
    // An entry that shows all violations also shows those that another error would answer.
    for condition in rules().filter(|condition| entry.show == Show::All || answers(condition)) {
        let template = contract.violation_text(entry, condition);
        match texts.iter_mut().find(|text| text.template == *template) {
            Some(text) => text.conditions.push(condition),
            None => texts.push(RuleText::new(template, condition)),
        }
    }
    texts
}
