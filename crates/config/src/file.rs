//! What gateway and service read alike: the version, the default contract, plans and APIs.

use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_contract::Contract;
use demur_source::{Diagnostics, Fields, Node, Source, Span};

use crate::VERSION;
use crate::migrate::{self, Upgrade};
use crate::plan::read_plan;
use crate::reader::ConfigReader;

/// Keys that only a gateway reads.
pub(crate) const GATEWAY_KEYS: [&str; 12] = [
    "admin",
    "operations_listener",
    "listen",
    "store",
    "workers",
    "limits",
    "cache",
    "trusted_proxies",
    "access_log",
    "journal",
    "docs",
    "reload",
];

/// Reads a file with `read`, which sees version 2 of it.
pub(crate) fn load<T>(
    source: &Arc<Source>,
    folder: &Path,
    read: impl FnOnce(&Node, &mut ConfigReader<'_>) -> Option<T>,
) -> Result<(T, Diagnostics), Diagnostics> {
    let (root, mut found) = demur_source::parse_lossy(source)?;
    let upgrade = migrate::upgrade(&root, migrate::CONFIGURATION);
    let is_old = is_version_1(&root, &mut ConfigReader::new(source, folder, &mut found));
    if is_old {
        upgrade.report_duplicates(source, &mut found);
    }
    let seen = if is_old { &upgrade.root } else { &root };
    let value = read(seen, &mut ConfigReader::new(source, folder, &mut found));
    if !is_old {
        name_renamed_keys(&upgrade, source, &mut found);
    }
    match value {
        Some(value) if !found.has_errors() => Ok((value, found.sorted())),
        _ => Err(found.sorted()),
    }
}

/// Whether the file is of version 1, which is deprecated. Any other version than the two is an error.
fn is_version_1(root: &Node, reader: &mut ConfigReader<'_>) -> bool {
    let Some(node) = root.get("demur") else {
        if root.as_map().is_some() {
            let help = format!("begin with `demur: {VERSION}`");
            reader.error(root.span, "missing-key", "the file has no version", help);
        }
        return false;
    };
    match node.scalar_text().as_deref() {
        Some(VERSION) => false,
        Some("1") => {
            let help =
                format!("run `demur check --fix {}` to rewrite the file to version 2", reader.source.name);
            reader.warning(
                node.span,
                "deprecated-version",
                "version 1 of the configuration is deprecated",
                help,
            );
            true
        }
        version => {
            let message = match version {
                Some(version) => format!("unknown version `{version}`"),
                None => "the version must be a number".to_owned(),
            };
            reader.error(node.span, "version", message, format!("write `demur: {VERSION}`"));
            false
        }
    }
}

/// Keys and values of version 1 in a file of version 2 are unknown; what they are now replaces a guess.
fn name_renamed_keys(upgrade: &Upgrade, source: &Arc<Source>, found: &mut Diagnostics) {
    for change in &upgrade.changes {
        let help = format!("renamed to `{}`", change.new_name());
        for check in ["unknown-key", "unknown-word"] {
            found.set_help(source, change.span, check, &help);
        }
    }
}

/// The contract in which requests are rejected before their API is known.
pub(crate) fn read_default_contract(
    fields: &mut Fields<'_>,
    reader: &mut ConfigReader<'_>,
) -> Option<Arc<Contract>> {
    let node = fields.node("default_contract");
    let (name, span) = node
        .map(|node| (node.scalar_text().unwrap_or_default(), node.span))
        .unwrap_or_else(|| ("problem".to_owned(), Span::default()));
    reader.contract(&name, span)
}

pub(crate) fn read_plans(fields: &mut Fields<'_>, reader: &mut ConfigReader<'_>) -> Vec<Plan> {
    let plans = fields.map("plans", reader.found);
    reader.plans = plans.iter().map(|(key, _)| key.name.clone()).collect();
    plans.iter().filter_map(|(key, node)| read_plan(key, node, reader)).collect()
}

/// The entries of `apis:`, which must be there.
pub(crate) fn api_nodes<'n>(fields: &mut Fields<'n>, reader: &mut ConfigReader<'_>) -> &'n [Node] {
    reader.need(fields, "apis");
    fields.list("apis", reader.found)
}
