//! `extends`: a contract that is another one with a few changes, and `settings`: texts that formats show, so that a contract
//! that extends this one can change them without another format.
//!
//! Both are resolved in the tree, before it is read. Nodes of the extended contract get the position of `extends`: that is
//! where a diagnostic about them belongs.

use demur_source::{Diagnostics, Key, Node, NodeKind, Source, Span, did_you_mean};
use std::sync::Arc;

use crate::builtin;

/// Keys whose members are merged one by one. Of the members of `errors` and `violations`, the keys are merged too.
const MERGED: [&str; 7] = ["errors", "formats", "guide", "members", "settings", "statuses", "types"];

/// What begins a string that shows a setting.
const SLOT: &str = "$settings.";

/// The tree of a contract with its extended contract and its settings.
pub(super) fn resolve(root: Node, source: &Arc<Source>, diagnostics: &mut Diagnostics) -> Node {
    let mut root = extended(root, source, diagnostics);
    fill(&mut root, source, diagnostics);
    root
}

fn extended(mut root: Node, source: &Arc<Source>, diagnostics: &mut Diagnostics) -> Node {
    let NodeKind::Map(entries) = &mut root.kind else { return root };
    let Some(position) = entries.iter().position(|(key, _)| key.name == "extends") else { return root };
    let (_, node) = entries.remove(position);
    let name = node.scalar_text().unwrap_or_default();
    let Some(base) = builtin::source(&name) else {
        let message = format!("unknown contract `{name}` in `extends`");
        let help = match did_you_mean(&name, builtin::names()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("use a built-in contract: {}", builtin::names().collect::<Vec<_>>().join(", ")),
        };
        diagnostics.error(source, node.span, "unknown-contract", message, help);
        return root;
    };
    // A test loads every built-in contract.
    let Ok(mut base) = demur_source::parse(&base) else { return root };
    place(&mut base, node.span);
    let NodeKind::Map(base) = base.kind else { return root };
    let own = std::mem::take(entries);
    *entries = merge(base, own);
    root
}

/// Gives all nodes one position.
fn place(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                key.span = span;
                place(value, span);
            }
        }
        NodeKind::Seq(items) => items.iter_mut().for_each(|item| place(item, span)),
        _ => {}
    }
}

type Entries = Vec<(Key, Node)>;

fn merge(mut base: Entries, own: Entries) -> Entries {
    let claimed =
        own.iter().filter(|(key, _)| key.name == "errors").flat_map(|(_, errors)| claims_of(errors));
    let claimed: Vec<String> = claimed.collect();
    for (key, errors) in &mut base {
        if key.name == "errors" {
            give_up(errors, &claimed);
        }
    }
    for (key, value) in own {
        let is_merged = MERGED.contains(&key.name.as_str()) || key.name == "violations";
        let depth = if matches!(key.name.as_str(), "errors" | "violations") { 2 } else { 1 };
        put(&mut base, key, value, if is_merged { depth } else { 0 });
    }
    base
}

/// Puts a value in the place of the one with the same key. Mappings are merged to this depth, and `null` removes.
fn put(base: &mut Entries, key: Key, value: Node, depth: usize) {
    let Some(position) = base.iter().position(|(known, _)| known.name == key.name) else {
        return base.push((key, value));
    };
    match (&mut base[position].1.kind, &value.kind) {
        (NodeKind::Map(known), NodeKind::Map(own)) if depth > 0 => {
            for (name, member) in own.iter().cloned() {
                if matches!(member.kind, NodeKind::Null) {
                    known.retain(|(other, _)| other.name != name.name);
                } else {
                    put(known, name, member, depth - 1);
                }
            }
            // Diagnostics about the whole belong where it was written.
            base[position].0.span = key.span;
            base[position].1.span = value.span;
        }
        _ => base[position] = (key, value),
    }
}

