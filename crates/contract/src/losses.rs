//! What comes back of a problem that was rendered, and what does not: for each format and for each error's parameters.
//!
//! Decided when a contract is loaded, from formats and texts alone: no answer is needed to know what a client will
//! never see. `demur check` prints it as a table.

use std::fmt;

use crate::catalogue::{ErrorEntry, ErrorId, Show};
use crate::contract::Contract;
use crate::format::{Slot, ViolationSlot};
use crate::parse::{Decidable, Pattern, RuleText};
use crate::template::{Parameter, Template};
use crate::violations::FieldStyle;

/// What becomes of one part of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The name of the format.
    pub format: String,
    /// The error, where the others of the format may fare differently.
    pub error: Option<ErrorId>,
    /// What it is about: `request_id`, `params.item`, `violation.rule`, …
    pub part: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// Whether something comes back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It comes back.
    Kept,
    /// It comes back from a header field.
    InField(String),
    /// It comes back, and differs: how.
    Changed(Change),
    /// It comes back unless a value holds one of these texts, at which it would have to be cut.
    Unless(Vec<String>),
    /// It does not come back.
    Lost(Why),
}

/// How what comes back differs from what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Rounded up to whole seconds.
    WholeSeconds,
    /// A number or a list comes back as the text that it was written as; an empty one not at all.
    AsText,
    /// As text, and only where the message is said: of a violation the rule's own text is said.
    UnlessReplaced,
    /// As the text that was said, be it the catalogue's or another.
    AsSaid,
    /// As the contract's style writes it.
    Restyled,
    /// Only the one that names the error.
    FirstAlone,
    /// Only those that the same error answers.
    SameErrorAlone,
}

/// Why something does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No slot and no text shows it.
    NotShown,
    /// Another parameter stands beside it, with nothing between them, or it is written in plural forms.
    Adjacent,
    /// Several rules have the same text, and nothing else tells which.
    SharedText,
    /// The API may say another message, and a text does not tell whose it is.
    Open,
    /// Another error can look the same.
    Twins,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Kept => f.write_str("kept"),
            Fate::InField(name) => write!(f, "kept, in the field {name}"),
            Fate::Changed(change) => write!(f, "kept, {}", change.as_str()),
            Fate::Unless(literals) => {
                let literals: Vec<String> = literals.iter().map(|literal| format!("{literal:?}")).collect();
                write!(f, "kept, unless a value holds {}", literals.join(" or "))
            }
            Fate::Lost(why) => write!(f, "lost: {}", why.as_str()),
        }
    }
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Change::WholeSeconds => "in whole seconds",
            Change::AsText => "as text",
            Change::UnlessReplaced => "as text, unless something else is said",
            Change::AsSaid => "as the text that was said",
            Change::Restyled => "in the contract's style",
            Change::FirstAlone => "the first alone",
            Change::SameErrorAlone => "those of the same error",
        }
    }
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::NotShown => "nothing shows it",
            Why::Adjacent => "it stands beside another one, or in plural forms",
            Why::SharedText => "several rules have one text",
            Why::Open => "the API may say another message",
            Why::Twins => "another error can look the same",
        }
    }
}

impl Fate {
    /// One word: `kept` or `lost`.
    pub fn word(&self) -> &'static str {
        match self {
            Fate::Lost(_) => "lost",
            Fate::Kept | Fate::InField(_) | Fate::Changed(_) | Fate::Unless(_) => "kept",
        }
    }
}

