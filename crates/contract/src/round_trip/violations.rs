//! What comes back of the violations of one error: which of them, and what of each.
//!
//! Follows what [`crate::parse`] does: where a format lists violations, the slots of the list's item tell of them, else
//! the slots beside it tell of the one that names the error.

use super::{Difference, Fidelity, LossReason, best};
use crate::catalogue::{ErrorEntry, ErrorId, Show};
use crate::contract::Contract;
use crate::format::{FormatNode, Keyed, Slot, SlotUse, ViolationSlot};
use crate::locations::Locations;
use crate::parse::{Decidable, Overlap, RuleText};
use crate::template::TemplateParameter;
use crate::violations::FieldStyle;

/// What becomes of each part, the parts always in the same order.
pub(super) type Fates = Vec<(&'static str, Fidelity)>;

pub(super) struct OfViolations<'c> {
    entry: &'c ErrorEntry,
    style: FieldStyle,
    /// What the error says of the violations that it shows.
    rules: &'c [RuleText],
    /// Where they are listed.
    list: Option<&'c FormatNode>,
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
            Some(FormatNode::Keyed(keyed)) => Some(keyed.key),
            _ => None,
        };
        let rules = contract.parser.rules(error);
        Self { entry, style: contract.field_style, rules, list, uses: list.unwrap_or(shape).uses(), key }
    }

    pub(super) fn fates(&self) -> Fates {
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

    /// Which of them come back at all.
    fn all(&self) -> Fidelity {
        let mut changes = Vec::new();
        match (self.list, self.entry.show) {
            (None, _) if !self.tells_anything() => return Fidelity::Lost(LossReason::NotShown),
            (None, _) | (_, Show::First) => changes.push(Difference::FirstAlone),
            (Some(_), Show::SameError) => changes.push(Difference::SameErrorAlone),
            (Some(_), Show::All) => {}
        }
        if !changes.contains(&Difference::FirstAlone) {
            changes.extend(self.entry.collect.then_some(Difference::Collected));
            changes.extend(match self.list {
                Some(FormatNode::Keyed(Keyed { is_list: true, .. })) => Some(Difference::ByName),
                Some(FormatNode::Keyed(Keyed { is_list: false, .. })) => Some(Difference::FirstOfName),
                _ => None,
            });
        }
        Fidelity::Kept.and(changes).and(self.doubt())
    }

    fn tells_anything(&self) -> bool {
        self.uses.iter().any(|used| matches!(used.slot, Slot::Violation(_) | Slot::Detail))
    }

    /// Why it may not be seen that there is a violation.
    fn doubt(&self) -> Vec<Difference> {
        let details = || self.shows(Slot::Detail);
        let of_violation =
            || self.uses.iter().copied().filter(|used| matches!(used.slot, Slot::Violation(_)));
        let seen = of_violation().filter(|used| !may_be_empty(used));
        let is_seen = locations(seen) == Locations::ALL || details() && self.is_never_the_message();
        match self.list {
            _ if is_seen || self.key.is_some() => Vec::new(),
            // Several are no message, and without a detail the message stands nowhere.
            Some(_) => details().then_some(Difference::UnlessMessage).into_iter().collect(),
            None if of_violation().next().is_some() => limits(of_violation()),
            None => vec![Difference::UnlessMessage],
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

    fn own(&self, slot: ViolationSlot) -> impl Iterator<Item = &'c SlotUse> + Clone {
        self.uses.iter().copied().filter(move |used| used.slot == Slot::Violation(slot))
    }

    /// What becomes of what has a slot of its own, or names the member.
    fn slot(&self, slot: ViolationSlot) -> Option<Fidelity> {
        if self.key == Some(slot) {
            return Some(Fidelity::Kept);
        }
        self.own(slot).next()?;
        let mut everywhere = self.own(slot).filter(|used| used.within.is_none()).peekable();
        if everywhere.peek().is_none() {
            return Some(Fidelity::Kept.and(limits(self.own(slot))));
        }
        // Within a list it is known that there is a violation, and an empty text is one.
        let is_lost = self.list.is_none() && everywhere.all(may_be_empty);
        Some(Fidelity::Kept.and(is_lost.then_some(Difference::UnlessEmpty)))
    }

    fn slot_or_text(&self, slot: ViolationSlot, parameters: &[TemplateParameter]) -> Fidelity {
        or_better(self.slot(slot), || self.text(parameters))
    }

    /// A slot of one location alone tells it by having a value.
    fn location(&self) -> Fidelity {
        if self.key == Some(ViolationSlot::Location) {
            return Fidelity::Kept;
        }
        let is_telling = |used: &&SlotUse| match used.slot {
            Slot::Violation(ViolationSlot::Location) => true,
            Slot::Violation(_) => used.locations().only().is_some() && !may_be_empty(used),
            _ => false,
        };
        let mut telling = self.uses.iter().copied().filter(is_telling).peekable();
        let of_slots = telling.peek().is_some().then(|| Fidelity::Kept.and(limits(telling)));
        or_better(of_slots, || self.text(&[TemplateParameter::Location]))
    }

    fn param(&self) -> Fidelity {
        let restyled = (self.style != FieldStyle::Name).then_some(Difference::Restyled);
        // Beside a list it is a parameter of the problem, and an empty name is left out.
        let by_name = (self.list.is_some() && self.shows(Slot::Param))
            .then(|| Fidelity::Changed(vec![Difference::UnlessEmpty]));
        let otherwise = || by_name.unwrap_or_else(|| self.text(&[TemplateParameter::Param]));
        or_better(self.slot(ViolationSlot::Field), otherwise).and(restyled)
    }

    fn rule(&self) -> Fidelity {
        or_better(self.slot(ViolationSlot::Rule), || match self.message() {
            Some(doubt) if self.is_clear() => Fidelity::Kept.and(doubt),
            Some(_) => Fidelity::Lost(LossReason::SharedText),
            None => Fidelity::Lost(LossReason::NotShown),
        })
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
    fn message(&self) -> Option<Vec<Difference>> {
        let is_listed = self.list.is_some();
        let mut everywhere = self.own(ViolationSlot::Message).filter(|used| used.within.is_none());
        if everywhere.any(|used| is_listed || !used.absent_is_empty) {
            return Some(Vec::new());
        }
        if self.shows(Slot::Detail) {
            // Of what is listed it is known by then.
            let is_sure = is_listed || self.is_never_the_message();
            return Some(if is_sure { Vec::new() } else { vec![Difference::UnlessMessage] });
        }
        let own = self.own(ViolationSlot::Message);
        own.clone().next().map(|_| limits(own))
    }

    /// What becomes of something that texts alone show: what holds for the least of those that show it.
    fn text(&self, parameters: &[TemplateParameter]) -> Fidelity {
        let Some(doubt) = self.message() else { return Fidelity::Lost(LossReason::NotShown) };
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
                    Decidable::Never => return Fidelity::Lost(LossReason::Adjacent),
                }
            }
        }
        if saying.is_empty() {
            return Fidelity::Lost(LossReason::NotShown);
        }
        cut_at.sort_unstable();
        cut_at.dedup();
        let is_told = self.slot(ViolationSlot::Rule) == Some(Fidelity::Kept);
        let is_clear = is_told || saying.iter().all(|rule| self.is_like_no_other(rule));
        Fidelity::Changed(vec![Difference::AsText])
            .and((!cut_at.is_empty()).then_some(Difference::Unless(cut_at)))
            .and((saying.len() < self.rules.len()).then_some(Difference::WhereSaid))
            .and((!is_clear).then_some(Difference::WhereClear))
            .and(doubt)
    }
}

