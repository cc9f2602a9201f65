//! Text → parameters: a message template read backwards.
//!
//! A pattern is literals with gaps between them. A text may be cut at the literals in several ways, where a value
//! holds a literal; then nothing is given back. The leftmost and the rightmost cut tell: every other lies
//! between them, so where both are one there is no other. That takes linear time, and is never a guess.

use crate::template::{ListStyle, Segment, TemplateParameter};

/// The most gaps that are told apart; with more, a text is recognised and none of its values given back.
pub(crate) const MAX_GAPS: usize = 8;

/// A template, as texts are held against it: `first (gap literal)*`, the last literal perhaps empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TextPattern {
    first: String,
    rest: Vec<(Gap, String)>,
    /// What the text may be instead: one for each choice of plural forms.
    others: Vec<TextPattern>,
    /// Whether no gap holds several parameters.
    is_parted: bool,
}

/// Parameters with no literal between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Gap {
    pub(crate) parameters: Vec<TemplateParameter>,
    /// Whether lists are quoted here: then the text is another one than elsewhere.
    pub(crate) is_quoted: bool,
}

/// Whether the values of a template's gaps come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decidable {
    /// Always: nothing else could have filled the gap.
    Always,
    /// Unless a value holds one of these literals.
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

/// Where the gaps of a recognised text are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captures {
    /// Whether no other cut makes the same text.
    pub(crate) is_only: bool,
    /// Which of the pattern's alternatives it is: 0 is the pattern itself.
    which: usize,
    spans: [(u32, u32); MAX_GAPS],
    count: usize,
}

impl Captures {
    const NONE: Self = Self { is_only: true, which: 0, spans: [(0, 0); MAX_GAPS], count: 0 };

    /// What stands in each gap of `text`; nothing where that is not certain.
    pub(crate) fn texts<'t>(&self, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
        let certain = if self.is_only { self.count } else { 0 };
        let spans = self.spans;
        (0..certain).map(move |index| (index, &text[spans[index].0 as usize..spans[index].1 as usize]))
    }
}

impl Gap {
    /// Its parameter, where nobody else's value can stand there.
    pub(crate) fn only(&self) -> Option<&TemplateParameter> {
        match self.parameters.as_slice() {
            [parameter] => Some(parameter),
            _ => None,
        }
    }
}

impl TextPattern {
    /// A pattern for whatever one of these sequences makes. The last comes first: of plural forms it is `other`.
    pub(crate) fn of_any(sequences: &[Vec<&Segment>]) -> Self {
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
        let is_parted = pattern.gaps().all(|gap| gap.only().is_some());
        pattern.is_parted = is_parted;
        pattern
    }

    fn new(segments: &[&Segment]) -> Self {
        let mut pattern = Self::default();
        for segment in segments {
            match segment {
                Segment::Literal { plain, .. } => pattern.literal(plain),
                Segment::Parameter { name, style } => pattern.parameter(name, *style == ListStyle::Quoted),
                // A sequence has none: they are taken apart before.
                Segment::Plural(plural) => pattern.parameter(&plural.parameter, false),
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

    /// Whether each of its gaps, and of its alternatives', is of one parameter alone.
    pub(crate) fn is_parted(&self) -> bool {
        self.is_parted
    }

    /// The gap that was captured as this one.
    pub(crate) fn gap(&self, captures: &Captures, index: usize) -> &Gap {
        let pattern = captures.which.checked_sub(1).map_or(self, |other| &self.others[other]);
        &pattern.rest[index].0
    }

    /// Itself, and what the text may be instead.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &TextPattern> {
        std::iter::once(self).chain(&self.others)
    }

    /// Its own literals, without those of its alternatives.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, literal)| literal)).map(String::as_str)
    }

    /// Every gap, of all alternatives.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.alternatives().flat_map(|pattern| &pattern.rest).map(|(gap, _)| gap)
    }

