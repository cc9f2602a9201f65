//! Diagnostics for references that cannot be resolved.

use demur_source::did_you_mean;

use super::files::{HAS_ERRORS, NO_FILES, NOT_FOLLOWED, TOO_LARGE, TOO_MANY, is_remote};
use super::pointer::Located;

/// Message and help for a `$ref` whose target does not exist.
pub(crate) fn unresolved(root: &Located<'_>, text: &str, pointer: &str) -> (String, Option<String>) {
    let message = format!("`$ref` target `{text}` does not exist");
    let help = pointer.rsplit_once('/').and_then(|(parent, name)| {
        let siblings = root.at(parent)?;
        let names: Vec<&str> = siblings.node.as_map()?.iter().map(|(key, _)| key.name.as_str()).collect();
        let similar = did_you_mean(name, names)?;
        let before = text.strip_suffix(name)?;
        Some(format!("did you mean `{before}{similar}`?"))
    });
    (message, help)
}

/// Message and help for a `$ref` to a file that cannot be read.
pub(crate) fn unreadable(text: &str, cause: &str) -> (String, Option<String>) {
    let name = text.split('#').next().unwrap_or_default();
    let message = format!("cannot read `$ref` target `{text}`: {cause}");
    let help = if cause == HAS_ERRORS {
        "fix the errors of that file"
    } else if cause == TOO_MANY || cause == TOO_LARGE {
        "merge some of the files, or remove references that are not needed"
    } else if is_remote(name) {
        "URLs are not fetched: refer to a local copy by its path, or configure the copy under `references`"
    } else if cause == NO_FILES {
        "copy the target into this document"
    } else if cause == NOT_FOLLOWED {
        "references in extensions (`x-…`) are not followed: move the target to where the document uses it"
    } else if name.is_empty() {
        "write a pointer, such as `#/components/schemas/NAME`"
    } else {
        "paths are relative to the file that contains the `$ref`"
    };
    (message, Some(help.to_owned()))
}
