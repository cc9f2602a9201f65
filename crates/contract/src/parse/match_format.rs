//! Format matching: finds the value of the body for each slot of a format.
//!
//! This does not depend on entries, so one match serves all entries with the format. The recursion follows the depth of the
//! format, never that of the body.

use serde_json::Value as Json;
use smallvec::SmallVec;

use super::result::UnknownMember;
use super::tape::{At, Tape, TokenKind};
use crate::format::{FormatMember, FormatNode, Keyed, Slot, SlotUse, ViolationSlot};

/// The values of the slots. The inline sizes are enough for most responses, so that they need no allocation.
#[derive(Debug)]
pub(super) struct FormatMatch<'c, 'a> {
    pub(super) slots: SmallVec<[SlotValue<'c>; 12]>,
    /// The optional members that the body does not have.
    pub(super) absent: SmallVec<[&'c FormatMember; 4]>,
    /// The number of violations; `None` if the body has no list of them.
    pub(super) items: Option<u32>,
    pub(super) unknown: Vec<UnknownMember<'a>>,
    /// The number of bytes by which names may still be copied; `None` if it has been exceeded.
    allowance: Option<usize>,
}

/// The limit of copies of names. A name in the body can apply to many violations, each of which gets a copy: a name of half
/// the body with a thousand violations would need a thousand times its memory. The limit is a multiple of the length of the
/// body, plus a constant for short bodies.
const MAX_COPIES_PER_BYTE: usize = 8;
const MIN_ALLOWANCE: usize = 4096;

/// The maximum number of names that are compared pairwise.
const FEW_NAMES: usize = 8;

/// A value and its slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotValue<'c> {
    pub(super) position: SlotPosition<'c>,
    pub(super) at: At,
    /// The index of the violation that it describes.
    pub(super) item: Option<u32>,
}

/// The position of a slot in the format.
#[derive(Debug, Clone, Copy)]
pub(super) enum SlotPosition<'c> {
    /// A value.
    Slot(&'c SlotUse),
    /// The name of a member.
    Key(ViolationSlot),
}

impl<'c, 'a> FormatMatch<'c, 'a> {
    /// An empty match for a body of this length.
    pub(super) fn new(length: usize) -> Self {
        Self {
            slots: SmallVec::new(),
            absent: SmallVec::new(),
            items: None,
            unknown: Vec::new(),
            allowance: Some(MIN_ALLOWANCE + MAX_COPIES_PER_BYTE * length),
        }
    }

    /// Whether the body needs more copies of names than allowed. Then it must not be matched by any format.
    pub(super) fn exceeds_allowance(&self) -> bool {
        self.allowance.is_none()
    }

    /// Matches a format against a body; `false` if the body does not have the format.
    pub(super) fn read(&mut self, shape: &'c FormatNode, status: u16, tape: &Tape<'_, 'a>) -> bool {
        let mut reader = FormatMatcher { tape, status: status.into(), matched: self, item: None };
        reader.shape(shape, tape.root(), None)
    }
}

struct FormatMatcher<'r, 'c, 'a> {
    tape: &'r Tape<'r, 'a>,
    status: u64,
    matched: &'r mut FormatMatch<'c, 'a>,
    item: Option<u32>,
}

/// The path to the current value, from its end. It is needed only for unknown members.
type ReversePath<'w, 'c> = Option<&'w MemberPath<'w, 'c>>;

struct MemberPath<'w, 'c> {
    step: PathStep<'c>,
    before: ReversePath<'w, 'c>,
}

/// A step of a path.
#[derive(Clone, Copy)]
enum PathStep<'c> {
    /// A name from the format.
    Name(&'c str),
    /// A name from the body.
    Key(At),
    Index(usize),
}

