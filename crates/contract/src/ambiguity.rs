//! Ambiguous pairs: errors that a client cannot distinguish by their responses, and what would distinguish them.
//!
//! Entries with the same status are compared by what their formats show, so a code that no format shows does not count.
//! The comparison is conservative: a pair that it does not report never parses as [`crate::ParseResult::Ambiguous`].

use crate::catalogue::{ErrorEntry, ErrorId};
use crate::contract::Contract;
use crate::format::{FormatMember, FormatNode, Keyed, Slot, SlotUse};
use crate::parse::Overlap;
use crate::template::Template;

/// Two errors whose responses can be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmbiguousPair {
    /// The one that comes first in the catalogue.
    pub first: ErrorId,
    /// The other one.
    pub second: ErrorId,
    /// Whether their responses are always the same, or only for some parameters.
    pub always: bool,
    /// Whether the contract declares the pair with `same_as`.
    pub declared: bool,
    /// What would distinguish them, the best first.
    pub discriminators: Vec<Discriminator>,
}

/// A property that distinguishes two errors if it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discriminator {
    /// The code.
    Code,
    /// The type.
    Type,
    /// The title.
    Title,
    /// The message.
    Message,
    /// The documentation URL.
    DocUrl,
    /// The status.
    Status,
}

impl Discriminator {
    /// A short phrase for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Discriminator::Code => "another `code`",
            Discriminator::Type => "another `type`",
            Discriminator::Title => "another `title`",
            Discriminator::Message => "another `message`",
            Discriminator::DocUrl => "another `doc_url`",
            Discriminator::Status => "another `status`",
        }
    }
}

impl Contract {
    /// All pairs of errors whose responses can be the same.
    pub fn ambiguous_pairs(&self) -> Vec<AmbiguousPair> {
        let mut pairs = Vec::new();
        let entries: Vec<(ErrorId, &ErrorEntry)> = self.entries().collect();
        for (index, (second, entry)) in entries.iter().enumerate() {
            for (first, other) in entries[..index].iter().filter(|(_, other)| other.status == entry.status) {
                let one = VisibleEntry { contract: self, error: *first, entry: other };
                let two = VisibleEntry { contract: self, error: *second, entry };
                let overlap = one.overlap(self.shape(other), &two, self.shape(entry));
                if overlap == Overlap::Never {
                    continue;
                }
                let names = |entry: &ErrorEntry, other: &ErrorEntry| entry.same_as.contains(&other.name);
                pairs.push(AmbiguousPair {
                    first: *first,
                    second: *second,
                    always: overlap == Overlap::Always,
                    declared: names(entry, other) || names(other, entry),
                    discriminators: discriminators(&self.shape(entry).slots()),
                });
            }
        }
        pairs
    }
}

/// The properties that the slots of a format show, and the status.
fn discriminators(slots: &[&Slot]) -> Vec<Discriminator> {
    let candidates = [
        (Discriminator::Code, &[Slot::Code][..]),
        (Discriminator::Type, &[Slot::Type]),
        (Discriminator::Title, &[Slot::Title]),
        (Discriminator::Message, &[Slot::Message, Slot::Detail]),
        (Discriminator::DocUrl, &[Slot::DocUrl]),
    ];
    let is_visible = |of: &[Slot]| of.iter().any(|slot| slots.contains(&slot));
    let mut discriminators: Vec<Discriminator> =
        candidates.iter().filter(|(_, of)| is_visible(of)).map(|(discriminator, _)| *discriminator).collect();
    discriminators.push(Discriminator::Status);
    discriminators
}

/// An entry as its format shows it.
#[derive(Clone, Copy)]
struct VisibleEntry<'c> {
    contract: &'c Contract,
    error: ErrorId,
    entry: &'c ErrorEntry,
}

