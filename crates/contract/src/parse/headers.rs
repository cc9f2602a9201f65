//! The headers of a response: the delay before a retry, and the limits.
//!
//! An invalid header is ignored, since intermediaries may change headers and no header determines the error.

use std::time::{Duration, SystemTime};

use super::limits::{RecoveredLimit, Reset, ietf_limits};
use super::tape::digits;
use crate::problem::RetryAfter;
use crate::{LimitHeaders, ResetForm};

type HeaderLookup<'l, 'a> = &'l dyn Fn(&str) -> Option<&'a str>;

/// The delay of the response: `Retry-After`, else the contract's header in milliseconds.
///
/// A date is relative to the `Date` of the response, because the clocks of client and server may differ. It is ignored
/// without a `Date`, and a date in the past is a delay of zero.
pub(super) fn retry_after(
    limit_headers: &[LimitHeaders],
    headers: HeaderLookup<'_, '_>,
) -> Option<RetryAfter> {
    let standard = || {
        let text = headers("retry-after")?.trim();
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return text.parse().ok().map(Duration::from_secs);
        }
        let date = |text: &str| httpdate::parse_http_date(text.trim()).ok();
        Some(date(text)?.duration_since(date(headers("date")?)?).unwrap_or_default())
    };
    let millis = || {
        limit_headers.iter().find_map(|known| match known {
            LimitHeaders::RetryAfterMillis(name) => digits(headers(name)?.trim()).map(Duration::from_millis),
            LimitHeaders::Limits(_)
            | LimitHeaders::Ietf
            | LimitHeaders::ShouldRetry(_)
            | LimitHeaders::ShouldRetryAtOnce(_) => None,
        })
    };
    standard().or_else(millis).map(|delay| RetryAfter { delay })
}

/// The value of the contract's header for it: `true` or `false`.
pub(super) fn should_retry(limit_headers: &[LimitHeaders], headers: HeaderLookup<'_, '_>) -> Option<bool> {
    limit_headers.iter().find_map(|known| match known {
        LimitHeaders::ShouldRetry(name) => match headers(name)?.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        // `true` is the same advice; `false` may only mean that there is a delay.
        LimitHeaders::ShouldRetryAtOnce(name) => (headers(name)?.trim() == "true").then_some(true),
        LimitHeaders::Limits(_) | LimitHeaders::Ietf | LimitHeaders::RetryAfterMillis(_) => None,
    })
}

/// The limits in the contract's limit headers.
pub(super) fn limits<'a>(
    limit_headers: &[LimitHeaders],
    headers: HeaderLookup<'_, 'a>,
) -> Vec<RecoveredLimit<'a>> {
    let mut limits = Vec::new();
    for known in limit_headers {
        match known {
            LimitHeaders::Limits(names) => {
                let number = |name: &Option<String>| digits(headers(name.as_deref()?)?.trim());
                let reset = match names.reset_as {
                    ResetForm::EpochSeconds => number(&names.reset).map(Reset::Epoch),
                    ResetForm::DelaySeconds => {
                        number(&names.reset).map(|seconds| Reset::In(Duration::from_secs(seconds)))
                    }
                    ResetForm::HttpDate => names.reset.as_deref().and_then(headers).and_then(epoch),
                };
                let limit = RecoveredLimit {
                    limit: number(&names.limit),
                    remaining: number(&names.remaining),
                    reset,
                    ..RecoveredLimit::default()
                };
                if limit != RecoveredLimit::default() {
                    limits.push(limit);
                }
            }
            LimitHeaders::Ietf => {
                limits.extend(ietf_limits(headers("ratelimit-policy"), headers("ratelimit")));
            }
            LimitHeaders::ShouldRetry(_)
            | LimitHeaders::ShouldRetryAtOnce(_)
            | LimitHeaders::RetryAfterMillis(_) => {}
        }
    }
    limits
}

