//! What comes back of the violations of one error: which of them, and what of each.
//!
//! Follows what [`crate::parse`] does: where a format lists violations, the slots of the list's item tell of them, else
//! the slots beside it tell of the one that names the error.

use super::{Change, Fate, Why};
use crate::catalogue::{ErrorEntry, ErrorId, Show};
use crate::contract::Contract;
use crate::format::{Keyed, Shape, Slot, SlotUse, ViolationSlot};
use crate::parse::{Decidable, Overlap, RuleText};
use crate::template::Parameter;
use crate::violations::FieldStyle;

/// What becomes of each part, the parts always in the same order.
pub(super) type Fates = Vec<(&'static str, Fate)>;

pub(super) struct OfViolations<'c> {
    entry: &'c ErrorEntry,
    style: FieldStyle,
    /// What the error says of the violations that it shows.
    rules: &'c [RuleText],
    /// Where they are listed.
    list: Option<&'c Shape>,
    /// The slots that tell of one violation.
    uses: Vec<&'c SlotUse>,
    /// What names a member of the list.
    key: Option<ViolationSlot>,
}

impl<'c> OfViolations<'c> {
    pub(super) fn new(contract: &'c Contract, error: ErrorId, entry: &'c ErrorEntry) -> Self {
        let shape = contract.shape(entry);
        let list = shape.list();
        let key = match list {
            Some(Shape::Keyed(keyed)) => Some(keyed.key),
            _ => None,
        };
        let rules = contract.parser.rules(error);
        Self { entry, style: contract.field_style, rules, list, uses: list.unwrap_or(shape).uses(), key }
    }

    pub(super) fn fates(&self) -> Fates {
        vec![
            ("violations", self.all()),
            ("violation.rule", self.rule()),
            ("violation.pointer", self.slot_or_text(ViolationSlot::Pointer, &[Parameter::Pointer])),
            ("violation.location", self.slot_or_text(ViolationSlot::Location, &[Parameter::Location])),
            ("violation.param", self.param()),
            ("violation.value", self.text(&[Parameter::Value, Parameter::Values])),
            ("violation.limit", self.text(&[Parameter::Limit])),
            ("violation.allowed", self.text(&[Parameter::Allowed])),
        ]
    }

    /// Which of them come back at all.
    fn all(&self) -> Fate {
        let mut changes = Vec::new();
        match (self.list, self.entry.show) {
            (None, _) if !self.tells_anything() => return Fate::Lost(Why::NotShown),
            (None, _) | (_, Show::First) => changes.push(Change::FirstAlone),
            (Some(_), Show::SameError) => changes.push(Change::SameErrorAlone),
            (Some(_), Show::All) => {}
        }
        if !changes.contains(&Change::FirstAlone) {
            changes.extend(self.entry.collect.then_some(Change::Collected));
            changes.extend(match self.list {
                Some(Shape::Keyed(Keyed { is_list: true, .. })) => Some(Change::ByName),
                Some(Shape::Keyed(Keyed { is_list: false, .. })) => Some(Change::FirstOfName),
                _ => None,
            });
        }
        Fate::Kept.and(changes).and(self.doubt())
    }

    fn tells_anything(&self) -> bool {
        self.uses.iter().any(|used| matches!(used.slot, Slot::Violation(_) | Slot::Detail))
    }

    /// Why it may not be seen that there is a violation.
    fn doubt(&self) -> Option<Change> {
        let details = || self.shows(Slot::Detail);
        let is_seen = |used: &&SlotUse| match used.slot {
            Slot::Violation(ViolationSlot::Rule | ViolationSlot::Location) => true,
            Slot::Violation(_) => !used.absent_is_empty,
            _ => false,
        };
        let is_seen = self.uses.iter().any(is_seen) || details() && self.is_never_the_message();
        match self.list {
            _ if is_seen || self.key.is_some() => None,
            // Several are no message, and without a detail the message stands nowhere.
            Some(_) => details().then_some(Change::UnlessMessage),
            None if self.uses.iter().any(|used| matches!(used.slot, Slot::Violation(_))) => {
                Some(Change::UnlessEmpty)
            }
            None => Some(Change::UnlessMessage),
        }
    }

    /// Whether no text of a rule can be taken for the error's message.
    fn is_never_the_message(&self) -> bool {
        let message = &self.entry.message;
        let is_other = |rule: &RuleText| rule.template.pattern().overlap(message.pattern()) == Overlap::Never;
        message.speaks_of_violation() || !self.entry.open && self.rules.iter().all(is_other)
    }

