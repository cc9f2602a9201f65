//! What comes back of a problem that was rendered, and what does not: for each format and for each error's parameters.
//!
//! Decided when a contract is loaded, from formats and texts alone: no answer is needed to know what a client will
//! never see. `demur check` prints it as a table.

mod violations;

use std::fmt;

use crate::catalogue::{ErrorEntry, ErrorId};
use crate::contract::Contract;
use crate::format::{Slot, SlotUse};
use crate::parse::{Decidable, TextPattern};
use crate::problem::Location;
use crate::template::{Template, TemplateParameter};
use violations::{Fates, OfViolations};

/// What becomes of one part of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFidelity {
    /// The name of the format.
    pub format: String,
    /// The error; `None` for all errors of the format that have no row of their own for the part.
    pub error: Option<ErrorId>,
    /// What it is about: `request_id`, `params.item`, `violation.rule`, …
    pub part: String,
    /// What becomes of it.
    pub fate: Fidelity,
}

/// Whether something comes back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fidelity {
    /// It comes back as it was given.
    Kept,
    /// It comes back from a header field.
    InField(String),
    /// It comes back, with all these differences.
    Changed(Vec<Difference>),
    /// It does not come back.
    Lost(LossReason),
}

/// How what comes back differs from what was given, or when it does not come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Rounded up to whole seconds.
    WholeSeconds,
    /// A number or a list comes back as the text that it was written as; an empty one not at all.
    AsText,
    /// An empty text does not come back: it looks as no value does.
    UnlessEmpty,
    /// Not where a value holds one of these texts, at which it would have to be cut.
    Unless(Vec<String>),
    /// Only where the message is said: of a violation the rule's own text is said.
    UnlessReplaced,
    /// As the text that was said, be it the catalogue's or another.
    AsSaid,
    /// As the contract's style writes it.
    Restyled,
    /// Only the one that names the error.
    FirstAlone,
    /// Only those that the same error answers.
    SameErrorAlone,
    /// Those of one list come back as one, with their values joined.
    Collected,
    /// Gathered under their names: those of one name after each other.
    ByName,
    /// Of those of one name the first alone.
    FirstOfName,
    /// Only of the rules whose text shows it.
    WhereSaid,
    /// Only where the text cannot be that of another rule.
    WhereClear,
    /// Only of violations that stand there.
    Within(Vec<Location>),
    /// Not where the text can as well be the error's own message, said without a violation.
    UnlessMessage,
}

/// Why something does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
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

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fidelity::Kept => f.write_str("kept"),
            Fidelity::InField(name) => write!(f, "kept, in the field {name}"),
            Fidelity::Changed(changes) => {
                f.write_str("kept")?;
                changes.iter().try_for_each(|change| write!(f, ", {change}"))
            }
            Fidelity::Lost(why) => write!(f, "lost: {}", why.as_str()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Difference::WholeSeconds => "in whole seconds",
            Difference::AsText => "as text",
            Difference::UnlessEmpty => "unless it is empty",
            Difference::Unless(literals) => {
                let literals: Vec<String> = literals.iter().map(|literal| format!("{literal:?}")).collect();
                return write!(f, "unless a value holds {}", literals.join(" or "));
            }
            Difference::Within(locations) => {
                let locations: Vec<&str> = locations.iter().map(|location| location.as_str()).collect();
                return write!(f, "of violations in {}", locations.join(", "));
            }
            Difference::UnlessReplaced => "unless something else is said",
            Difference::AsSaid => "as the text that was said",
            Difference::Restyled => "in the contract's style",
            Difference::FirstAlone => "the first alone",
            Difference::SameErrorAlone => "those of the same error",
            Difference::Collected => "those of one list as one",
            Difference::ByName => "in the order of the names",
            Difference::FirstOfName => "the first of each name",
            Difference::WhereSaid => "where the rule's text shows it",
            Difference::WhereClear => "where the text cannot be another rule's",
            Difference::UnlessMessage => "unless the text can be the message",
        })
    }
}

impl LossReason {
    fn as_str(self) -> &'static str {
        match self {
            LossReason::NotShown => "nothing shows it",
            LossReason::Adjacent => "it stands beside another one, or in plural forms",
            LossReason::SharedText => "several rules have one text",
            LossReason::Open => "the API may say another message",
            LossReason::Twins => "another error can look the same",
        }
    }
}

