//! The round-trip report of violations: which violations of an error are recovered, and which parts of each.
//!
//! It follows the rules of [`crate::parse`]: if a format lists violations, the slots of a list item describe them, else the
//! other slots describe the violation that determines the error.

use super::fidelity::{Difference, Fidelity, LossReason, best};
use crate::catalogue::{ErrorEntry, ErrorId, Show};
use crate::contract::Contract;
use crate::format::{FormatNode, Keyed, Slot, SlotUse, ViolationSlot};
use crate::locations::Locations;
use crate::parse::{Decidable, Overlap, RuleText};
use crate::template::TemplateParameter;
use crate::violations::FieldStyle;

/// The fidelity of each part, always in the same order.
pub(super) type Parts = Vec<(&'static str, Fidelity)>;

pub(super) struct ViolationReport<'c> {
    entry: &'c ErrorEntry,
    style: FieldStyle,
    /// The texts for the violations that the error shows.
    rules: &'c [RuleText],
    /// The list of violations in the format.
    list: Option<&'c FormatNode>,
    /// The slots that describe one violation.
    uses: Vec<&'c SlotUse>,
    /// The slot that names a member, if violations are grouped.
    key: Option<ViolationSlot>,
}

impl<'c> ViolationReport<'c> {
    pub(super) fn new(contract: &'c Contract, error: ErrorId, entry: &'c ErrorEntry) -> Self {
        let shape = contract.shape(entry);
        let list = shape.list();
        let key = match list {
            Some(FormatNode::Keyed(keyed)) => Some(keyed.key),
            _ => None,
        };
        let rules = contract.parser.rules(error);
        Self { entry, style: contract.field_style, rules, list, uses: list.unwrap_or(shape).uses(), key }
    }

    pub(super) fn parts(&self) -> Parts {
        vec![
            ("violations", self.all()),
            ("violation.rule", self.rule()),
            ("violation.pointer", self.slot_or_text(ViolationSlot::Pointer, &[TemplateParameter::Pointer])),
            ("violation.location", self.location()),
            ("violation.param", self.param()),
            ("violation.value", self.text(&[TemplateParameter::Value, TemplateParameter::Values])),
            ("violation.limit", self.text(&[TemplateParameter::Limit])),
            ("violation.allowed", self.text(&[TemplateParameter::Allowed])),
        ]
    }

    /// Which violations are recovered.
    fn all(&self) -> Fidelity {
        let mut changes = Vec::new();
        match (self.list, self.entry.show) {
            (None, _) if !self.shows_any() => return Fidelity::Lost(LossReason::NotShown),
            (None, _) | (_, Show::First) => changes.push(Difference::FirstOnly),
            (Some(_), Show::SameError) => changes.push(Difference::SameErrorOnly),
            (Some(_), Show::All) => {}
        }
        if !changes.contains(&Difference::FirstOnly) {
            changes.extend(self.entry.collect.then_some(Difference::Collected));
            changes.extend(match self.list {
                Some(FormatNode::Keyed(Keyed { is_list: true, .. })) => Some(Difference::ByName),
                Some(FormatNode::Keyed(Keyed { is_list: false, .. })) => Some(Difference::FirstOfName),
                _ => None,
            });
        }
        Fidelity::Kept.and(changes).and(self.uncertainty())
    }

    fn shows_any(&self) -> bool {
        self.uses.iter().any(|used| matches!(used.slot, Slot::Violation(_) | Slot::Detail))
    }

    /// The cases in which a response does not show that there is a violation.
    fn uncertainty(&self) -> Vec<Difference> {
        let details = || self.shows(Slot::Detail);
        let of_violation =
            || self.uses.iter().copied().filter(|used| matches!(used.slot, Slot::Violation(_)));
        let visible = of_violation().filter(|used| !may_be_empty(used));
        let is_visible = locations(visible) == Locations::ALL || details() && self.is_never_the_message();
        match self.list {
            _ if is_visible || self.key.is_some() => Vec::new(),
            // A list of several items is not the message, and without a detail slot the message is not in the list.
            Some(_) => details().then_some(Difference::UnlessMessage).into_iter().collect(),
            None if of_violation().next().is_some() => limits(of_violation()),
            None => vec![Difference::UnlessMessage],
        }
    }

