//! `upstream_errors:` of an API or an operation: what becomes of the upstream's error responses.

use std::ops::RangeInclusive;

use demur_contract::{Condition, Contract, DENIAL_PARAMS, EntrySource, ErrorEntry};
use demur_engine::settings::{TranslationRule, UpstreamErrorMode, UpstreamErrors};
use demur_source::{Fields, Node, NodeKind, Span};
use serde_json::Value as Json;

use crate::names::named_error;
use crate::reader::ConfigReader;

const MODES: &[(&str, UpstreamErrorMode)] = &[
    ("contract", UpstreamErrorMode::Contract),
    ("gateway_only", UpstreamErrorMode::GatewayOnly),
    ("passthrough", UpstreamErrorMode::Passthrough),
];

/// More rules than anybody reads. Each failure is compared with all of them.
const MAX_RULES: usize = 200;

/// Reads the settings. Those of an operation come before `outer`, those of its API.
pub(crate) fn read_upstream_errors(
    node: &Node,
    outer: &UpstreamErrors,
    contracts: &[&Contract],
    reader: &mut ConfigReader<'_>,
) -> UpstreamErrors {
    let Some(mut fields) = Fields::of(node, reader.source, "`upstream_errors`", reader.found) else {
        return outer.clone();
    };
    let mode = fields.node("mode");
    let read = mode.and_then(|node| reader.choice_of("mode", node, MODES));
    if let (Some(UpstreamErrorMode::Passthrough), Some(node)) = (read, mode) {
        let message = "error responses of the upstream reach clients as they are: they may break the contract, and tell \
                       internal details";
        let help = "write `gateway_only` to convert them by their status, or add `rules`".to_owned();
        reader.warning(node.span, "passthrough", message, help);
    }
    let list = fields.list("rules", reader.found);
    if let Some(node) = list.get(MAX_RULES) {
        let message = format!("more than {MAX_RULES} rules");
        reader.error(node.span, "too-many-rules", message, "raise errors by name in the upstream".to_owned());
    }
    let mut rules: Vec<TranslationRule> = Vec::new();
    for node in list.iter().take(MAX_RULES) {
        let Some(rule) = read_rule(node, contracts, reader) else { continue };
        if rules.iter().any(|earlier| covers(earlier, &rule)) {
            let message = "unreachable: an earlier rule applies to all responses that this one fits";
            let help = "move it before the other one, or remove it".to_owned();
            reader.warning(node.span, "unreachable-rule", message, help);
        }
        rules.push(rule);
    }
    fields.finish(reader.found);
    rules.extend(outer.rules.iter().cloned());
    UpstreamErrors { mode: read.unwrap_or(outer.mode), rules }
}

/// Whether an earlier rule fits whenever this one does.
fn covers(earlier: &TranslationRule, rule: &TranslationRule) -> bool {
    let has_status = |status: u16| earlier.statuses.iter().any(|statuses| statuses.contains(&status));
    let is_implied = |condition: &(String, Vec<Json>)| {
        rule.when.iter().any(|(pointer, values)| {
            *pointer == condition.0 && values.iter().all(|value| condition.1.contains(value))
        })
    };
    rule.statuses.iter().cloned().flatten().all(has_status) && earlier.when.iter().all(is_implied)
}

fn read_rule(node: &Node, contracts: &[&Contract], reader: &mut ConfigReader<'_>) -> Option<TranslationRule> {
    let mut fields = Fields::of(node, reader.source, "a rule", reader.found)?;
    reader.need(&mut fields, "status");
    let statuses = fields.node("status").and_then(|node| read_statuses(node, reader));
    let mut when = Vec::new();
    for (key, node) in fields.map("when", reader.found) {
        if is_pointer(&key.name, key.span, reader) {
            when.extend(read_values(node, reader).map(|values| (key.name.clone(), values)));
        }
    }
    let raise = reader.required(&mut fields, "raise");
    let raise =
        raise.and_then(|(name, span)| raised_error(name, span, contracts, reader).map(|it| (it, span)));
    let detail = fields.node("detail");
    let detail = detail.and_then(|node| read_pointer(node, reader).map(|pointer| (pointer, node.span)));
    let mut params = Vec::new();
    for (key, node) in fields.map("params", reader.found) {
        let pointer = read_pointer(node, reader);
        params.extend(pointer.map(|pointer| ((key.name.clone(), pointer), key.span)));
    }
    fields.finish(reader.found);
    let ((raise, raise_span), statuses) = (raise?, statuses?);
    let entries: Vec<(&Contract, &ErrorEntry)> =
        contracts.iter().filter_map(|contract| Some((*contract, entry_of(contract, &raise)?))).collect();
    warn_without_effect(&entries, detail.as_ref(), &params, reader);
    warn_changed_class(&statuses, &entries, raise_span, reader);
    let (detail, params) =
        (detail.map(|(pointer, _)| pointer), params.into_iter().map(|(it, _)| it).collect());
    Some(TranslationRule { statuses, when, raise, detail, params })
}

fn entry_of<'c>(contract: &'c Contract, name: &str) -> Option<&'c ErrorEntry> {
    let error = contract.named(name).or_else(|| Condition::from_name(name).map(|it| contract.answer(it)));
    error.map(|error| contract.entry(error))
}

