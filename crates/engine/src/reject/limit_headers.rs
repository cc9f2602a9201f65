//! Headers with the state of limits and with advice to retry. The contract declares their names and formats.

use std::time::Duration;

use bytes::BytesMut;
use demur_admission::{LimitState, Now};
use demur_contract::{ResetForm, RetryAfter, RetryClass};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::reject::responder::{LimitHeaderScheme, RATELIMIT, RATELIMIT_POLICY};

/// Sets the headers of every response.
pub(crate) fn set(
    families: &[LimitHeaderScheme],
    limits: &[LimitState<'_>],
    now: Now,
    headers: &mut HeaderMap,
) {
    for family in families {
        match family {
            LimitHeaderScheme::Limits { limit, remaining, reset, reset_as } => {
                let Some(nearest) = nearest(limits) else { return };
                let mut put = |name: &Option<HeaderName>, value: HeaderValue| {
                    name.as_ref().map(|name| headers.insert(name.clone(), value))
                };
                put(limit, nearest.limit.into());
                put(remaining, nearest.remaining.into());
                put(reset, moment(*reset_as, nearest.reset, now));
            }
            LimitHeaderScheme::Ietf => set_ietf(limits, headers),
            // Part of error responses only.
            LimitHeaderScheme::ShouldRetry(_)
            | LimitHeaderScheme::ShouldRetryAtOnce(_)
            | LimitHeaderScheme::RetryAfterMillis(_) => {}
        }
    }
}

/// Sets the headers of an error response that advise clients to retry. Some clients sleep for the
/// advised delay, however long: beyond the limit the headers advise against a retry.
pub(crate) fn set_retry(
    families: &[LimitHeaderScheme],
    is_worth_waiting: bool,
    delay: Option<RetryAfter>,
    headers: &mut HeaderMap,
) {
    for family in families {
        match (family, delay) {
            (LimitHeaderScheme::ShouldRetry(header), _) => {
                let text = if is_worth_waiting { "true" } else { "false" };
                headers.insert(header.clone(), HeaderValue::from_static(text));
            }
            (LimitHeaderScheme::ShouldRetryAtOnce(header), delay) => {
                let text = if is_worth_waiting && delay.is_none() { "true" } else { "false" };
                headers.insert(header.clone(), HeaderValue::from_static(text));
            }
            // The same delay as `Retry-After`.
            (LimitHeaderScheme::RetryAfterMillis(header), Some(delay)) if is_worth_waiting => {
                headers.insert(header.clone(), (delay.seconds() * 1000).into());
            }
            (LimitHeaderScheme::RetryAfterMillis(_), _)
            | (LimitHeaderScheme::Limits { .. } | LimitHeaderScheme::Ietf, _) => {}
        }
    }
}

/// Whether the same request may succeed later.
pub(crate) fn waiting_helps(class: RetryClass) -> bool {
    matches!(class, RetryClass::AfterDelay | RetryClass::AtReset | RetryClass::Backoff)
}

/// The limit that is nearest to exhaustion.
fn nearest<'l, 'a>(limits: &'l [LimitState<'a>]) -> Option<&'l LimitState<'a>> {
    // remaining/limit compared as fractions, without dividing.
    limits.iter().min_by(|a, b| {
        let (a, b) =
            (u128::from(a.remaining) * u128::from(b.limit), u128::from(b.remaining) * u128::from(a.limit));
        a.cmp(&b)
    })
}

