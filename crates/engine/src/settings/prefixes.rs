//! The public prefixes of an API's keys: one, or one for each environment.

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

    /// One for each environment, with the environment's name before its prefix. `None` where there is none.
    pub fn per_environment(prefixes: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let mut prefixes = prefixes.into_iter().map(|(name, text)| Prefix { environment: Some(name), text });
        let first = prefixes.next()?;
        Some(Self { first, others: prefixes.collect() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_longest_prefix_that_it_begins_with() {
        let named = [("live", "shop"), ("test", "shop_test"), ("other", "other")];
        let named = named.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let several = Prefixes::per_environment(named).unwrap();
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
