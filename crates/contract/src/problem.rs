//! Problems: occurrences of an error, with their parameters and violations.

use std::borrow::Cow;
use std::time::Duration;

pub use crate::value::Value;
use crate::{Condition, ErrorId};

/// The part of the request with an invalid parameter. Violations are sorted in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// The path.
    Path,
    /// The query.
    Query,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
    /// The body.
    Body,
}

impl Location {
    /// All locations, in their order.
    pub(crate) const ALL: [Location; 5] =
        [Location::Path, Location::Query, Location::Header, Location::Cookie, Location::Body];

    /// The name in lower case, as in the `in` of an OpenAPI parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Location::Path => "path",
            Location::Query => "query",
            Location::Header => "header",
            Location::Cookie => "cookie",
            Location::Body => "body",
        }
    }

    /// The location with this name.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|location| location.as_str() == word)
    }
}

/// One invalid parameter: its location, its name, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The rule that is broken: one of `param.*`.
    pub condition: Condition,
    /// The part of the request.
    pub location: Location,
    /// The name of the parameter, or of the outermost member of the body (`breakdown`). Empty if the body as a whole is
    /// invalid.
    pub param: String,
    /// The JSON Pointer to the invalid value within its location: `/breakdown/0`. For a missing member, the pointer that
    /// it would have.
    pub pointer: String,
    /// The invalid value, truncated and with control characters escaped; `None` if it is missing.
    pub value: Option<String>,
    /// The value of the rule: the bound, the other parameter, the pattern, or the name of the type or format.
    pub limit: Option<Value>,
    /// The allowed values of `enum` and `const`, in the order of the schema.
    pub allowed: Vec<String>,
}

/// The delay after which a client may retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// The delay from now, never rounded down.
    pub delay: Duration,
}

impl RetryAfter {
    /// The whole seconds of `Retry-After`: rounded up, at least one.
    pub fn seconds(self) -> u64 {
        let whole = self.delay.as_secs() + u64::from(self.delay.subsec_nanos() > 0);
        whole.max(1)
    }
}

/// One occurrence of an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem<'a> {
    /// The error.
    pub error: ErrorId,
    /// Parameters by name, for `{name}` in texts and `$params.NAME` in formats.
    pub params: Vec<(Cow<'a, str>, Value)>,
    /// A message that replaces that of the catalogue, if the error is `open`.
    pub message: Option<Cow<'a, str>>,
    /// The invalid parameters; those that this error answers come first.
    pub violations: Cow<'a, [Violation]>,
    /// The request ID.
    pub request_id: Cow<'a, str>,
    /// The delay after which a client may retry.
    pub retry_after: Option<RetryAfter>,
}

impl<'a> Problem<'a> {
    /// An occurrence without parameters and violations.
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

    /// The value of the parameter with this name.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_seconds_round_up_and_are_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (42_000, 42)] {
            assert_eq!(RetryAfter { delay: Duration::from_millis(millis) }.seconds(), seconds, "{millis} ms");
        }
    }
}
