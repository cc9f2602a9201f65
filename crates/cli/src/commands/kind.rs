//! What a file is meant to be, however broken it is: a contract or a configuration.
//!
//! The keys of both stand in the schemas, of which a test says that they are the loaders' own.

use std::sync::Arc;

use demur_source::{Source, did_you_mean, parse_lossy};
use serde_json::Value as Json;

use super::schema::{CONFIGURATION, CONTRACT};

/// A configuration has `apis`. What has none is the one of which it has more keys, misspelt ones counted; so that a
/// contract without `errors` hears that, and not that it has no `apis`. What cannot be read at all is the same mistake
/// for either.
pub(super) fn is_contract(source: &Arc<Source>) -> bool {
    let Ok((root, _)) = parse_lossy(source) else { return false };
    if root.get("apis").is_some() {
        return false;
    }
    let names: Vec<&str> =
        root.as_map().unwrap_or_default().iter().map(|(key, _)| key.name.as_str()).collect();
    let known_to = |schema: &str| {
        let keys = keys(schema);
        names.iter().filter(|name| did_you_mean(name, keys.iter().map(String::as_str)).is_some()).count()
    };
    known_to(CONTRACT) > known_to(CONFIGURATION)
}

/// The top-level keys of a file that a schema describes.
fn keys(schema: &str) -> Vec<String> {
    let schema: Json = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema["properties"].as_object();
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_has_more_keys_of() {
        for (text, expected) in [
            ("demur: 1\nname: shop\nerrors: {}", true),
            ("demur: 1\nname: shop\nformats: {}\nerorrs: {}", true),
            ("demur: 1\nname: shop\nname: shop\nerrors: {}", true),
            ("demur: 1\nname: shop\napis: []", false),
            ("demur: 2\nplans: {}\nname: shop", false),
            ("demur: 1\naips: []\nlisten: 127.0.0.1:80", false),
            ("{ request_id: {} }", true),
            ("formats: [", false),
            ("", false),
            ("[1, 2]", false),
        ] {
            assert_eq!(is_contract(&Source::new("t.yaml", text)), expected, "{text}");
        }
    }
}
