//! Collects the texts that an entry can have for violations, and the rules of each text.

use super::parser::RuleText;
use crate::catalogue::Show;
use crate::contract::Contract;
use crate::{Condition, ErrorId};

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
