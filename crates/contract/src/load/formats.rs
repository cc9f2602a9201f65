//! Checks of formats that need the rest of the contract: misplaced slots, unknown parameters, and descriptions of members
//! that no format has.
//!
//! [`crate::format`] reads the formats themselves.

use std::collections::BTreeSet;

use demur_source::{Key, Node, NodeKind, did_you_mean};

use super::reader::{ContractReader, Draft};
use crate::denial_params::DENIAL_PARAMS;
use crate::template::TemplateParameter;

impl ContractReader<'_> {
    /// Reports a slot as a key beside other keys, as in `{ $violation.field: …, detail: $message }`: there it would be a
    /// member with the literal name `$violation.field`.
    pub(super) fn check_slot_names(&mut self, format: &Node) {
        match &format.kind {
            NodeKind::Map(entries) => {
                let has_others = entries.len() > 1;
                for (key, value) in entries {
                    if has_others && key.name.starts_with('$') {
                        let message = format!("the slot `{}` must be the only key of its mapping", key.name);
                        let help =
                            format!("move it to a mapping of its own: `errors: {{ {}: … }}`", key.name);
                        self.error(key.span, "slot-as-name", message, help);
                    }
                    self.check_slot_names(value);
                }
            }
            NodeKind::Seq(items) => items.iter().for_each(|item| self.check_slot_names(item)),
            _ => {}
        }
    }

    /// Reports `$params.NAME` if neither an error declares this parameter nor the gateway sets it.
    pub(super) fn check_format_params(&mut self, formats: &[(Key, Node)], drafts: &[Draft]) {
        let declared = drafts.iter().flat_map(|draft| draft.entry.params.iter().map(String::as_str));
        let known: Vec<&str> = declared.chain(DENIAL_PARAMS.iter().map(|param| param.name)).collect();
        for (_, format) in formats {
            self.check_params_of(format, &known);
        }
    }

    fn check_params_of(&mut self, format: &Node, known: &[&str]) {
        match &format.kind {
            NodeKind::Map(entries) => {
                entries.iter().for_each(|(_, value)| self.check_params_of(value, known));
            }
            NodeKind::Seq(items) => items.iter().for_each(|item| self.check_params_of(item, known)),
            NodeKind::Str(text) => {
                let Some(slot) = text.strip_prefix("$params.") else { return };
                let name = slot.split('|').next().unwrap_or_default();
                // An error without violations is given parameters by the names that violations have.
                let is_of_violation = TemplateParameter::from_name(name).of_violation().is_some();
                if name.is_empty() || is_of_violation || known.contains(&name) {
                    return;
                }
                let help = match did_you_mean(name, known.iter().copied()) {
                    Some(known) => format!("did you mean `$params.{known}`?"),
                    None => format!("declare it in the error that sets it: `params: [{name}]`"),
                };
                let message = format!("no error has a parameter `{name}`");
                self.error(format.span, "unknown-parameter", message, help);
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {}
        }
    }

    /// Reports a key of `members` that is not the path of a member in a format, such as `error.details[].code`.
    pub(super) fn check_described_members(&mut self, members: &[(Key, Node)], formats: &[(Key, Node)]) {
        let mut known = BTreeSet::new();
        for (_, format) in formats {
            collect_paths(format, "", &mut known);
        }
        for (key, _) in members.iter().filter(|(key, _)| !known.contains(&key.name)) {
            let help = match did_you_mean(&key.name, known.iter().map(String::as_str)) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "write the path of the member, such as `error.details[].code`".to_owned(),
            };
            let message = format!("no format has a member `{}`", key.name);
            self.error(key.span, "unknown-member", message, help);
        }
    }
}

/// Collects the path of each member: `error`, `error.details`, `error.details[].code`. Members named by a slot have none.
fn collect_paths(format: &Node, parent: &str, known: &mut BTreeSet<String>) {
    match &format.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries.iter().filter(|(key, _)| !key.name.starts_with('$')) {
                let name = key.name.strip_suffix('?').unwrap_or(&key.name);
                let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
                collect_paths(value, &path, known);
                known.insert(path);
            }
        }
        NodeKind::Seq(items) => {
            items.iter().for_each(|item| collect_paths(item, &format!("{parent}[]"), known));
        }
        _ => {}
    }
}
