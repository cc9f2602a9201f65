//! Formats: a JSON template whose leaves are constants and slots.
//!
//! ```yaml
//! error:
//!   status: $status
//!   code?: $code                    # left out when there is no code
//!   errors?: [{ field: $violation.field, message: $violation.message }]
//! ```
//!
//! `$violation.field|in:query` has a value where the violation stands in the query, and none elsewhere.
//!
//! A list whose only item speaks of violations is written once for each of them; a mapping whose only key is
//! `$violation.field` has a member for each parameter. A format has at most one of these. The same tree renders
//! ([`crate::compile`]) and parses ([`crate::parse`]).

use std::sync::Arc;

use demur_source::{Diagnostics, Key, Node, NodeKind, Source, Span, did_you_mean};

use crate::locations::Locations;
use crate::problem::Location;

/// What stands at one place of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FormatNode {
    /// A member after the other.
    Object(Vec<FormatMember>),
    /// A fixed number of items.
    Array(Vec<FormatNode>),
    /// One item for each violation that is shown.
    PerViolation(Box<FormatNode>),
    /// One member for each parameter that is shown, with its violations.
    Keyed(Keyed),
    /// JSON that never changes.
    Constant(serde_json::Value),
    /// A value of the problem.
    Slot(SlotUse),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FormatMember {
    pub(crate) name: String,
    /// Written `name?`: left out where its value is absent.
    pub(crate) optional: bool,
    pub(crate) shape: FormatNode,
}

/// `{ $violation.field: [$violation.message] }`: violations by parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyed {
    /// What names a member.
    pub(crate) key: ViolationSlot,
    /// What stands under the name, for one violation.
    pub(crate) item: Box<FormatNode>,
    /// Whether all violations of the parameter are listed, or the first alone is shown.
    pub(crate) is_list: bool,
}

/// A slot, how its value is written, and what stands for no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlotUse {
    pub(crate) slot: Slot,
    /// `|string`: a number is written as a string.
    pub(crate) as_string: bool,
    /// `|empty`: no value is written as `""` instead of `null`.
    pub(crate) absent_is_empty: bool,
    /// `|in:query`: it has a value only of a violation that stands there. `None` where its location does not matter.
    pub(crate) within: Option<Locations>,
}

impl SlotUse {
    /// Where a violation can stand that it shows.
    pub(crate) fn locations(&self) -> Locations {
        self.within.unwrap_or(Locations::ALL)
    }
}

/// What a slot can show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Slot {
    Type,
    Code,
    Status,
    Title,
    Message,
    /// The message of the violation at hand, or the error's message where there is none.
    Detail,
    /// The first violation's parameter.
    Param,
    DocUrl,
    RequestId,
    RetryAfter,
    UserMessage,
    /// A parameter of the problem, by name.
    Named(String),
    Violation(ViolationSlot),
}

/// What a slot can show of one violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViolationSlot {
    Field,
    Message,
    Pointer,
    Rule,
    Location,
}

/// The parser keeps the members that it met as the bits of one number.
const MAX_MEMBERS: usize = 128;

const SLOTS: &[(&str, Slot)] = &[
    ("type", Slot::Type),
    ("code", Slot::Code),
    ("status", Slot::Status),
    ("title", Slot::Title),
    ("message", Slot::Message),
    ("detail", Slot::Detail),
    ("param", Slot::Param),
    ("doc_url", Slot::DocUrl),
    ("request_id", Slot::RequestId),
    ("retry_after", Slot::RetryAfter),
    ("user_message", Slot::UserMessage),
    ("violation.field", Slot::Violation(ViolationSlot::Field)),
    ("violation.message", Slot::Violation(ViolationSlot::Message)),
    ("violation.pointer", Slot::Violation(ViolationSlot::Pointer)),
    ("violation.rule", Slot::Violation(ViolationSlot::Rule)),
    ("violation.location", Slot::Violation(ViolationSlot::Location)),
];

impl FormatNode {
    /// Reads a format. Mistakes go to `found`, and stand as `null` in what is returned.
    pub(crate) fn read(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> FormatNode {
        let mut reader = FormatReader { source, found, lists: Vec::new() };
        let shape = reader.shape(node);
        reader.one_list();
        shape
    }

    /// Whether some slot in here is about one violation.
    fn speaks_of_one_violation(&self) -> bool {
        match self {
            FormatNode::Object(members) => {
                members.iter().any(|member| member.shape.speaks_of_one_violation())
            }
            FormatNode::Array(items) => items.iter().any(FormatNode::speaks_of_one_violation),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) | FormatNode::Constant(_) => false,
            FormatNode::Slot(slot) => matches!(slot.slot, Slot::Detail | Slot::Violation(_)),
        }
    }

