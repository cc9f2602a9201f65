//! Formats: JSON templates whose leaves are constants and slots.
//! Long because it has each slot, and the message for each mistake in a format.
//!
//! ```yaml
//! error:
//!   status: $status
//!   code?: $code                    # omitted if the error has no code
//!   errors?: [{ field: $violation.field, message: $violation.message }]
//! ```
//!
//! `$violation.field|in:query` has a value only for a violation in the query.
//!
//! A list with one item that has a slot of a violation is rendered with one item for each violation. A mapping with the
//! single key `$violation.field` is rendered with one member for each parameter. A format has at most one of these. The
//! same tree is used for rendering ([`crate::compile`]) and parsing ([`crate::parse`]).

use std::sync::Arc;

use demur_source::{Diagnostics, Key, Node, NodeKind, Source, Span, did_you_mean};

use crate::locations::Locations;
use crate::problem::Location;

/// A node of a format: one JSON value of the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FormatNode {
    /// An object with these members, in this order.
    Object(Vec<FormatMember>),
    /// A list with these items.
    Array(Vec<FormatNode>),
    /// A list with one item for each visible violation.
    PerViolation(Box<FormatNode>),
    /// An object with one member for each parameter of a visible violation.
    Keyed(Keyed),
    /// A constant.
    Constant(serde_json::Value),
    /// A value of the problem or of its error.
    Slot(SlotUse),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FormatMember {
    pub(crate) name: String,
    /// Written `name?`: omitted if its value is absent.
    pub(crate) optional: bool,
    pub(crate) shape: FormatNode,
}

/// Violations grouped by parameter: `{ $violation.field: [$violation.message] }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyed {
    /// The slot that names a member.
    pub(crate) key: ViolationSlot,
    /// The value of a member, for one violation.
    pub(crate) item: Box<FormatNode>,
    /// Whether a member lists all violations of its parameter, or shows only the first.
    pub(crate) is_list: bool,
}

/// A slot with its casts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlotUse {
    pub(crate) slot: Slot,
    /// `|string`: write a number as a string.
    pub(crate) as_string: bool,
    /// `|empty`: write an absent value as `""` instead of `null`.
    pub(crate) absent_is_empty: bool,
    /// `|in:query`: the slot has a value only for violations in these locations. `None` means in any.
    pub(crate) within: Option<Locations>,
}

impl SlotUse {
    /// The locations of the violations for which the slot has a value.
    pub(crate) fn locations(&self) -> Locations {
        self.within.unwrap_or(Locations::ALL)
    }
}

/// The value that a slot shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Slot {
    Type,
    Code,
    Status,
    Title,
    Message,
    /// The message of the current violation, or of the error if there is no violation.
    Detail,
    /// The parameter of the first violation.
    Param,
    DocUrl,
    RequestId,
    RetryAfter,
    /// The same as text with its unit, as JSON writes a `google.protobuf.Duration`: `30s`.
    RetryDelay,
    UserMessage,
    /// The parameter of the problem with this name.
    Named(String),
    Violation(ViolationSlot),
}

/// The property of a violation that a slot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViolationSlot {
    Field,
    Message,
    Pointer,
    Rule,
    Location,
}

/// The maximum number of members in an object. The parser tracks the members it has seen in a bit set of this size.
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
    ("retry_delay", Slot::RetryDelay),
    ("user_message", Slot::UserMessage),
    ("violation.field", Slot::Violation(ViolationSlot::Field)),
    ("violation.message", Slot::Violation(ViolationSlot::Message)),
    ("violation.pointer", Slot::Violation(ViolationSlot::Pointer)),
    ("violation.rule", Slot::Violation(ViolationSlot::Rule)),
    ("violation.location", Slot::Violation(ViolationSlot::Location)),
];

impl FormatNode {
    /// Reads a format. Invalid parts are reported and become `null`.
    pub(crate) fn read(node: &Node, source: &Arc<Source>, diagnostics: &mut Diagnostics) -> FormatNode {
        let mut reader = FormatReader { source, diagnostics, lists: Vec::new() };
        let shape = reader.shape(node);
        reader.check_single_list();
        shape
    }