/// The possible values of a slot.
enum Values<'c> {
    /// Only this text.
    Constant(&'c str),
    /// Only this number.
    Number(u16),
    /// Absent: `null`, or `""` if `is_empty` is set.
    Absent { is_empty: bool },
    /// The texts of these templates.
    Texts(Vec<&'c Template>),
    /// Any value.
    Any,
}

impl<'c> VisibleEntry<'c> {
    fn answers_violations(&self) -> bool {
        !self.contract.parser.rules(self.error).is_empty()
    }

    fn overlap(&self, shape: &'c FormatNode, other: &Self, other_shape: &'c FormatNode) -> Overlap {
        match (shape, other_shape) {
            (FormatNode::Object(members), FormatNode::Object(others)) => self.objects(members, other, others),
            (FormatNode::Array(items), FormatNode::Array(others)) if items.len() == others.len() => {
                least(items.iter().zip(others).map(|(one, two)| self.overlap(one, other, two)))
            }
            (FormatNode::PerViolation(item), FormatNode::PerViolation(other_item)) => {
                self.lists(item, other, other_item)
            }
            // Both objects may be empty.
            (FormatNode::Keyed(Keyed { item, .. }), FormatNode::Keyed(Keyed { item: other_item, .. })) => {
                self.overlap(item, other, other_item).or_sometimes()
            }
            (FormatNode::Constant(one), FormatNode::Constant(two)) if one == two => Overlap::Always,
            (FormatNode::Constant(_), FormatNode::Constant(_)) => Overlap::Never,
            (FormatNode::Slot(slot), FormatNode::Slot(other_slot)) => {
                let is_same = slot.slot == other_slot.slot && slot.within == other_slot.within;
                overlap_of(&self.values(slot), &other.values(other_slot), is_same)
            }
            (FormatNode::Slot(slot), FormatNode::Constant(constant)) => self.with_constant(slot, constant),
            (FormatNode::Constant(constant), FormatNode::Slot(slot)) => other.with_constant(slot, constant),
            (FormatNode::Array(items), FormatNode::PerViolation(_))
            | (FormatNode::PerViolation(_), FormatNode::Array(items)) => {
                if items.is_empty() {
                    Overlap::Never
                } else {
                    Overlap::Sometimes
                }
            }
            // Only a slot of a parameter can have a list as its value.
            (FormatNode::Slot(slot), FormatNode::Array(_) | FormatNode::PerViolation(_))
            | (FormatNode::Array(_) | FormatNode::PerViolation(_), FormatNode::Slot(slot)) => match slot.slot
            {
                Slot::Named(_) => Overlap::Sometimes,
                _ => Overlap::Never,
            },
            (FormatNode::Object(members), FormatNode::Keyed(_)) => other.keyed_overlap(members),
            (FormatNode::Keyed(_), FormatNode::Object(members)) => self.keyed_overlap(members),
            _ => Overlap::Never,
        }
    }

    /// Compares violations grouped by name with an object: a member can have the name of a parameter, and an empty object is
    /// an empty group of violations.
    fn keyed_overlap(&self, members: &[FormatMember]) -> Overlap {
        match self.answers_violations() || members.iter().all(|member| member.optional) {
            true => Overlap::Sometimes,
            false => Overlap::Never,
        }
    }

    /// Compares two objects. A member that only one of them has distinguishes them if it is always present.
    fn objects(&self, members: &'c [FormatMember], other: &Self, others: &'c [FormatMember]) -> Overlap {
        let find = |list: &'c [FormatMember], name: &str| list.iter().find(|member| member.name == name);
        let mut overlap = Overlap::Always;
        for member in members {
            let one = match find(others, &member.name) {
                Some(counterpart) => match (self.presence(member), other.presence(counterpart)) {
                    (MemberPresence::Never, MemberPresence::Never) => Overlap::Always,
                    // The parser accepts `null` for an omitted member.
                    (MemberPresence::Never, MemberPresence::Always)
                    | (MemberPresence::Always, MemberPresence::Never) => {
                        self.overlap(&member.shape, other, &counterpart.shape).min(Overlap::Sometimes)
                    }
                    (MemberPresence::Always, MemberPresence::Always) => {
                        self.overlap(&member.shape, other, &counterpart.shape)
                    }
                    // If both omit it, it does not distinguish them.
                    _ => self.overlap(&member.shape, other, &counterpart.shape).or_sometimes(),
                },
                None => self.presence(member).alone(),
            };
            overlap = overlap.min(one);
        }
        for member in others.iter().filter(|member| find(members, &member.name).is_none()) {
            overlap = overlap.min(other.presence(member).alone());
        }
        overlap
    }

    fn presence(&self, member: &FormatMember) -> MemberPresence {
        if !member.optional {
            return MemberPresence::Always;
        }
        let of_slot = |slot: &Slot| match slot {
            Slot::Code if self.entry.code.is_none() => MemberPresence::Never,
            Slot::Type if self.entry.kind.is_none() => MemberPresence::Never,
            Slot::DocUrl if self.entry.doc_url.is_none() => MemberPresence::Never,
            Slot::UserMessage if self.entry.user_message.is_none() => MemberPresence::Never,
            Slot::Violation(_) if !self.answers_violations() => MemberPresence::Never,
            Slot::Param
            | Slot::RequestId
            | Slot::RetryAfter
            | Slot::RetryDelay
            | Slot::Named(_)
            | Slot::Violation(_) => MemberPresence::Sometimes,
            _ => MemberPresence::Always,
        };
        match &member.shape {
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) if self.answers_violations() => {
                MemberPresence::Sometimes
            }
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => MemberPresence::Never,
            FormatNode::Slot(slot) => of_slot(&slot.slot),
            FormatNode::Object(_) => {
                let slots = member.shape.slots();
                let each = slots.into_iter().map(of_slot);
                each.max().unwrap_or(MemberPresence::Never)
            }
            FormatNode::Array(_) | FormatNode::Constant(_) => MemberPresence::Always,
        }
    }

    /// Compares two lists of violations. Both may be empty, unless an item shows the message instead.
    fn lists(&self, item: &'c FormatNode, other: &Self, other_item: &'c FormatNode) -> Overlap {
        let of_items = self.overlap(item, other, other_item);
        let is_never_empty = |shape: &FormatNode| shape.slots().contains(&&Slot::Detail);
        match of_items {
            Overlap::Never if is_never_empty(item) || is_never_empty(other_item) => Overlap::Never,
            Overlap::Never => Overlap::Sometimes,
            overlap => overlap,
        }
    }

    fn with_constant(&self, slot: &'c SlotUse, constant: &'c serde_json::Value) -> Overlap {
        let constant = match constant {
            serde_json::Value::String(text) => Values::Constant(text),
            serde_json::Value::Null => Values::Absent { is_empty: false },
            _ => Values::Any,
        };
        overlap_of(&self.values(slot), &constant, false)
    }

    fn values(&self, slot: &'c SlotUse) -> Values<'c> {
        let absent = Values::Absent { is_empty: slot.absent_is_empty };
        let optional = |text: &'c Option<String>| match text {
            Some(text) => Values::Constant(text),
            None => Values::Absent { is_empty: slot.absent_is_empty },
        };
        let message = || if self.entry.open { Values::Any } else { Values::Texts(vec![&self.entry.message]) };
        match &slot.slot {
            Slot::Type => optional(&self.entry.kind),
            Slot::Code => optional(&self.entry.code),
            Slot::DocUrl => optional(&self.entry.doc_url),
            Slot::Status if slot.as_string => Values::Any,
            Slot::Status => Values::Number(self.entry.status.as_u16()),
            Slot::Title => Values::Texts(vec![&self.entry.title]),
            Slot::UserMessage => match &self.entry.user_message {
                Some(template) => Values::Texts(vec![template]),
                None => absent,
            },
            Slot::Message => message(),
            Slot::Detail => match message() {
                Values::Texts(mut texts) => {
                    texts.extend(self.contract.parser.rules(self.error).iter().map(|rule| &rule.template));
                    Values::Texts(texts)
                }
                any => any,
            },
            Slot::Violation(_) if !self.answers_violations() => absent,
            Slot::Param
            | Slot::RequestId
            | Slot::RetryAfter
            | Slot::RetryDelay
            | Slot::Named(_)
            | Slot::Violation(_) => Values::Any,
        }
    }
}