    /// The same pattern with the parameters that `known` knows written out.
    pub(crate) fn knowing<'k>(&self, known: &dyn Fn(&TemplateParameter) -> Option<&'k str>) -> Self {
        let others = self.others.iter().map(|other| other.knowing(known)).collect();
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

    /// Whether the text begins and ends as one that came from here.
    pub(crate) fn may_be(&self, text: &str) -> bool {
        self.inside(text).is_some() || self.others.iter().any(|pattern| pattern.inside(text).is_some())
    }

    /// Where the gaps are, if this text can have come from here.
    pub(crate) fn captures(&self, text: &str) -> Option<Captures> {
        let own = self.own_captures(text);
        if self.others.is_empty() {
            return own;
        }
        let others = self.others.iter().enumerate().filter_map(|(index, other)| {
            let captures = other.own_captures(text)?;
            Some(Captures { which: index + 1, ..captures })
        });
        let mut fitting = own.into_iter().chain(others);
        let first = fitting.next()?;
        // Of two alternatives nobody can say which one it was.
        Some(Captures { is_only: first.is_only && fitting.next().is_none(), ..first })
    }

    /// What stands between the first literal and the last one. Single bytes are compared before texts are: that
    /// tells nearly always.
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
        let fits = is_same(&bytes[..first.len()], first) && is_same(&bytes[end..], last);
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
            captures.is_only = false;
            return self.fits(inside, inner).then_some(captures);
        }
        // The leftmost cut.
        let mut from = 0;
        for (index, (_, literal)) in inner.iter().enumerate() {
            let at = from + find(&inside.as_bytes()[from..], literal)?;
            captures.spans[index] = ((offset + from) as u32, (offset + at) as u32);
            from = at + literal.len();
        }
        captures.spans[inner.len()] = ((offset + from) as u32, (offset + inside.len()) as u32);
        if let [(_, literal)] = inner {
            // With one literal the cut is the only one where it does not come again, overlapping or not.
            let at = captures.spans[0].1 as usize - offset;
            captures.is_only = find(&inside.as_bytes()[at + 1..], literal).is_none();
            return Some(captures);
        }
        // The rightmost one.
        let mut to = inside.len();
        for (index, (_, literal)) in inner.iter().enumerate().rev() {
            let at = rfind(&inside.as_bytes()[..to], literal)?;
            captures.is_only &= captures.spans[index].1 as usize == offset + at;
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

    /// Whether the value of the gap can be told from a text, whatever the other gaps hold.
    pub(crate) fn decidable(&self, parameter: &TemplateParameter) -> Option<Decidable> {
        let of = |pattern: &Self| {
            let gap = pattern.rest.iter().position(|(gap, _)| gap.parameters.contains(parameter))?;
            Some(pattern.own_decidable(gap))
        };
        if self.others.is_empty() {
            return of(self);
        }
        // A form may leave the value out, and another may make the same text.
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

    /// Whether some text can have come from both. May say [`Overlap::Sometimes`] where there is none: it looks at how
    /// texts begin and end, and at whole ones where a pattern has no gaps.
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
                let begins_alike =
                    self.first.starts_with(&other.first) || other.first.starts_with(&self.first);
                let ends_alike = end.ends_with(other_end.as_str()) || other_end.ends_with(end.as_str());
                match begins_alike && ends_alike {
                    true if self.literals().eq(other.literals()) => Overlap::Always,
                    true => Overlap::Sometimes,
                    false => Overlap::Never,
                }
            }
        }
    }
}

/// Whether two pieces of one length are the same.
///
/// Not by the system's comparison: many literals are empty, and an empty text lies nowhere. A `memcmp` with masked vectors
/// loads from there all the same, and the processor takes some 100 ns to find that no byte was asked for (glibc 2.36,
/// AVX-512): a third of what it took to read an answer.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((ones, rest), (others, others_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    ones.iter().zip(others).all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && rest.iter().zip(others_rest).all(|(one, other)| one == other)
}

/// Texts up to here are searched step by step: preparing a search costs more than it saves.
const SHORT: usize = 256;

/// Where the literal, which is not empty, comes first. UTF-8 lets bytes be compared: no character begins within another.
fn find(text: &[u8], literal: &str) -> Option<usize> {
    let wanted = literal.as_bytes();
    if text.len() > SHORT {
        return memchr::memmem::find(text, wanted);
    }
    places(text, wanted)?.find(|at| comes_at(text, *at, wanted))
}

/// Where it comes last.
fn rfind(text: &[u8], literal: &str) -> Option<usize> {
    let wanted = literal.as_bytes();
    if text.len() > SHORT {
        return memchr::memmem::rfind(text, wanted);
    }
    places(text, wanted)?.rfind(|at| comes_at(text, *at, wanted))
}

fn places(text: &[u8], wanted: &[u8]) -> Option<std::ops::RangeInclusive<usize>> {
    Some(0..=text.len().checked_sub(wanted.len())?)
}

/// Both ends first: most literals begin with a space, as most words do.
fn comes_at(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    let part = &text[at..at + wanted.len()];
    part.first() == wanted.first() && part.last() == wanted.last() && is_same(part, wanted)
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
    fn values_come_back_where_one_cut_alone_is_possible() {
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
    fn what_is_known_cuts_the_rest() {
        let pattern = pattern("{a}: {b}")
            .knowing(&|name| (*name == TemplateParameter::Named("a".into())).then_some("x: y"));
        let text = "x: y: z";
        assert_eq!(pattern.captures(text).unwrap().texts(text).collect::<Vec<_>>(), [(0, "z")]);
    }

    #[test]
    fn decidability_is_known_before_any_text() {
        let b = TemplateParameter::Named("b".into());
        assert_eq!(pattern("a {b} c").decidable(&b), Some(Decidable::Always));
        assert_eq!(pattern("{a}: {b}").decidable(&b), Some(Decidable::Unless(vec![": ".into()])));
        assert_eq!(pattern("{a}{b}").decidable(&b), Some(Decidable::Never));
    }

    #[test]
    fn patterns_overlap_where_one_text_can_be_both() {
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