    /// Whether a slot of this node shows the current violation, so that a list of it has one item per violation.
    fn is_per_violation(&self) -> bool {
        match self {
            FormatNode::Object(members) => members.iter().any(|member| member.shape.is_per_violation()),
            FormatNode::Array(items) => items.iter().any(FormatNode::is_per_violation),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) | FormatNode::Constant(_) => false,
            FormatNode::Slot(slot) => matches!(slot.slot, Slot::Detail | Slot::Violation(_)),
        }
    }

    /// The list of violations, if there is one: a [`FormatNode::PerViolation`] or a [`FormatNode::Keyed`].
    pub(crate) fn list(&self) -> Option<&FormatNode> {
        match self {
            FormatNode::Object(members) => members.iter().find_map(|member| member.shape.list()),
            FormatNode::Array(items) => items.iter().find_map(FormatNode::list),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) => Some(self),
            FormatNode::Constant(_) | FormatNode::Slot(_) => None,
        }
    }

    /// The slots that every body has, with or without violations.
    pub(crate) fn certain_slots(&self) -> Vec<&SlotUse> {
        match self {
            FormatNode::Object(members) => members
                .iter()
                .filter(|member| !(member.optional && matches!(member.shape, FormatNode::PerViolation(_))))
                .flat_map(|member| member.shape.certain_slots())
                .collect(),
            FormatNode::Array(items) => items.iter().flat_map(FormatNode::certain_slots).collect(),
            // Without violations, the list has one item that shows the message.
            FormatNode::PerViolation(item) if item.slots().contains(&&Slot::Detail) => item.certain_slots(),
            FormatNode::PerViolation(_) | FormatNode::Keyed(_) | FormatNode::Constant(_) => Vec::new(),
            FormatNode::Slot(slot) => vec![slot],
        }
    }

    /// All slots in this node, in order.
    pub(crate) fn slots(&self) -> Vec<&Slot> {
        self.uses().into_iter().map(|used| &used.slot).collect()
    }

    /// All slots in this node with their casts, in order.
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
    diagnostics: &'s mut Diagnostics,
    /// The lists of violations that have been read.
    lists: Vec<ViolationList>,
}

struct ViolationList {
    span: Span,
    /// Whether it is inside an item of another list of violations.
    is_nested: bool,
}

impl FormatReader<'_> {
    fn shape(&mut self, node: &Node) -> FormatNode {
        match &node.kind {
            NodeKind::Map(entries) => match entries.as_slice() {
                [(key, value)] if key.name.starts_with('$') => {
                    let before = self.lists.len();
                    let shape = self.keyed(&key.name[1..], key.span, value);
                    self.add_list(node.span, before);
                    shape
                }
                entries => self.object(node.span, entries),
            },
            NodeKind::Seq(items) => {
                let before = self.lists.len();
                let mut shapes: Vec<FormatNode> = items.iter().map(|item| self.shape(item)).collect();
                let is_per_violation = shapes.len() == 1 && shapes[0].is_per_violation();
                match is_per_violation.then(|| shapes.pop()).flatten() {
                    Some(item) => {
                        self.add_list(node.span, before);
                        FormatNode::PerViolation(Box::new(item))
                    }
                    None => FormatNode::Array(shapes),
                }
            }
            NodeKind::Str(text) => match text.strip_prefix('$') {
                Some(slot) => match read_slot(slot) {
                    Ok(slot) => FormatNode::Slot(slot),
                    Err((check, message, help)) => {
                        self.diagnostics.error(self.source, node.span, check, message, help);
                        FormatNode::Constant(serde_json::Value::Null)
                    }
                },
                None => {
                    if let Some(slot) = slot_within(text) {
                        let message = format!("`{slot}` within a text is not replaced");
                        let help = "a slot is the whole value; a text with values is a `message`, and shown by `$message`";
                        self.diagnostics.error(
                            self.source,
                            node.span,
                            "slot-in-text",
                            message,
                            Some(help.to_owned()),
                        );
                    }
                    FormatNode::Constant(serde_json::Value::String(text.clone()))
                }
            },
            _ => FormatNode::Constant(node.to_json()),
        }
    }

    fn object(&mut self, span: Span, entries: &[(Key, Node)]) -> FormatNode {
        if entries.len() > MAX_MEMBERS {
            let message = format!("an object can have at most {MAX_MEMBERS} members");
            self.diagnostics.error(self.source, span, "too-many-members", message, None);
        }
        let mut members: Vec<FormatMember> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, optional) = match key.name.strip_suffix('?') {
                Some(name) => (name, true),
                None => (key.name.as_str(), false),
            };
            if members.iter().any(|member| member.name == name) {
                let message = format!("duplicate member `{name}`");
                let help = format!("`{name}` and `{name}?` are the same member; remove one of the two");
                self.diagnostics.error(self.source, key.span, "duplicate-member", message, help);
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
                let message = format!("the slot `${slot}` cannot be a key");
                let help = "use a slot of violations without `in:`, such as `$violation.field`".to_owned();
                self.diagnostics.error(self.source, span, "unknown-slot", message, help);
                ViolationSlot::Field
            }
        };
        let (item, is_list) = match value.as_seq() {
            Some([item]) => (item, true),
            _ => (value, false),
        };
        FormatNode::Keyed(Keyed { key, item: Box::new(self.shape(item)), is_list })
    }

    /// Records a list of violations. Those recorded after the first `before` are nested in it.
    fn add_list(&mut self, span: Span, before: usize) {
        self.lists.iter_mut().skip(before).for_each(|inner| inner.is_nested = true);
        self.lists.push(ViolationList { span, is_nested: false });
    }

    /// Reports a second list of violations. A parser could not match the items of two lists, and an item of a list is about
    /// one violation only.
    fn check_single_list(&mut self) {
        let mut has_one = false;
        for list in std::mem::take(&mut self.lists) {
            let (message, help) = if list.is_nested {
                (
                    "a list of violations cannot contain another list of violations",
                    "an item shows one violation: write `[{ field: $violation.field, message: \
                     $violation.message }]`, or group them by parameter with \
                     `{ $violation.field: [$violation.message] }`",
                )
            } else if std::mem::replace(&mut has_one, true) {
                ("a format can have only one list of violations", "remove one of the two lists")
            } else {
                continue;
            };
            self.diagnostics.error(self.source, list.span, "second-list", message, help.to_owned());
        }
    }
}

