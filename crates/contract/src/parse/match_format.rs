//! Shape + tape → reading: which value of the answer stands in which slot of a format.
//!
//! Knows nothing of entries: one reading serves all that share the format. Recursion is on the format's depth,
//! never on the answer's.

use serde_json::Value as Json;
use smallvec::SmallVec;

use super::UnknownMember;
use super::tape::{At, Tape, TokenKind};
use crate::format::{FormatMember, FormatNode, Keyed, Slot, SlotUse, ViolationSlot};

/// What fills the slots. Of most answers it needs no memory of its own.
#[derive(Debug)]
pub(super) struct FormatMatch<'c, 'a> {
    pub(super) bound: SmallVec<[SlotValue<'c>; 12]>,
    /// Optional members that are not there.
    pub(super) absent: SmallVec<[&'c FormatMember; 4]>,
    /// How many violations there are; `None` where the answer has no list of them.
    pub(super) items: Option<u32>,
    pub(super) unknown: Vec<UnknownMember<'a>>,
    /// How many bytes of names may still be said again; `None` where there were more.
    allowance: Option<usize>,
}

/// A name that the answer chose can stand for many violations, and each of them then has it for itself. So many times
/// its own length an answer may say such names again, and something for short ones: beyond it a name of half the
/// content that stands for a thousand violations would need a thousand times the memory.
const TIMES_SAID_AGAIN: usize = 8;
const SAID_AGAIN_AT_LEAST: usize = 4096;

/// As many names as are compared with each other one by one.
const FEW_NAMES: usize = 8;

/// One value in its slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotValue<'c> {
    pub(super) wanted: SlotPosition<'c>,
    pub(super) at: At,
    /// The violation that it is about, from 0.
    pub(super) item: Option<u32>,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum SlotPosition<'c> {
    Slot(&'c SlotUse),
    /// As the name of a member.
    Key(ViolationSlot),
}

impl<'c, 'a> FormatMatch<'c, 'a> {
    /// An empty one, for content of that length.
    pub(super) fn new(length: usize) -> Self {
        Self {
            bound: SmallVec::new(),
            absent: SmallVec::new(),
            items: None,
            unknown: Vec::new(),
            allowance: Some(SAID_AGAIN_AT_LEAST + TIMES_SAID_AGAIN * length),
        }
    }

    /// Whether the answer would need more memory than its length allows: then it is not to be read, by no format.
    pub(super) fn is_beyond_bounds(&self) -> bool {
        self.allowance.is_none()
    }

    /// Lays the format over the answer; `false` where the answer does not have the format's shape.
    pub(super) fn read(&mut self, shape: &'c FormatNode, status: u16, tape: &Tape<'_, 'a>) -> bool {
        let mut reader = FormatMatcher { tape, status: status.into(), reading: self, item: None };
        reader.shape(shape, tape.root(), None)
    }
}

struct FormatMatcher<'r, 'c, 'a> {
    tape: &'r Tape<'r, 'a>,
    status: u64,
    reading: &'r mut FormatMatch<'c, 'a>,
    item: Option<u32>,
}

/// The way to where the reader is, from its end: it is needed only where a member is unknown.
type ReversePath<'w, 'c> = Option<&'w MemberPath<'w, 'c>>;

struct MemberPath<'w, 'c> {
    step: PathStep<'c>,
    before: ReversePath<'w, 'c>,
}

/// A step of it.
#[derive(Clone, Copy)]
enum PathStep<'c> {
    Name(&'c str),
    /// A name that the answer chose.
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
            // Where there are no violations, the message stands in the list: it is never empty.
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
                let bound = SlotValue { wanted: SlotPosition::Slot(slot), at, item: self.item };
                match slot.slot {
                    // Of all entries that share the format it is the same.
                    Slot::Status => return self.tape.whole(at, slot.as_string) == Some(self.status),
                    // What parts most entries is looked at first. Those of a list stay in their order: there can
                    // be many.
                    Slot::Code if self.item.is_none() => self.reading.bound.insert(0, bound),
                    _ => self.reading.bound.push(bound),
                }
                true
            }
            _ => false,
        }
    }

    fn object(&mut self, members: &'c [FormatMember], at: At, before: ReversePath<'_, 'c>) -> bool {
        let mut children = self.tape.children(at);
        // The members that are there, as a set: the loader sees to it that 128 are enough.
        let mut seen = 0u128;
        // Members mostly come in the format's order: look at the one after the last first.
        let mut expected = 0;
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            let is_called = |member: &FormatMember| self.tape.says(name, &member.name);
            let index = match members.get(expected).is_some_and(is_called) {
                true => Some(expected),
                false => members.iter().position(is_called),
            };
            let Some(index) = index else {
                if !self.says_again(before) {
                    return false;
                }
                let pointer = self.pointer(&MemberPath { step: PathStep::Key(name), before });
                self.reading.unknown.push(UnknownMember { pointer, raw: self.tape.raw(value) });
                continue;
            };
            expected = index + 1;
            let bit = 1u128.checked_shl(index as u32).unwrap_or(0);
            // Of a name that comes twice, nobody can say which one counts (RFC 8259, section 4).
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
            let is_there = seen & 1u128.checked_shl(index as u32).unwrap_or(0) != 0;
            if !is_there && member.optional {
                self.reading.absent.push(member);
            }
            is_there || member.optional
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
                // A name is there for its violations.
                (true, TokenKind::Array) if tape.children(value).next().is_none() => false,
                (true, TokenKind::Array) => tape.children(value).enumerate().all(|(index, item)| {
                    let path = MemberPath { step: PathStep::Index(index), before: Some(&path) };
                    (index == 0 || self.says_again(path.before))
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
        self.reading.bound.push(SlotValue {
            wanted: SlotPosition::Key(keyed.key),
            at: name,
            item: Some(number),
        });
        self.shape(&keyed.item, item, before)
    }

    /// Whether the names on the way here, which the answer chose, may be said once more.
    fn says_again(&mut self, way: ReversePath<'_, 'c>) -> bool {
        let steps = std::iter::successors(way, |path| path.before).map(|path| path.step);
        let chosen = steps.filter_map(|step| match step {
            PathStep::Key(name) => Some(self.tape.length(name)),
            PathStep::Name(_) | PathStep::Index(_) => None,
        });
        let bytes: usize = chosen.sum();
        let allowance = &mut self.reading.allowance;
        *allowance = allowance.and_then(|left| left.checked_sub(bytes));
        allowance.is_some()
    }

    fn begin_item(&mut self) -> u32 {
        let number = self.reading.items.unwrap_or(0);
        self.reading.items = Some(number + 1);
        self.item = Some(number);
        number
    }

    fn end_items(&mut self) -> bool {
        self.item = None;
        self.reading.items.get_or_insert(0);
        true
    }

    /// RFC 6901.
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

/// Whether no name comes twice: of two members of one name nobody can say which one counts (RFC 8259, section 4).
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

/// Whether the answer has this constant of the format here.
fn equals(constant: &Json, tape: &Tape<'_, '_>, at: At) -> bool {
    match (constant, tape.kind(at)) {
        (Json::Null, TokenKind::Null)
        | (Json::Bool(true), TokenKind::True)
        | (Json::Bool(false), TokenKind::False) => true,
        (Json::Number(number), TokenKind::Number) => {
            serde_json::from_str::<serde_json::Number>(tape.raw(at)).is_ok_and(|read| read == *number)
        }
        (Json::String(text), TokenKind::Plain | TokenKind::Escaped) => tape.says(at, text),
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

    /// A code outside of lists is looked at first; what stands in a list is never moved, however much there is of it.
    #[test]
    fn values_of_a_list_stay_in_their_order() {
        let source = Source::new("t.yaml", "{list: [{f: $violation.field, c: $code}], c: $code}");
        let shape =
            FormatNode::read(&demur_source::parse(&source).unwrap(), &source, &mut Diagnostics::new());
        let content = r#"{"list":[{"f":"a","c":"x"},{"f":"b","c":"x"},{"f":"c","c":"x"}],"c":"x"}"#;
        let mut tokens = Tokens::new();
        let tape = Tape::read(content.as_bytes(), &mut tokens).unwrap();
        let mut reading = FormatMatch::new(content.len());
        assert!(reading.read(&shape, 400, &tape));
        let read: Vec<_> = reading.bound.iter().map(|bound| (bound.item, tape.raw(bound.at))).collect();
        let expected = [
            (None, r#""x""#),
            (Some(0), r#""a""#),
            (Some(0), r#""x""#),
            (Some(1), r#""b""#),
            (Some(1), r#""x""#),
            (Some(2), r#""c""#),
            (Some(2), r#""x""#),
        ];
        assert_eq!(read, expected);
    }
}