fn epoch(date: &str) -> Option<Reset> {
    let moment = httpdate::parse_http_date(date.trim()).ok()?;
    moment.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| Reset::Epoch(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LimitHeaderNames;

    #[test]
    fn reads_each_set_of_limit_headers() {
        let headers = |name: &str| match name {
            "x-ratelimit-limit" => Some("10"),
            "x-ratelimit-remaining" => Some("1"),
            "x-ratelimit-reset" => Some("42822"),
            "ratelimit-policy" => Some("\"burst\";q=50;w=1, \"daily\";q=10;w=86400"),
            "ratelimit" => Some("\"burst\";r=25;t=1, \"daily\";r=1;t=41822"),
            "x-should-retry" => Some("false"),
            "retry-after" => Some("7"),
            _ => None,
        };
        let limit_headers = [
            LimitHeaders::from_word("x-ratelimit").unwrap(),
            LimitHeaders::Ietf,
            LimitHeaders::ShouldRetry("x-should-retry".into()),
        ];
        let read = limits(&limit_headers, &headers);
        assert_eq!(read.len(), 3);
        assert_eq!(
            (read[0].limit, read[0].remaining, read[0].reset),
            (Some(10), Some(1), Some(Reset::Epoch(42822)))
        );
        assert_eq!(
            (read[1].name.as_deref(), read[1].limit, read[1].remaining),
            (Some("burst"), Some(50), Some(25))
        );
        assert_eq!(read[2].window, Some(Duration::from_secs(86_400)));
        assert_eq!(read[2].reset, Some(Reset::In(Duration::from_secs(41_822))));
        assert_eq!(should_retry(&limit_headers, &headers), Some(false));
        assert_eq!(retry_after(&limit_headers, &headers).unwrap().seconds(), 7);
    }

    #[test]
    fn ignores_invalid_headers() {
        let headers = |_: &str| Some("-1; x");
        assert_eq!(limits(&[LimitHeaders::from_word("x-ratelimit").unwrap()], &headers), []);
        assert_eq!(retry_after(&[], &headers), None);
    }

    #[test]
    fn reads_each_form_of_a_delay() {
        const DATE: (&str, &str) = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        let limit_headers = [LimitHeaders::RetryAfterMillis("retry-after-ms".into())];
        for (given, millis) in [
            (&[("retry-after", " 120 ")][..], Some(120_000)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "+5")], None),
            (&[("retry-after", "1.5")], None),
            (&[("retry-after", "99999999999999999999")], None),
            (&[("retry-after", "Fri, 20 Nov 2026 10:00:42 GMT"), DATE], Some(42_000)),
            (&[("retry-after", "Friday, 20-Nov-26 10:00:42 GMT"), DATE], Some(42_000)),
            (&[("retry-after", "Fri Nov 20 10:00:42 2026"), DATE], Some(42_000)),
            (&[("retry-after", "Fri, 20 Nov 2026 09:59:00 GMT"), DATE], Some(0)),
            (&[("retry-after", "Fri, 20 Nov 2026 10:00:42 GMT")], None),
            (&[("retry-after", "soon"), DATE], None),
            (&[("retry-after-ms", "1500")], Some(1500)),
            (&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(2000)),
            (&[("retry-after-ms", "1.5")], None),
        ] {
            let headers =
                |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let delay = retry_after(&limit_headers, &headers).map(|retry| retry.delay);
            assert_eq!(delay, millis.map(Duration::from_millis), "{given:?}");
        }
    }

    #[test]
    fn reads_each_form_of_a_reset() {
        for (form, given, reset) in [
            (ResetForm::EpochSeconds, "1795168842", Some(Reset::Epoch(1_795_168_842))),
            (ResetForm::DelaySeconds, "7", Some(Reset::In(Duration::from_secs(7)))),
            (ResetForm::HttpDate, "Fri, 20 Nov 2026 10:00:42 GMT", Some(Reset::Epoch(1_795_168_842))),
            (ResetForm::HttpDate, "7", None),
            (ResetForm::EpochSeconds, "Fri, 20 Nov 2026 10:00:42 GMT", None),
        ] {
            let names =
                LimitHeaderNames { reset: Some("r".into()), reset_as: form, ..LimitHeaderNames::default() };
            let read = limits(&[LimitHeaders::Limits(names)], &|_| Some(given));
            assert_eq!(read.first().and_then(|limit| limit.reset), reset, "{given}");
        }
    }
}
