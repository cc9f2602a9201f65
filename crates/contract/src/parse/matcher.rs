//! Entry matching: checks whether an entry of the catalogue can have made a response, and captures its values.
//! Long because it has a decision for each slot.
//!
//! Constants (code, type, status) are compared first, since they rule out nearly all entries, and texts after. A value that
//! a text does not determine is not captured, so that the result may be incomplete but is never wrong.

use std::borrow::Cow;

use super::captures::CapturedValues;
use super::fit::{Fit, capture_message, find_fit, texts_of};
use super::match_format::{FormatMatch, SlotPosition, SlotValue};
use super::parser::RuleText;
use super::result::RecoveredViolation;
use super::tape::{self, At, Tape, TokenKind};
use crate::catalogue::ErrorEntry;
use crate::format::{FormatMember, FormatNode, Slot, SlotUse, ViolationSlot};
use crate::locations::Locations;
use crate::problem::{Location, Value};
use crate::template::Template;
use crate::violations::rule_from_name;

/// One entry, and the response that is checked.
pub(super) struct Matcher<'m, 'a> {
    pub(super) entry: &'a ErrorEntry,
    /// The texts of the entry for violations; empty if it answers none.
    pub(super) rules: &'a [RuleText],
    pub(super) tape: &'m Tape<'m, 'a>,
    pub(super) matched: &'m FormatMatch<'a, 'a>,
    pub(super) source: MessageSource,
}

/// The accepted origin of the message of a violation, if the message of the error is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageSource {
    /// The contract: the message must be one of its texts.
    Contract,
    /// The contract or the API: any message is accepted.
    Any,
}

