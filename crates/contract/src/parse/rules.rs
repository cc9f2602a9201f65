//! Which texts an entry can say of a violation, and which rules each of them stands for.

use crate::catalogue::Show;
use crate::contract::Contract;
use crate::template::Template;
use crate::{Condition, ErrorId};

/// A text, and the rules of which it is said.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    pub(crate) template: Template,
    pub(crate) conditions: Vec<Condition>,
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
            None => texts.push(RuleText { template: template.clone(), conditions: vec![condition] }),
        }
    }
    texts
}
