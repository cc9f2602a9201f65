//! The delay that the server asks for: `Retry-After`, a header in milliseconds, or the reset of a rate limit.
//!
//! The headers that a contract declares come first. Without a contract, the widespread names are read.

use std::time::{Duration, SystemTime};

use demur_contract::{Contract, LimitHeaders, Reset, ietf_limits};

use crate::header_texts::HeaderTexts;

/// Headers with a delay in milliseconds, without a contract.
const MILLIS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];

/// Headers about one limit, without a contract: the remaining requests, and the time of the reset.
const FAMILIES: [(&str, &str); 3] = [
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
];

/// A number from here on is a time since 1970, not a delay: it would be one of more than 30 years.
const FIRST_EPOCH: f64 = 1e9;
/// A number from here on is in milliseconds since 1970.
const FIRST_EPOCH_MILLIS: f64 = 1e12;

/// The delay that a response asks for in its headers. Invalid values are ignored.
///
/// A date counts from the `Date` of the response, because the clocks may differ (RFC 9110, section 10.2.3); a date in the
/// past is a delay of zero. Fractions of seconds are not valid HTTP, but some servers send them.
pub(crate) fn requested_delay(
    headers: &HeaderTexts<'_>,
    contract: Option<&Contract>,
    status: u16,
    now: SystemTime,
) -> Option<Duration> {
    let declared = families(contract).iter().filter_map(|family| match family {
        LimitHeaders::RetryAfterMillis(name) => Some(name.as_str()),
        LimitHeaders::Limits(_)
        | LimitHeaders::Ietf
        | LimitHeaders::ShouldRetry(_)
        | LimitHeaders::ShouldRetryAtOnce(_) => None,
    });
    if let Some(delay) = declared.chain(MILLIS).find_map(|name| seconds(headers.first(name)?, 0.001)) {
        return Some(delay);
    }
    if let Some(text) = headers.first("retry-after") {
        if let Some(delay) = seconds(text, 1.0) {
            return Some(delay);
        }
        if let Ok(at) = httpdate::parse_http_date(text) {
            return Some(at.duration_since(server_time(headers, now)).unwrap_or_default());
        }
    }
    // Otherwise use the reset of a rate limit that is used up.
    if status == 429 { reset(headers, contract, now) } else { None }
}

/// The delay until the used-up rate limits of a response reset; `None` if requests are left.
pub(crate) fn reset(
    headers: &HeaderTexts<'_>,
    contract: Option<&Contract>,
    now: SystemTime,
) -> Option<Duration> {
    let since_epoch = |seconds: u64| {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        Some(at.duration_since(server_time(headers, now)).unwrap_or_default())
    };
    let delay = |reset: Reset| match reset {
        Reset::In(delay) => Some(delay),
        Reset::Epoch(seconds) => since_epoch(seconds),
    };
    let used_up = |limits: Vec<demur_contract::RecoveredLimit<'_>>| {
        let used_up = limits.into_iter().filter(|limit| limit.remaining == Some(0));
        used_up.filter_map(|limit| delay(limit.reset?)).max()
    };
    let is_limit = |family: &LimitHeaders| matches!(family, LimitHeaders::Limits(_) | LimitHeaders::Ietf);
    if let Some(contract) = contract.filter(|contract| contract.limit_headers().iter().any(is_limit)) {
        return used_up(contract.limits_in(&|name| headers.get(name)));
    }
    used_up(ietf_limits(None, headers.get("ratelimit"))).or_else(|| {
        let widespread = FAMILIES.iter().filter_map(|(remaining, reset)| {
            (headers.first(remaining)?.parse::<f64>().ok()? <= 0.0).then_some(())?;
            if let Some(delay) = headers.first("x-ratelimit-reset-after").and_then(|text| seconds(text, 1.0))
            {
                return Some(delay);
            }
            let text = headers.first(reset)?;
            match text.parse::<f64>().ok()? {
                number if number >= FIRST_EPOCH_MILLIS => since_epoch((number / 1000.0) as u64),
                number if number >= FIRST_EPOCH => since_epoch(number as u64),
                _ => seconds(text, 1.0),
            }
        });
        widespread.max()
    })
}

fn families(contract: Option<&Contract>) -> &[LimitHeaders] {
    contract.map_or(&[], Contract::limit_headers)
}

fn server_time(headers: &HeaderTexts<'_>, now: SystemTime) -> SystemTime {
    headers.first("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now)
}

/// Parses a number of units; saturates at the maximum duration.
pub(crate) fn seconds(text: &str, unit: f64) -> Option<Duration> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use demur_source::Source;
    use http::HeaderMap;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

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
            // A small number is a delay: no limit resets in 1970.
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")], Some(7000)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000007000")], Some(7000)),
            (&[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1800000007")], Some(7000)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")], Some(7000)),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1800000099"),
                    ("x-ratelimit-reset-after", "0.35"),
                ],
                Some(350),
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")], None),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "NaN")], None),
            (&[("x-ms-retry-after-ms", "250")], Some(250)),
            (&[("ratelimit", "\"a\";r=0;t=5, \"b\";r=0;t=9, \"c\";r=1;t=60")], Some(9000)),
            (&[("ratelimit", "\"a, b\";r=0;t=5"), ("ratelimit", "\"c;r=1\";t=9;r=0")], Some(9000)),
            (&[("ratelimit", "\"a\";r=0;t=5,")], None),
            (&[("retry-after", "2"), ("ratelimit", "\"a\";r=0;t=5")], Some(2000)),
        ] {
            let headers = headers(fields);
            let expected = expected.map(Duration::from_millis);
            assert_eq!(requested_delay(&HeaderTexts::new(&headers), None, 429, now), expected, "{fields:?}");
        }
        let absurd = headers(&[("retry-after", "99999999999999999999999")]);
        assert_eq!(requested_delay(&HeaderTexts::new(&absurd), None, 503, now), Some(Duration::MAX));
    }

    /// The contract's own names are read, in its own form, and the widespread ones are not guessed beside them.
    #[test]
    fn headers_that_the_contract_declares_are_read() {
        const CONTRACT: &str = "
demur: 1
name: t
headers:
  - { limit: Shop-Limit, remaining: Shop-Left, reset: Shop-Reset, reset_as: delay_seconds }
  - { retry_after_ms: Shop-Wait }
formats: { default: { m: $message } }
errors:
  bad: { status: 400, on: [request] }
  broken: { status: 500, on: [internal] }
";
        let contract = Contract::load(&Source::new("t.yaml", CONTRACT)).unwrap().contract;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (fields, expected) in [
            (&[("shop-wait", "150"), ("retry-after", "1")][..], Some(150)),
            (&[("shop-left", "0"), ("shop-reset", "9")], Some(9000)),
            (&[("shop-left", "1"), ("shop-reset", "9")], None),
            (&[("shop-left", "1"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")], None),
        ] {
            let headers = headers(fields);
            let delay = requested_delay(&HeaderTexts::new(&headers), Some(&contract), 429, now);
            assert_eq!(delay, expected.map(Duration::from_millis), "{fields:?}");
        }
    }
}