impl<'c> FormatMatcher<'_, 'c, '_> {
    fn shape(&mut self, shape: &'c FormatNode, at: At, before: ReversePath<'_, 'c>) -> bool {
        match (shape, self.tape.kind(at)) {
            (FormatNode::Object(members), TokenKind::Object) => self.object(members, at, before),
            (FormatNode::Array(shapes), TokenKind::Array) => {
                let mut items = self.tape.children(at);
                let fits = shapes.iter().enumerate().all(|(index, shape)| {
                    let path = MemberPath { step: PathStep::Index(index), before };
                    items.next().is_some_and(|item| self.shape(shape, item, Some(&path)))
                });
                fits && items.next().is_none()
            }
            // Without violations, the list has an item with the message, so it is never empty.
            (FormatNode::PerViolation(shape), TokenKind::Array)
                if self.tape.children(at).next().is_none() && shape.slots().contains(&&Slot::Detail) =>
            {
                false
            }
            (FormatNode::PerViolation(shape), TokenKind::Array) => {
                self.tape.children(at).enumerate().all(|(index, item)| {
                    self.begin_item();
                    self.shape(shape, item, Some(&MemberPath { step: PathStep::Index(index), before }))
                }) && self.end_items()
            }
            (FormatNode::Keyed(keyed), TokenKind::Object) => self.keyed(keyed, at, before),
            (FormatNode::Constant(constant), _) => equals(constant, self.tape, at),
            (FormatNode::Slot(slot), _) => {
                let value = SlotValue { position: SlotPosition::Slot(slot), at, item: self.item };
                match slot.slot {
                    // It is the same for all entries, so it is checked here.
                    Slot::Status => return self.tape.whole(at, slot.as_string) == Some(self.status),
                    // The code distinguishes most entries, so it comes first. Codes in a list keep their order, because
                    // moving many of them would be slow.
                    Slot::Code if self.item.is_none() => self.matched.slots.insert(0, value),
                    _ => self.matched.slots.push(value),
                }
                true
            }
            _ => false,
        }
    }

