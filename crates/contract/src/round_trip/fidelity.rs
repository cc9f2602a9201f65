//! Whether and how a part of a problem is recovered.

use std::fmt;

use crate::problem::Location;

/// Whether and how a part of a problem is recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fidelity {
    /// It is recovered unchanged.
    Kept,
    /// It is recovered from this header.
    InHeader(String),
    /// It is recovered with all these differences.
    Changed(Vec<Difference>),
    /// It is lost.
    Lost(LossReason),
}

/// How a recovered part differs from the original, or when it is not recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is rounded up to whole seconds.
    WholeSeconds,
    /// A number or a list is recovered as text, and an empty one is not recovered.
    AsText,
    /// An empty text is not recovered, because it looks like an absent value.
    UnlessEmpty,
    /// A value with one of these texts is not recovered, because its end would be uncertain.
    Unless(Vec<String>),
    /// It is recovered only if the response shows the message of the error, not that of a violation.
    UnlessReplaced,
    /// It is recovered as the rendered text, which can be the catalogue's or another.
    AsRendered,
    /// It is recovered in the style of the contract.
    Restyled,
    /// Only the violation that determines the error is recovered.
    FirstOnly,
    /// Only the violations that the same error answers are recovered.
    SameErrorOnly,
    /// Violations of one list are recovered as one, with their values joined.
    Collected,
    /// Violations are recovered in the order of the parameter names.
    ByName,
    /// Only the first violation of each parameter is recovered.
    FirstOfName,
    /// It is recovered only for rules whose text shows it.
    WhereShown,
    /// It is recovered only if no other rule can have the same text.
    WhereUnique,
    /// It is recovered only for violations in these locations.
    Within(Vec<Location>),
    /// It is not recovered if the text can also be the message of the error without a violation.
    UnlessMessage,
}

/// The reason why a part is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// No slot and no text shows it.
    NotShown,
    /// The text has no separator between it and another parameter, or it is part of a plural form.
    Adjacent,
    /// Several rules have the same text, and nothing else distinguishes them.
    SharedText,
    /// The API may replace the message, and the text does not show whether it did.
    Open,
    /// Another error can have the same response.
    AmbiguousError,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fidelity::Kept => f.write_str("kept"),
            Fidelity::InHeader(name) => write!(f, "kept, in the header `{name}`"),
            Fidelity::Changed(changes) => {
                f.write_str("kept")?;
                changes.iter().try_for_each(|change| write!(f, ", {change}"))
            }
            Fidelity::Lost(reason) => write!(f, "lost: {}", reason.as_str()),
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
                return write!(f, "unless a value contains {}", literals.join(" or "));
            }
            Difference::Within(locations) => {
                let locations: Vec<&str> = locations.iter().map(|location| location.as_str()).collect();
                return write!(f, "only for violations in {}", locations.join(", "));
            }
            Difference::UnlessReplaced => "unless a violation replaces the message",
            Difference::AsRendered => "as the rendered text",
            Difference::Restyled => "as a name in the `violations.field` style",
            Difference::FirstOnly => "only the first",
            Difference::SameErrorOnly => "only those of the same error",
            Difference::Collected => "those of one list as one",
            Difference::ByName => "in the order of parameter names",
            Difference::FirstOfName => "only the first of each parameter",
            Difference::WhereShown => "only if the text of the rule shows it",
            Difference::WhereUnique => "only if no other rule can have the same text",
            Difference::UnlessMessage => "unless the text can be the message of the error",
        })
    }
}

impl LossReason {
    fn as_str(self) -> &'static str {
        match self {
            LossReason::NotShown => "the response does not show it",
            LossReason::Adjacent => "no separator from another parameter, or part of a plural form",
            LossReason::SharedText => "several rules have the same text",
            LossReason::Open => "the API may replace the message",
            LossReason::AmbiguousError => "another error can look the same",
        }
    }
}

impl Fidelity {
    /// One word: `kept` or `lost`.
    pub fn word(&self) -> &'static str {
        match self {
            Fidelity::Lost(_) => "lost",
            Fidelity::Kept | Fidelity::InHeader(_) | Fidelity::Changed(_) => "kept",
        }
    }

    /// The differences or the reason in one short line, for a table. Empty for [`Fidelity::Kept`].
    ///
    /// Unlike [`Display`](fmt::Display), it does not list the texts that a value must not contain.
    pub fn reason(&self) -> String {
        match self {
            Fidelity::Kept => String::new(),
            Fidelity::InHeader(name) => format!("in the header `{name}`"),
            Fidelity::Lost(reason) => reason.as_str().to_owned(),
            Fidelity::Changed(changes) => {
                let has = |change| changes.contains(&change);
                let is_both = has(Difference::WhereShown) && has(Difference::WhereUnique);
                let phrase = |change: &Difference| match change {
                    Difference::Unless(_) => "unless the value contains words of the message".to_owned(),
                    Difference::WhereShown if is_both => "if the message shows it and is unique".to_owned(),
                    Difference::WhereShown => "if the message shows it".to_owned(),
                    Difference::UnlessMessage => "unless it looks like the message of the error".to_owned(),
                    Difference::WhereUnique => "if the message is unique".to_owned(),
                    other => other.to_string(),
                };
                let is_told = |change: &&Difference| !(is_both && **change == Difference::WhereUnique);
                let (unless, others): (Vec<_>, Vec<_>) = changes
                    .iter()
                    .filter(is_told)
                    .partition(|change| matches!(change, Difference::Unless(_)));
                let phrases: Vec<String> = others.into_iter().chain(unless).map(phrase).collect();
                phrases.join(", ")
            }
        }
    }

    /// Adds differences, unless the part is lost or in a header.
    pub(super) fn and(self, changes: impl IntoIterator<Item = Difference>) -> Self {
        let mut all = match self {
            Fidelity::Kept => Vec::new(),
            Fidelity::Changed(known) => known,
            lost_or_in_header => return lost_or_in_header,
        };
        all.extend(changes);
        if all.is_empty() { Fidelity::Kept } else { Fidelity::Changed(all) }
    }
}

/// The best fidelity of several.
pub(super) fn best(fidelities: impl Iterator<Item = Fidelity>) -> Fidelity {
    let rank = |fidelity: &Fidelity| match fidelity {
        Fidelity::Lost(LossReason::NotShown) => 0,
        Fidelity::Lost(_) => 1,
        // The fewer differences, the better.
        Fidelity::Changed(changes) => 8usize.saturating_sub(changes.len()).max(2),
        Fidelity::Kept | Fidelity::InHeader(_) => 8,
    };
    fidelities.max_by_key(rank).unwrap_or(Fidelity::Lost(LossReason::NotShown))
}
