//! A problem: one occurrence of an error, with what is particular to it.

use std::borrow::Cow;
use std::time::Duration;

use crate::{Condition, ErrorId};

/// A parameter's value in a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, shown as it is.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Several texts; the message says how they are joined.
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(values: Vec<String>) -> Self {
        Value::List(values)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

/// Where an invalid parameter stands. The order is the order in which violations are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// In the content.
    Body,
}

impl Location {
    /// Each of them, in their order.
    pub(crate) const ALL: [Location; 5] =
        [Location::Path, Location::Query, Location::Header, Location::Cookie, Location::Body];

    /// One lower-case word, as OpenAPI's `in` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Location::Path => "path",
            Location::Query => "query",
            Location::Header => "header",
            Location::Cookie => "cookie",
            Location::Body => "body",
        }
    }

    /// The location of that word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|location| location.as_str() == word)
    }
}

/// One invalid parameter: where it stands, what it is called, which rule it breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The rule that is broken: one of `param.*`.
    pub condition: Condition,
    /// Where.
    pub location: Location,
    /// The name on the wire: of the parameter, or of the outermost member of the content (`breakdown`).
    /// Empty where the content as a whole is meant.
    pub param: String,
    /// JSON Pointer to the very value, within its location: `/breakdown/0`. For a missing member, the
    /// pointer at which it would stand.
    pub pointer: String,
    /// The offending value, shortened and made safe; `None` where it is absent.
    pub value: Option<String>,
    /// The rule's own value: the bound, the other parameter, the pattern, the name of the type or format.
    pub limit: Option<Value>,
    /// What would be allowed, in the order of declaration; for `enum` and `const`.
    pub allowed: Vec<String>,
}

/// A moment at which trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// From now, never rounded down.
    pub delay: Duration,
}

impl RetryAfter {
    /// Whole seconds as `Retry-After` has them: rounded up, at least one.
    pub fn seconds(self) -> u64 {
        let whole = self.delay.as_secs() + u64::from(self.delay.subsec_nanos() > 0);
        whole.max(1)
    }
}

/// One occurrence of an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem<'a> {
    /// The catalogue entry.
    pub error: ErrorId,
    /// Parameters by name, for `{name}` in texts and `$params.NAME` in formats.
    pub params: Vec<(Cow<'a, str>, Value)>,
    /// A message that replaces the catalogue's, where the entry is `open`.
    pub message: Option<Cow<'a, str>>,
    /// What is wrong with the parameters; those that this error answers come first.
    pub violations: Cow<'a, [Violation]>,
    /// The request's id.
    pub request_id: Cow<'a, str>,
    /// When trying again makes sense.
    pub retry_after: Option<RetryAfter>,
}

impl<'a> Problem<'a> {
    /// An occurrence with nothing particular to it.
    pub fn new(error: ErrorId, request_id: impl Into<Cow<'a, str>>) -> Self {
        Self {
            error,
            params: Vec::new(),
            message: None,
            violations: Cow::Borrowed(&[]),
            request_id: request_id.into(),
            retry_after: None,
        }
    }

    /// The parameter of that name.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_never_rounded_down_and_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (42_000, 42)] {
            assert_eq!(RetryAfter { delay: Duration::from_millis(millis) }.seconds(), seconds, "{millis} ms");
        }
    }
}
