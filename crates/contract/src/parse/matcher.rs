//! Reading → error: whether one entry of the catalogue can have made this answer, and what it says if it has.
//!
//! Constants first (code, type, status), since they part nearly all entries; texts after. Whatever a text cannot give
//! back for certain stays out of the findings: less is known then, and nothing is wrong.

use std::borrow::Cow;

use super::RecoveredViolation;
use super::captures::{CapturedValues, resolve, tell};
use super::match_format::{FormatMatch, SlotPosition, SlotValue};
use super::pattern::Captures;
use super::rules::RuleText;
use super::signature::TextSignature;
use super::tape::{At, Tape, TokenKind};
use crate::Condition;
use crate::catalogue::ErrorEntry;
use crate::format::{FormatMember, FormatNode, Slot, SlotUse, ViolationSlot};
use crate::locations::Locations;
use crate::problem::{Location, Value};
use crate::template::{Template, TemplateParameter};
use crate::violations::rule_named;

/// One entry, and what it is held against.
pub(super) struct Matcher<'j, 'a> {
    pub(super) entry: &'a ErrorEntry,
    /// What it says of the violations that it can show; empty where it answers none.
    pub(super) rules: &'a [RuleText],
    pub(super) tape: &'j Tape<'j, 'a>,
    pub(super) reading: &'j FormatMatch<'a, 'a>,
    pub(super) wording: MessageSource,
}

/// Whose words may be said of a violation, where an error's message is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageSource {
    /// The contract's texts of its rules.
    Contracts,
    /// The API's own as well.
    Any,
}

