//! Text patterns: recover the parameters from a rendered message.
//!
//! A pattern consists of literals with gaps between them. If a value contains a literal, there are several ways to split the
//! text, and no value is returned. To detect this in linear time, the leftmost and the rightmost split are compared: every
//! other split lies between them, so if both are equal, the split is unique.

use super::search::{find, is_equal, rfind};
use crate::template_parameter::TemplateParameter;

/// The maximum number of gaps whose values are captured. A pattern with more gaps matches, but captures nothing.
pub(crate) const MAX_GAPS: usize = 8;

/// The pattern of a template: `first (gap literal)*`, where the last literal can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TextPattern {
    first: String,
    rest: Vec<(Gap, String)>,
    /// The alternatives: one pattern for each other combination of plural forms.
    others: Vec<TextPattern>,
    /// Whether each gap has a single parameter.
    is_separated: bool,
}

/// One parameter, or several without a literal between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Gap {
    pub(crate) parameters: Vec<TemplateParameter>,
    /// Whether lists are quoted, so that the text differs from that of other gaps.
    pub(crate) is_quoted: bool,
}

/// A part of a template without plurals.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PatternPart<'t> {
    /// Text.
    Literal(&'t str),
    /// A parameter, and whether it is a list in quotes.
    Parameter { name: &'t TemplateParameter, is_quoted: bool },
}

/// Whether the value of a parameter can be recovered from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decidable {
    /// Always.
    Always,
    /// Unless a value contains one of these literals.
    Unless(Vec<String>),
    /// Never.
    Never,
}

/// Whether two patterns can make the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Overlap {
    Never,
    Sometimes,
    Always,
}

/// The positions of the gaps in a matched text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captures {
    /// Whether there is only one way to split the text.
    pub(crate) is_unique: bool,
    /// The index of the alternative; 0 is the pattern itself.
    alternative: usize,
    spans: [(u32, u32); MAX_GAPS],
    count: usize,
}

impl Captures {
    const NONE: Self = Self { is_unique: true, alternative: 0, spans: [(0, 0); MAX_GAPS], count: 0 };

    /// The texts of the gaps; none if the split is not unique.
    pub(crate) fn texts<'t>(&self, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
        let count = if self.is_unique { self.count } else { 0 };
        let spans = self.spans;
        (0..count).map(move |index| (index, &text[spans[index].0 as usize..spans[index].1 as usize]))
    }
}

impl Gap {
    /// The parameter, if the gap has only one.
    pub(crate) fn only(&self) -> Option<&TemplateParameter> {
        match self.parameters.as_slice() {
            [parameter] => Some(parameter),
            _ => None,
        }
    }
}

impl TextPattern {
    /// The pattern that matches the text of any of these sequences. The last sequence, with the forms `other`, comes first.
    pub(crate) fn of_any(sequences: &[Vec<PatternPart<'_>>]) -> Self {
        let mut patterns: Vec<Self> = Vec::new();
        for sequence in sequences.iter().rev() {
            let pattern = Self::new(sequence);
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        if patterns.is_empty() {
            return Self::default();
        }
        let mut pattern = patterns.remove(0);
        pattern.others = patterns;
        let is_separated = pattern.gaps().all(|gap| gap.only().is_some());
        pattern.is_separated = is_separated;
        pattern
    }

    fn new(parts: &[PatternPart<'_>]) -> Self {
        let mut pattern = Self::default();
        for part in parts {
            match part {
                PatternPart::Literal(text) => pattern.literal(text),
                PatternPart::Parameter { name, is_quoted } => pattern.parameter(name, *is_quoted),
            }
        }
        pattern
    }

    fn literal(&mut self, text: &str) {
        match self.rest.last_mut() {
            Some((_, literal)) => literal.push_str(text),
            None => self.first.push_str(text),
        }
    }

    fn parameter(&mut self, name: &TemplateParameter, is_quoted: bool) {
        match self.rest.last_mut() {
            Some((gap, literal)) if literal.is_empty() => {
                gap.parameters.push(name.clone());
                gap.is_quoted |= is_quoted;
            }
            _ => self.rest.push((Gap { parameters: vec![name.clone()], is_quoted }, String::new())),
        }
    }

    /// Whether each gap of the pattern and its alternatives has a single parameter.
    pub(crate) fn is_separated(&self) -> bool {
        self.is_separated
    }

    /// The gap with this index in the captured alternative.
    pub(crate) fn gap(&self, captures: &Captures, index: usize) -> &Gap {
        let pattern = captures.alternative.checked_sub(1).map_or(self, |other| &self.others[other]);
        &pattern.rest[index].0
    }

    /// The pattern itself and its alternatives.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &TextPattern> {
        std::iter::once(self).chain(&self.others)
    }

    /// The literals, without those of the alternatives.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, literal)| literal)).map(String::as_str)
    }

    /// The gaps of all alternatives.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.alternatives().flat_map(|pattern| &pattern.rest).map(|(gap, _)| gap)
    }

