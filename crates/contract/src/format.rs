//! Formats: a JSON template whose leaves are constants and slots.
//!
//! ```yaml
//! error:
//!   status: $status
//!   code?: $code                    # left out when there is no code
//!   errors?: [{ field: $violation.field, message: $violation.message }]
//! ```
//!
//! A list whose only item speaks of violations is written once for each of them; a mapping whose only key is
//! `$violation.field` has a member for each parameter. The same tree renders
//! ([`crate::compile`]) and parses ([`crate::parse`]).

use std::sync::Arc;

use demur_source::{Diagnostics, Kind, Node, Source, Span, did_you_mean};

/// What stands at one place of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A member after the other.
    Object(Vec<Member>),
    /// A fixed number of items.
    Array(Vec<Shape>),
    /// One item for each violation that is shown.
    PerViolation(Box<Shape>),
    /// One member for each parameter that is shown, with its violations.
    Keyed(Keyed),
    /// JSON that never changes.
    Constant(serde_json::Value),
    /// A value of the problem.
    Slot(SlotUse),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Written `name?`: left out where its value is absent.
    pub(crate) optional: bool,
    pub(crate) shape: Shape,
}

/// `{ $violation.field: [$violation.message] }`: violations by parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyed {
    /// What names a member.
    pub(crate) key: ViolationSlot,
    /// What stands under the name, for one violation.
    pub(crate) item: Box<Shape>,
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

impl Shape {
    /// Reads a format. Mistakes go to `found`, and stand as `null` in what is returned.
    pub(crate) fn read(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Shape {
        match &node.kind {
            Kind::Map(entries) => {
                if let [(key, value)] = entries.as_slice()
                    && let Some(slot) = key.name.strip_prefix('$')
                {
                    return read_keyed(slot, key.span, value, source, found);
                }
                if entries.len() > MAX_MEMBERS {
                    let message = format!("an object of a format has at most {MAX_MEMBERS} members");
                    found.error(source, node.span, "too-many-members", message, None);
                }
                let members = entries.iter().map(|(key, value)| {
                    let (name, optional) = match key.name.strip_suffix('?') {
                        Some(name) => (name, true),
                        None => (key.name.as_str(), false),
                    };
                    let shape = Shape::read(value, source, found);
                    Member { name: name.to_owned(), optional, shape }
                });
                Shape::Object(members.collect())
            }
            Kind::Seq(items) => {
                let mut shapes: Vec<Shape> =
                    items.iter().map(|item| Shape::read(item, source, found)).collect();
                let is_per_violation = shapes.len() == 1 && shapes[0].speaks_of_one_violation();
                match is_per_violation.then(|| shapes.pop()).flatten() {
                    Some(item) => Shape::PerViolation(Box::new(item)),
                    None => Shape::Array(shapes),
                }
            }
            Kind::Str(text) => match text.strip_prefix('$') {
                Some(slot) => match read_slot(slot) {
                    Ok(slot) => Shape::Slot(slot),
                    Err((check, message, help)) => {
                        found.error(source, node.span, check, message, help);
                        Shape::Constant(serde_json::Value::Null)
                    }
                },
                None => Shape::Constant(serde_json::Value::String(text.clone())),
            },
            _ => Shape::Constant(node.to_json()),
        }
    }

    /// Whether some slot in here is about one violation.
    fn speaks_of_one_violation(&self) -> bool {
        match self {
            Shape::Object(members) => members.iter().any(|member| member.shape.speaks_of_one_violation()),
            Shape::Array(items) => items.iter().any(Shape::speaks_of_one_violation),
            Shape::PerViolation(_) | Shape::Keyed(_) | Shape::Constant(_) => false,
            Shape::Slot(slot) => matches!(slot.slot, Slot::Detail | Slot::Violation(_)),
        }
    }

    /// Whether violations are shown by the names of their parameters.
    pub(crate) fn is_keyed(&self) -> bool {
        match self {
            Shape::Object(members) => members.iter().any(|member| member.shape.is_keyed()),
            Shape::Array(items) => items.iter().any(Shape::is_keyed),
            Shape::PerViolation(item) => item.is_keyed(),
            Shape::Keyed(keyed) => keyed.key == ViolationSlot::Field,
            Shape::Constant(_) | Shape::Slot(_) => false,
        }
    }

    /// The slots that every answer has, whether there are violations or not.
    pub(crate) fn certain_slots(&self) -> Vec<&Slot> {
        match self {
            Shape::Object(members) => members
                .iter()
                .filter(|member| !(member.optional && matches!(member.shape, Shape::PerViolation(_))))
                .flat_map(|member| member.shape.certain_slots())
                .collect(),
            Shape::Array(items) => items.iter().flat_map(Shape::certain_slots).collect(),
            // The message stands in for none.
            Shape::PerViolation(item) if item.slots().contains(&&Slot::Detail) => item.certain_slots(),
            Shape::PerViolation(_) | Shape::Keyed(_) | Shape::Constant(_) => Vec::new(),
            Shape::Slot(slot) => vec![&slot.slot],
        }
    }

    /// Every slot below, in order.
    pub(crate) fn slots(&self) -> Vec<&Slot> {
        match self {
            Shape::Object(members) => members.iter().flat_map(|member| member.shape.slots()).collect(),
            Shape::Array(items) => items.iter().flat_map(Shape::slots).collect(),
            Shape::PerViolation(item) | Shape::Keyed(Keyed { item, .. }) => item.slots(),
            Shape::Constant(_) => Vec::new(),
            Shape::Slot(slot) => vec![&slot.slot],
        }
    }
}

/// Reads `{ $violation.field: … }`.
fn read_keyed(slot: &str, span: Span, value: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Shape {
    let key = match read_slot(slot) {
        Ok(SlotUse { slot: Slot::Violation(key), .. }) => key,
        Ok(_) | Err(_) => {
            let help = "only `$violation.field` and its kin can name a member".to_owned();
            found.error(source, span, "unknown-slot", format!("`${slot}` cannot name a member"), help);
            ViolationSlot::Field
        }
    };
    let (item, is_list) = match value.as_seq() {
        Some([item]) => (item, true),
        _ => (value, false),
    };
    Shape::Keyed(Keyed { key, item: Box::new(Shape::read(item, source, found)), is_list })
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
    let mut read = SlotUse { slot, as_string: false, absent_is_empty: false };
    for cast in parts {
        match cast {
            "string" => read.as_string = true,
            "empty" => read.absent_is_empty = true,
            "null" => read.absent_is_empty = false,
            other => {
                let message = format!("there is no cast `{other}`");
                return Err((
                    "unknown-cast",
                    message,
                    Some("there are `string`, `empty`, `null`".to_owned()),
                ));
            }
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Shape, Diagnostics) {
        let source = Source::new("t.yaml", text);
        let node = demur_source::parse(&source).unwrap();
        let mut found = Diagnostics::new();
        (Shape::read(&node, &source, &mut found), found)
    }

    #[test]
    fn a_list_that_speaks_of_violations_is_written_for_each() {
        assert!(matches!(read("[$detail]").0, Shape::PerViolation(_)));
        assert!(matches!(read("[{a: $violation.field}]").0, Shape::PerViolation(_)));
        assert!(matches!(read("[$message]").0, Shape::Array(_)));
    }

    #[test]
    fn unknown_slots_are_told_with_what_was_meant() {
        let (_, found) = read("{a: $massage, b: $status|loud}");
        let text = found.to_string();
        assert!(text.contains("did you mean `$message`?"), "{text}");
        assert!(text.contains("unknown-cast"), "{text}");
    }
}