/// Whether no value is written as a value can be. The names of rules and locations are never empty.
fn may_be_empty(used: &SlotUse) -> bool {
    let is_word = matches!(used.slot, Slot::Violation(ViolationSlot::Rule | ViolationSlot::Location));
    used.absent_is_empty && !is_word
}

/// Where a violation can stand that some of these show.
fn locations<'c>(uses: impl Iterator<Item = &'c SlotUse>) -> Locations {
    uses.map(SlotUse::locations).collect()
}

/// When none of these shows anything of a violation.
fn limits<'c>(uses: impl Iterator<Item = &'c SlotUse> + Clone) -> Vec<Difference> {
    let empty = uses.clone().any(may_be_empty).then_some(Difference::UnlessEmpty);
    let within = locations(uses);
    let within = (within != Locations::ALL).then(|| Difference::Within(within.iter().collect()));
    empty.into_iter().chain(within).collect()
}

/// What has slots that show it always comes back from them; else by whatever gives the most back.
fn or_better(of_slots: Option<Fidelity>, otherwise: impl FnOnce() -> Fidelity) -> Fidelity {
    match of_slots {
        Some(Fidelity::Changed(changes))
            if changes.iter().any(|change| matches!(change, Difference::Within(_))) =>
        {
            best([otherwise(), Fidelity::Changed(changes)].into_iter())
        }
        Some(fate) => fate,
        None => otherwise(),
    }
}
