//! The delay that the server asks for: `Retry-After`, `retry-after-ms`, or the reset of a rate limit.

use std::time::{Duration, SystemTime};

use demur_contract::{Reset, ietf_limits};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The delay that a response asks for. Invalid values are ignored.
///
/// A date counts from the `Date` of the response, because the clocks may differ (RFC 9110, section 10.2.3); a date in the
/// past is a delay of zero. Fractions of seconds are not valid HTTP, but some servers send them.
pub(crate) fn requested_delay(headers: &HeaderMap, status: u16, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(delay) = text("retry-after-ms").and_then(|text| seconds(text, 0.001)) {
        return Some(delay);
    }
    if let Some(text) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim) {
        if let Some(delay) = seconds(text, 1.0) {
            return Some(delay);
        }
        if let Ok(at) = httpdate::parse_http_date(text) {
            return Some(at.duration_since(server_time(headers, now)).unwrap_or_default());
        }
    }
    // Otherwise use the reset of a rate limit that is used up.
    if status == 429 { reset(headers, now) } else { None }
}

/// The delay until the used-up rate limits of a response reset; `None` if requests are left.
pub(crate) fn reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let classic = || {
        (number("x-ratelimit-remaining")? == 0).then_some(())?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(number("x-ratelimit-reset")?))?;
        Some(at.duration_since(server_time(headers, now)).unwrap_or_default())
    };
    let structured = || {
        let lines = headers.get_all("ratelimit").iter().filter_map(|value| value.to_str().ok());
        let list = lines.collect::<Vec<_>>().join(", ");
        let used_up = ietf_limits(None, Some(&list)).into_iter().filter(|limit| limit.remaining == Some(0));
        let resets = used_up.filter_map(|limit| match limit.reset {
            Some(Reset::In(delay)) => Some(delay),
            Some(Reset::Epoch(_)) | None => None,
        });
        resets.max()
    };
    structured().or_else(classic)
}

fn server_time(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now)
}

/// Parses a number of units; saturates at the maximum duration.
fn seconds(text: &str, unit: f64) -> Option<Duration> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_parsed_or_ignored() {
        const DATE_AT: &str = "Fri, 20 Nov 2026 10:00:00 GMT";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (fields, expected) in [
            (&[][..], None),
            (&[("retry-after", "3")], Some(3000)),
            (&[("retry-after", " 3 ")], Some(3000)),
            (&[("retry-after", "1.5")], Some(1500)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after-ms", "250"), ("retry-after", "3")], Some(250)),
            (&[("retry-after", "Fri, 20 Nov 2026 10:00:42 GMT"), ("date", DATE_AT)], Some(42_000)),
            (&[("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT"), ("date", DATE_AT)], Some(0)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000007")], Some(7000)),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1800000007")], None),
            (&[("ratelimit", "\"a\";r=0;t=5, \"b\";r=0;t=9, \"c\";r=1;t=60")], Some(9000)),
            (&[("ratelimit", "\"a, b\";r=0;t=5"), ("ratelimit", "\"c;r=1\";t=9;r=0")], Some(9000)),
            (&[("ratelimit", "\"a\";r=0;t=5,")], None),
            (&[("retry-after", "2"), ("ratelimit", "\"a\";r=0;t=5")], Some(2000)),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            let expected = expected.map(Duration::from_millis);
            assert_eq!(requested_delay(&headers, 429, now), expected, "{fields:?}");
        }
        let mut absurd = HeaderMap::new();
        absurd.insert("retry-after", "99999999999999999999999".parse().unwrap());
        assert_eq!(requested_delay(&absurd, 503, now), Some(Duration::MAX));
    }
}
