//! Detects whether a file, however broken, is meant to be a contract or a configuration.
//!
//! The known keys come from the JSON Schemas, which a test keeps equal to the keys of the loaders.

use std::sync::Arc;

use demur_source::{Source, did_you_mean, parse_lossy};
use serde_json::Value as Json;

use super::schema::{CONFIGURATION, CONTRACT};

/// A file with `apis` is a configuration. Without, the kind with more matching keys wins, misspelt ones included, so that
/// a contract without `errors` is not reported as a configuration without `apis`. A file that cannot be parsed gets the
/// same error as either kind.
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

/// The top-level keys in a schema.
fn keys(schema: &str) -> Vec<String> {
    let schema: Json = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema["properties"].as_object();
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_with_more_matching_keys_wins() {
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