/// The end of a window, rounded up.
fn moment(form: ResetForm, after: Duration, now: Now) -> HeaderValue {
    let millis = i128::from(now.wall.as_millisecond()) + after.as_millis() as i128;
    let epoch = millis.div_euclid(1000) + i128::from(millis.rem_euclid(1000) > 0);
    let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
    match form {
        ResetForm::EpochSeconds => epoch.into(),
        ResetForm::DelaySeconds => seconds(after).into(),
        ResetForm::HttpDate => {
            let moment = jiff::Timestamp::from_second(epoch).unwrap_or(now.wall);
            let text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
        }
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// draft-ietf-httpapi-ratelimit-headers-11: two lists of structured fields (RFC 9651).
fn set_ietf(limits: &[LimitState<'_>], headers: &mut HeaderMap) {
    let list = |names: [&str; 2], numbers: fn(&LimitState<'_>) -> [u64; 2]| {
        let mut list = BytesMut::with_capacity(limits.len() * 48);
        for limit in limits {
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            put_string(limit.kind.name(), &mut list);
            for (name, number) in names.iter().zip(numbers(limit)) {
                list.extend_from_slice(name.as_bytes());
                // Integers have at most 15 digits (section 3.3.1).
                let number = number.min(999_999_999_999_999);
                list.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        list
    };
    let policy = list([";q=", ";w="], |limit| [limit.limit, seconds(limit.window)]);
    let state = list([";r=", ";t="], |limit| [limit.remaining, seconds(limit.reset)]);
    for (name, value) in [(RATELIMIT_POLICY, policy), (RATELIMIT, state)] {
        // Empty lists are not sent (section 4.1).
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_maybe_shared(value.freeze())) {
            headers.insert(name, value);
        }
    }
}

/// A string (RFC 9651, section 3.3.3). Names of limits are ASCII: the loader checks them.
fn put_string(text: &str, list: &mut BytesMut) {
    list.extend_from_slice(b"\"");
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            list.extend_from_slice(b"\\");
        }
        list.extend_from_slice(&[byte]);
    }
    list.extend_from_slice(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_admission::LimitKind;

    use crate::reject::responder::ErrorResponder;

    fn limit<'a>(kind: LimitKind<'a>, limit: u64, remaining: u64, window: u64, reset: u64) -> LimitState<'a> {
        let seconds = Duration::from_secs;
        LimitState { kind, limit, remaining, window: seconds(window), reset: Duration::from_millis(reset) }
    }

    #[test]
    fn reports_the_nearest_limit_and_lists_all() {
        let limits = [
            limit(LimitKind::Rate("burst"), 50, 25, 1, 500),
            limit(LimitKind::Quota, 10, 1, 86_400, 41_821_001),
        ];
        let headers = headers_for(
            "headers: [x-ratelimit, ietf, { limit: Their-Limit, reset: Their-Reset, reset_as: delay_seconds },
             { reset: Their-Date, reset_as: http_date }]",
            &limits,
        );
        for (name, value) in [
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "1"),
            ("x-ratelimit-reset", "42822"),
            ("ratelimit-policy", "\"burst\";q=50;w=1, \"daily\";q=10;w=86400"),
            ("ratelimit", "\"burst\";r=25;t=1, \"daily\";r=1;t=41822"),
            ("their-limit", "10"),
            ("their-reset", "41822"),
            ("their-date", "Thu, 01 Jan 1970 11:53:42 GMT"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert_eq!(headers.len(), 8);
    }

    /// The lists are formatted by hand, for speed; a parser of structured fields must accept them.
    #[test]
    fn lists_are_structured_fields() {
        let limits =
            [limit(LimitKind::Rate("a \"b\" \\c"), 50, 25, 1, 500), limit(LimitKind::Quota, 9, 1, 60, 2)];
        let headers = headers_for("headers: [ietf]", &limits);
        for (header, first) in
            [("ratelimit-policy", [("q", 50), ("w", 1)]), ("ratelimit", [("r", 25), ("t", 1)])]
        {
            let list = sfv::Parser::new(headers[header].as_bytes()).parse::<sfv::List>().unwrap();
            assert_eq!(list.len(), 2);
            let sfv::ListEntry::Item(item) = &list[0] else { panic!("{list:?}") };
            assert_eq!(item.bare_item.as_string().unwrap().as_str(), "a \"b\" \\c");
            for (name, number) in first {
                assert_eq!(
                    item.params[name].as_integer(),
                    Some(sfv::Integer::from(number)),
                    "{header} {name}"
                );
            }
        }
    }

    #[test]
    fn caps_integers_at_fifteen_digits() {
        let headers = headers_for("headers: [ietf]", &[limit(LimitKind::Rate("b"), u64::MAX, 5, 1, 1)]);
        assert_eq!(headers["ratelimit-policy"], "\"b\";q=999999999999999;w=1");
    }

    #[test]
    fn error_responses_say_whether_to_retry() {
        let families = families(
            "headers: [x-should-retry, retry-after-ms, { should_retry: Their-Retry }, { should_retry_at_once: Once }]",
        );
        let delay = RetryAfter { delay: Duration::from_millis(1200) };
        for (class, delay, is_soon, retry, millis) in [
            (RetryClass::AfterDelay, Some(delay), true, "true", Some("2000")),
            (RetryClass::AfterDelay, Some(delay), false, "false", None),
            (RetryClass::Backoff, None, true, "true", None),
            (RetryClass::AfterFix, None, true, "false", None),
        ] {
            let mut headers = HeaderMap::new();
            set_retry(families.families(), waiting_helps(class) && is_soon, delay, &mut headers);
            for header in ["x-should-retry", "their-retry"] {
                assert_eq!(headers[header], retry);
            }
            // What has a delay is not for clients that would not wait.
            let at_once = if delay.is_some() { "false" } else { retry };
            assert_eq!(headers["once"], at_once);
            assert_eq!(headers.get("retry-after-ms").map(|value| value.to_str().unwrap()), millis);
        }
    }

    /// A contract with this line in it.
    fn families(line: &str) -> ErrorResponder {
        let text = format!(
            "demur: 1\nname: shop\nformats: {{ default: {{ m: $message }} }}\n{line}\nerrors:\n  \
             e: {{ status: 500, on: [request, internal] }}\n"
        );
        let loaded = demur_contract::Contract::load(&demur_source::Source::new("shop.yaml", text));
        ErrorResponder::new(loaded.unwrap_or_else(|found| panic!("{found}")).contract.into(), &[], None)
    }

    fn headers_for(line: &str, limits: &[LimitState<'_>]) -> HeaderMap {
        let now = Now { wall: jiff::Timestamp::from_second(1000).unwrap(), monotonic: Duration::ZERO };
        let mut headers = HeaderMap::new();
        set(families(line).families(), limits, now, &mut headers);
        headers
    }
}
