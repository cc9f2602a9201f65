//! Format + entry → program: literal bytes and the few things that differ from answer to answer.
//!
//! Whatever is constant for an entry (status, code, type, a message without parameters) is folded into the
//! literals, so that most answers are one copy. Nothing is looked up by name when a program runs.

use crate::catalogue::ErrorEntry;
use crate::format::{FormatMember, FormatNode, Keyed, Slot, SlotUse, ViolationSlot};
use crate::json;
use crate::locations::Locations;
use crate::template::Template;

/// One step of a program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// Copy.
    Bytes(Vec<u8>),
    /// A comma, unless the last byte opened an object or a list.
    Comma,
    /// Where the value is absent, skip so many steps.
    IfPresent(Dynamic, usize),
    /// A value as JSON; without one `null`, or `""`.
    Write { what: Dynamic, as_string: bool, absent_is_empty: bool },
    /// The next so many steps once for each violation shown; or once for the message, where there is none
    /// and the item shows a detail.
    EachViolation { steps: usize, or_message: bool },
    /// The next so many steps for each violation shown, gathered under the names that `key` gives them.
    EachKey { key: ViolationSlot, is_list: bool, steps: usize },
    /// Where no violation is shown, skip so many steps.
    IfViolations(usize),
    /// Where none of the values is there, skip so many steps.
    IfAny(Vec<Dynamic>, usize),
}

/// What differs from answer to answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dynamic {
    Title,
    Message,
    Detail,
    Param,
    RequestId,
    RetryAfter,
    UserMessage,
    Named(String),
    /// Of a violation; where locations are named, of one that stands there.
    Violation(ViolationSlot, Option<Locations>),
}

/// What an entry puts in the place of a slot.
enum Filled {
    Constant(Option<serde_json::Value>),
    Dynamic(Dynamic),
}

/// When a member is written.
enum WriteWhen {
    Always,
    Never,
    With(Dynamic),
    WithAny(Vec<Dynamic>),
    WithViolations,
}

/// The program that answers one entry.
pub(crate) fn compile(shape: &FormatNode, entry: &ErrorEntry, answers_violations: bool) -> Vec<Op> {
    let mut compiler = FormatCompiler { entry, answers_violations, ops: Vec::new() };
    compiler.shape(shape);
    compiler.ops
}

/// Whether a comma is needed before the next member.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Something,
    /// Depends on what was left out.
    Unknown,
}

struct FormatCompiler<'e> {
    entry: &'e ErrorEntry,
    answers_violations: bool,
    ops: Vec<Op>,
}