impl Fidelity {
    /// One word: `kept` or `lost`.
    pub fn word(&self) -> &'static str {
        match self {
            Fidelity::Lost(_) => "lost",
            Fidelity::Kept | Fidelity::InField(_) | Fidelity::Changed(_) => "kept",
        }
    }

    /// The same, and this besides, unless all is lost already.
    fn and(self, changes: impl IntoIterator<Item = Difference>) -> Self {
        let mut all = match self {
            Fidelity::Kept => Vec::new(),
            Fidelity::Changed(known) => known,
            lost_or_in_field => return lost_or_in_field,
        };
        all.extend(changes);
        if all.is_empty() { Fidelity::Kept } else { Fidelity::Changed(all) }
    }
}

impl Contract {
    /// What becomes of each part of a problem that is rendered and parsed: first what all errors of a format share,
    /// then what is particular to one.
    pub fn round_trip_report(&self) -> Vec<FieldFidelity> {
        let mut losses = Vec::new();
        for (index, format) in self.formats.iter().enumerate() {
            let rows = self.of_format(index).into_iter();
            losses.extend(rows.map(|(error, part, fate)| FieldFidelity {
                format: format.name.clone(),
                error,
                part,
                fate,
            }));
        }
        for twins in self.ambiguous_pairs() {
            for error in [twins.first, twins.second] {
                let format = self.formats[self.entry(error).format].name.clone();
                let loss = FieldFidelity {
                    format,
                    error: Some(error),
                    part: "error".to_owned(),
                    fate: Fidelity::Lost(LossReason::Twins),
                };
                if !losses.contains(&loss) {
                    losses.push(loss);
                }
            }
        }
        losses
    }

    fn of_format(&self, format: usize) -> Vec<(Option<ErrorId>, String, Fidelity)> {
        let entries = || self.entries().filter(|(_, entry)| entry.format == format);
        if entries().next().is_none() {
            return Vec::new();
        }
        let certain = self.formats[format].shape.certain_slots();
        let shows = |slot: Slot| certain.iter().any(|used| used.slot == slot);
        let id = match shows(Slot::RequestId) {
            true => Fidelity::Kept,
            false => Fidelity::InField(self.request_id.field.clone()),
        };
        let delay = match shows(Slot::RetryAfter) {
            true => Fidelity::Changed(vec![Difference::WholeSeconds]),
            false => Fidelity::InField("retry-after".to_owned()),
        };
        let mut rows = vec![(None, "request_id".to_owned(), id), (None, "retry_after".to_owned(), delay)];
        let answering = entries().filter(|(error, _)| !self.parser.rules(*error).is_empty());
        let each = answering.map(|(error, entry)| (error, OfViolations::new(self, error, entry).fates()));
        let of_violations = shared(each.collect());
        rows.extend(of_violations.into_iter().map(|(error, part, fate)| (error, part.to_owned(), fate)));
        for (error, entry) in entries() {
            rows.extend(
                self.of_entry(error, entry).into_iter().map(|(part, fate)| (Some(error), part, fate)),
            );
        }
        rows
    }

    /// The parameters that an entry's own texts and the format name, and its open message.
    fn of_entry(&self, error: ErrorId, entry: &ErrorEntry) -> Vec<(String, Fidelity)> {
        let shape = self.shape(entry);
        let certain = shape.certain_slots();
        let shown = |slot: Slot| certain.iter().any(|used| used.slot == slot);
        let shows_message = shown(Slot::Message) || shown(Slot::Detail);
        let is_for_violations = !shown(Slot::Message) && !self.parser.rules(error).is_empty();
        let replaced = || is_for_violations.then_some(Difference::UnlessReplaced);
        let mut fates = Vec::new();
        if entry.open {
            let fate = match shows_message {
                true => Fidelity::Changed(vec![Difference::AsSaid]).and(replaced()),
                false => Fidelity::Lost(LossReason::NotShown),
            };
            fates.push(("message".to_owned(), fate));
        }
        let mut texts: Vec<&Template> = Vec::new();
        texts.extend(shown(Slot::Title).then_some(&entry.title));
        texts.extend(shows_message.then_some(&entry.message));
        texts.extend(entry.user_message.as_ref().filter(|_| shown(Slot::UserMessage)));
        for name in names(entry) {
            let parameter = TemplateParameter::Named(name.to_owned());
            let from_texts = texts.iter().map(|text| {
                let is_message = std::ptr::eq(*text, &entry.message);
                match of_text(text.pattern(), &parameter) {
                    _ if entry.open && is_message => Fidelity::Lost(LossReason::Open),
                    fate if is_message => fate.and(replaced()),
                    fate => fate,
                }
            });
            let fate = of_slots(name, &certain).unwrap_or_else(|| best(from_texts));
            fates.push((format!("params.{name}"), fate));
        }
        fates
    }
}