/// The check, message and help of an invalid slot.
type SlotError = (&'static str, String, Option<String>);

/// A slot or a parameter of a text that stands within a constant text: `Error $code` and `Error {code}` would be sent as
/// they are written.
pub(crate) fn slot_within(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let slots = text.match_indices('$').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let (open, rest) = match rest.strip_prefix('{') {
            Some(rest) => ("{", rest),
            None => ("", rest),
        };
        let name = rest.split(|c| !is_name(c)).next().unwrap_or_default().trim_end_matches('.');
        let is_slot = SLOTS.iter().any(|(known, _)| *known == name)
            || name.strip_prefix("params.").is_some_and(|name| !name.is_empty());
        is_slot.then(|| format!("${open}{name}{}", if open.is_empty() { "" } else { "}" }))
    });
    let mut braces = text.match_indices('{').filter_map(|(at, _)| {
        let (name, _) = text[at + 1..].split_once('}')?;
        let name = name.split('|').next().unwrap_or_default();
        let is_doubled = text[..at].ends_with('{') || text[..at].ends_with('$');
        let is_known = SLOTS.iter().any(|(known, _)| *known == name)
            || ["field", "value", "values", "limit", "allowed", "pointer", "location"].contains(&name);
        (is_known && !is_doubled).then(|| format!("{{{name}}}"))
    });
    let mut slots = slots;
    slots.next().or_else(|| braces.next())
}

fn read_slot(text: &str) -> Result<SlotUse, SlotError> {
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
                        let known: Vec<_> = SLOTS.iter().map(|(known, _)| format!("`${known}`")).collect();
                        format!("use one of {}, `$params.NAME`", known.join(", "))
                    }
                };
                return Err(("unknown-slot", format!("unknown slot `${name}`"), Some(help)));
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
                let message = format!("unknown cast `{other}`");
                let help = "use one of `string`, `empty`, `null`, `in:query`".to_owned();
                return Err(("unknown-cast", message, Some(help)));
            }
        }
    }
    Ok(read)
}

/// Reads the locations after `in:`, which only slots of violations can have, and only once.
fn read_locations(text: &str, slot: &str, before: &SlotUse) -> Result<Locations, SlotError> {
    if !matches!(before.slot, Slot::Violation(_)) {
        let message = format!("the slot `${slot}` cannot have the cast `in:`");
        let help = "remove it; only slots of violations, such as `$violation.field`, can have it".to_owned();
        return Err(("location-cast", message, Some(help)));
    }
    if before.within.is_some() {
        let help = "write all locations in one cast: `in:path+query`".to_owned();
        return Err(("location-cast", "duplicate cast `in:`".to_owned(), Some(help)));
    }
    Locations::read(text).map_err(|unknown| {
        let known = Location::ALL.map(Location::as_str);
        let help = match did_you_mean(unknown, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                let known = known.map(|location| format!("`{location}`"));
                format!("use one of {}", known.join(", "))
            }
        };
        let message = match unknown {
            "" => "the cast `in:` has an empty location".to_owned(),
            unknown => format!("unknown location `{unknown}`"),
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
        let mut diagnostics = Diagnostics::new();
        (FormatNode::read(&node, &source, &mut diagnostics), diagnostics)
    }

    #[test]
    fn finds_slots_within_texts() {
        for (text, found) in [
            ("Error $code", Some("$code")),
            ("$$code", Some("$code")),
            ("id: $request_id.", Some("$request_id")),
            ("${message}", Some("${message}")),
            ("($params.item)", Some("$params.item")),
            ("about $violation.field", Some("$violation.field")),
            ("Error {code}", Some("{code}")),
            ("{param} is wrong", Some("{param}")),
            ("{allowed|quoted}", Some("{allowed|quoted}").map(|_| "{allowed}")),
            ("costs $5", None),
            ("$codes", None),
            ("$", None),
            ("{}", None),
            ("{{code}}", None),
            ("{ code }", None),
            ("https://shop.example/{id}", None),
        ] {
            assert_eq!(slot_within(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn a_list_with_a_violation_slot_has_one_item_per_violation() {
        assert!(matches!(read("[$detail]").0, FormatNode::PerViolation(_)));
        assert!(matches!(read("[{a: $violation.field}]").0, FormatNode::PerViolation(_)));
        assert!(matches!(read("[$message]").0, FormatNode::Array(_)));
    }

    #[test]
    fn suggests_the_closest_slot() {
        let (_, diagnostics) = read("{a: $massage, b: $status|loud}");
        let text = diagnostics.to_string();
        assert!(text.contains("did you mean `$message`?"), "{text}");
        assert!(text.contains("unknown-cast"), "{text}");
    }
}