/// The conditions that errors claim.
fn claims_of(errors: &Node) -> Vec<String> {
    let lists = errors.as_map().unwrap_or_default().iter().filter_map(|(_, error)| error.get("on")?.as_seq());
    lists.flatten().filter_map(|claim| claim.scalar_text()).collect()
}

/// Removes claims that the extending contract makes.
fn give_up(errors: &mut Node, claimed: &[String]) {
    let NodeKind::Map(entries) = &mut errors.kind else { return };
    for (_, error) in entries {
        let NodeKind::Map(members) = &mut error.kind else { continue };
        for (_, on) in members.iter_mut().filter(|(key, _)| key.name == "on") {
            if let NodeKind::Seq(claims) = &mut on.kind {
                claims.retain(|claim| {
                    claim.scalar_text().is_none_or(|text| !claimed.iter().any(|it| *it == *text))
                });
            }
        }
    }
}

/// Replaces the slots of settings in formats by their texts.
fn fill(root: &mut Node, source: &Arc<Source>, diagnostics: &mut Diagnostics) {
    let NodeKind::Map(entries) = &mut root.kind else { return };
    let settings = match entries.iter().position(|(key, _)| key.name == "settings") {
        Some(position) => entries.remove(position).1,
        None => Node::new(root.span, NodeKind::Map(Vec::new())),
    };
    let Some(known) = settings.as_map() else {
        let help = "write `settings: { domain: shop.example }`".to_owned();
        return diagnostics.error(source, settings.span, "wrong-kind", "`settings` must be a mapping", help);
    };
    let mut texts = Vec::new();
    for (key, value) in known {
        match value.scalar_text() {
            Some(text) => texts.push((key.name.as_str(), text, std::cell::Cell::new(false))),
            None => {
                let message = format!("setting `{}` must be a text", key.name);
                diagnostics.error(source, value.span, "setting-text", message, None);
            }
        }
    }
    if let Some((_, formats)) = entries.iter_mut().find(|(key, _)| key.name == "formats") {
        fill_slots(formats, &texts, source, diagnostics);
    }
    for (key, _) in known {
        if texts.iter().any(|(name, _, is_used)| *name == key.name && !is_used.get()) {
            let message = format!("setting `{}` is not shown by any format", key.name);
            let help = format!("write `{SLOT}{}` in a format, or remove it", key.name);
            diagnostics.warning(source, key.span, "unused-setting", message, help);
        }
    }
}

type Setting<'s> = (&'s str, String, std::cell::Cell<bool>);

fn fill_slots(node: &mut Node, texts: &[Setting<'_>], source: &Arc<Source>, diagnostics: &mut Diagnostics) {
    match &mut node.kind {
        NodeKind::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| fill_slots(value, texts, source, diagnostics));
        }
        NodeKind::Seq(items) => {
            items.iter_mut().for_each(|item| fill_slots(item, texts, source, diagnostics));
        }
        NodeKind::Str(text) => {
            let Some(name) = text.strip_prefix(SLOT) else { return };
            match texts.iter().find(|(known, ..)| *known == name) {
                // A text that begins with `$` would be a slot.
                Some((_, value, is_used)) if !value.starts_with('$') => {
                    is_used.set(true);
                    *text = value.clone();
                }
                Some((_, value, is_used)) => {
                    is_used.set(true);
                    let message = format!("setting `{name}` cannot begin with `$`: `{value}`");
                    diagnostics.error(source, node.span, "setting-text", message, None);
                    text.clear();
                }
                None => {
                    let message = format!("unknown setting `{name}`");
                    let help = match did_you_mean(name, texts.iter().map(|(known, ..)| *known)) {
                        Some(known) => format!("did you mean `{SLOT}{known}`?"),
                        None => format!("add it: `settings: {{ {name}: … }}`"),
                    };
                    diagnostics.error(source, node.span, "unknown-setting", message, help);
                    text.clear();
                }
            }
        }
        _ => {}
    }
}