impl<'a> Matcher<'_, 'a> {
    /// Whether the entry can have made the response, by a quick check that rules out most entries.
    pub(super) fn may_fit(&self) -> bool {
        self.matched.slots.iter().all(|value| self.may_fill(value))
            && self.matched.absent.iter().all(|member| self.may_be_absent(member))
            && self.may_have_items()
    }

    /// Captures the values of the response; `None` if the entry cannot have made it.
    pub(super) fn capture(&self, captured: &mut CapturedValues<'a>) -> Option<()> {
        let (items, fit) = if self.rules.is_empty() { (Items::Message, None) } else { self.items() };
        if items == Items::Violations {
            let count = self.matched.items.unwrap_or(0) as usize;
            captured.violations = (0..count).map(|_| RecoveredViolation::default()).collect();
        }
        // Slots with a single value first, because known values help to split the texts.
        for value in &self.matched.slots {
            self.value(value, captured)?;
        }
        for value in &self.matched.slots {
            self.text(value, items, fit, captured)?;
        }
        Some(())
    }

    /// Whether the entry can have filled the slot with this value, by a quick check: constants are compared, and of texts
    /// only the start and the end.
    fn may_fill(&self, value: &SlotValue<'_>) -> bool {
        // Only a violation can name a member.
        let SlotPosition::Slot(slot) = value.position else { return !self.rules.is_empty() };
        let text = |expected: Option<&str>| match expected {
            Some(expected) => self.tape.is_text(value.at, expected),
            None => self.is_absent(slot, value),
        };
        let entry = self.entry;
        match &slot.slot {
            Slot::Type => text(entry.kind.as_deref()),
            Slot::Code => text(entry.code.as_deref()),
            Slot::DocUrl => text(entry.doc_url.as_deref()),
            Slot::UserMessage if entry.user_message.is_none() => self.is_absent(slot, value),
            Slot::Title => self.may_be_text(&entry.title, value),
            Slot::Message if !entry.open => self.may_be_text(&entry.message, value),
            Slot::Detail if !entry.open && self.rules.is_empty() => self.may_be_text(&entry.message, value),
            Slot::Violation(_) if self.rules.is_empty() => self.is_absent(slot, value),
            _ => true,
        }
    }

    fn may_be_text(&self, template: &Template, value: &SlotValue<'_>) -> bool {
        match template.as_literal() {
            Some(literal) => self.tape.is_text(value.at, literal),
            None => self.tape.plain(value.at).is_none_or(|text| template.pattern().may_match(text)),
        }
    }

    fn is_absent(&self, slot: &SlotUse, value: &SlotValue<'_>) -> bool {
        match slot.absent_is_empty {
            true => self.tape.is_text(value.at, ""),
            false => self.tape.kind(value.at) == TokenKind::Null,
        }
    }

    /// Whether the entry can have omitted a member: it has no value for it that is always present.
    fn may_be_absent(&self, member: &FormatMember) -> bool {
        let always = |slot: &Slot| match slot {
            Slot::Type => self.entry.kind.is_some(),
            Slot::Code => self.entry.code.is_some(),
            Slot::DocUrl => self.entry.doc_url.is_some(),
            Slot::UserMessage => self.entry.user_message.is_some(),
            Slot::Status | Slot::Title | Slot::Message | Slot::Detail => true,
            Slot::Param
            | Slot::RequestId
            | Slot::RetryAfter
            | Slot::RetryDelay
            | Slot::Named(_)
            | Slot::Violation(_) => false,
        };
        match &member.shape {
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => true,
            FormatNode::Array(_) | FormatNode::Constant(_) => false,
            FormatNode::Slot(_) | FormatNode::Object(_) => !member.shape.slots().into_iter().any(always),
        }
    }

    /// Whether the number of items fits: an entry that answers no violations has no item, or one with its message.
    fn may_have_items(&self) -> bool {
        match self.matched.items {
            Some(items) if self.rules.is_empty() => items <= 1,
            _ => true,
        }
    }

    /// What the items of the list are: violations, or the message if there are none.
    fn items(&self) -> (Items, Option<(At, Fit<'a>)>) {
        let is_detail = |value: &&SlotValue<'_>| {
            matches!(value.position, SlotPosition::Slot(SlotUse { slot: Slot::Detail, .. }))
                && value.item.is_some()
        };
        let details = self.matched.slots.iter().find(is_detail);
        let (Some(1), Some(detail)) = (self.matched.items, details) else {
            return (Items::Violations, None);
        };
        // A slot of the violation shows it by having a value. A slot for some locations that is absent only shows that
        // there is no violation in these.
        let mut empty = Locations::NONE;
        for value in self.matched.slots.iter().filter(|value| value.item.is_some()) {
            let slot = match value.position {
                SlotPosition::Key(_) => return (Items::Violations, None),
                SlotPosition::Slot(slot) => slot,
            };
            let Slot::Violation(of) = slot.slot else { continue };
            match (self.is_absent(slot, value), of) {
                (false, _) => return (Items::Violations, None),
                // A violation of the body as a whole also has an empty pointer and name.
                (true, ViolationSlot::Field | ViolationSlot::Pointer | ViolationSlot::Message)
                    if slot.absent_is_empty => {}
                (true, _) => empty = empty.with(slot.locations()),
            }
            if empty == Locations::ALL {
                return (Items::Message, None);
            }
        }
        let omitted = self.matched.absent.iter().flat_map(|member| member.shape.uses());
        let of_violation = omitted.filter(|used| matches!(used.slot, Slot::Violation(_)));
        if of_violation.map(SlotUse::locations).fold(empty, Locations::with) == Locations::ALL {
            return (Items::Message, None);
        }
        let Some(text) = self.tape.string(detail.at) else { return (Items::Undecided, None) };
        let fit = find_fit(self.rules, &text);
        (self.classify(&text, fit), Some((detail.at, fit)))
    }

    /// Whether a text is the message of a violation or of the error.
    fn classify(&self, text: &str, fit: Fit<'a>) -> Items {
        let message = &self.entry.message;
        let is_message = || self.entry.open || message.pattern().captures(text).is_some();
        match fit {
            Fit::None => Items::Message,
            // If the message of the error has parameters of a violation, there was one.
            Fit::One(..) | Fit::Several if message.uses_violation() || !is_message() => Items::Violations,
            Fit::One(..) | Fit::Several => Items::Undecided,
        }
    }

    fn value(&self, value: &SlotValue<'a>, captured: &mut CapturedValues<'a>) -> Option<()> {
        let slot = match value.position {
            SlotPosition::Key(slot) => return self.of_violation(slot, value, captured),
            SlotPosition::Slot(slot) => slot,
        };
        match &slot.slot {
            Slot::RequestId if !self.is_absent(slot, value) => {
                captured.set_request_id(self.tape.string(value.at)?).then_some(())
            }
            Slot::RetryAfter if !self.is_absent(slot, value) => {
                captured.set_retry_after(self.tape.whole(value.at, slot.as_string)?).then_some(())
            }
            Slot::RetryDelay if !self.is_absent(slot, value) => {
                captured.set_retry_after(tape::seconds(&self.tape.string(value.at)?)?).then_some(())
            }
            // In an item it is the parameter of that violation, elsewhere of the one that determines the error.
            Slot::Param if !self.is_absent(slot, value) && self.is_of_item(value, captured) => {
                self.of_violation(ViolationSlot::Field, value, captured)
            }
            Slot::Param if !self.is_absent(slot, value) => {
                captured.bind("param", self.tape.string(value.at)?, false).then_some(())
            }
            Slot::Named(name) if !self.is_absent(slot, value) => {
                captured.add_value(name, self.parameter(value)?, slot.as_string);
                Some(())
            }
            // Outside of a list there may be no violation, which `|empty` writes like one without a name. A violation in
            // another location looks the same.
            Slot::Violation(_)
                if (value.item.is_none() || slot.within.is_some()) && self.is_absent(slot, value) =>
            {
                Some(())
            }
            Slot::Violation(of) if !self.rules.is_empty() => {
                self.of_violation(*of, value, captured)?;
                self.capture_location(slot, value, captured);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// The value of a parameter: text, an integer or a list of texts.
    fn parameter(&self, value: &SlotValue<'_>) -> Option<Value> {
        match self.tape.kind(value.at) {
            TokenKind::Plain | TokenKind::Escaped => {
                self.tape.string(value.at).map(|text| Value::Text(text.into_owned()))
            }
            TokenKind::Number => self.tape.raw(value.at).parse().ok().map(Value::Int),
            TokenKind::Array => {
                let texts =
                    self.tape.children(value.at).map(|item| self.tape.string(item).map(Cow::into_owned));
                texts.collect::<Option<Vec<String>>>().map(Value::List)
            }
            TokenKind::Null | TokenKind::True | TokenKind::False | TokenKind::Object => None,
        }
    }

    fn of_violation(
        &self,
        slot: ViolationSlot,
        value: &SlotValue<'a>,
        captured: &mut CapturedValues<'a>,
    ) -> Option<()> {
        if self.tape.kind(value.at) == TokenKind::Null {
            return Some(());
        }
        let text = self.tape.string(value.at)?;
        let Some(violation) = self.violation(value, captured) else { return Some(()) };
        match slot {
            ViolationSlot::Field => violation.field = Some(text),
            ViolationSlot::Message => violation.message = Some(text),
            ViolationSlot::Pointer => violation.pointer = Some(text),
            ViolationSlot::Location => violation.location = Location::from_word(&text),
            ViolationSlot::Rule => {
                let known =
                    rule_from_name(&text).and_then(|rule| self.rules.iter().find_map(|text| text.only(rule)));
                violation.rules = known.unwrap_or_default();
            }
        }
        Some(())
    }

    /// Captures the location of a violation from a slot for a single location that has a value.
    fn capture_location(&self, slot: &SlotUse, value: &SlotValue<'a>, captured: &mut CapturedValues<'a>) {
        let Some(location) = slot.within.and_then(Locations::only) else { return };
        if self.tape.kind(value.at) != TokenKind::Null
            && let Some(violation) = self.violation(value, captured)
        {
            violation.location.get_or_insert(location);
        }
    }

    /// Whether a slot for some locations has a value although the violation is known to be in another one.
    fn has_other_location(
        &self,
        slot: &SlotUse,
        value: &SlotValue<'a>,
        captured: &mut CapturedValues<'a>,
    ) -> bool {
        let Some(within) = slot.within else { return false };
        if self.tape.kind(value.at) == TokenKind::Null || self.is_absent(slot, value) {
            return false;
        }
        let location = self.violation(value, captured).and_then(|violation| violation.location);
        location.is_some_and(|location| !within.contains(location))
    }

    fn text(
        &self,
        value: &SlotValue<'a>,
        items: Items,
        known: Option<(At, Fit<'a>)>,
        captured: &mut CapturedValues<'a>,
    ) -> Option<()> {
        let slot = match value.position {
            SlotPosition::Slot(slot) => slot,
            SlotPosition::Key(_) => return Some(()),
        };
        match &slot.slot {
            Slot::Title => self.template(&self.entry.title, value, captured),
            Slot::UserMessage => match &self.entry.user_message {
                Some(template) => self.template(template, value, captured),
                None => Some(()),
            },
            Slot::Message => self.message(value, captured),
            Slot::Detail if self.rules.is_empty() => self.message(value, captured),
            Slot::Detail => {
                let text = self.tape.string(value.at)?;
                let fit = match known {
                    Some((at, fit)) if at == value.at => fit,
                    _ => find_fit(self.rules, &text),
                };
                let items = if value.item.is_some() { items } else { self.classify(&text, fit) };
                match items {
                    Items::Message => self.message(value, captured),
                    Items::Violations => self.detail(value, fit, captured),
                    Items::Undecided => Some(()),
                }
            }
            Slot::Violation(_) if self.has_other_location(slot, value, captured) => None,
            Slot::Violation(ViolationSlot::Message)
                if value.item.is_some() || !self.is_absent(slot, value) =>
            {
                if let Some(violation) = self.violation(value, captured) {
                    let of_rule = texts_of(self.rules, violation.rules);
                    let fit =
                        violation.message.as_deref().map_or(Fit::None, |message| find_fit(of_rule, message));
                    capture_message(violation, fit);
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    fn template(
        &self,
        template: &'a Template,
        value: &SlotValue<'a>,
        captured: &mut CapturedValues<'a>,
    ) -> Option<()> {
        if let Some(literal) = template.as_literal() {
            return self.tape.is_text(value.at, literal).then_some(());
        }
        let text = self.tape.string(value.at)?;
        let is_of_item = self.is_of_item(value, captured);
        captured.capture_text(template.pattern(), &text, is_of_item).then_some(())
    }

    fn message(&self, value: &SlotValue<'a>, captured: &mut CapturedValues<'a>) -> Option<()> {
        if !self.entry.open {
            return self.template(&self.entry.message, value, captured);
        }
        // A text with parameters does not show whether it is from the catalogue or the API, so it is kept as it is.
        if self.entry.message.as_literal().is_some_and(|literal| self.tape.is_text(value.at, literal)) {
            return Some(());
        }
        let text = self.tape.string(value.at)?;
        let is_of_each = self.is_of_item(value, captured) && self.entry.message.uses_violation();
        match &captured.message {
            Some(known) if *known == text => {}
            // The message differs between items, so it is the catalogue's, about the violation of each item.
            Some(_) if is_of_each => {
                captured.message = None;
                captured.has_catalogue_message = true;
            }
            Some(_) => return None,
            None if captured.has_catalogue_message => {}
            None => captured.message = Some(text),
        }
        Some(())
    }

    /// Captures the message of a violation.
    fn detail(&self, value: &SlotValue<'a>, fit: Fit<'a>, captured: &mut CapturedValues<'a>) -> Option<()> {
        let Some(violation) = self.violation(value, captured) else { return Some(()) };
        violation.message = self.tape.string(value.at);
        let of_rule = texts_of(self.rules, violation.rules);
        let fit = match (fit, violation.message.as_deref()) {
            (Fit::Several, Some(message)) if of_rule.len() < self.rules.len() => find_fit(of_rule, message),
            (fit, _) => fit,
        };
        let is_open = self.source == MessageSource::Any && self.entry.open;
        (capture_message(violation, fit) || is_open).then_some(())
    }

    /// Whether a value is in the item of a violation.
    fn is_of_item(&self, value: &SlotValue<'_>, captured: &CapturedValues<'a>) -> bool {
        value.item.is_some() && !captured.violations.is_empty()
    }

    /// The violation that a value describes. Outside of a list it is the one that determines the error; if there is a list,
    /// the response does not show which of its items that is, so the result is `None`.
    fn violation<'f>(
        &self,
        value: &SlotValue<'_>,
        captured: &'f mut CapturedValues<'a>,
    ) -> Option<&'f mut RecoveredViolation<'a>> {
        if self.rules.is_empty() {
            return None;
        }
        match value.item {
            Some(item) => captured.violations.get_mut(item as usize),
            None if self.matched.items.is_some() => None,
            None => {
                if captured.violations.is_empty() {
                    captured.violations.push(RecoveredViolation::default());
                }
                captured.violations.first_mut()
            }
        }
    }
}

/// What the items of a list or a detail slot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Items {
    /// Violations.
    Violations,
    /// The message of the error, because there are no violations.
    Message,
    /// The text can be either, and nothing else decides it.
    Undecided,
}