    /// The list of violations, if there is one: a [`Shape::PerViolation`] or a [`Shape::Keyed`].
    pub(crate) fn list(&self) -> Option<&FormatNode> {
        match self {
            FormatNode::Object(members) => members.iter().find_map(|member| member.shape.list()),
            FormatNode::Array(items) => items.iter().find_map(FormatNode::list),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => Some(self),
            FormatNode::Constant(_) | FormatNode::Slot(_) => None,
        }
    }

    /// The slots that every answer has, whether there are violations or not.
    pub(crate) fn certain_slots(&self) -> Vec<&SlotUse> {
        match self {
            FormatNode::Object(members) => members
                .iter()
                .filter(|member| !(member.optional && matches!(member.shape, FormatNode::PerViolation(_))))
                .flat_map(|member| member.shape.certain_slots())
                .collect(),
            FormatNode::Array(items) => items.iter().flat_map(FormatNode::certain_slots).collect(),
            // The message stands in for none.
            FormatNode::PerViolation(item) if item.slots().contains(&&Slot::Detail) => item.certain_slots(),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) | FormatNode::Constant(_) => Vec::new(),
            FormatNode::Slot(slot) => vec![slot],
        }
    }

    /// Every slot below, in order.
    pub(crate) fn slots(&self) -> Vec<&Slot> {
        self.uses().into_iter().map(|used| &used.slot).collect()
    }

    /// Every slot below with its casts, in order.
    pub(crate) fn uses(&self) -> Vec<&SlotUse> {
        match self {
            FormatNode::Object(members) => members.iter().flat_map(|member| member.shape.uses()).collect(),
            FormatNode::Array(items) => items.iter().flat_map(FormatNode::uses).collect(),
            FormatNode::PerViolation(item) | FormatNode::Keyed(Keyed { item, .. }) => item.uses(),
            FormatNode::Constant(_) => Vec::new(),
            FormatNode::Slot(slot) => vec![slot],
        }
    }
}

struct FormatReader<'s> {
    source: &'s Arc<Source>,
    found: &'s mut Diagnostics,
    /// Where violations are listed, by parameter or one after the other.
    lists: Vec<ListAt>,
}

struct ListAt {
    span: Span,
    /// Whether it stands within the item of another one.
    is_within: bool,
}

impl FormatReader<'_> {
    fn shape(&mut self, node: &Node) -> FormatNode {
        match &node.kind {
            NodeKind::Map(entries) => match entries.as_slice() {
                [(key, value)] if key.name.starts_with('$') => {
                    let before = self.lists.len();
                    let shape = self.keyed(&key.name[1..], key.span, value);
                    self.list(node.span, before);
                    shape
                }
                entries => self.object(node.span, entries),
            },
            NodeKind::Seq(items) => {
                let before = self.lists.len();
                let mut shapes: Vec<FormatNode> = items.iter().map(|item| self.shape(item)).collect();
                let is_per_violation = shapes.len() == 1 && shapes[0].speaks_of_one_violation();
                match is_per_violation.then(|| shapes.pop()).flatten() {
                    Some(item) => {
                        self.list(node.span, before);
                        FormatNode::PerViolation(Box::new(item))
                    }
                    None => FormatNode::Array(shapes),
                }
            }
            NodeKind::Str(text) => match text.strip_prefix('$') {
                Some(slot) => match read_slot(slot) {
                    Ok(slot) => FormatNode::Slot(slot),
                    Err((check, message, help)) => {
                        self.found.error(self.source, node.span, check, message, help);
                        FormatNode::Constant(serde_json::Value::Null)
                    }
                },
                None => FormatNode::Constant(serde_json::Value::String(text.clone())),
            },
            _ => FormatNode::Constant(node.to_json()),
        }
    }

    fn object(&mut self, span: Span, entries: &[(Key, Node)]) -> FormatNode {
        if entries.len() > MAX_MEMBERS {
            let message = format!("an object of a format has at most {MAX_MEMBERS} members");
            self.found.error(self.source, span, "too-many-members", message, None);
        }
        let mut members: Vec<FormatMember> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, optional) = match key.name.strip_suffix('?') {
                Some(name) => (name, true),
                None => (key.name.as_str(), false),
            };
            if members.iter().any(|member| member.name == name) {
                let message = format!("the member `{name}` stands here a second time");
                let help =
                    format!("`{name}` and `{name}?` are one member of the answer; keep one of the two");
                self.found.error(self.source, key.span, "duplicate-member", message, help);
            }
            members.push(FormatMember { name: name.to_owned(), optional, shape: self.shape(value) });
        }
        FormatNode::Object(members)
    }

    /// Reads `{ $violation.field: … }`.
    fn keyed(&mut self, slot: &str, span: Span, value: &Node) -> FormatNode {
        let key = match read_slot(slot) {
            Ok(SlotUse { slot: Slot::Violation(key), within: None, .. }) => key,
            Ok(_) | Err(_) => {
                let message = format!("`${slot}` cannot name a member");
                let help = "only `$violation.field` and its kin can name a member, wherever violations stand"
                    .to_owned();
                self.found.error(self.source, span, "unknown-slot", message, help);
                ViolationSlot::Field
            }
        };
        let (item, is_list) = match value.as_seq() {
            Some([item]) => (item, true),
            _ => (value, false),
        };
        FormatNode::Keyed(Keyed { key, item: Box::new(self.shape(item)), is_list })
    }

    /// Notes a list of violations: those that were found after the first `before` stand within it.
    fn list(&mut self, span: Span, before: usize) {
        self.lists.iter_mut().skip(before).for_each(|inner| inner.is_within = true);
        self.lists.push(ListAt { span, is_within: false });
    }

    /// Violations are listed once: of two lists nobody could say which item of the one is which of the other, and
    /// the item of a list is about one violation alone.
    fn one_list(&mut self) {
        let mut has_one = false;
        for list in std::mem::take(&mut self.lists) {
            let (message, help) = if list.is_within {
                (
                    "violations are listed here within a list of violations",
                    "an item is about one violation: show that without a list, as in `[{ field: $violation.field, \
                     message: $violation.message }]`, or list them under one name alone, as in \
                     `{ $violation.field: [$violation.message] }`",
                )
            } else if std::mem::replace(&mut has_one, true) {
                ("violations are listed here a second time", "keep one of the two lists")
            } else {
                continue;
            };
            self.found.error(self.source, list.span, "second-list", message, help.to_owned());
        }
    }
}