    fn object(&mut self, members: &'c [FormatMember], at: At, before: ReversePath<'_, 'c>) -> bool {
        let mut children = self.tape.children(at);
        // The set of members seen; the loader limits objects to 128 members.
        let mut seen = 0u128;
        // Members usually come in the order of the format, so the next one is tried first.
        let mut expected = 0;
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            let is_called = |member: &FormatMember| self.tape.is_text(name, &member.name);
            let index = match members.get(expected).is_some_and(is_called) {
                true => Some(expected),
                false => members.iter().position(is_called),
            };
            let Some(index) = index else {
                if !self.charge_copies(before) {
                    return false;
                }
                let pointer = self.pointer(&MemberPath { step: PathStep::Key(name), before });
                self.matched.unknown.push(UnknownMember { pointer, raw: self.tape.raw(value) });
                continue;
            };
            expected = index + 1;
            let bit = 1u128.checked_shl(index as u32).unwrap_or(0);
            // It is undefined which of two members with the same name counts (RFC 8259, section 4).
            if seen & bit != 0 {
                return false;
            }
            seen |= bit;
            let member = &members[index];
            let path = MemberPath { step: PathStep::Name(&member.name), before };
            if !self.shape(&member.shape, value, Some(&path)) {
                return false;
            }
        }
        members.iter().enumerate().all(|(index, member)| {
            let is_present = seen & 1u128.checked_shl(index as u32).unwrap_or(0) != 0;
            if !is_present && member.optional {
                self.matched.absent.push(member);
            }
            is_present || member.optional
        })
    }

    fn keyed(&mut self, keyed: &'c Keyed, at: At, before: ReversePath<'_, 'c>) -> bool {
        let tape = self.tape;
        if !has_distinct_names(tape, at) {
            return false;
        }
        let mut children = tape.children(at);
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            let path = MemberPath { step: PathStep::Key(name), before };
            let fits = match (keyed.is_list, tape.kind(value)) {
                // The renderer writes no name without violations.
                (true, TokenKind::Array) if tape.children(value).next().is_none() => false,
                (true, TokenKind::Array) => tape.children(value).enumerate().all(|(index, item)| {
                    let path = MemberPath { step: PathStep::Index(index), before: Some(&path) };
                    (index == 0 || self.charge_copies(path.before))
                        && self.keyed_item(keyed, name, item, Some(&path))
                }),
                (true, _) => false,
                (false, _) => self.keyed_item(keyed, name, value, Some(&path)),
            };
            if !fits {
                return false;
            }
        }
        self.end_items()
    }

    fn keyed_item(&mut self, keyed: &'c Keyed, name: At, item: At, before: ReversePath<'_, 'c>) -> bool {
        let number = self.begin_item();
        self.matched.slots.push(SlotValue {
            position: SlotPosition::Key(keyed.key),
            at: name,
            item: Some(number),
        });
        self.shape(&keyed.item, item, before)
    }

    /// Charges one copy of the names in a path that come from the body; `false` if the allowance is exceeded.
    fn charge_copies(&mut self, path: ReversePath<'_, 'c>) -> bool {
        let steps = std::iter::successors(path, |path| path.before).map(|path| path.step);
        let lengths = steps.filter_map(|step| match step {
            PathStep::Key(name) => Some(self.tape.length(name)),
            PathStep::Name(_) | PathStep::Index(_) => None,
        });
        let bytes: usize = lengths.sum();
        let allowance = &mut self.matched.allowance;
        *allowance = allowance.and_then(|left| left.checked_sub(bytes));
        allowance.is_some()
    }

    fn begin_item(&mut self) -> u32 {
        let number = self.matched.items.unwrap_or(0);
        self.matched.items = Some(number + 1);
        self.item = Some(number);
        number
    }

    fn end_items(&mut self) -> bool {
        self.item = None;
        self.matched.items.get_or_insert(0);
        true
    }

    /// The JSON Pointer (RFC 6901) of a path.
    fn pointer(&self, end: &MemberPath<'_, 'c>) -> String {
        let mut steps: Vec<PathStep<'c>> =
            std::iter::successors(Some(end), |path| path.before).map(|path| path.step).collect();
        steps.reverse();
        let mut pointer = String::new();
        for step in steps {
            pointer.push('/');
            match step {
                PathStep::Name(name) => push_token(name, &mut pointer),
                PathStep::Key(at) => push_token(&self.tape.string(at).unwrap_or_default(), &mut pointer),
                PathStep::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }
}

fn push_token(name: &str, pointer: &mut String) {
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Whether all names of an object differ. It is undefined which of two equal ones counts (RFC 8259, section 4).
fn has_distinct_names(tape: &Tape<'_, '_>, object: At) -> bool {
    let names: SmallVec<[At; FEW_NAMES]> = tape.children(object).step_by(2).collect();
    let plain: SmallVec<[&str; FEW_NAMES]> = names.iter().map_while(|name| tape.plain(*name)).collect();
    if plain.len() == names.len() && plain.len() <= FEW_NAMES {
        return plain.iter().enumerate().all(|(index, name)| !plain[..index].contains(name));
    }
    let mut names: Vec<_> = names.iter().map(|name| tape.string(*name)).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

/// Whether a value of the body is equal to a constant of the format.
fn equals(constant: &Json, tape: &Tape<'_, '_>, at: At) -> bool {
    match (constant, tape.kind(at)) {
        (Json::Null, TokenKind::Null)
        | (Json::Bool(true), TokenKind::True)
        | (Json::Bool(false), TokenKind::False) => true,
        (Json::Number(number), TokenKind::Number) => {
            serde_json::from_str::<serde_json::Number>(tape.raw(at)).is_ok_and(|read| read == *number)
        }
        (Json::String(text), TokenKind::Plain | TokenKind::Escaped) => tape.is_text(at, text),
        (Json::Array(items), TokenKind::Array) => {
            let mut children = tape.children(at);
            items.iter().all(|item| children.next().is_some_and(|at| equals(item, tape, at)))
                && children.next().is_none()
        }
        (Json::Object(members), TokenKind::Object) => {
            let mut children = tape.children(at);
            let mut count = 0;
            while let (Some(name), Some(value)) = (children.next(), children.next()) {
                let name = tape.string(name).unwrap_or_default();
                if !members.get(name.as_ref()).is_some_and(|member| equals(member, tape, value)) {
                    return false;
                }
                count += 1;
            }
            count == members.len()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::tape::Tokens;
    use demur_source::{Diagnostics, Source};

    /// A code outside of lists is moved to the front, because it is checked first.
    #[test]
    fn keeps_the_order_of_values_in_a_list() {
        let source = Source::new("t.yaml", "{list: [{f: $violation.field, c: $code}], c: $code}");
        let shape =
            FormatNode::read(&demur_source::parse(&source).unwrap(), &source, &mut Diagnostics::new());
        let body = r#"{"list":[{"f":"a","c":"x"},{"f":"b","c":"x"},{"f":"c","c":"x"}],"c":"x"}"#;
        let mut tokens = Tokens::new();
        let tape = Tape::read(body.as_bytes(), &mut tokens).unwrap();
        let mut matched = FormatMatch::new(body.len());
        assert!(matched.read(&shape, 400, &tape));
        let values: Vec<_> = matched.slots.iter().map(|value| (value.item, tape.raw(value.at))).collect();
        let expected = [
            (None, r#""x""#),
            (Some(0), r#""a""#),
            (Some(0), r#""x""#),
            (Some(1), r#""b""#),
            (Some(1), r#""x""#),
            (Some(2), r#""c""#),
            (Some(2), r#""x""#),
        ];
        assert_eq!(values, expected);
    }
}
