//! What the keys of an API begin with: one public prefix, or one for each environment.
//!
//! ```yaml
//! prefix: shop                                   # or
//! prefix: { live: shop_live, test: shop_test }
//! ```

use demur_admission::is_prefix;
use demur_source::{Key, Node, Span};

use super::ConfigReader;

/// What the keys of an API begin with; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes {
    first: Prefix,
    others: Vec<Prefix>,
}

/// A public prefix, and the environment whose keys have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix {
    environment: Option<String>,
    text: String,
}

impl Prefixes {
    /// One for all keys.
    pub fn one(prefix: impl Into<String>) -> Self {
        Self { first: Prefix { environment: None, text: prefix.into() }, others: Vec::new() }
    }

    fn each(&self) -> impl Iterator<Item = &Prefix> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.each().map(|prefix| prefix.text.as_str())
    }

    /// The first of them: that of all keys, where the API has no environments.
    pub fn first(&self) -> &str {
        &self.first.text
    }

    /// The environments, where there are any.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.each().filter_map(|prefix| prefix.environment.as_deref())
    }

    /// The prefix of an environment's keys; where there are none, that of all.
    pub fn of(&self, environment: Option<&str>) -> Option<&str> {
        self.each().find(|prefix| prefix.environment.as_deref() == environment).map(|prefix| &*prefix.text)
    }

    /// The prefix that this secret, or key, begins with; the first where it has none of them.
    pub fn of_key(&self, key: &str) -> &str {
        let is_its = |prefix: &&str| key.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with('_'));
        // Where one is the beginning of another, the longer.
        let known =
            if self.others.is_empty() { None } else { self.all().filter(is_its).max_by_key(|it| it.len()) };
        known.unwrap_or(self.first())
    }

    /// The environment whose keys have this prefix.
    pub fn environment(&self, prefix: &str) -> Option<&str> {
        self.each().find(|known| known.text == prefix)?.environment.as_deref()
    }
}

/// Reads `prefix:`.
pub(super) fn read_prefixes(node: &Node, reading: &mut ConfigReader<'_>) -> Option<Prefixes> {
    let Some(environments) = node.as_map() else {
        let text = node.scalar_text().unwrap_or_default();
        check(&text, node.span, reading);
        return Some(Prefixes::one(text));
    };
    let mut prefixes: Vec<Prefix> = Vec::new();
    for (key, node) in environments {
        let text = node.scalar_text().unwrap_or_default();
        check(&text, node.span, reading);
        check_name(key, reading);
        if let Some(other) = prefixes.iter().find(|other| other.text == text) {
            let other = other.environment.as_deref().unwrap_or_default();
            let help = "a key tells its environment by its prefix".to_owned();
            reading.error(
                node.span,
                "prefix",
                format!("keys of `{other}` begin with `{text}` already"),
                help,
            );
        }
        prefixes.push(Prefix { environment: Some(key.name.clone()), text });
    }
    if prefixes.is_empty() {
        let help = "write `prefix: shop`, or `prefix: { live: shop_live, test: shop_test }`".to_owned();
        reading.error(node.span, "prefix", "`prefix` names no prefix", help);
        return None;
    }
    let others = prefixes.split_off(1);
    prefixes.pop().map(|first| Prefixes { first, others })
}

fn check(prefix: &str, span: Span, reading: &mut ConfigReader<'_>) {
    if !is_prefix(prefix) {
        let message = "a key's prefix has 1 to 32 letters and digits, with single `_` or `-` between them";
        reading.error(span, "prefix", message, None);
    }
}

/// The service behind is told it in a field.
fn check_name(environment: &Key, reading: &mut ConfigReader<'_>) {
    if !is_prefix(&environment.name) {
        let message =
            "an environment's name has 1 to 32 letters and digits, with single `_` or `-` between them";
        reading.error(environment.span, "environment", message, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_longest_prefix_that_it_begins_with() {
        let prefix = |environment: &str, text: &str| Prefix {
            environment: Some(environment.to_owned()),
            text: text.to_owned(),
        };
        let several = Prefixes {
            first: prefix("live", "shop"),
            others: vec![prefix("test", "shop_test"), prefix("other", "other")],
        };
        for (key, expected) in [
            ("shop_abc", "shop"),
            ("shop_test_abc", "shop_test"),
            ("shop_testabc", "shop"),
            ("other_abc", "other"),
            ("others_abc", "shop"),
            ("", "shop"),
        ] {
            assert_eq!(several.of_key(key), expected, "{key}");
            assert_eq!(Prefixes::one("shop").of_key(key), "shop", "{key}");
        }
        assert_eq!(several.of(Some("test")), Some("shop_test"));
        assert_eq!((several.of(None), several.environment("other")), (None, Some("other")));
        assert_eq!((Prefixes::one("a").of(None), Prefixes::one("a").environment("a")), (Some("a"), None));
    }
}