    /// The same pattern, with the values that `known` returns inserted as literals.
    pub(crate) fn with_known<'k>(&self, known: &dyn Fn(&TemplateParameter) -> Option<&'k str>) -> Self {
        let others = self.others.iter().map(|other| other.with_known(known)).collect();
        let mut pattern = Self { first: self.first.clone(), others, ..Self::default() };
        for (gap, literal) in &self.rest {
            for parameter in &gap.parameters {
                match known(parameter).filter(|_| !gap.is_quoted) {
                    Some(text) => pattern.literal(text),
                    None => pattern.parameter(parameter, gap.is_quoted),
                }
            }
            pattern.literal(literal);
        }
        pattern
    }

    /// Whether the text starts and ends like one that matches.
    pub(crate) fn may_match(&self, text: &str) -> bool {
        self.inside(text).is_some() || self.others.iter().any(|pattern| pattern.inside(text).is_some())
    }

    /// Matches a text and returns the positions of the gaps.
    pub(crate) fn captures(&self, text: &str) -> Option<Captures> {
        let own = self.own_captures(text);
        if self.others.is_empty() {
            return own;
        }
        let others = self.others.iter().enumerate().filter_map(|(index, other)| {
            let captures = other.own_captures(text)?;
            Some(Captures { alternative: index + 1, ..captures })
        });
        let mut matching = own.into_iter().chain(others);
        let first = matching.next()?;
        // If two alternatives match, neither is certain.
        Some(Captures { is_unique: first.is_unique && matching.next().is_none(), ..first })
    }

    /// The text between the first and the last literal. Single bytes are compared first, since they nearly always decide.
    fn inside<'t>(&self, text: &'t str) -> Option<&'t str> {
        let last = self.rest.last().map_or("", |(_, literal)| literal).as_bytes();
        let (first, bytes) = (self.first.as_bytes(), text.as_bytes());
        let is_near = (first.is_empty() || bytes.first() == first.first())
            && (last.is_empty() || bytes.last() == last.last());
        let is_long_enough = bytes.len() >= first.len() + last.len();
        if !is_near || !is_long_enough {
            return None;
        }
        let end = bytes.len() - last.len();
        let fits = is_equal(&bytes[..first.len()], first) && is_equal(&bytes[end..], last);
        if fits { text.get(first.len()..end) } else { None }
    }

    fn own_captures(&self, text: &str) -> Option<Captures> {
        let mut captures = Captures::NONE;
        let Some((_, inner)) = self.rest.split_last() else {
            return (text == self.first).then_some(captures);
        };
        let inside = self.inside(text)?;
        let offset = self.first.len();
        captures.count = self.rest.len();
        if self.rest.len() > MAX_GAPS || u32::try_from(text.len()).is_err() {
            captures.is_unique = false;
            return self.fits(inside, inner).then_some(captures);
        }
        // The leftmost split.
        let mut from = 0;
        for (index, (_, literal)) in inner.iter().enumerate() {
            let at = from + find(&inside.as_bytes()[from..], literal)?;
            captures.spans[index] = ((offset + from) as u32, (offset + at) as u32);
            from = at + literal.len();
        }
        captures.spans[inner.len()] = ((offset + from) as u32, (offset + inside.len()) as u32);
        if let [(_, literal)] = inner {
            // With one literal, the split is unique if the literal does not occur again, overlapping or not.
            let at = captures.spans[0].1 as usize - offset;
            captures.is_unique = find(&inside.as_bytes()[at + 1..], literal).is_none();
            return Some(captures);
        }
        // The rightmost split.
        let mut to = inside.len();
        for (index, (_, literal)) in inner.iter().enumerate().rev() {
            let at = rfind(&inside.as_bytes()[..to], literal)?;
            captures.is_unique &= captures.spans[index].1 as usize == offset + at;
            to = at;
        }
        Some(captures)
    }

    fn fits(&self, inside: &str, inner: &[(Gap, String)]) -> bool {
        let mut rest = inside.as_bytes();
        inner.iter().all(|(_, literal)| match find(rest, literal) {
            Some(at) => {
                rest = &rest[at + literal.len()..];
                true
            }
            None => false,
        })
    }

    /// Whether the value of a parameter can be recovered, for any values of the other parameters.
    pub(crate) fn decidable(&self, parameter: &TemplateParameter) -> Option<Decidable> {
        let of = |pattern: &Self| {
            let gap = pattern.rest.iter().position(|(gap, _)| gap.parameters.contains(parameter))?;
            Some(pattern.own_decidable(gap))
        };
        if self.others.is_empty() {
            return of(self);
        }
        // A plural form may omit the value, and another form may make the same text.
        let each = self.alternatives().map(of);
        each.into_iter().any(|decidable| decidable.is_some()).then_some(Decidable::Never)
    }

    fn own_decidable(&self, gap: usize) -> Decidable {
        if self.rest.len() > MAX_GAPS || self.rest[gap].0.parameters.len() > 1 {
            return Decidable::Never;
        }
        let mut literals: Vec<String> =
            self.rest[..self.rest.len() - 1].iter().map(|(_, literal)| literal.clone()).collect();
        literals.dedup();
        if literals.is_empty() { Decidable::Always } else { Decidable::Unless(literals) }
    }

    /// Whether both patterns can match the same text. The result can be [`Overlap::Sometimes`] although there is no such
    /// text, because only the start and the end are compared, unless a pattern has no gaps.
    pub(crate) fn overlap(&self, other: &Self) -> Overlap {
        if self.others.is_empty() && other.others.is_empty() {
            return self.own_overlap(other);
        }
        if self == other {
            return Overlap::Always;
        }
        let pairs = self.alternatives().flat_map(|one| other.alternatives().map(|two| one.own_overlap(two)));
        pairs.max().unwrap_or(Overlap::Never).min(Overlap::Sometimes)
    }

    fn own_overlap(&self, other: &Self) -> Overlap {
        match (self.rest.last(), other.rest.last()) {
            (None, None) if self.first == other.first => Overlap::Always,
            (None, None) => Overlap::Never,
            (None, Some(_)) if other.own_captures(&self.first).is_some() => Overlap::Sometimes,
            (Some(_), None) if self.own_captures(&other.first).is_some() => Overlap::Sometimes,
            (None, Some(_)) | (Some(_), None) => Overlap::Never,
            (Some((_, end)), Some((_, other_end))) => {
                let same_start = self.first.starts_with(&other.first) || other.first.starts_with(&self.first);
                let same_end = end.ends_with(other_end.as_str()) || other_end.ends_with(end.as_str());
                match same_start && same_end {
                    true if self.literals().eq(other.literals()) => Overlap::Always,
                    true => Overlap::Sometimes,
                    false => Overlap::Never,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn pattern(text: &str) -> TextPattern {
        Template::parse(text).unwrap().pattern().clone()
    }

    fn read(template: &str, text: &str) -> Option<Vec<String>> {
        let captures = pattern(template).captures(text)?;
        Some(captures.texts(text).map(|(_, value)| value.to_owned()).collect())
    }

    #[test]
    fn captures_values_only_if_the_split_is_unique() {
        for (template, text, values) in [
            (
                "'{field}' must be at most '{limit}'.",
                "'Limit' must be at most '100'.",
                Some(vec!["Limit", "100"]),
            ),
            ("'{field}' must be at most '{limit}'.", "'Limit' must be at least '100'.", None),
            ("{a} is gone", "x is gone is gone", Some(vec!["x is gone"])),
            ("{a}", "", Some(vec![""])),
            ("{a}: {b}", "x: y", Some(vec!["x", "y"])),
            ("{a}: {b}", "x: y: z", Some(vec![])),
            ("{a}aa{b}", "aaa", Some(vec![])),
            ("{a}{b}!", "xy!", Some(vec!["xy"])),
            ("aa{a}aa", "aaa", None),
            ("é{a}é", "éüé", Some(vec!["ü"])),
            ("plain", "plain", Some(vec![])),
            ("plain", "plainer", None),
        ] {
            let expected = values.map(|values: Vec<&str>| values.into_iter().map(str::to_owned).collect());
            assert_eq!(read(template, text), expected, "{template} {text}");
        }
    }

    #[test]
    fn known_values_make_the_split_unique() {
        let pattern = pattern("{a}: {b}")
            .with_known(&|name| (*name == TemplateParameter::Named("a".into())).then_some("x: y"));
        let text = "x: y: z";
        assert_eq!(pattern.captures(text).unwrap().texts(text).collect::<Vec<_>>(), [(0, "z")]);
    }

    #[test]
    fn decidable_depends_on_the_literals_between_gaps() {
        let b = TemplateParameter::Named("b".into());
        assert_eq!(pattern("a {b} c").decidable(&b), Some(Decidable::Always));
        assert_eq!(pattern("{a}: {b}").decidable(&b), Some(Decidable::Unless(vec![": ".into()])));
        assert_eq!(pattern("{a}{b}").decidable(&b), Some(Decidable::Never));
    }

    #[test]
    fn patterns_overlap_if_both_can_match_a_text() {
        for (one, other, overlap) in [
            ("a", "a", Overlap::Always),
            ("a", "b", Overlap::Never),
            ("a {x}", "a b", Overlap::Sometimes),
            ("a {x}", "b", Overlap::Never),
            ("a {x}", "b {x}", Overlap::Never),
            ("{x} a", "{x} b", Overlap::Never),
            ("{x} a", "{y} a", Overlap::Always),
            ("{x} a", "b {y}", Overlap::Sometimes),
        ] {
            assert_eq!(pattern(one).overlap(&pattern(other)), overlap, "{one} | {other}");
            assert_eq!(pattern(other).overlap(&pattern(one)), overlap, "{other} | {one}");
        }
    }
}
