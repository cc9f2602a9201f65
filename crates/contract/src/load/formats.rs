//! What is wrong with a format beyond its shape: names that are no names, parameters that nobody gives, and
//! descriptions of members that no format has.
//!
//! The shape itself is read by [`crate::format`].

use std::collections::BTreeSet;

use demur_source::{Key, Node, NodeKind, did_you_mean};

use super::{ContractReader, Draft};
use crate::claims::DENIAL_PARAMS;
use crate::template::TemplateParameter;

impl ContractReader<'_> {
    /// `{ $violation.field: …, detail: $message }`: a slot names the members of a mapping that holds nothing else.
    /// Among others it would be a member that is called `$violation.field` on the wire.
    pub(super) fn slots_as_names(&mut self, format: &Node) {
        match &format.kind {
            NodeKind::Map(entries) => {
                let has_others = entries.len() > 1;
                for (key, value) in entries {
                    if has_others && key.name.starts_with('$') {
                        let message = format!("`{}` names members only where it stands alone", key.name);
                        let help = format!("give it a mapping of its own: `errors: {{ {}: … }}`", key.name);
                        self.error(key.span, "slot-as-name", message, help);
                    }
                    self.slots_as_names(value);
                }
            }
            NodeKind::Seq(items) => items.iter().for_each(|item| self.slots_as_names(item)),
            _ => {}
        }
    }

    /// `$params.NAME` shows what some error declares, or what the gateway's own denials give along.
    pub(super) fn params_of_formats(&mut self, formats: &[(Key, Node)], drafts: &[Draft]) {
        let declared = drafts.iter().flat_map(|draft| draft.entry.params.iter().map(String::as_str));
        let known: Vec<&str> = declared.chain(DENIAL_PARAMS.iter().map(|param| param.name)).collect();
        for (_, format) in formats {
            self.params_of_format(format, &known);
        }
    }

    fn params_of_format(&mut self, format: &Node, known: &[&str]) {
        match &format.kind {
            NodeKind::Map(entries) => {
                entries.iter().for_each(|(_, value)| self.params_of_format(value, known));
            }
            NodeKind::Seq(items) => items.iter().for_each(|item| self.params_of_format(item, known)),
            NodeKind::Str(text) => {
                let Some(slot) = text.strip_prefix("$params.") else { return };
                let name = slot.split('|').next().unwrap_or_default();
                // Where there is no violation, what a message says of one is given by these names.
                let is_of_violation = TemplateParameter::named(name).of_violation().is_some();
                if name.is_empty() || is_of_violation || known.contains(&name) {
                    return;
                }
                let help = match did_you_mean(name, known.iter().copied()) {
                    Some(known) => format!("did you mean `$params.{known}`?"),
                    None => format!("declare it where it is given: `params: [{name}]`"),
                };
                let message = format!("no error gives `$params.{name}`");
                self.error(format.span, "unknown-parameter", message, help);
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {}
        }
    }

    /// `members` speaks of what stands in some format: `error.details[].code`.
    pub(super) fn members_of_formats(&mut self, members: &[(Key, Node)], formats: &[(Key, Node)]) {
        let mut known = BTreeSet::new();
        for (_, format) in formats {
            paths(format, "", &mut known);
        }
        for (key, _) in members.iter().filter(|(key, _)| !known.contains(&key.name)) {
            let help = match did_you_mean(&key.name, known.iter().map(String::as_str)) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "write the way to it: `error.details[].code`".to_owned(),
            };
            let message = format!("no format has a member `{}`", key.name);
            self.error(key.span, "unknown-member", message, help);
        }
    }
}

/// The way to each member: `error`, `error.details`, `error.details[].code`. What a slot names is not spoken of.
fn paths(format: &Node, way: &str, known: &mut BTreeSet<String>) {
    match &format.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries.iter().filter(|(key, _)| !key.name.starts_with('$')) {
                let name = key.name.strip_suffix('?').unwrap_or(&key.name);
                let way = if way.is_empty() { name.to_owned() } else { format!("{way}.{name}") };
                paths(value, &way, known);
                known.insert(way);
            }
        }
        NodeKind::Seq(items) => items.iter().for_each(|item| paths(item, &format!("{way}[]"), known)),
        _ => {}
    }
}
