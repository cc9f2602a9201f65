//! The values captured from the slots and texts of a response: each value once, without contradictions.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::pattern::{Captures, TextPattern};
use super::result::RecoveredViolation;
use super::tape::digits;
use crate::problem::Value;
use crate::template_parameter::TemplateParameter;

/// The values that a response has if an entry made it.
#[derive(Debug, Default)]
pub(super) struct CapturedValues<'a> {
    /// Values from texts: the name of the parameter, the value, and whether it is a quoted list.
    pub(super) texts: SmallVec<[(&'a str, Cow<'a, str>, bool); 2]>,
    /// Values from `$params.NAME`: the name, the value, and whether `|string` may have changed its type.
    pub(super) values: Vec<(&'a str, Value, bool)>,
    pub(super) message: Option<Cow<'a, str>>,
    /// Whether an open message was recognized as the one of the catalogue.
    pub(super) has_catalogue_message: bool,
    pub(super) request_id: Option<Cow<'a, str>>,
    pub(super) retry_after: Option<u64>,
    pub(super) violations: Vec<RecoveredViolation<'a>>,
}

impl<'a> CapturedValues<'a> {
    /// Captures the values of a text; `false` if it does not match. In an item of a list, values of the violation are
    /// ignored, because they differ between items.
    #[expect(clippy::ptr_arg, reason = "captured values borrow from the text if it is borrowed")]
    pub(super) fn capture_text(
        &mut self,
        pattern: &'a TextPattern,
        text: &Cow<'a, str>,
        is_of_item: bool,
    ) -> bool {
        let is_ignored = |parameter: &TemplateParameter| is_of_item && parameter.is_of_violation();
        let known = |parameter: &TemplateParameter| {
            if is_ignored(parameter) {
                return None;
            }
            let known = |(name, _, is_quoted): &&(&str, _, bool)| *name == parameter.as_str() && !is_quoted;
            self.texts.iter().find(known).map(|(_, value, _)| value.as_ref())
        };
        let Some(captures) = pattern.captures(text) else { return false };
        let Some(resolved) = resolve(pattern, captures, text, known) else { return false };
        for_each_value(pattern, &resolved, text, |parameter, value, is_quoted| match parameter {
            TemplateParameter::RequestId => self.set_request_id(value),
            // A text that is rendered without a delay has 0, which is never a delay.
            TemplateParameter::RetryAfter if value == "0" => true,
            TemplateParameter::RetryAfter => {
                digits(&value).is_some_and(|seconds| self.set_retry_after(seconds))
            }
            other if is_ignored(other) => true,
            other => self.bind(other.as_str(), value, is_quoted),
        })
    }

    /// Adds a value from a text; `false` if it contradicts a value of the same parameter. If a list is quoted in one text and
    /// not in another, the unquoted one is kept.
    pub(super) fn bind(&mut self, name: &'a str, value: Cow<'a, str>, is_quoted: bool) -> bool {
        match self.texts.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, known, was_quoted)) if *was_quoted == is_quoted => return *known == value,
            Some(known) if !is_quoted => *known = (name, value, false),
            Some(_) => {}
            None => self.texts.push((name, value, is_quoted)),
        }
        true
    }

    /// Adds a value from a slot of its own. A slot that keeps the type of the value has precedence over one with `|string`.
    pub(super) fn add_value(&mut self, name: &'a str, value: Value, is_cast: bool) {
        match self.values.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, known, was_cast)) if *was_cast && !is_cast => (*known, *was_cast) = (value, is_cast),
            Some(_) => {}
            None => self.values.push((name, value, is_cast)),
        }
    }

    /// Sets the request ID; `false` if it contradicts another one.
    pub(super) fn set_request_id(&mut self, value: Cow<'a, str>) -> bool {
        self.request_id.get_or_insert_with(|| value.clone()) == &value
    }

    /// Sets the delay in seconds; `false` if it contradicts another one.
    pub(super) fn set_retry_after(&mut self, value: u64) -> bool {
        *self.retry_after.get_or_insert(value) == value
    }
}

/// The pattern and its captures. If they are ambiguous, the values that are `known` are inserted into the pattern first.
pub(super) fn resolve<'p, 'k>(
    pattern: &'p TextPattern,
    captures: Captures,
    text: &str,
    known: impl Fn(&TemplateParameter) -> Option<&'k str>,
) -> Option<(Cow<'p, TextPattern>, Captures)> {
    if captures.is_unique && pattern.is_separated() {
        return Some((Cow::Borrowed(pattern), captures));
    }
    let narrowed = pattern.with_known(&known);
    let captures = narrowed.captures(text)?;
    Some((Cow::Owned(narrowed), captures))
}

/// Calls `visit` with each value that the text determines, until it returns `false`; returns whether it never did.
#[expect(clippy::ptr_arg, reason = "visited values borrow from the text if it is borrowed")]
pub(super) fn for_each_value<'a>(
    pattern: &'a TextPattern,
    (resolved, captures): &(Cow<'a, TextPattern>, Captures),
    text: &Cow<'a, str>,
    mut visit: impl FnMut(&'a TemplateParameter, Cow<'a, str>, bool) -> bool,
) -> bool {
    captures.texts(text).all(|(gap, value)| {
        let (own, is_quoted) = match resolved {
            Cow::Borrowed(pattern) => {
                let gap = pattern.gap(captures, gap);
                (gap.only(), gap.is_quoted)
            }
            // The narrowed pattern does not live long enough, so the parameter is looked up in the original.
            Cow::Owned(narrowed) => {
                let gap = narrowed.gap(captures, gap);
                let mut all = pattern.gaps().flat_map(|gap| &gap.parameters);
                (gap.only().and_then(|parameter| all.find(|own| *own == parameter)), gap.is_quoted)
            }
        };
        // An empty text between the literals means that the parameter had no value.
        own.is_none_or(|own| value.is_empty() || visit(own, slice(text, value), is_quoted))
    })
}

/// Converts `part`, a slice of `text`, to the lifetime of `text`.
fn slice<'a>(text: &Cow<'a, str>, part: &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(whole) => {
            let start = part.as_ptr() as usize - whole.as_ptr() as usize;
            whole.get(start..start + part.len()).map_or_else(|| Cow::Owned(part.to_owned()), Cow::Borrowed)
        }
        Cow::Owned(_) => Cow::Owned(part.to_owned()),
    }
}
