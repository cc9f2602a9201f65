//! What an answer tells, gathered from its slots and texts: each value once, and nothing that contradicts it.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::RecoveredViolation;
use super::pattern::{Captures, TextPattern};
use super::tape::digits;
use crate::problem::Value;
use crate::template::TemplateParameter;

/// What an entry found in the answer that can be its own.
#[derive(Debug, Default)]
pub(super) struct CapturedValues<'a> {
    /// What texts gave back, by the parameter's name, and whether as a list with quotes.
    pub(super) texts: SmallVec<[(&'a str, Cow<'a, str>, bool); 2]>,
    /// What `$params.NAME` gave back, and whether as a string whatever it was.
    pub(super) values: Vec<(&'a str, Value, bool)>,
    pub(super) message: Option<Cow<'a, str>>,
    /// Whether an open message turned out to be the catalogue's.
    pub(super) is_catalogues: bool,
    pub(super) request_id: Option<Cow<'a, str>>,
    pub(super) retry_after: Option<u64>,
    pub(super) violations: Vec<RecoveredViolation<'a>>,
}

impl<'a> CapturedValues<'a> {
    /// Notes what a text of the error's own tells; `false` where it is none. What it says of the violation at hand differs
    /// from item to item of a list, and is not noted there.
    #[expect(clippy::ptr_arg, reason = "whether it borrows is the point")]
    pub(super) fn cut(&mut self, pattern: &'a TextPattern, text: &Cow<'a, str>, is_of_item: bool) -> bool {
        let is_passed_over = |parameter: &TemplateParameter| is_of_item && parameter.is_of_violation();
        let known = |parameter: &TemplateParameter| {
            if is_passed_over(parameter) {
                return None;
            }
            let known = |(name, _, is_quoted): &&(&str, _, bool)| *name == parameter.as_str() && !is_quoted;
            self.texts.iter().find(known).map(|(_, value, _)| value.as_ref())
        };
        let Some(captures) = pattern.captures(text) else { return false };
        let Some(resolved) = resolve(pattern, captures, text, known) else { return false };
        tell(pattern, &resolved, text, |parameter, value, is_quoted| match parameter {
            TemplateParameter::RequestId => self.id(value),
            // A text without a delay says 0, which no delay is.
            TemplateParameter::RetryAfter if value == "0" => true,
            TemplateParameter::RetryAfter => digits(&value).is_some_and(|seconds| self.seconds(seconds)),
            other if is_passed_over(other) => true,
            other => self.bind(other.as_str(), value, is_quoted),
        })
    }

    /// Notes a value; `false` where another one is known, so that the texts contradict each other. A list that is quoted
    /// in one text and not in another is no contradiction, and comes back as it is without quotes.
    pub(super) fn bind(&mut self, name: &'a str, value: Cow<'a, str>, is_quoted: bool) -> bool {
        match self.texts.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, known, was_quoted)) if *was_quoted == is_quoted => return *known == value,
            Some(known) if !is_quoted => *known = (name, value, false),
            Some(_) => {}
            None => self.texts.push((name, value, is_quoted)),
        }
        true
    }

    /// Notes what has a slot of its own. Of several slots one that keeps the kind of a value goes before one that writes
    /// it as a string.
    pub(super) fn keep(&mut self, name: &'a str, value: Value, is_cast: bool) {
        match self.values.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, known, was_cast)) if *was_cast && !is_cast => (*known, *was_cast) = (value, is_cast),
            Some(_) => {}
            None => self.values.push((name, value, is_cast)),
        }
    }

    pub(super) fn id(&mut self, value: Cow<'a, str>) -> bool {
        self.request_id.get_or_insert_with(|| value.clone()) == &value
    }

    pub(super) fn seconds(&mut self, value: u64) -> bool {
        *self.retry_after.get_or_insert(value) == value
    }
}

/// The pattern and the gaps of the text, with what is `known` written out where that is needed to tell them apart.
pub(super) fn resolve<'p, 'k>(
    pattern: &'p TextPattern,
    captures: Captures,
    text: &str,
    known: impl Fn(&TemplateParameter) -> Option<&'k str>,
) -> Option<(Cow<'p, TextPattern>, Captures)> {
    if captures.is_only && pattern.is_parted() {
        return Some((Cow::Borrowed(pattern), captures));
    }
    let helped = pattern.knowing(&known);
    let captures = helped.captures(text)?;
    Some((Cow::Owned(helped), captures))
}

/// Tells what stands in the gaps, where that is certain; `false` as soon as `found` says so.
#[expect(clippy::ptr_arg, reason = "whether it borrows is the point")]
pub(super) fn tell<'a>(
    pattern: &'a TextPattern,
    (resolved, captures): &(Cow<'a, TextPattern>, Captures),
    text: &Cow<'a, str>,
    mut found: impl FnMut(&'a TemplateParameter, Cow<'a, str>, bool) -> bool,
) -> bool {
    captures.texts(text).all(|(gap, value)| {
        let (own, is_quoted) = match resolved {
            Cow::Borrowed(pattern) => {
                let gap = pattern.gap(captures, gap);
                (gap.only(), gap.is_quoted)
            }
            // The parameters of one that was made for this text are gone with it.
            Cow::Owned(helped) => {
                let gap = helped.gap(captures, gap);
                let mut all = pattern.gaps().flat_map(|gap| &gap.parameters);
                (gap.only().and_then(|parameter| all.find(|own| *own == parameter)), gap.is_quoted)
            }
        };
        // Nothing between the literals: whoever raised it gave no value.
        own.is_none_or(|own| value.is_empty() || found(own, slice(text, value), is_quoted))
    })
}

/// `part`, which lies in `text`, living as long as that does.
fn slice<'a>(text: &Cow<'a, str>, part: &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(whole) => {
            let start = part.as_ptr() as usize - whole.as_ptr() as usize;
            whole.get(start..start + part.len()).map_or_else(|| Cow::Owned(part.to_owned()), Cow::Borrowed)
        }
        Cow::Owned(_) => Cow::Owned(part.to_owned()),
    }
}
