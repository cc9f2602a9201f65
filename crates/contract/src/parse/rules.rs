//! Which texts an entry can say of a violation, and which rules each of them stands for.

use super::signature::TextSignature;
use crate::catalogue::Show;
use crate::contract::Contract;
use crate::template::Template;
use crate::{Condition, ErrorId};

/// A text, and the rules of which it is said.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    pub(crate) template: Template,
    pub(crate) conditions: Vec<Condition>,
    /// What a text must have to be this one: one for each choice of plural forms.
    needs: Vec<TextSignature>,
}

impl RuleText {
    fn new(template: &Template, condition: Condition) -> Self {
        let needs = template.pattern().alternatives().map(|pattern| {
            let mut needed = TextSignature::default();
            pattern.literals().for_each(|literal| needed.add(literal));
            needed
        });
        Self { needs: needs.collect(), template: template.clone(), conditions: vec![condition] }
    }

    /// The rule, where the text stands for it.
    pub(super) fn only(&self, rule: Condition) -> Option<&[Condition]> {
        let at = self.conditions.iter().position(|condition| *condition == rule)?;
        Some(&self.conditions[at..=at])
    }

    /// Whether it is worth while to try the text of that signature; `false` is certain.
    pub(super) fn may_be(&self, signature: TextSignature) -> bool {
        self.needs.iter().any(|needed| signature.covers(*needed))
    }
}

/// The texts of an entry; none where it answers no violation.
pub(crate) fn texts(contract: &Contract, error: ErrorId) -> Vec<RuleText> {
    let entry = contract.entry(error);
    let answers = |condition: &Condition| contract.answer(*condition) == error;
    let rules = || Condition::all().filter(|condition| condition.is_violation());
    let mut texts: Vec<RuleText> = Vec::new();
    if !rules().any(|condition| answers(&condition)) {
        return texts;
    }
    // An entry that shows all violations shows also those that another would have answered alone.
    for condition in rules().filter(|condition| entry.show == Show::All || answers(condition)) {
        let template = contract.violation_text(entry, condition);
        match texts.iter_mut().find(|text| text.template == *template) {
            Some(text) => text.conditions.push(condition),
            None => texts.push(RuleText::new(template, condition)),
        }
    }
    texts
}