impl<'a> Matcher<'_, 'a> {
    /// Whether the entry can have made the answer, as far as a glance tells. Most cannot.
    pub(super) fn may_fit(&self) -> bool {
        self.reading.bound.iter().all(|bound| self.may_fill(bound))
            && self.reading.absent.iter().all(|member| self.may_be_absent(member))
            && self.may_have_items()
    }

    /// What the entry says in the answer; `None` where it cannot have made it.
    pub(super) fn judge(&self, findings: &mut CapturedValues<'a>) -> Option<()> {
        let (items, fit) = if self.rules.is_empty() { (Items::Message, None) } else { self.items() };
        if items == Items::Violations {
            let count = self.reading.items.unwrap_or(0) as usize;
            findings.violations = (0..count).map(|_| RecoveredViolation::default()).collect();
        }
        // What stands in a slot of its own first: it helps to cut the texts.
        for bound in &self.reading.bound {
            self.value(bound, findings)?;
        }
        for bound in &self.reading.bound {
            self.text(bound, items, fit, findings)?;
        }
        Some(())
    }

    /// Whether the entry can have filled the slot with this, as far as a glance tells: what never changes is compared,
    /// and of a text how it begins and ends. That parts nearly all entries.
    fn may_fill(&self, bound: &SlotValue<'_>) -> bool {
        // No member is called by a violation that there is none of.
        let SlotPosition::Slot(slot) = bound.wanted else { return !self.rules.is_empty() };
        let text = |expected: Option<&str>| match expected {
            Some(expected) => self.tape.says(bound.at, expected),
            None => self.is_absent(slot, bound),
        };
        let entry = self.entry;
        match &slot.slot {
            Slot::Type => text(entry.kind.as_deref()),
            Slot::Code => text(entry.code.as_deref()),
            Slot::DocUrl => text(entry.doc_url.as_deref()),
            Slot::UserMessage if entry.user_message.is_none() => self.is_absent(slot, bound),
            Slot::Title => self.may_say(&entry.title, bound),
            Slot::Message if !entry.open => self.may_say(&entry.message, bound),
            Slot::Detail if !entry.open && self.rules.is_empty() => self.may_say(&entry.message, bound),
            Slot::Violation(_) if self.rules.is_empty() => self.is_absent(slot, bound),
            _ => true,
        }
    }

    fn may_say(&self, template: &Template, bound: &SlotValue<'_>) -> bool {
        match template.as_literal() {
            Some(literal) => self.tape.says(bound.at, literal),
            None => self.tape.plain(bound.at).is_none_or(|text| template.pattern().may_be(text)),
        }
    }

    fn is_absent(&self, slot: &SlotUse, bound: &SlotValue<'_>) -> bool {
        match slot.absent_is_empty {
            true => self.tape.says(bound.at, ""),
            false => self.tape.kind(bound.at) == TokenKind::Null,
        }
    }

    /// Whether this entry can have left the member out: it has no value there that never changes.
    fn may_be_absent(&self, member: &FormatMember) -> bool {
        let always = |slot: &Slot| match slot {
            Slot::Type => self.entry.kind.is_some(),
            Slot::Code => self.entry.code.is_some(),
            Slot::DocUrl => self.entry.doc_url.is_some(),
            Slot::UserMessage => self.entry.user_message.is_some(),
            Slot::Status | Slot::Title | Slot::Message | Slot::Detail => true,
            Slot::Param | Slot::RequestId | Slot::RetryAfter | Slot::Named(_) | Slot::Violation(_) => false,
        };
        match &member.shape {
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => true,
            FormatNode::Array(_) | FormatNode::Constant(_) => false,
            FormatNode::Slot(_) | FormatNode::Object(_) => !member.shape.slots().into_iter().any(always),
        }
    }

    /// An entry that answers no violations has no list of them, or an empty one, or its message in their place.
    fn may_have_items(&self) -> bool {
        match self.reading.items {
            Some(items) if self.rules.is_empty() => items <= 1,
            _ => true,
        }
    }

    /// What the items of the list are: one for each violation, or the message where there are none.
    fn items(&self) -> (Items, Option<(At, Fit<'a>)>) {
        let is_detail = |bound: &&SlotValue<'_>| {
            matches!(bound.wanted, SlotPosition::Slot(SlotUse { slot: Slot::Detail, .. }))
                && bound.item.is_some()
        };
        let details = self.reading.bound.iter().find(is_detail);
        let (Some(1), Some(detail)) = (self.reading.items, details) else {
            return (Items::Violations, None);
        };
        // A slot of the violation's own tells: it has a value with one, and none without. One of some locations alone
        // tells no more than that none stands there.
        let mut empty = Locations::NONE;
        for bound in self.reading.bound.iter().filter(|bound| bound.item.is_some()) {
            let slot = match bound.wanted {
                SlotPosition::Key(_) => return (Items::Violations, None),
                SlotPosition::Slot(slot) => slot,
            };
            let Slot::Violation(of) = slot.slot else { continue };
            match (self.is_absent(slot, bound), of) {
                (false, _) => return (Items::Violations, None),
                // A violation of the content as a whole has an empty pointer and name as well.
                (true, ViolationSlot::Field | ViolationSlot::Pointer | ViolationSlot::Message)
                    if slot.absent_is_empty => {}
                (true, _) => empty = empty.with(slot.locations()),
            }
            if empty == Locations::ALL {
                return (Items::Message, None);
            }
        }
        let left_out = self.reading.absent.iter().flat_map(|member| member.shape.uses());
        let of_violation = left_out.filter(|used| matches!(used.slot, Slot::Violation(_)));
        if of_violation.map(SlotUse::locations).fold(empty, Locations::with) == Locations::ALL {
            return (Items::Message, None);
        }
        let Some(text) = self.tape.string(detail.at) else { return (Items::Undecided, None) };
        let fit = fit(self.rules, &text);
        (self.said(&text, fit), Some((detail.at, fit)))
    }

    /// What a text is that stands for the violation, or for the message where there is none.
    fn said(&self, text: &str, fit: Fit<'a>) -> Items {
        let message = &self.entry.message;
        let is_message = || self.entry.open || message.pattern().captures(text).is_some();
        match fit {
            Fit::None => Items::Message,
            // The message is about a violation: then there was one.
            Fit::One(..) | Fit::Several if message.speaks_of_violation() || !is_message() => {
                Items::Violations
            }
            Fit::One(..) | Fit::Several => Items::Undecided,
        }
    }

    fn value(&self, bound: &SlotValue<'a>, findings: &mut CapturedValues<'a>) -> Option<()> {
        let slot = match bound.wanted {
            SlotPosition::Key(slot) => return self.of_violation(slot, bound, findings),
            SlotPosition::Slot(slot) => slot,
        };
        match &slot.slot {
            Slot::RequestId if !self.is_absent(slot, bound) => {
                findings.id(self.tape.string(bound.at)?).then_some(())
            }
            Slot::RetryAfter if !self.is_absent(slot, bound) => {
                findings.seconds(self.tape.whole(bound.at, slot.as_string)?).then_some(())
            }
            // In an item it is that one's parameter, elsewhere that of the violation that names the error.
            Slot::Param if !self.is_absent(slot, bound) && self.is_of_item(bound, findings) => {
                self.of_violation(ViolationSlot::Field, bound, findings)
            }
            Slot::Param if !self.is_absent(slot, bound) => {
                findings.bind("param", self.tape.string(bound.at)?, false).then_some(())
            }
            Slot::Named(name) if !self.is_absent(slot, bound) => {
                findings.keep(name, self.parameter(bound)?, slot.as_string);
                Some(())
            }
            // Outside of a list there may be no violation, which `|empty` writes as one without a name. One that stands
            // elsewhere looks the same.
            Slot::Violation(_)
                if (bound.item.is_none() || slot.within.is_some()) && self.is_absent(slot, bound) =>
            {
                Some(())
            }
            Slot::Violation(of) if !self.rules.is_empty() => {
                self.of_violation(*of, bound, findings)?;
                self.locate(slot, bound, findings);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// A parameter as JSON has it: text, a whole number or a list of texts.
    fn parameter(&self, bound: &SlotValue<'_>) -> Option<Value> {
        match self.tape.kind(bound.at) {
            TokenKind::Plain | TokenKind::Escaped => {
                self.tape.string(bound.at).map(|text| Value::Text(text.into_owned()))
            }
            TokenKind::Number => self.tape.raw(bound.at).parse().ok().map(Value::Int),
            TokenKind::Array => {
                let texts =
                    self.tape.children(bound.at).map(|item| self.tape.string(item).map(Cow::into_owned));
                texts.collect::<Option<Vec<String>>>().map(Value::List)
            }
            TokenKind::Null | TokenKind::True | TokenKind::False | TokenKind::Object => None,
        }
    }

    fn of_violation(
        &self,
        slot: ViolationSlot,
        bound: &SlotValue<'a>,
        findings: &mut CapturedValues<'a>,
    ) -> Option<()> {
        if self.tape.kind(bound.at) == TokenKind::Null {
            return Some(());
        }
        let text = self.tape.string(bound.at)?;
        let Some(violation) = self.violation(bound, findings) else { return Some(()) };
        match slot {
            ViolationSlot::Field => violation.field = Some(text),
            ViolationSlot::Message => violation.message = Some(text),
            ViolationSlot::Pointer => violation.pointer = Some(text),
            ViolationSlot::Location => violation.location = Location::named(&text),
            ViolationSlot::Rule => {
                let known =
                    rule_named(&text).and_then(|rule| self.rules.iter().find_map(|text| text.only(rule)));
                violation.rules = known.unwrap_or_default();
            }
        }
        Some(())
    }

    /// What a slot of one location alone tells by having a value.
    fn locate(&self, slot: &SlotUse, bound: &SlotValue<'a>, findings: &mut CapturedValues<'a>) {
        let Some(location) = slot.within.and_then(Locations::only) else { return };
        if self.tape.kind(bound.at) != TokenKind::Null
            && let Some(violation) = self.violation(bound, findings)
        {
            violation.location.get_or_insert(location);
        }
    }

    /// Whether a slot of some locations has a value of a violation that stands in another one, by what is known by then.
    fn stands_elsewhere(
        &self,
        slot: &SlotUse,
        bound: &SlotValue<'a>,
        findings: &mut CapturedValues<'a>,
    ) -> bool {
        let Some(within) = slot.within else { return false };
        if self.tape.kind(bound.at) == TokenKind::Null || self.is_absent(slot, bound) {
            return false;
        }
        let location = self.violation(bound, findings).and_then(|violation| violation.location);
        location.is_some_and(|location| !within.contains(location))
    }

    fn text(
        &self,
        bound: &SlotValue<'a>,
        items: Items,
        known: Option<(At, Fit<'a>)>,
        findings: &mut CapturedValues<'a>,
    ) -> Option<()> {
        let slot = match bound.wanted {
            SlotPosition::Slot(slot) => slot,
            SlotPosition::Key(_) => return Some(()),
        };
        match &slot.slot {
            Slot::Title => self.template(&self.entry.title, bound, findings),
            Slot::UserMessage => match &self.entry.user_message {
                Some(template) => self.template(template, bound, findings),
                None => Some(()),
            },
            Slot::Message => self.message(bound, findings),
            Slot::Detail if self.rules.is_empty() => self.message(bound, findings),
            Slot::Detail => {
                let text = self.tape.string(bound.at)?;
                let fit = match known {
                    Some((at, fit)) if at == bound.at => fit,
                    _ => fit(self.rules, &text),
                };
                let items = if bound.item.is_some() { items } else { self.said(&text, fit) };
                match items {
                    Items::Message => self.message(bound, findings),
                    Items::Violations => self.detail(bound, fit, findings),
                    Items::Undecided => Some(()),
                }
            }
            Slot::Violation(_) if self.stands_elsewhere(slot, bound, findings) => None,
            Slot::Violation(ViolationSlot::Message)
                if bound.item.is_some() || !self.is_absent(slot, bound) =>
            {
                if let Some(violation) = self.violation(bound, findings) {
                    let of_rule = named(self.rules, violation.rules);
                    let fit = violation.message.as_deref().map_or(Fit::None, |message| fit(of_rule, message));
                    recognise(violation, fit);
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    fn template(
        &self,
        template: &'a Template,
        bound: &SlotValue<'a>,
        findings: &mut CapturedValues<'a>,
    ) -> Option<()> {
        if let Some(literal) = template.as_literal() {
            return self.tape.says(bound.at, literal).then_some(());
        }
        let text = self.tape.string(bound.at)?;
        let is_of_item = self.is_of_item(bound, findings);
        findings.cut(template.pattern(), &text, is_of_item).then_some(())
    }

    fn message(&self, bound: &SlotValue<'a>, findings: &mut CapturedValues<'a>) -> Option<()> {
        if !self.entry.open {
            return self.template(&self.entry.message, bound, findings);
        }
        // Whether the catalogue or the API said it is not told by a text with parameters: it comes back as it was said.
        if self.entry.message.as_literal().is_some_and(|literal| self.tape.says(bound.at, literal)) {
            return Some(());
        }
        let text = self.tape.string(bound.at)?;
        let is_of_each = self.is_of_item(bound, findings) && self.entry.message.speaks_of_violation();
        match &findings.message {
            Some(known) if *known == text => {}
            // The catalogue's, about another violation in each item.
            Some(_) if is_of_each => {
                findings.message = None;
                findings.is_catalogues = true;
            }
            Some(_) => return None,
            None if findings.is_catalogues => {}
            None => findings.message = Some(text),
        }
        Some(())
    }

    /// What is said of the violation at hand.
    fn detail(&self, bound: &SlotValue<'a>, found: Fit<'a>, findings: &mut CapturedValues<'a>) -> Option<()> {
        let Some(violation) = self.violation(bound, findings) else { return Some(()) };
        violation.message = self.tape.string(bound.at);
        let of_rule = named(self.rules, violation.rules);
        let found = match (found, violation.message.as_deref()) {
            (Fit::Several, Some(message)) if of_rule.len() < self.rules.len() => fit(of_rule, message),
            (found, _) => found,
        };
        let is_open = self.wording == MessageSource::Any && self.entry.open;
        (recognise(violation, found) || is_open).then_some(())
    }

    /// Whether it stands in the item of one violation among others.
    fn is_of_item(&self, bound: &SlotValue<'_>, findings: &CapturedValues<'a>) -> bool {
        bound.item.is_some() && !findings.violations.is_empty()
    }

    /// The violation that a value is about. Outside a list it is the one that names the error; which of the list's that
    /// is, the answer does not tell, so that it says nothing where there is a list.
    fn violation<'f>(
        &self,
        bound: &SlotValue<'_>,
        findings: &'f mut CapturedValues<'a>,
    ) -> Option<&'f mut RecoveredViolation<'a>> {
        if self.rules.is_empty() {
            return None;
        }
        match bound.item {
            Some(item) => findings.violations.get_mut(item as usize),
            None if self.reading.items.is_some() => None,
            None => {
                if findings.violations.is_empty() {
                    findings.violations.push(RecoveredViolation::default());
                }
                findings.violations.first_mut()
            }
        }
    }
}

/// What the items of a list are, or what a detail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Items {
    /// Violations.
    Violations,
    /// The message: there are no violations.
    Message,
    /// The text can be either, and nothing else tells.
    Undecided,
}

/// Which of the rules' texts a text can be.
#[derive(Clone, Copy)]
enum Fit<'a> {
    None,
    /// One alone, and where its gaps are.
    One(&'a RuleText, Captures),
    Several,
}

fn fit<'a>(rules: &'a [RuleText], text: &str) -> Fit<'a> {
    let mut found = Fit::None;
    // To try one or two is cheaper than to know which to try.
    let signature = if rules.len() > 2 { TextSignature::of(text) } else { TextSignature::ANY };
    for rule in rules.iter().filter(|rule| rule.may_be(signature)) {
        let Some(captures) = rule.template.pattern().captures(text) else { continue };
        match found {
            Fit::None => found = Fit::One(rule, captures),
            Fit::One(..) | Fit::Several => return Fit::Several,
        }
    }
    found
}

/// The text of the rule that is known, else all of them.
fn named<'a>(rules: &'a [RuleText], known: &[Condition]) -> &'a [RuleText] {
    let [known] = known else { return rules };
    rules.iter().position(|rule| rule.conditions.contains(known)).map_or(rules, |at| &rules[at..=at])
}

/// Notes which rule the violation's message speaks of, and what it says. Whether there is one that could.
fn recognise<'a>(violation: &mut RecoveredViolation<'a>, fit: Fit<'a>) -> bool {
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
    tell(pattern, &resolved, &message, |parameter, value, _| {
        match parameter {
            TemplateParameter::Param => violation.param = Some(value),
            TemplateParameter::Value | TemplateParameter::Values => violation.value = Some(value),
            TemplateParameter::Limit => violation.limit = Some(value),
            TemplateParameter::Allowed => violation.allowed = Some(value),
            TemplateParameter::Pointer => violation.pointer = Some(value),
            TemplateParameter::Location => violation.location = Location::named(&value),
            TemplateParameter::RequestId | TemplateParameter::RetryAfter | TemplateParameter::Named(_) => {}
        }
        true
    });
    true
}
