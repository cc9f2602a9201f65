//! The round-trip report: which parts of a rendered problem a client can recover by parsing, and which are lost.
//!
//! The report follows from the formats and texts alone, so it is known when a contract is loaded. `demur check` prints it as
//! a table.

mod fidelity;
mod violations;

use crate::catalogue::{ErrorEntry, ErrorId};
use crate::contract::Contract;
use crate::format::{Slot, SlotUse};
use crate::parse::{Decidable, TextPattern};
use crate::template::{Template, TemplateParameter};
use fidelity::best;
pub use fidelity::{Difference, Fidelity, LossReason};
use violations::{Parts, ViolationReport};

/// One row of the round-trip report: the fidelity of one part of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFidelity {
    /// The name of the format.
    pub format: String,
    /// The error; `None` for all errors of the format without a row of their own for the part.
    pub error: Option<ErrorId>,
    /// The part: `request_id`, `params.item`, `violation.rule`, …
    pub part: String,
    /// Whether and how the part is recovered.
    pub fidelity: Fidelity,
}

impl Contract {
    /// The round-trip report: for each format the rows that apply to all its errors, then those of single errors.
    pub fn round_trip_report(&self) -> Vec<FieldFidelity> {
        let mut report = Vec::new();
        for (index, format) in self.formats.iter().enumerate() {
            let rows = self.of_format(index).into_iter();
            report.extend(rows.map(|(error, part, fidelity)| FieldFidelity {
                format: format.name.clone(),
                error,
                part,
                fidelity,
            }));
        }
        for pair in self.ambiguous_pairs() {
            for error in [pair.first, pair.second] {
                let format = self.formats[self.entry(error).format].name.clone();
                let row = FieldFidelity {
                    format,
                    error: Some(error),
                    part: "error".to_owned(),
                    fidelity: Fidelity::Lost(LossReason::AmbiguousError),
                };
                if !report.contains(&row) {
                    report.push(row);
                }
            }
        }
        report
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
            false => Fidelity::InHeader(self.request_id.header.clone()),
        };
        let delay = match shows(Slot::RetryAfter) || shows(Slot::RetryDelay) {
            true => Fidelity::Changed(vec![Difference::WholeSeconds]),
            false => Fidelity::InHeader("retry-after".to_owned()),
        };
        let mut rows = vec![(None, "request_id".to_owned(), id), (None, "retry_after".to_owned(), delay)];
        let answering = entries().filter(|(error, _)| !self.parser.rules(*error).is_empty());
        let each = answering.map(|(error, entry)| (error, ViolationReport::new(self, error, entry).parts()));
        let of_violations = merge_rows(each.collect());
        rows.extend(
            of_violations.into_iter().map(|(error, part, fidelity)| (error, part.to_owned(), fidelity)),
        );
        for (error, entry) in entries() {
            rows.extend(
                self.of_entry(error, entry).into_iter().map(|(part, fidelity)| (Some(error), part, fidelity)),
            );
        }
        rows
    }

    /// The rows of an entry: its open message, and the parameters that its texts and its format show.
    fn of_entry(&self, error: ErrorId, entry: &ErrorEntry) -> Vec<(String, Fidelity)> {
        let shape = self.shape(entry);
        let certain = shape.certain_slots();
        let shows = |slot: Slot| certain.iter().any(|used| used.slot == slot);
        let shows_message = shows(Slot::Message) || shows(Slot::Detail);
        let is_for_violations = !shows(Slot::Message) && !self.parser.rules(error).is_empty();
        let replaced = || is_for_violations.then_some(Difference::UnlessReplaced);
        let mut rows = Vec::new();
        if entry.open {
            let fidelity = match shows_message {
                true => Fidelity::Changed(vec![Difference::AsRendered]).and(replaced()),
                false => Fidelity::Lost(LossReason::NotShown),
            };
            rows.push(("message".to_owned(), fidelity));
        }
        let mut texts: Vec<&Template> = Vec::new();
        texts.extend(shows(Slot::Title).then_some(&entry.title));
        texts.extend(shows_message.then_some(&entry.message));
        texts.extend(entry.user_message.as_ref().filter(|_| shows(Slot::UserMessage)));
        for name in names(entry) {
            let parameter = TemplateParameter::Named(name.to_owned());
            let from_texts = texts.iter().map(|text| {
                let is_message = std::ptr::eq(*text, &entry.message);
                match of_text(text.pattern(), &parameter) {
                    _ if entry.open && is_message => Fidelity::Lost(LossReason::Open),
                    fidelity if is_message => fidelity.and(replaced()),
                    fidelity => fidelity,
                }
            });
            let fidelity = of_slots(name, &certain).unwrap_or_else(|| best(from_texts));
            rows.push((format!("params.{name}"), fidelity));
        }
        rows
    }
}

/// Merges the rows of all errors: one row per part for what most errors have, and rows for the errors that differ.
fn merge_rows(of_errors: Vec<(ErrorId, Parts)>) -> Vec<(Option<ErrorId>, &'static str, Fidelity)> {
    let Some((_, parts)) = of_errors.first() else { return Vec::new() };
    let mut common = Vec::with_capacity(parts.len());
    let mut particular = Vec::new();
    for (index, (part, _)) in parts.iter().enumerate() {
        let rows = || of_errors.iter().map(|(error, parts)| (*error, &parts[index].1));
        let count = |fidelity: &Fidelity| rows().filter(|(_, other)| *other == fidelity).count();
        // In a tie, the first error wins.
        let Some((_, most_common)) = rows().rev().max_by_key(|(_, fidelity)| count(fidelity)) else {
            continue;
        };
        common.push((None, *part, most_common.clone()));
        let differing = rows().filter(|(_, fidelity)| *fidelity != most_common);
        particular.extend(differing.map(|(error, fidelity)| (Some(error), *part, fidelity.clone())));
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

/// The fidelity of a parameter that has slots of its own in every response.
fn of_slots(name: &str, certain: &[&SlotUse]) -> Option<Fidelity> {
    let is_of = |used: &&&SlotUse| matches!(&used.slot, Slot::Named(known) if known == name);
    let own: Vec<&&SlotUse> = certain.iter().filter(is_of).collect();
    if own.is_empty() {
        return None;
    }
    // The parser prefers a slot that keeps the type of the value.
    if own.iter().all(|used| used.as_string) {
        return Some(Fidelity::Changed(vec![Difference::AsText]));
    }
    let is_empty_for_none = own.iter().all(|used| used.absent_is_empty);
    Some(Fidelity::Kept.and(is_empty_for_none.then_some(Difference::UnlessEmpty)))
}

/// The fidelity of a parameter in one text.
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