impl Contract {
    /// What becomes of each part of a problem that is rendered and parsed: first what all errors of a format share,
    /// then what is particular to one.
    pub fn losses(&self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (index, format) in self.formats.iter().enumerate() {
            let entries: Vec<(ErrorId, &ErrorEntry)> =
                self.entries().filter(|(_, entry)| entry.format == index).collect();
            if entries.is_empty() {
                continue;
            }
            let slots = format.shape.slots();
            let mut tell = |error: Option<ErrorId>, part: &str, fate: Fate| {
                losses.push(Loss { format: format.name.clone(), error, part: part.to_owned(), fate });
            };
            let certain = format.shape.certain_slots();
            let shows = |slot: Slot| certain.contains(&&slot);
            let id = || Fate::InField(self.request_id.field.clone());
            tell(None, "request_id", if shows(Slot::RequestId) { Fate::Kept } else { id() });
            let delay = if shows(Slot::RetryAfter) {
                Fate::Changed(Change::WholeSeconds)
            } else {
                Fate::InField("retry-after".to_owned())
            };
            tell(None, "retry_after", delay);
            if let Some((error, _)) = entries.iter().find(|(error, _)| !self.parser.rules(*error).is_empty())
            {
                self.of_violations(*error, &slots, &mut |part, fate| tell(None, part, fate));
            }
            for (error, entry) in &entries {
                for (part, fate) in self.of_entry(*error, entry, &certain) {
                    tell(Some(*error), &part, fate);
                }
            }
        }
        for twins in self.twins() {
            for error in [twins.first, twins.second] {
                let format = self.formats[self.entry(error).format].name.clone();
                let loss = Loss {
                    format,
                    error: Some(error),
                    part: "error".to_owned(),
                    fate: Fate::Lost(Why::Twins),
                };
                if !losses.contains(&loss) {
                    losses.push(loss);
                }
            }
        }
        losses
    }

    /// The parameters that an entry's own texts and the format name, and its open message.
    fn of_entry(&self, error: ErrorId, entry: &ErrorEntry, slots: &[&Slot]) -> Vec<(String, Fate)> {
        let mut fates = Vec::new();
        let shown = |slot: Slot| slots.contains(&&slot);
        let shows_message = shown(Slot::Message) || shown(Slot::Detail);
        if entry.open {
            let fate = if shows_message { Fate::Changed(Change::AsSaid) } else { Fate::Lost(Why::NotShown) };
            fates.push(("message".to_owned(), fate));
        }
        let is_for_violations = !shown(Slot::Message) && !self.parser.rules(error).is_empty();
        let mut texts: Vec<&Template> = Vec::new();
        texts.extend(shown(Slot::Title).then_some(&entry.title));
        texts.extend(shows_message.then_some(&entry.message));
        texts.extend(entry.user_message.as_ref().filter(|_| shown(Slot::UserMessage)));
        let mut names: Vec<&str> = entry.params.iter().map(String::as_str).collect();
        for text in
            [Some(&entry.title), Some(&entry.message), entry.user_message.as_ref()].into_iter().flatten()
        {
            for parameter in text.parameters() {
                if let Parameter::Named(name) = parameter
                    && !names.contains(&name.as_str())
                {
                    names.push(name);
                }
            }
        }
        for name in names {
            let parameter = Parameter::Named(name.to_owned());
            let fate = match shown(Slot::Named(name.to_owned())) {
                true => Fate::Kept,
                false => best(texts.iter().map(|text| match of_text(text.pattern(), &parameter) {
                    _ if entry.open && std::ptr::eq(*text, &entry.message) => Fate::Lost(Why::Open),
                    Fate::Changed(_) | Fate::Unless(_)
                        if is_for_violations && std::ptr::eq(*text, &entry.message) =>
                    {
                        Fate::Changed(Change::UnlessReplaced)
                    }
                    fate => fate,
                })),
            };
            fates.push((format!("params.{name}"), fate));
        }
        fates
    }