    /// Whether no text of a rule can be mistaken for the message of the error.
    fn is_never_the_message(&self) -> bool {
        let message = &self.entry.message;
        let is_other = |rule: &RuleText| rule.template.pattern().overlap(message.pattern()) == Overlap::Never;
        message.uses_violation() || !self.entry.open && self.rules.iter().all(is_other)
    }

    fn shows(&self, slot: Slot) -> bool {
        self.uses.iter().any(|used| used.slot == slot)
    }

    fn own(&self, slot: ViolationSlot) -> impl Iterator<Item = &'c SlotUse> + Clone {
        self.uses.iter().copied().filter(move |used| used.slot == Slot::Violation(slot))
    }

    /// The fidelity of a part by its own slot or by the name of its member.
    fn slot(&self, slot: ViolationSlot) -> Option<Fidelity> {
        if self.key == Some(slot) {
            return Some(Fidelity::Kept);
        }
        self.own(slot).next()?;
        let mut everywhere = self.own(slot).filter(|used| used.within.is_none()).peekable();
        if everywhere.peek().is_none() {
            return Some(Fidelity::Kept.and(limits(self.own(slot))));
        }
        // In a list there is a violation in any case, so an empty text is recovered.
        let is_lost = self.list.is_none() && everywhere.all(may_be_empty);
        Some(Fidelity::Kept.and(is_lost.then_some(Difference::UnlessEmpty)))
    }

    fn slot_or_text(&self, slot: ViolationSlot, parameters: &[TemplateParameter]) -> Fidelity {
        or_better(self.slot(slot), || self.text(parameters))
    }

    /// The fidelity of the location, which a slot for a single location shows by having a value.
    fn location(&self) -> Fidelity {
        if self.key == Some(ViolationSlot::Location) {
            return Fidelity::Kept;
        }
        let shows_location = |used: &&SlotUse| match used.slot {
            Slot::Violation(ViolationSlot::Location) => true,
            Slot::Violation(_) => used.locations().only().is_some() && !may_be_empty(used),
            _ => false,
        };
        let mut showing = self.uses.iter().copied().filter(shows_location).peekable();
        let of_slots = showing.peek().is_some().then(|| Fidelity::Kept.and(limits(showing)));
        or_better(of_slots, || self.text(&[TemplateParameter::Location]))
    }

    fn param(&self) -> Fidelity {
        let restyled = (self.style != FieldStyle::Name).then_some(Difference::Restyled);
        // Outside of a list it is a parameter of the problem, and an empty name is omitted.
        let by_name = (self.list.is_some() && self.shows(Slot::Param))
            .then(|| Fidelity::Changed(vec![Difference::UnlessEmpty]));
        let otherwise = || by_name.unwrap_or_else(|| self.text(&[TemplateParameter::Param]));
        or_better(self.slot(ViolationSlot::Field), otherwise).and(restyled)
    }

    fn rule(&self) -> Fidelity {
        or_better(self.slot(ViolationSlot::Rule), || match self.message() {
            Some(uncertainty) if self.texts_are_unique() => Fidelity::Kept.and(uncertainty),
            Some(_) => Fidelity::Lost(LossReason::SharedText),
            None => Fidelity::Lost(LossReason::NotShown),
        })
    }

    /// Whether each text is that of one rule, and no text can be mistaken for another.
    fn texts_are_unique(&self) -> bool {
        self.rules.iter().all(|rule| rule.conditions.len() == 1 && self.is_unique(rule))
    }

    fn is_unique(&self, rule: &RuleText) -> bool {
        let mut others = self.rules.iter().filter(|other| !std::ptr::eq(*other, rule));
        others.all(|other| rule.template.pattern().overlap(other.template.pattern()) == Overlap::Never)
    }

    /// If the format shows the message of a violation: the cases in which it is not recognized as such.
    fn message(&self) -> Option<Vec<Difference>> {
        let is_listed = self.list.is_some();
        let mut everywhere = self.own(ViolationSlot::Message).filter(|used| used.within.is_none());
        if everywhere.any(|used| is_listed || !used.absent_is_empty) {
            return Some(Vec::new());
        }
        if self.shows(Slot::Detail) {
            // An item of a list is known to be a violation here.
            let is_certain = is_listed || self.is_never_the_message();
            return Some(if is_certain { Vec::new() } else { vec![Difference::UnlessMessage] });
        }
        let own = self.own(ViolationSlot::Message);
        own.clone().next().map(|_| limits(own))
    }

    /// The fidelity of a part that only texts show: the lowest of all texts that show it.
    fn text(&self, parameters: &[TemplateParameter]) -> Fidelity {
        let Some(uncertainty) = self.message() else { return Fidelity::Lost(LossReason::NotShown) };
        let mut showing: Vec<&RuleText> = Vec::new();
        let mut separators: Vec<String> = Vec::new();
        for rule in self.rules {
            let pattern = rule.template.pattern();
            let decidable: Vec<Decidable> =
                parameters.iter().filter_map(|parameter| pattern.decidable(parameter)).collect();
            showing.extend((!decidable.is_empty()).then_some(rule));
            for decidable in decidable {
                match decidable {
                    Decidable::Always => {}
                    Decidable::Unless(literals) => separators.extend(literals),
                    Decidable::Never => return Fidelity::Lost(LossReason::Adjacent),
                }
            }
        }
        if showing.is_empty() {
            return Fidelity::Lost(LossReason::NotShown);
        }
        separators.sort_unstable();
        separators.dedup();
        let has_rule_slot = self.slot(ViolationSlot::Rule) == Some(Fidelity::Kept);
        let rule_is_known = has_rule_slot || showing.iter().all(|rule| self.is_unique(rule));
        Fidelity::Changed(vec![Difference::AsText])
            .and((!separators.is_empty()).then_some(Difference::Unless(separators)))
            .and((showing.len() < self.rules.len()).then_some(Difference::WhereShown))
            .and((!rule_is_known).then_some(Difference::WhereUnique))
            .and(uncertainty)
    }
}

