//! Header fields that tell how the limits stand, in the families that a contract names.

use demur_admission::{LimitKind, LimitState, Now};
use demur_contract::FieldFamily;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Sets the fields of every family.
pub(crate) fn set(families: &[FieldFamily], limits: &[LimitState<'_>], now: Now, headers: &mut HeaderMap) {
    if limits.is_empty() {
        return;
    }
    for family in families {
        match family {
            FieldFamily::XRateLimit => set_x_ratelimit(limits, now, headers),
            FieldFamily::Ietf => set_ietf(limits, headers),
            // About the error, not about a limit.
            FieldFamily::ShouldRetry(_) => {}
        }
    }
}

/// The policy nearest exhaustion speaks: the family has room for one.
fn set_x_ratelimit(limits: &[LimitState<'_>], now: Now, headers: &mut HeaderMap) {
    // remaining/limit compared as fractions, without dividing.
    let nearest = limits.iter().min_by(|a, b| {
        let (a, b) =
            (u128::from(a.remaining) * u128::from(b.limit), u128::from(b.remaining) * u128::from(a.limit));
        a.cmp(&b)
    });
    let Some(nearest) = nearest else { return };
    let reset_millis = i128::from(now.wall.as_millisecond()) + nearest.reset.as_millis() as i128;
    // Rounded up: never before the window's end.
    let reset = reset_millis.div_euclid(1000) + i128::from(reset_millis.rem_euclid(1000) > 0);
    put(headers, "x-ratelimit-limit", &nearest.limit.to_string());
    put(headers, "x-ratelimit-remaining", &nearest.remaining.to_string());
    put(headers, "x-ratelimit-reset", &reset.to_string());
}

/// draft-ietf-httpapi-ratelimit-headers-11: two lists of structured fields.
fn set_ietf(limits: &[LimitState<'_>], headers: &mut HeaderMap) {
    let name = |limit: &LimitState<'_>| match limit.kind {
        // Names of rates are checked when they are read: nothing in them needs escaping.
        LimitKind::Rate(name) => name.to_owned(),
        LimitKind::Quota => "daily".to_owned(),
    };
    let seconds = |duration: std::time::Duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let policies: Vec<String> = limits
        .iter()
        .map(|limit| format!("\"{}\";q={};w={}", name(limit), limit.limit, seconds(limit.window)))
        .collect();
    let states: Vec<String> = limits
        .iter()
        .map(|limit| format!("\"{}\";r={};t={}", name(limit), limit.remaining, seconds(limit.reset)))
        .collect();
    put(headers, "ratelimit-policy", &policies.join(", "));
    put(headers, "ratelimit", &states.join(", "));
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limit<'a>(kind: LimitKind<'a>, limit: u64, remaining: u64, window: u64, reset: u64) -> LimitState<'a> {
        let seconds = Duration::from_secs;
        LimitState { kind, limit, remaining, window: seconds(window), reset: Duration::from_millis(reset) }
    }

    #[test]
    fn the_nearest_policy_speaks_and_all_are_listed() {
        let limits = [
            limit(LimitKind::Rate("burst"), 50, 25, 1, 500),
            limit(LimitKind::Quota, 10, 1, 86_400, 41_821_001),
        ];
        let now = Now { wall: jiff::Timestamp::from_second(1000).unwrap(), monotonic: Duration::ZERO };
        let mut headers = HeaderMap::new();
        set(&[FieldFamily::XRateLimit, FieldFamily::Ietf], &limits, now, &mut headers);
        for (name, value) in [
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "1"),
            ("x-ratelimit-reset", "42822"),
            ("ratelimit-policy", "\"burst\";q=50;w=1, \"daily\";q=10;w=86400"),
            ("ratelimit", "\"burst\";r=25;t=1, \"daily\";r=1;t=41822"),
        ] {
            assert_eq!(headers[name], value);
        }
    }
}
