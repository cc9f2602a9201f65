//! Diagnostics for references that cannot be followed.

use demur_source::did_you_mean;

use super::files::is_remote;
use super::pointer::Located;

/// What is said of a `$ref` into nothing.
pub(crate) fn unresolved(root: &Located<'_>, text: &str, pointer: &str) -> (String, Option<String>) {
    let message = format!("`{text}` names nothing");
    let help = pointer.rsplit_once('/').and_then(|(parent, name)| {
        let siblings = root.at(parent)?;
        let names: Vec<&str> = siblings.node.as_map()?.iter().map(|(key, _)| key.name.as_str()).collect();
        let meant = did_you_mean(name, names)?;
        let before = text.strip_suffix(name)?;
        Some(format!("did you mean `{before}{meant}`?"))
    });
    (message, help)
}

/// What is said of a `$ref` to what cannot be read.
pub(crate) fn unreadable(text: &str, cause: &str) -> (String, Option<String>) {
    let name = text.split('#').next().unwrap_or_default();
    let message = format!("`{text}` cannot be read: {cause}");
    let help = if is_remote(name) {
        "nothing is fetched: keep a copy beside the document, and name it by its path, or under `references`"
    } else if name.is_empty() {
        "name a place as `#/components/schemas/…`"
    } else {
        "paths are relative to the file in which they stand"
    };
    (message, Some(help.to_owned()))
}
