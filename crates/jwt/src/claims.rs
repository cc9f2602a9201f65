//! The claims of a verified token.

use std::time::Duration;

use serde_json::{Map, Value};

/// The claims of a token whose signature, issuer, audience and dates are valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    claims: Value,
    expires: Duration,
}

impl Claims {
    pub(crate) fn new(claims: Map<String, Value>, expires: Duration) -> Self {
        Self { claims: Value::Object(claims), expires }
    }

    /// Returns when the token expires, since 1970, without leeway.
    pub fn expires(&self) -> Duration {
        self.expires
    }

    /// Returns a claim by its name, or by a JSON pointer (RFC 6901) such as `/realm_access/roles`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let by_pointer = || name.starts_with('/').then(|| self.claims.pointer(name)).flatten();
        self.claims.get(name).or_else(by_pointer)
    }

    /// Returns a claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Returns the words of a claim: those of a string, separated by spaces (RFC 8693, section 4.2), or the strings of a
    /// list. `None` if it is something else. A missing claim has no words.
    pub fn words(&self, name: &str) -> Option<Vec<&str>> {
        match self.get(name) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(text)) => Some(text.split(' ').filter(|word| !word.is_empty()).collect()),
            Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its rule does not hold")]

    use serde_json::json;

    use super::*;

    #[test]
    fn finds_claims_by_name_and_by_pointer() {
        let Value::Object(claims) = json!({
            "scope": "read  write", "scp": ["a", "b"], "n": 1, "mixed": ["a", 1], "none": null,
            "realm_access": { "roles": ["admin"] }, "https://a.example/org": "acme", "/odd": "x",
        }) else {
            unreachable!()
        };
        let claims = Claims::new(claims, Duration::ZERO);
        for (name, words) in [
            ("scope", Some(vec!["read", "write"])),
            ("scp", Some(vec!["a", "b"])),
            ("/realm_access/roles", Some(vec!["admin"])),
            ("https://a.example/org", Some(vec!["acme"])),
            ("/odd", Some(vec!["x"])),
            ("missing", Some(vec![])),
            ("none", Some(vec![])),
            ("n", None),
            ("mixed", None),
            ("realm_access", None),
        ] {
            assert_eq!(claims.words(name), words, "{name}");
        }
        assert_eq!(claims.text("n"), None);
    }
}
