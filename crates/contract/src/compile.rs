//! Compilation of a format and an entry to a program that renders the body.
//!
//! A program consists of literal bytes and the values that differ between responses. Everything that is constant for an
//! entry (status, code, type, a message without parameters) is part of the literals, so that most bodies are one copy, and
//! no name is looked up when a program runs.

use crate::catalogue::ErrorEntry;
use crate::format::{FormatMember, FormatNode, Keyed, Slot, SlotUse, ViolationSlot};
use crate::json;
use crate::locations::Locations;
use crate::template::Template;

/// One operation of a program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// Append these bytes.
    Bytes(Vec<u8>),
    /// Append a comma, unless the last byte opened an object or a list.
    Comma,
    /// Skip this many operations if the value is absent.
    IfPresent(Dynamic, usize),
    /// Append a value as JSON, or `null` or `""` if it is absent.
    Write { what: Dynamic, as_string: bool, absent_is_empty: bool },
    /// Run the next `steps` operations once for each visible violation. Without violations, run them once for the message
    /// if `or_message` is set.
    EachViolation { steps: usize, or_message: bool },
    /// Run the next `steps` operations for each visible violation, grouped by the value of the slot `key`.
    EachKey { key: ViolationSlot, is_list: bool, steps: usize },
    /// Skip this many operations if no violation is visible.
    IfViolations(usize),
    /// Skip this many operations if all of these values are absent.
    IfAny(Vec<Dynamic>, usize),
}

/// A value that differs between responses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dynamic {
    Title,
    Message,
    Detail,
    Param,
    RequestId,
    RetryAfter,
    RetryDelay,
    UserMessage,
    Named(String),
    /// A property of the current violation, if it is in these locations.
    Violation(ViolationSlot, Option<Locations>),
}

/// The value of a slot for one entry.
enum SlotContent {
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

/// Compiles the program of an entry.
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
    /// It depends on which members are omitted.
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
                SlotContent::Constant(value) => self.constant(value, slot),
                SlotContent::Dynamic(what) => {
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

    /// When a member is written. An optional object is written if one of its slots has a value.
    fn presence(&self, member: &FormatMember) -> WriteWhen {
        if !member.optional {
            return WriteWhen::Always;
        }
        match &member.shape {
            FormatNode::Slot(slot) => match self.fill(slot) {
                SlotContent::Constant(None) => WriteWhen::Never,
                SlotContent::Constant(Some(_)) => WriteWhen::Always,
                SlotContent::Dynamic(what) => WriteWhen::With(what),
            },
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) if self.answers_violations => {
                WriteWhen::WithViolations
            }
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => WriteWhen::Never,
            FormatNode::Array(_) | FormatNode::Constant(_) => WriteWhen::Always,
            FormatNode::Object(_) => {
                let mut any = Vec::new();
                // The names of the members can be the only slots of a list of violations.
                if self.answers_violations && member.shape.list().is_some() {
                    any.push(Dynamic::Violation(ViolationSlot::Field, None));
                }
                for slot in member.shape.uses() {
                    match self.fill(slot) {
                        SlotContent::Constant(Some(_)) => return WriteWhen::Always,
                        SlotContent::Constant(None) => {}
                        SlotContent::Dynamic(what) => any.push(what),
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

    /// Adds the operation that `operation` makes of the length of `body`, and then `body`. The body is compiled separately,
    /// so that no literal extends across its bounds.
    fn nested(&mut self, operation: impl FnOnce(usize) -> Op, body: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.ops);
        body(self);
        let inner = std::mem::replace(&mut self.ops, outer);
        self.ops.push(operation(inner.len()));
        self.ops.extend(inner);
        // An empty literal keeps the following bytes from extending the last literal of the body.
        self.ops.push(Op::Bytes(Vec::new()));
    }

    fn fill(&self, used: &SlotUse) -> SlotContent {
        let entry = self.entry;
        let text = |text: &str| SlotContent::Constant(Some(serde_json::Value::String(text.to_owned())));
        let optional = |text: &Option<String>| {
            SlotContent::Constant(text.as_ref().map(|text| serde_json::Value::String(text.clone())))
        };
        let folded = |template: &Template, what: Dynamic| match template.as_literal() {
            Some(literal) => text(literal),
            None => SlotContent::Dynamic(what),
        };
        let message = |what: Dynamic| {
            if entry.open { SlotContent::Dynamic(what) } else { folded(&entry.message, what) }
        };
        match &used.slot {
            Slot::Type => optional(&entry.kind),
            Slot::Code => optional(&entry.code),
            Slot::Status => SlotContent::Constant(Some(entry.status.as_u16().into())),
            Slot::Title => folded(&entry.title, Dynamic::Title),
            Slot::Message => message(Dynamic::Message),
            Slot::Detail if self.answers_violations => SlotContent::Dynamic(Dynamic::Detail),
            Slot::Detail => message(Dynamic::Message),
            Slot::Param => SlotContent::Dynamic(Dynamic::Param),
            Slot::DocUrl => optional(&entry.doc_url),
            Slot::RequestId => SlotContent::Dynamic(Dynamic::RequestId),
            Slot::RetryAfter => SlotContent::Dynamic(Dynamic::RetryAfter),
            Slot::RetryDelay => SlotContent::Dynamic(Dynamic::RetryDelay),
            Slot::UserMessage => match &entry.user_message {
                Some(template) => folded(template, Dynamic::UserMessage),
                None => SlotContent::Constant(None),
            },
            Slot::Named(name) => SlotContent::Dynamic(Dynamic::Named(name.clone())),
            Slot::Violation(_) if !self.answers_violations => SlotContent::Constant(None),
            Slot::Violation(slot) => SlotContent::Dynamic(Dynamic::Violation(*slot, used.within)),
        }
    }
}
