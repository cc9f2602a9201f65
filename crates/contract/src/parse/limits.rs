//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11) → how the limits stand.
//!
//! Both are lists of structured fields (RFC 9651), and are read as such: whatever is no list is no field, a parameter
//! that is there twice has its last value, and names may have escapes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use sfv::visitor::{EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser, StringRef};

/// How one limit stands, as the answer's fields tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveredLimit<'a> {
    /// Its name, where the family has names.
    pub name: Option<Cow<'a, str>>,
    /// How much there is in all.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// When it is whole again.
    pub reset: Option<Reset>,
    /// Over which time it counts.
    pub window: Option<Duration>,
}

/// A moment, as the families tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Seconds since 1970 (`X-RateLimit-Reset`, or a date).
    Epoch(u64),
    /// From the answer on (`RateLimit`).
    In(Duration),
}

/// So many limits are read of one field. Nobody has as many.
const MOST: usize = 64;

/// The limits that `RateLimit-Policy` and `RateLimit` tell of, joined by their names, in the order in which these come
/// first. A field that breaks the rules of structured fields tells nothing; where it was sent in several lines, these
/// are to be joined by commas first.
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
        Ok((self.0.len() < MOST).then_some(LimitEntry(self)))
    }
}

impl<'de> EntryVisitor<'de> for LimitEntry<'_, 'de> {
    /// No limit has such a name.
    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for LimitEntry<'_, 'de> {
    type Error = Infallible;

    /// The draft has strings; tokens are read too, since they are what a name without quotes is.
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
    fn both_fields_are_joined_by_name_and_read_by_the_rules_of_structured_fields() {
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
            // Not a list: nothing of it is believed.
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
    fn a_field_of_any_length_is_read_within_bounds() {
        let long: Vec<String> = (0..10_000).map(|number| format!("\"{number}\";q=1")).collect();
        assert_eq!(ietf_limits(Some(&long.join(", ")), None).len(), MOST);
    }
}
