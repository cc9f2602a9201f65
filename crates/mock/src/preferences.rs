//! What a request itself asks for: `Prefer` (RFC 7240), and our own header.
//!
//! `Prefer: code=NAME`, `Prefer: status=429`, `Prefer: example=NAME`. `Demur-Mock` is a dictionary of structured fields (RFC
//! 9651): `error=NAME;limit=5, retry-after=3, delay=200, truncate-at=20, reset`.

use std::time::Duration;

use demur_contract::Value;
use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::effect::{Effect, MAX_DELAY, Wanted};

/// Our own header.
pub(crate) const HEADER: &str = "demur-mock";

/// The effect that a request asks for, if any; and what of its headers cannot be read.
pub(crate) fn requested(headers: &HeaderMap) -> (Option<Effect>, Vec<String>) {
    let mut unread = Vec::new();
    let mut effect = Effect::default();
    if let Some(wanted) = prefer(headers) {
        effect.wanted = Some(wanted);
    }
    for line in headers.get_all(HEADER) {
        match Parser::new(line.as_bytes()).parse::<Dictionary>() {
            Ok(dictionary) => {
                for (key, entry) in &dictionary {
                    if let Err(message) = apply(&mut effect, key.as_str(), entry) {
                        unread.push(message);
                    }
                }
            }
            Err(error) => unread.push(format!("not a dictionary of structured fields: {error}")),
        }
    }
    ((!effect.is_nothing()).then_some(effect), unread)
}

fn apply(effect: &mut Effect, key: &str, entry: &ListEntry) -> Result<(), String> {
    let ListEntry::Item(item) = entry else { return Err(format!("`{key}` is a list")) };
    let number = || match &item.bare_item {
        BareItem::Integer(number) => u64::try_from(i64::from(*number)).ok(),
        _ => None,
    };
    let number = || number().ok_or(format!("`{key}` must be a positive integer"));
    match key {
        "error" => {
            let name = text(&item.bare_item).ok_or("`error` must be a name")?;
            effect.wanted = Some(Wanted::Error(name));
            for (name, value) in &item.params {
                let value = match value {
                    BareItem::Integer(number) => Value::Int((*number).into()),
                    other => Value::Text(text(other).ok_or(format!("`{name}` must be a string"))?),
                };
                effect.details.params.push((name.as_str().to_owned(), value));
            }
        }
        "status" => {
            let status = u16::try_from(number()?).ok().filter(|status| (200..600).contains(status));
            effect.wanted = Some(Wanted::Status(status.ok_or("`status` must be between 200 and 599")?));
        }
        "retry-after" => effect.details.retry_after = Some(Duration::from_secs(number()?)),
        "delay" => effect.delay = Duration::from_millis(number()?).min(MAX_DELAY),
        "truncate-at" => effect.truncate_at = Some(number()?),
        "reset" => effect.resets = matches!(item.bare_item, BareItem::Boolean(true)),
        _ => return Err(format!("unknown key `{key}`")),
    }
    Ok(())
}

fn text(item: &BareItem) -> Option<String> {
    match item {
        BareItem::Token(token) => Some(token.as_str().to_owned()),
        BareItem::String(string) => Some(string.as_str().to_owned()),
        _ => None,
    }
}

/// The answer that `Prefer` asks for. A `code` that is a number is a status: that is what other mocks call it.
fn prefer(headers: &HeaderMap) -> Option<Wanted> {
    let named = |name: &str| preference(headers, name);
    let number = |text: &str| text.parse::<u16>().ok().filter(|status| (200..600).contains(status));
    match named("code") {
        Some(code) => Some(number(&code).map_or(Wanted::Error(code), Wanted::Status)),
        None => named("status").and_then(|status| number(&status)).map(Wanted::Status),
    }
}

/// The value of a preference. The first one counts (RFC 7240, section 2).
pub(crate) fn preference(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all("prefer").into_iter().filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(','));
    let value = |preference: &str| {
        let (known, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (known.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    };
    preferences.filter_map(value).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn error(name: &str) -> Option<Wanted> {
        Some(Wanted::Error(name.to_owned()))
    }

    #[test]
    fn reads_preferences_and_the_own_header() {
        for (lines, expected) in [
            (&[("prefer", "code=not_found")][..], error("not_found")),
            (&[("prefer", "code=404")], Some(Wanted::Status(404))),
            (&[("prefer", "Status=\"429\"; x=1")], Some(Wanted::Status(429))),
            (&[("prefer", "respond-async, code=a, code=b")], error("a")),
            (&[("prefer", "wait=10"), ("prefer", "code=a")], error("a")),
            (&[("prefer", "code=a"), (HEADER, "error=b")], error("b")),
            (&[(HEADER, "status=503")], Some(Wanted::Status(503))),
            (&[(HEADER, "error=\"a b\"")], error("a b")),
        ] {
            let (effect, unread) = requested(&headers(lines));
            assert_eq!((effect.and_then(|effect| effect.wanted), unread.len()), (expected, 0), "{lines:?}");
        }
    }

    #[test]
    fn reads_details_and_faults() {
        let line = "error=a;limit=5;name=\"x\", retry-after=3, delay=200, truncate-at=20, reset";
        let effect = requested(&headers(&[(HEADER, line)])).0.unwrap();
        let params =
            vec![("limit".to_owned(), Value::Int(5)), ("name".to_owned(), Value::Text("x".to_owned()))];
        assert_eq!(effect.details.params, params);
        assert_eq!(effect.details.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(
            (effect.delay, effect.truncate_at, effect.resets),
            (Duration::from_millis(200), Some(20), true)
        );
        let endless = requested(&headers(&[(HEADER, "delay=99999999")])).0.unwrap();
        assert_eq!(endless.delay, MAX_DELAY);
    }

    #[test]
    fn names_what_cannot_be_read_and_asks_for_nothing() {
        for line in
            ["error=1", "delay=-1", "delay=x", "truncated", "status=99", "error=(a b)", "=", "reset=?0"]
        {
            let (effect, unread) = requested(&headers(&[(HEADER, line)]));
            assert_eq!(effect, None, "{line}");
            assert_eq!(unread.len(), usize::from(line != "reset=?0"), "{line}: {unread:?}");
        }
        assert_eq!(requested(&headers(&[("prefer", "status=9, code=, x")])), (None, Vec::new()));
    }
}