impl FormatCompiler<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        match self.ops.last_mut() {
            Some(Op::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.ops.push(Op::Bytes(bytes.to_vec())),
        }
    }

    fn shape(&mut self, shape: &FormatNode) {
        match shape {
            FormatNode::Object(members) => self.object(members),
            FormatNode::Array(items) => {
                self.bytes(b"[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.bytes(b",");
                    }
                    self.shape(item);
                }
                self.bytes(b"]");
            }
            FormatNode::PerViolation(item) => {
                self.bytes(b"[");
                let or_message = item.slots().contains(&&Slot::Detail);
                self.nested(|steps| Op::EachViolation { steps, or_message }, |this| this.shape(item));
                self.bytes(b"]");
            }
            FormatNode::Keyed(Keyed { key, item, is_list }) => {
                self.bytes(b"{");
                let (key, is_list) = (*key, *is_list);
                self.nested(|steps| Op::EachKey { key, is_list, steps }, |this| this.shape(item));
                self.bytes(b"}");
            }
            FormatNode::Constant(value) => self.bytes(value.to_string().as_bytes()),
            FormatNode::Slot(slot) => match self.fill(slot) {
                Filled::Constant(value) => self.constant(value, slot),
                Filled::Dynamic(what) => {
                    let SlotUse { as_string, absent_is_empty, .. } = *slot;
                    self.ops.push(Op::Write { what, as_string, absent_is_empty });
                }
            },
        }
    }

    fn constant(&mut self, value: Option<serde_json::Value>, slot: &SlotUse) {
        let text = match value {
            Some(serde_json::Value::Number(number)) if slot.as_string => format!("\"{number}\""),
            Some(value) => value.to_string(),
            None if slot.absent_is_empty => "\"\"".to_owned(),
            None => "null".to_owned(),
        };
        self.bytes(text.as_bytes());
    }

    fn object(&mut self, members: &[FormatMember]) {
        self.bytes(b"{");
        let mut before = Before::Nothing;
        for member in members {
            match self.presence(member) {
                WriteWhen::Never => continue,
                WriteWhen::Always => {
                    self.member(member, before);
                    before = Before::Something;
                    continue;
                }
                WriteWhen::WithViolations => {
                    self.nested(Op::IfViolations, |this| this.member(member, before));
                }
                WriteWhen::With(what) => {
                    self.nested(|steps| Op::IfPresent(what, steps), |this| this.member(member, before));
                }
                WriteWhen::WithAny(any) => {
                    self.nested(|steps| Op::IfAny(any, steps), |this| this.member(member, before));
                }
            }
            if before == Before::Nothing {
                before = Before::Unknown;
            }
        }
        self.bytes(b"}");
    }

    /// When a member is there. An optional object is there when one of its slots has a value.
    fn presence(&self, member: &FormatMember) -> WriteWhen {
        if !member.optional {
            return WriteWhen::Always;
        }
        match &member.shape {
            FormatNode::Slot(slot) => match self.fill(slot) {
                Filled::Constant(None) => WriteWhen::Never,
                Filled::Constant(Some(_)) => WriteWhen::Always,
                Filled::Dynamic(what) => WriteWhen::With(what),
            },
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) if self.answers_violations => {
                WriteWhen::WithViolations
            }
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => WriteWhen::Never,
            FormatNode::Array(_) | FormatNode::Constant(_) => WriteWhen::Always,
            FormatNode::Object(_) => {
                let mut any = Vec::new();
                // A list of violations may have no slots but the names of its members.
                if self.answers_violations && member.shape.list().is_some() {
                    any.push(Dynamic::Violation(ViolationSlot::Field, None));
                }
                for slot in member.shape.uses() {
                    match self.fill(slot) {
                        Filled::Constant(Some(_)) => return WriteWhen::Always,
                        Filled::Constant(None) => {}
                        Filled::Dynamic(what) => any.push(what),
                    }
                }
                if any.is_empty() { WriteWhen::Never } else { WriteWhen::WithAny(any) }
            }
        }
    }

    fn member(&mut self, member: &FormatMember, before: Before) {
        match before {
            Before::Nothing => {}
            Before::Something => self.bytes(b","),
            Before::Unknown => self.ops.push(Op::Comma),
        }
        let mut name = Vec::new();
        json::string(&member.name, &mut name);
        name.push(b':');
        self.bytes(&name);
        self.shape(&member.shape);
    }

    /// Puts the steps of `body` behind an operation that knows how many they are. They are compiled apart,
    /// so that no literal grows over the border.
    fn nested(&mut self, operation: impl FnOnce(usize) -> Op, body: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.ops);
        body(self);
        let inner = std::mem::replace(&mut self.ops, outer);
        self.ops.push(operation(inner.len()));
        self.ops.extend(inner);
        // An empty literal keeps what follows from growing into the last one of the body.
        self.ops.push(Op::Bytes(Vec::new()));
    }

    fn fill(&self, used: &SlotUse) -> Filled {
        let entry = self.entry;
        let text = |text: &str| Filled::Constant(Some(serde_json::Value::String(text.to_owned())));
        let optional = |text: &Option<String>| {
            Filled::Constant(text.as_ref().map(|text| serde_json::Value::String(text.clone())))
        };
        let folded = |template: &Template, what: Dynamic| match template.as_literal() {
            Some(literal) => text(literal),
            None => Filled::Dynamic(what),
        };
        let message = |what: Dynamic| {
            if entry.open { Filled::Dynamic(what) } else { folded(&entry.message, what) }
        };
        match &used.slot {
            Slot::Type => optional(&entry.kind),
            Slot::Code => optional(&entry.code),
            Slot::Status => Filled::Constant(Some(entry.status.as_u16().into())),
            Slot::Title => folded(&entry.title, Dynamic::Title),
            Slot::Message => message(Dynamic::Message),
            Slot::Detail if self.answers_violations => Filled::Dynamic(Dynamic::Detail),
            Slot::Detail => message(Dynamic::Message),
            Slot::Param => Filled::Dynamic(Dynamic::Param),
            Slot::DocUrl => optional(&entry.doc_url),
            Slot::RequestId => Filled::Dynamic(Dynamic::RequestId),
            Slot::RetryAfter => Filled::Dynamic(Dynamic::RetryAfter),
            Slot::UserMessage => match &entry.user_message {
                Some(template) => folded(template, Dynamic::UserMessage),
                None => Filled::Constant(None),
            },
            Slot::Named(name) => Filled::Dynamic(Dynamic::Named(name.clone())),
            Slot::Violation(_) if !self.answers_violations => Filled::Constant(None),
            Slot::Violation(slot) => Filled::Dynamic(Dynamic::Violation(*slot, used.within)),
        }
    }
}