/// Whether an entry has a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MemberPresence {
    Never,
    Sometimes,
    Always,
}

impl MemberPresence {
    /// The overlap with an object that has no such member.
    fn alone(self) -> Overlap {
        match self {
            MemberPresence::Never => Overlap::Always,
            MemberPresence::Sometimes => Overlap::Sometimes,
            MemberPresence::Always => Overlap::Never,
        }
    }
}

impl Overlap {
    /// Raises `Never` to `Sometimes`.
    ///
    /// This is not `max`, and not inlined, because of a miscompilation: rustc 1.95.0 (LLVM 22.1.2) compiles an inlined
    /// `overlap(…).max(Overlap::Sometimes)` to `Never` from `opt-level = 2`, so release builds would report fewer pairs than
    /// tests.
    #[inline(never)]
    fn or_sometimes(self) -> Self {
        match self {
            Overlap::Never => Overlap::Sometimes,
            overlap => overlap,
        }
    }
}

fn least(overlaps: impl Iterator<Item = Overlap>) -> Overlap {
    overlaps.min().unwrap_or(Overlap::Always)
}

/// Compares two sets of values. `is_same` means that both are of the same slot, where any value of one can be one of the
/// other.
fn overlap_of(one: &Values<'_>, two: &Values<'_>, is_same: bool) -> Overlap {
    match (one, two) {
        (Values::Constant(one), Values::Constant(two)) => equal(one == two),
        (Values::Number(one), Values::Number(two)) => equal(one == two),
        (Values::Absent { is_empty: one }, Values::Absent { is_empty: two }) => equal(one == two),
        (Values::Any, Values::Any) if is_same => Overlap::Always,
        (Values::Any, _) | (_, Values::Any) => Overlap::Sometimes,
        (Values::Texts(ones), Values::Texts(twos)) => {
            let each =
                ones.iter().flat_map(|one| twos.iter().map(|two| one.pattern().overlap(two.pattern())));
            match each.max().unwrap_or(Overlap::Never) {
                Overlap::Always if ones.len() > 1 || twos.len() > 1 => match ones == twos {
                    true => Overlap::Always,
                    false => Overlap::Sometimes,
                },
                overlap => overlap,
            }
        }
        (Values::Constant(text), Values::Texts(texts)) | (Values::Texts(texts), Values::Constant(text)) => {
            let fits = texts.iter().any(|template| template.pattern().captures(text).is_some());
            if fits { Overlap::Sometimes } else { Overlap::Never }
        }
        (Values::Absent { is_empty: true }, Values::Texts(texts))
        | (Values::Texts(texts), Values::Absent { is_empty: true }) => {
            let fits = texts.iter().any(|template| template.pattern().captures("").is_some());
            if fits { Overlap::Sometimes } else { Overlap::Never }
        }
        (Values::Absent { is_empty: true }, Values::Constant(text))
        | (Values::Constant(text), Values::Absent { is_empty: true }) => equal(text.is_empty()),
        _ => Overlap::Never,
    }
}

fn equal(is_equal: bool) -> Overlap {
    if is_equal { Overlap::Always } else { Overlap::Never }
}
