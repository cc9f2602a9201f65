//! The text of a rule that a message can be, and the values that it shows.

use super::captures::{for_each_value, resolve};
use super::parser::RuleText;
use super::pattern::Captures;
use super::result::RecoveredViolation;
use super::signature::TextSignature;
use crate::Condition;
use crate::problem::Location;
use crate::template::TemplateParameter;

/// The texts of rules that match a message.
#[derive(Clone, Copy)]
pub(super) enum Fit<'a> {
    None,
    /// Exactly one, with its captures.
    One(&'a RuleText, Captures),
    Several,
}

pub(super) fn find_fit<'a>(rules: &'a [RuleText], text: &str) -> Fit<'a> {
    let mut fit = Fit::None;
    // For one or two rules, matching is cheaper than computing the signature.
    let signature = if rules.len() > 2 { TextSignature::of(text) } else { TextSignature::ANY };
    for rule in rules.iter().filter(|rule| rule.may_match(signature)) {
        let Some(captures) = rule.template.pattern().captures(text) else { continue };
        match fit {
            Fit::None => fit = Fit::One(rule, captures),
            Fit::One(..) | Fit::Several => return Fit::Several,
        }
    }
    fit
}

/// The text of the known rule, or all texts if no single rule is known.
pub(super) fn texts_of<'a>(rules: &'a [RuleText], known: &[Condition]) -> &'a [RuleText] {
    let [known] = known else { return rules };
    rules.iter().position(|rule| rule.conditions.contains(known)).map_or(rules, |at| &rules[at..=at])
}

/// Captures the rule and the values from the message of a violation; `false` if no rule fits.
pub(super) fn capture_message<'a>(violation: &mut RecoveredViolation<'a>, fit: Fit<'a>) -> bool {
    let (rule, captures) = match fit {
        Fit::None => return false,
        Fit::Several => return true,
        Fit::One(rule, captures) => (rule, captures),
    };
    let Some(message) = violation.message.clone() else { return false };
    if violation.rules.is_empty() {
        violation.rules = &rule.conditions;
    }
    let pattern = rule.template.pattern();
    let known = |parameter: &TemplateParameter| match parameter {
        TemplateParameter::Param => violation.field.as_deref(),
        TemplateParameter::Pointer => violation.pointer.as_deref(),
        TemplateParameter::Location => violation.location.map(Location::as_str),
        _ => None,
    };
    let Some(resolved) = resolve(pattern, captures, &message, known) else { return true };
    for_each_value(pattern, &resolved, &message, |parameter, value, _| {
        match parameter {
            TemplateParameter::Param => violation.param = Some(value),
            TemplateParameter::Value | TemplateParameter::Values => violation.value = Some(value),
            TemplateParameter::Limit => violation.limit = Some(value),
            TemplateParameter::Allowed => violation.allowed = Some(value),
            TemplateParameter::Pointer => violation.pointer = Some(value),
            TemplateParameter::Location => violation.location = Location::from_word(&value),
            TemplateParameter::RequestId | TemplateParameter::RetryAfter | TemplateParameter::Named(_) => {}
        }
        true
    });
    true
}
