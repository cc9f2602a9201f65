//! The headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! Both are lists of structured fields (RFC 9651): a value that is not a list is ignored, the last of repeated parameters
//! counts, and names can have escapes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use sfv::visitor::{EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser, StringRef};

/// The state of one limit, from the headers of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveredLimit<'a> {
    /// The name, if the headers have names.
    pub name: Option<Cow<'a, str>>,
    /// The size of the limit.
    pub limit: Option<u64>,
    /// The remaining part.
    pub remaining: Option<u64>,
    /// The time at which it resets.
    pub reset: Option<Reset>,
    /// The window.
    pub window: Option<Duration>,
}

/// The time at which a limit resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Seconds since 1970-01-01T00:00:00Z (`X-RateLimit-Reset`, or a date).
    Epoch(u64),
    /// The delay from the response (`RateLimit`).
    In(Duration),
}

/// The maximum number of limits read from one header; no service has as many.
const MAX_LIMITS: usize = 64;

/// The limits in `RateLimit-Policy` and `RateLimit`, joined by name, in the order in which the names first occur.
///
/// An invalid header is ignored. The values of a repeated header must be joined by commas before.
///
/// ```
/// use demur_contract::{Reset, ietf_limits};
///
/// let limits = ietf_limits(Some(r#""burst";q=50;w=1"#), Some(r#""burst";r=0;t=7"#));
/// assert_eq!((limits[0].limit, limits[0].remaining), (Some(50), Some(0)));
/// assert_eq!(limits[0].reset, Some(Reset::In(std::time::Duration::from_secs(7))));
/// ```
pub fn ietf_limits<'a>(policy: Option<&'a str>, state: Option<&'a str>) -> Vec<RecoveredLimit<'a>> {
    let mut limits: Vec<RecoveredLimit<'a>> = Vec::new();
    for read in [policy, state].into_iter().flatten().flat_map(list) {
        match limits.iter_mut().find(|limit| limit.name == read.name) {
            Some(limit) => {
                limit.limit = read.limit.or(limit.limit);
                limit.remaining = read.remaining.or(limit.remaining);
                limit.reset = read.reset.or(limit.reset);
                limit.window = read.window.or(limit.window);
            }
            None => limits.push(read),
        }
    }
    limits
}

fn list(text: &str) -> Vec<RecoveredLimit<'_>> {
    let mut list = List(Vec::new());
    match Parser::new(text).parse_list_with_visitor(&mut list) {
        Ok(()) => list.0,
        Err(_) => Vec::new(),
    }
}

struct List<'de>(Vec<RecoveredLimit<'de>>);

struct LimitEntry<'l, 'de>(&'l mut List<'de>);

struct Parameters<'l, 'de>(&'l mut RecoveredLimit<'de>);

impl<'de> ListVisitor<'de> for List<'de> {
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok((self.0.len() < MAX_LIMITS).then_some(LimitEntry(self)))
    }
}

impl<'de> EntryVisitor<'de> for LimitEntry<'_, 'de> {
    /// The name of a limit is never a list.
    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for LimitEntry<'_, 'de> {
    type Error = Infallible;

    /// The draft requires strings; tokens are accepted for servers that omit the quotes.
    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de>, Infallible> {
        let name = match item {
            BareItemFromInput::String(Cow::Borrowed(name)) => Cow::Borrowed(StringRef::as_str(name)),
            BareItemFromInput::String(Cow::Owned(name)) => Cow::Owned(name.into()),
            BareItemFromInput::Token(name) => Cow::Borrowed(name.as_str()),
            _ => return Ok(None),
        };
        self.0.0.push(RecoveredLimit { name: Some(name), ..RecoveredLimit::default() });
        Ok(self.0.0.last_mut().map(Parameters))
    }
}

impl<'de> ParameterVisitor<'de> for Parameters<'_, 'de> {
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        let number = match value {
            BareItemFromInput::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        let limit = &mut *self.0;
        match key.as_str() {
            "q" => limit.limit = number,
            "r" => limit.remaining = number,
            "t" => limit.reset = number.map(|seconds| Reset::In(Duration::from_secs(seconds))),
            "w" => limit.window = number.map(Duration::from_secs),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, limit, remaining, seconds to the reset, seconds of the window.
    type LimitRow<'a> = (&'a str, Option<u64>, Option<u64>, Option<u64>, Option<u64>);

    #[test]
    fn joins_policy_and_state_by_name() {
        const NONE: &[LimitRow<'_>] = &[];
        for (policy, state, expected) in [
            ("", "", NONE),
            (
                r#""burst";q=50;w=1, "daily";q=10;w=86400"#,
                r#""daily";r=1;t=41822,"burst";r=25;t=1"#,
                &[
                    ("burst", Some(50), Some(25), Some(1), Some(1)),
                    ("daily", Some(10), Some(1), Some(41822), Some(86400)),
                ],
            ),
            ("", r#""only state";r=3"#, &[("only state", None, Some(3), None, None)]),
            (r#""a \"b\" \\c";q=1"#, "", &[(r#"a "b" \c"#, Some(1), None, None, None)]),
            (r#""a, b;q=9";q=1"#, "", &[("a, b;q=9", Some(1), None, None, None)]),
            ("token;q=1", "token;r=0", &[("token", Some(1), Some(0), None, None)]),
            (r#""last";q=1;q=2"#, "", &[("last", Some(2), None, None, None)]),
            (r#""other";q=1;pk=:AQ==:;x;qu="requests""#, "", &[("other", Some(1), None, None, None)]),
            (
                r#""no number";q="1";w=1.5"#,
                r#""no number";r=-1;t=?1"#,
                &[("no number", None, None, None, None)],
            ),
            (r#"("a" "b");q=1, 7;q=1, "real";q=3"#, "", &[("real", Some(3), None, None, None)]),
            // Not a valid list, so all of it is ignored.
            (r#""a";q=1,"#, "", NONE),
            (r#""a""b";q=1"#, "", NONE),
            (r#""a";q=1"#, r#""a";r=1;t"x"#, &[("a", Some(1), None, None, None)]),
            ("limit=100, remaining=50, reset=5", "", NONE),
            (r#""ü";q=1"#, "", NONE),
        ] {
            let seconds = |limit: &RecoveredLimit<'_>| match limit.reset {
                Some(Reset::In(delay)) => Some(delay.as_secs()),
                Some(Reset::Epoch(_)) | None => None,
            };
            let read = ietf_limits(Some(policy), Some(state));
            let read: Vec<LimitRow<'_>> = read
                .iter()
                .map(|limit| {
                    let name = limit.name.as_deref().unwrap();
                    (
                        name,
                        limit.limit,
                        limit.remaining,
                        seconds(limit),
                        limit.window.map(|window| window.as_secs()),
                    )
                })
                .collect();
            assert_eq!(read, expected, "{policy} / {state}");
        }
    }

    #[test]
    fn reads_at_most_the_maximum_number_of_limits() {
        let long: Vec<String> = (0..10_000).map(|number| format!("\"{number}\";q=1")).collect();
        assert_eq!(ietf_limits(Some(&long.join(", ")), None).len(), MAX_LIMITS);
    }
}