/// Of fates that each error has for each part: one row for what most have, and rows for those that differ.
fn shared(of_errors: Vec<(ErrorId, Fates)>) -> Vec<(Option<ErrorId>, &'static str, Fidelity)> {
    let Some((_, parts)) = of_errors.first() else { return Vec::new() };
    let mut common = Vec::with_capacity(parts.len());
    let mut particular = Vec::new();
    for (index, (part, _)) in parts.iter().enumerate() {
        let fates = || of_errors.iter().map(|(error, fates)| (*error, &fates[index].1));
        let with = |fate: &Fidelity| fates().filter(|(_, other)| *other == fate).count();
        // Of equally many the first one's.
        let Some((_, usual)) = fates().rev().max_by_key(|(_, fate)| with(fate)) else { continue };
        common.push((None, *part, usual.clone()));
        let differing = fates().filter(|(_, fate)| *fate != usual);
        particular.extend(differing.map(|(error, fate)| (Some(error), *part, fate.clone())));
    }
    common.append(&mut particular);
    common
}

/// The parameters that an entry declares or names in its texts.
fn names(entry: &ErrorEntry) -> Vec<&str> {
    let mut names: Vec<&str> = entry.params.iter().map(String::as_str).collect();
    let texts = [Some(&entry.title), Some(&entry.message), entry.user_message.as_ref()];
    for parameter in texts.into_iter().flatten().flat_map(Template::parameters) {
        if let TemplateParameter::Named(name) = parameter
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    names
}

/// What becomes of a parameter that has slots of its own in every answer.
fn of_slots(name: &str, certain: &[&SlotUse]) -> Option<Fidelity> {
    let is_of = |used: &&&SlotUse| matches!(&used.slot, Slot::Named(known) if known == name);
    let own: Vec<&&SlotUse> = certain.iter().filter(is_of).collect();
    if own.is_empty() {
        return None;
    }
    // One that keeps the kind of a value goes before one that does not.
    if own.iter().all(|used| used.as_string) {
        return Some(Fidelity::Changed(vec![Difference::AsText]));
    }
    let is_empty_for_none = own.iter().all(|used| used.absent_is_empty);
    Some(Fidelity::Kept.and(is_empty_for_none.then_some(Difference::UnlessEmpty)))
}

/// What becomes of a parameter in one text.
fn of_text(pattern: &TextPattern, parameter: &TemplateParameter) -> Fidelity {
    let Some(decidable) = pattern.decidable(parameter) else { return Fidelity::Lost(LossReason::NotShown) };
    match decidable {
        Decidable::Always => Fidelity::Changed(vec![Difference::AsText]),
        Decidable::Unless(literals) => {
            Fidelity::Changed(vec![Difference::AsText, Difference::Unless(literals)])
        }
        Decidable::Never => Fidelity::Lost(LossReason::Adjacent),
    }
}

/// Of several texts the one that gives the most back.
fn best(fates: impl Iterator<Item = Fidelity>) -> Fidelity {
    let rank = |fate: &Fidelity| match fate {
        Fidelity::Lost(LossReason::NotShown) => 0,
        Fidelity::Lost(_) => 1,
        // The less there is to be said against it, the more comes back.
        Fidelity::Changed(changes) => 8usize.saturating_sub(changes.len()).max(2),
        Fidelity::Kept | Fidelity::InField(_) => 8,
    };
    fates.max_by_key(rank).unwrap_or(Fidelity::Lost(LossReason::NotShown))
}