    fn of_violations(&self, error: ErrorId, slots: &[&Slot], tell: &mut impl FnMut(&str, Fate)) {
        let rules = self.parser.rules(error);
        let shown = |slot: ViolationSlot| slots.contains(&&Slot::Violation(slot));
        let has_message = shown(ViolationSlot::Message) || slots.contains(&&Slot::Detail);
        let has_list = slots.iter().any(|slot| matches!(slot, Slot::Violation(_) | Slot::Detail));
        let entry = self.entry(error);
        let list = match entry.show {
            _ if !has_list => Fate::Lost(Why::NotShown),
            Show::All => Fate::Kept,
            Show::First => Fate::Changed(Change::FirstAlone),
            Show::SameError => Fate::Changed(Change::SameErrorAlone),
        };
        tell("violations", list);
        let slot_or = |slot: ViolationSlot, parameter: Parameter| match shown(slot) {
            true => Fate::Kept,
            false if has_message => of_rules(rules, &parameter),
            false => Fate::Lost(Why::NotShown),
        };
        let rule = match (shown(ViolationSlot::Rule), has_message) {
            (true, _) => Fate::Kept,
            (false, true) if is_clear(rules) => Fate::Kept,
            (false, true) => Fate::Lost(Why::SharedText),
            (false, false) => Fate::Lost(Why::NotShown),
        };
        tell("violation.rule", rule);
        tell("violation.pointer", slot_or(ViolationSlot::Pointer, Parameter::Pointer));
        tell("violation.location", slot_or(ViolationSlot::Location, Parameter::Location));
        let is_keyed = self.shape(entry).is_keyed();
        let shows_param = shown(ViolationSlot::Field)
            || is_keyed
            || (slots.contains(&&Slot::Param) && entry.show == Show::First);
        let param = match (shows_param, self.field_style) {
            (true, FieldStyle::Name) => Fate::Kept,
            (true, _) => Fate::Changed(Change::Restyled),
            (false, _) if has_message => of_rules(rules, &Parameter::Param),
            (false, _) => Fate::Lost(Why::NotShown),
        };
        tell("violation.param", param);
        for (part, parameter) in [
            ("violation.value", Parameter::Value),
            ("violation.limit", Parameter::Limit),
            ("violation.allowed", Parameter::Allowed),
        ] {
            let fate = if has_message { of_rules(rules, &parameter) } else { Fate::Lost(Why::NotShown) };
            tell(part, fate);
        }
    }
}

/// Whether each text stands for one rule, and no text can be taken for another.
fn is_clear(rules: &[RuleText]) -> bool {
    use crate::parse::Overlap;
    rules.iter().enumerate().all(|(index, rule)| {
        let is_own =
            |other: &RuleText| rule.template.pattern().overlap(other.template.pattern()) == Overlap::Never;
        rule.conditions.len() == 1 && rules[..index].iter().all(is_own)
    })
}

/// What becomes of a parameter in the texts of the rules: what holds for the least of those that show it.
fn of_rules(rules: &[RuleText], parameter: &Parameter) -> Fate {
    let with = rules.iter().filter(|rule| rule.template.parameters().any(|known| known == parameter));
    let mut fates = with.map(|rule| of_text(rule.template.pattern(), parameter));
    let Some(first) = fates.next() else { return Fate::Lost(Why::NotShown) };
    fates.fold(first, |worst, fate| match (worst, fate) {
        (Fate::Lost(why), _) | (_, Fate::Lost(why)) => Fate::Lost(why),
        (Fate::Unless(mut literals), Fate::Unless(more)) => {
            literals
                .extend(more.into_iter().filter(|literal| !literals.contains(literal)).collect::<Vec<_>>());
            Fate::Unless(literals)
        }
        (Fate::Unless(literals), _) | (_, Fate::Unless(literals)) => Fate::Unless(literals),
        (kept, _) => kept,
    })
}

/// What becomes of a parameter in one text.
fn of_text(pattern: &Pattern, parameter: &Parameter) -> Fate {
    let Some(decidable) = pattern.decidable(parameter) else { return Fate::Lost(Why::NotShown) };
    match decidable {
        Decidable::Always => Fate::Changed(Change::AsText),
        Decidable::Unless(literals) => Fate::Unless(literals),
        Decidable::Never => Fate::Lost(Why::Adjacent),
    }
}

/// Of several texts the one that gives the most back.
fn best(fates: impl Iterator<Item = Fate>) -> Fate {
    let rank = |fate: &Fate| match fate {
        Fate::Kept => 4,
        Fate::Changed(Change::UnlessReplaced) => 1,
        Fate::InField(_) | Fate::Changed(_) => 3,
        Fate::Unless(_) => 2,
        Fate::Lost(Why::NotShown) => 0,
        Fate::Lost(_) => 1,
    };
    fates.max_by_key(rank).unwrap_or(Fate::Lost(Why::NotShown))
}