/// Whether an absent value looks like an empty one. The names of rules and locations are never empty.
fn may_be_empty(used: &SlotUse) -> bool {
    let is_word = matches!(used.slot, Slot::Violation(ViolationSlot::Rule | ViolationSlot::Location));
    used.absent_is_empty && !is_word
}

/// The locations of the violations that these slots show.
fn locations<'c>(uses: impl Iterator<Item = &'c SlotUse>) -> Locations {
    uses.map(SlotUse::locations).collect()
}

/// The cases in which none of these slots shows a violation.
fn limits<'c>(uses: impl Iterator<Item = &'c SlotUse> + Clone) -> Vec<Difference> {
    let empty = uses.clone().any(may_be_empty).then_some(Difference::UnlessEmpty);
    let within = locations(uses);
    let within = (within != Locations::ALL).then(|| Difference::Within(within.iter().collect()));
    empty.into_iter().chain(within).collect()
}

/// The fidelity by slots; if they show only some locations, the better of that and `otherwise`.
fn or_better(of_slots: Option<Fidelity>, otherwise: impl FnOnce() -> Fidelity) -> Fidelity {
    match of_slots {
        Some(Fidelity::Changed(changes))
            if changes.iter().any(|change| matches!(change, Difference::Within(_))) =>
        {
            best([otherwise(), Fidelity::Changed(changes)].into_iter())
        }
        Some(fidelity) => fidelity,
        None => otherwise(),
    }
}