/// `404`, `[404, 410]`, `4xx`.
fn read_statuses(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    let one = |node: &Node| {
        let text = node.scalar_text()?;
        match text.as_str() {
            "4xx" => Some(400..=499),
            "5xx" => Some(500..=599),
            text => {
                let status = text.parse().ok().filter(|status| (400..600).contains(status))?;
                Some(status..=status)
            }
        }
    };
    let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
    let mut statuses = Vec::new();
    for item in items {
        match one(item) {
            Some(status) => statuses.push(status),
            None => {
                let help = "write a status from 400 to 599, `4xx`, `5xx`, or a list of these".to_owned();
                reader.error(item.span, "status", "`status` must be a status of an error", help);
            }
        }
    }
    if items.is_empty() {
        reader.error(node.span, "status", "`status` must not be empty", None);
    }
    (!statuses.is_empty()).then_some(statuses)
}

/// A scalar, or a list of them.
fn read_values(node: &Node, reader: &mut ConfigReader<'_>) -> Option<Vec<Json>> {
    let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
    let is_scalar = |node: &&Node| matches!(node.kind, NodeKind::Seq(_) | NodeKind::Map(_));
    if let Some(wrong) = items.iter().find(is_scalar) {
        let message = format!("expected a value or a list of values, found {}", wrong.kind_name());
        let help = "write one entry for each member: `/error/code: missing`".to_owned();
        reader.error(wrong.span, "rule-value", message, help);
        return None;
    }
    if items.is_empty() {
        reader.error(node.span, "rule-value", "an empty list fits no response", "list the values".to_owned());
        return None;
    }
    Some(items.iter().map(Node::to_json).collect())
}

fn read_pointer(node: &Node, reader: &mut ConfigReader<'_>) -> Option<String> {
    let text = node.scalar_text().unwrap_or_default();
    is_pointer(&text, node.span, reader).then_some(text)
}

/// Whether a text is a JSON Pointer (RFC 6901); reports it if not.
fn is_pointer(text: &str, span: Span, reader: &mut ConfigReader<'_>) -> bool {
    let escapes = || text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let is_valid = (text.is_empty() || text.starts_with('/')) && escapes();
    if !is_valid {
        let help = match text.starts_with('/') {
            true => "write `~0` for `~`".to_owned(),
            false => format!("write `/{}`", text.trim_start_matches("$.").replace('.', "/")),
        };
        reader.error(span, "json-pointer", format!("`{text}` is not a JSON Pointer"), help);
    }
    is_valid
}

/// An error that every contract of the API has, or a condition that is not the gateway's alone.
fn raised_error(
    name: String,
    span: Span,
    contracts: &[&Contract],
    reader: &mut ConfigReader<'_>,
) -> Option<String> {
    let is_declared = contracts.iter().all(|contract| contract.named(&name).is_some());
    match Condition::from_name(&name).filter(|_| !is_declared) {
        Some(condition) if condition.upstream_may_raise() => Some(name),
        Some(_) => {
            let help = "raise an error of the contract by its name".to_owned();
            reader.error(span, "unknown-error", format!("only the gateway itself raises `{name}`"), help);
            None
        }
        None => {
            let conditions = Condition::all().filter(|it| it.is_listed() && it.upstream_may_raise());
            named_error(name, span, contracts, conditions.map(|condition| condition.name()), reader)
        }
    }
}

/// Warns of a message or a parameter that no client ever sees.
fn warn_without_effect(
    entries: &[(&Contract, &ErrorEntry)],
    detail: Option<&(String, Span)>,
    params: &[((String, String), Span)],
    reader: &mut ConfigReader<'_>,
) {
    if let Some((_, span)) = detail
        && !entries.is_empty()
        && entries.iter().all(|(_, entry)| !entry.open)
    {
        let name = &entries[0].1.name;
        let message = format!("`detail` has no effect: the message of `{name}` is fixed");
        let help = format!(
            "declare it as open in the contract: `message: {{ default: \"{}\", open: true }}`",
            entries[0].1.message
        );
        reader.warning(*span, "unused-detail", message, help);
    }
    for ((name, _), span) in params {
        let knows = |entry: &ErrorEntry| match entry.source {
            EntrySource::Declared => entry.params.iter().any(|known| known == name),
            EntrySource::Derived(_) => false,
        };
        let is_of_gateway = DENIAL_PARAMS.iter().any(|param| param.name == name);
        if is_of_gateway || entries.iter().any(|(_, entry)| knows(entry)) {
            continue;
        }
        let Some((_, entry)) = entries.first() else { continue };
        let message = format!("`{}` has no parameter `{name}`", entry.name);
        let help = format!("add `params: [{name}]` to the error in the contract");
        reader.warning(*span, "unused-param", message, help);
    }
}

/// Warns of a rule that turns the upstream's client errors into server errors, or the other way round.
fn warn_changed_class(
    statuses: &[RangeInclusive<u16>],
    entries: &[(&Contract, &ErrorEntry)],
    span: Span,
    reader: &mut ConfigReader<'_>,
) {
    for (contract, entry) in entries {
        let answered = entry.status.as_u16();
        let changed = statuses.iter().find(|statuses| statuses.start() / 100 != answered / 100);
        let Some(statuses) = changed else { continue };
        let message = format!(
            "the upstream's {}xx becomes {answered}, the status of `{}` in the contract `{}`",
            statuses.start() / 100,
            entry.name,
            contract.name()
        );
        let help =
            "raise an error with a status of the same class: clients retry 5xx, and not 4xx".to_owned();
        reader.warning(span, "status-class", message, help);
        return;
    }
}
