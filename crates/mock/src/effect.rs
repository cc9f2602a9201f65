//! What happens to a request: an error or a status, its details, and faults of the connection.

use std::sync::Arc;
use std::time::Duration;

use demur_config::duration;
use demur_contract::{Condition, Location, Value, Violation};
use demur_engine::SimulatedDetails;
use demur_source::{Diagnostics, Fields, Node, NodeKind, Source, did_you_mean};
use http::{HeaderName, HeaderValue};

/// Responses are not delayed for longer.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(60);

const LOCATIONS: [Location; 5] =
    [Location::Path, Location::Query, Location::Header, Location::Cookie, Location::Body];

/// What a request gets in place of its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// The error of this name or code.
    Error(String),
    /// The first answer with this status.
    Status(u16),
}

/// What happens to a request. By default, nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Effect {
    pub(crate) wanted: Option<Wanted>,
    pub(crate) details: SimulatedDetails,
    pub(crate) delay: Duration,
    pub(crate) truncate_at: Option<u64>,
    pub(crate) resets: bool,
}

impl Effect {
    /// Reads the keys of an effect among the fields of a mapping.
    pub(crate) fn read(fields: &mut Fields<'_>, source: &Arc<Source>, found: &mut Diagnostics) -> Self {
        let error = fields.text("error", found);
        let status = fields.node("status").and_then(|node| {
            let status = match node.kind {
                NodeKind::Int(status) => u16::try_from(status).ok(),
                _ => None,
            };
            let status = status.filter(|status| (200..600).contains(status));
            if status.is_none() {
                found.error(source, node.span, "status", "`status` must be between 200 and 599", None);
            }
            status
        });
        if error.is_some() && status.is_some() {
            let message = "`error` and `status` cannot be combined";
            found.error(source, fields.span(), "conflict", message, "remove one of them".to_owned());
        }
        let mut details = SimulatedDetails {
            message: fields.text("message", found),
            retry_after: time(fields, "retry_after", Duration::from_secs(2 * 86_400), source, found),
            ..SimulatedDetails::default()
        };
        for (key, node) in fields.map("params", found) {
            match value(node) {
                Some(value) => details.params.push((key.name.clone(), value)),
                None => found.error(
                    source,
                    node.span,
                    "wrong-kind",
                    "a parameter must be a string, an integer or a list of strings",
                    None,
                ),
            }
        }
        for (key, node) in fields.map("headers", found) {
            let name = HeaderName::try_from(&key.name).ok();
            let value = node.scalar_text().and_then(|text| HeaderValue::try_from(text).ok());
            match name.zip(value) {
                Some(header) => details.headers.push(header),
                None => found.error(source, node.span, "header", "invalid header", None),
            }
        }
        details.violations = fields
            .list("violations", found)
            .iter()
            .filter_map(|node| violation(node, source, found))
            .collect();
        let truncate_at = fields.int("truncate_at", found).and_then(|bytes| u64::try_from(bytes).ok());
        Self {
            wanted: error.map(Wanted::Error).or(status.map(Wanted::Status)),
            details,
            delay: time(fields, "delay", MAX_DELAY, source, found).unwrap_or_default(),
            truncate_at,
            resets: fields.boolean("reset", found).unwrap_or_default(),
        }
    }

    /// Whether anything happens.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn time(
    fields: &mut Fields<'_>,
    name: &'static str,
    max: Duration,
    source: &Arc<Source>,
    found: &mut Diagnostics,
) -> Option<Duration> {
    let node = fields.node(name)?;
    let read = node.scalar_text().and_then(|text| duration(&text)).filter(|time| *time <= max);
    if read.is_none() {
        let message = format!("`{name}` must be a duration of at most {} seconds", max.as_secs());
        found.error(source, node.span, "duration", message, "write it as in `200ms` or `2s`".to_owned());
    }
    read
}

fn value(node: &Node) -> Option<Value> {
    match &node.kind {
        NodeKind::Int(number) => Some(Value::Int(*number)),
        NodeKind::Seq(items) => items.iter().map(Node::scalar_text).collect::<Option<_>>().map(Value::List),
        _ => node.scalar_text().map(Value::Text),
    }
}

fn violation(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<Violation> {
    let mut fields = Fields::of(node, source, "a violation", found)?;
    let (rule, location) = (fields.text("rule", found), fields.text("in", found));
    let param = fields.text("param", found).unwrap_or_default();
    let pointer = fields.text("pointer", found).unwrap_or_default();
    let shown = fields.text("value", found);
    let limit = fields.node("limit").and_then(value);
    let allowed = fields.texts("allowed", found).into_iter().map(|(text, _)| text).collect();
    fields.finish(found);
    let rule = rule.unwrap_or_default();
    let condition = Condition::from_name(&rule).filter(|condition| condition.is_violation());
    if condition.is_none() {
        let known = Condition::all().filter(|condition| condition.is_violation()).map(Condition::name);
        let help = did_you_mean(&rule, known).map(|known| format!("did you mean `{known}`?"));
        found.error(source, node.span, "violation", format!("unknown rule `{rule}`"), help);
    }
    let location = location.unwrap_or_default();
    let known = LOCATIONS.into_iter().find(|known| known.as_str() == location);
    if known.is_none() {
        let message = format!("unknown part of a request `{location}`");
        let help = "`in` is one of: path, query, header, cookie, body".to_owned();
        found.error(source, node.span, "violation", message, help);
    }
    Some(Violation { condition: condition?, location: known?, param, pointer, value: shown, limit, allowed })
}