type Mistake = (&'static str, String, Option<String>);

fn read_slot(text: &str) -> Result<SlotUse, Mistake> {
    let mut parts = text.split('|');
    let name = parts.next().unwrap_or_default();
    let slot = match name.strip_prefix("params.") {
        Some(param) if !param.is_empty() => Slot::Named(param.to_owned()),
        _ => match SLOTS.iter().find(|(known, _)| *known == name) {
            Some((_, slot)) => slot.clone(),
            None => {
                let help = match did_you_mean(name, SLOTS.iter().map(|(known, _)| *known)) {
                    Some(known) => format!("did you mean `${known}`?"),
                    None => {
                        let known: Vec<_> = SLOTS.iter().map(|(known, _)| format!("${known}")).collect();
                        format!("there are {}, $params.NAME", known.join(", "))
                    }
                };
                return Err(("unknown-slot", format!("there is no slot `${name}`"), Some(help)));
            }
        },
    };
    let mut read = SlotUse { slot, as_string: false, absent_is_empty: false, within: None };
    for cast in parts {
        match (cast, cast.strip_prefix("in:")) {
            ("string", _) => read.as_string = true,
            ("empty", _) => read.absent_is_empty = true,
            ("null", _) => read.absent_is_empty = false,
            (_, Some(locations)) => read.within = Some(read_locations(locations, name, &read)?),
            (other, None) => {
                let message = format!("there is no cast `{other}`");
                let help = "there are `string`, `empty`, `null`, `in:query`".to_owned();
                return Err(("unknown-cast", message, Some(help)));
            }
        }
    }
    Ok(read)
}

/// Reads what follows `in:`. Only a violation stands somewhere; of two such casts nobody could say whether both count.
fn read_locations(text: &str, slot: &str, before: &SlotUse) -> Result<Locations, Mistake> {
    if !matches!(before.slot, Slot::Violation(_)) {
        let message = format!("`${slot}` stands in no location");
        let help = "only `$violation.field` and its kin do: leave `in:` out".to_owned();
        return Err(("location-cast", message, Some(help)));
    }
    if before.within.is_some() {
        let help = "write the locations in one: `in:path+query`".to_owned();
        return Err(("location-cast", "`in:` stands here a second time".to_owned(), Some(help)));
    }
    Locations::read(text).map_err(|unknown| {
        let known = Location::ALL.map(Location::as_str);
        let help = match did_you_mean(unknown, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let message = match unknown {
            "" => "`in:` lacks a location here".to_owned(),
            unknown => format!("there is no location `{unknown}`"),
        };
        ("unknown-location", message, Some(help))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (FormatNode, Diagnostics) {
        let source = Source::new("t.yaml", text);
        let node = demur_source::parse(&source).unwrap();
        let mut found = Diagnostics::new();
        (FormatNode::read(&node, &source, &mut found), found)
    }

    #[test]
    fn a_list_that_speaks_of_violations_is_written_for_each() {
        assert!(matches!(read("[$detail]").0, FormatNode::PerViolation(_)));
        assert!(matches!(read("[{a: $violation.field}]").0, FormatNode::PerViolation(_)));
        assert!(matches!(read("[$message]").0, FormatNode::Array(_)));
    }

    #[test]
    fn unknown_slots_are_told_with_what_was_meant() {
        let (_, found) = read("{a: $massage, b: $status|loud}");
        let text = found.to_string();
        assert!(text.contains("did you mean `$message`?"), "{text}");
        assert!(text.contains("unknown-cast"), "{text}");
    }
}