    fn shows(&self, slot: Slot) -> bool {
        self.uses.iter().any(|used| used.slot == slot)
    }

    /// What becomes of what has a slot of its own, or names the member.
    fn slot(&self, slot: ViolationSlot) -> Option<Fate> {
        if self.key == Some(slot) {
            return Some(Fate::Kept);
        }
        let mut own = self.uses.iter().filter(|used| used.slot == Slot::Violation(slot)).peekable();
        own.peek()?;
        let is_empty_for_none = own.all(|used| used.absent_is_empty);
        // Within a list it is known that there is a violation, and an empty text is one.
        let is_lost = self.list.is_none() && is_empty_for_none;
        Some(Fate::Kept.and(is_lost.then_some(Change::UnlessEmpty)))
    }

    fn slot_or_text(&self, slot: ViolationSlot, parameters: &[Parameter]) -> Fate {
        self.slot(slot).unwrap_or_else(|| self.text(parameters))
    }

    fn param(&self) -> Fate {
        let restyled = (self.style != FieldStyle::Name).then_some(Change::Restyled);
        // Beside a list it is a parameter of the problem, and an empty name is left out.
        let by_name = (self.list.is_some() && self.shows(Slot::Param))
            .then(|| Fate::Changed(vec![Change::UnlessEmpty]));
        let of_slot = self.slot(ViolationSlot::Field).or(by_name);
        of_slot.unwrap_or_else(|| self.text(&[Parameter::Param])).and(restyled)
    }

    fn rule(&self) -> Fate {
        if self.slot(ViolationSlot::Rule).is_some() {
            return Fate::Kept;
        }
        match self.message() {
            Some(doubt) if self.is_clear() => Fate::Kept.and(doubt),
            Some(_) => Fate::Lost(Why::SharedText),
            None => Fate::Lost(Why::NotShown),
        }
    }

    /// Whether each text stands for one rule, and no text can be taken for another.
    fn is_clear(&self) -> bool {
        self.rules.iter().all(|rule| rule.conditions.len() == 1 && self.is_like_no_other(rule))
    }

    fn is_like_no_other(&self, rule: &RuleText) -> bool {
        let mut others = self.rules.iter().filter(|other| !std::ptr::eq(*other, rule));
        others.all(|other| rule.template.pattern().overlap(other.template.pattern()) == Overlap::Never)
    }

    /// Where a text is said of the violation: when it is not known to be one.
    fn message(&self) -> Option<Vec<Change>> {
        const OWN: Slot = Slot::Violation(ViolationSlot::Message);
        let is_listed = self.list.is_some();
        if self.uses.iter().any(|used| used.slot == OWN && (is_listed || !used.absent_is_empty)) {
            return Some(Vec::new());
        }
        if self.shows(Slot::Detail) {
            // Of what is listed it is known by then.
            let is_sure = is_listed || self.is_never_the_message();
            return Some(if is_sure { Vec::new() } else { vec![Change::UnlessMessage] });
        }
        self.shows(OWN).then(|| vec![Change::UnlessEmpty])
    }

    /// What becomes of something that texts alone show: what holds for the least of those that show it.
    fn text(&self, parameters: &[Parameter]) -> Fate {
        let Some(doubt) = self.message() else { return Fate::Lost(Why::NotShown) };
        let mut saying: Vec<&RuleText> = Vec::new();
        let mut cut_at: Vec<String> = Vec::new();
        for rule in self.rules {
            let pattern = rule.template.pattern();
            let decidable: Vec<Decidable> =
                parameters.iter().filter_map(|parameter| pattern.decidable(parameter)).collect();
            saying.extend((!decidable.is_empty()).then_some(rule));
            for decidable in decidable {
                match decidable {
                    Decidable::Always => {}
                    Decidable::Unless(literals) => cut_at.extend(literals),
                    Decidable::Never => return Fate::Lost(Why::Adjacent),
                }
            }
        }
        if saying.is_empty() {
            return Fate::Lost(Why::NotShown);
        }
        cut_at.sort_unstable();
        cut_at.dedup();
        let is_told = self.slot(ViolationSlot::Rule).is_some();
        let is_clear = is_told || saying.iter().all(|rule| self.is_like_no_other(rule));
        Fate::Changed(vec![Change::AsText])
            .and((!cut_at.is_empty()).then_some(Change::Unless(cut_at)))
            .and((saying.len() < self.rules.len()).then_some(Change::WhereSaid))
            .and((!is_clear).then_some(Change::WhereClear))
            .and(doubt)
    }
}
