//! What differs between two contracts of one API.

use demur_contract::{Contract, EntrySource, ErrorEntry};

use super::api::ApiPages;
use super::block::{Block, Row, section, table};
use super::content::Content;
use super::markdown::{code, escape};

/// The page about the differences of the other contracts to this one; `None` if there are no others.
pub(crate) fn page(api: &ApiPages<'_>, original: &Contract) -> Option<Content> {
    let mut blocks = Vec::new();
    for other in api.settings.contracts().filter(|other| !std::ptr::eq(&***other, original)) {
        let values = [("new", escape(original.name())), ("old", escape(other.name()))];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut of = vec![Block::Text { text: api.texts.with("changes.lede", &values) }];
        of.extend(differences(api, original, other));
        blocks.push(section(other.name(), escape(other.name()), of));
    }
    if blocks.is_empty() {
        return None;
    }
    Some(Content {
        path: "changes.html".to_owned(),
        title: api.t("changes"),
        is_code: false,
        method: None,
        pill: None,
        lede: api.t("index.lede").replace("{n} ", ""),
        crumbs: Vec::new(),
        blocks,
    })
}

fn declared(contract: &Contract) -> impl Iterator<Item = &ErrorEntry> {
    contract.entries().map(|(_, entry)| entry).filter(|entry| entry.source == EntrySource::Declared)
}

fn differences(api: &ApiPages<'_>, new: &Contract, old: &Contract) -> Vec<Block> {
    let find =
        |contract: &'_ Contract, name: &str| declared(contract).find(|entry| entry.name == name).cloned();
    let mut rows = Vec::new();
    for entry in declared(new) {
        let Some(before) = find(old, &entry.name) else {
            rows.push(Row::of([api.t("added"), api.error_link(&entry.name), String::new(), shown(entry)]));
            continue;
        };
        if shown(entry) != shown(&before) {
            rows.push(Row::of([api.t("changed"), api.error_link(&entry.name), shown(&before), shown(entry)]));
        }
    }
    for entry in declared(old).filter(|entry| find(new, &entry.name).is_none()) {
        rows.push(Row::of([api.t("removed"), code(&entry.name), shown(entry), String::new()]));
    }
    let head = [String::new(), api.t("error"), api.t("was"), api.t("is")];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    if rows.is_empty() { Vec::new() } else { vec![table(&head, rows)] }
}

fn shown(entry: &ErrorEntry) -> String {
    let code_of = entry.code.as_deref().map(code).unwrap_or_default();
    format!("{} {code_of} {}", entry.status, escape(&entry.message.to_string()))
}
