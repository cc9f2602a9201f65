//! `Retry-After` of an upstream (RFC 9110, section 10.2.3): a number of seconds, or a date in any of its three forms.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use jiff::Timestamp;

/// The delay that the upstream advises; `None` if it advises none, or is not understood.
///
/// A date is compared with the response's own `Date`, since the clocks of upstream and gateway may differ.
pub(crate) fn delay(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let sent = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?.trim()).ok());
    let from = sent.unwrap_or_else(|| SystemTime::from(now));
    // A date that has passed says nothing about the next attempt.
    until.duration_since(from).ok().filter(|delay| !delay.is_zero())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_seconds_and_all_forms_of_dates() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let date = Some("Sun, 06 Nov 1994 08:49:00 GMT");
        let other = Some("Sun, 06 Nov 1994 08:48:37 GMT");
        for (retry_after, sent, seconds) in [
            ("7", None, Some(7)),
            (" 120 ", None, Some(120)),
            ("0", None, Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None, Some(37)),
            ("Sun Nov  6 08:49:37 1994", None, Some(37)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", date, Some(37)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", other, Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some("yesterday"), Some(37)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", None, None),
            ("Fri, 31 Dec 1993 23:59:59 GMT", None, None),
            ("", None, None),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("99999999999999999999999", None, None),
            ("1994-11-06T08:49:37Z", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
            if let Some(sent) = sent {
                headers.insert(DATE, HeaderValue::from_str(sent).unwrap());
            }
            assert_eq!(delay(&headers, now), seconds.map(Duration::from_secs), "{retry_after:?} {sent:?}");
        }
        assert_eq!(delay(&HeaderMap::new(), now), None);
    }
}
