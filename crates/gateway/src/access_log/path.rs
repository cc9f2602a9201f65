//! Removes what looks like a secret from logged paths: clients put keys into paths by mistake.

use std::borrow::Cow;

/// Keys have at least this length.
const MIN_KEY: usize = 16;
/// No one encodes a path more often.
const MAX_ROUNDS: usize = 8;
/// Longer than common identifiers.
const MAX_IDENTIFIER: usize = 40;

/// The path with `…` for every part that may be a secret: long and of mixed letters and digits, or very long. Hexadecimal
/// identifiers stay readable.
///
/// Percent-encoded secrets are removed too; the path is then shown decoded.
pub(super) fn shown(path: &str) -> String {
    let mut decoded = Cow::Borrowed(path);
    for _ in 0..MAX_ROUNDS {
        let next = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            break;
        }
        let hidden = without_suspects(&next);
        if hidden != next {
            return shown(&hidden);
        }
        decoded = next.into();
    }
    without_suspects(path)
}

fn without_suspects(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    let mut rest = path;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        shown.push_str(if is_suspect(run.as_bytes()) { "…" } else { run });
        let next = after.find(|char: char| char.is_ascii_alphanumeric()).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        shown.push_str(between);
        rest = after;
    }
    shown
}

fn is_suspect(run: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    run.len() >= MAX_IDENTIFIER || (run.len() >= MIN_KEY && is_mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_may_be_a_key() {
        for (path, expected) in [
            ("/shop/items/7", "/shop/items/7"),
            ("/a/0190f3d2-7c1b-7aaa-9f00-000000000001/b", "/a/0190f3d2-7c1b-7aaa-9f00-000000000001/b"),
            ("/a/507f1f77bcf86cd799439011", "/a/507f1f77bcf86cd799439011"),
            ("/keys/shp_0aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kM9nR2uX5/x", "/keys/shp_…/x"),
            ("/k/live_aB3dE6gH9jK2mN5pQ8sT1vW4", "/k/live_…"),
            ("/h/e3b0c44298fc1c149afbf4c8996fb92427ae41e4", "/h/…"),
            ("/k/%61B3dE6gH9jK2mN5pQ8sT1vW4", "/k/…"),
            ("/k/%61%42%33%64%45%36%67%48%39%6a%4B%32%6d%4e%35%70%51%38", "/k/…"),
            ("/%6b/%2561%2542%2533%2564%2545%2536%2567%2548%2539%256a%254B%2532%256d%254e%2535%2570", "/k/…"),
            ("/a%20b/%e9/100%25", "/a%20b/%e9/100%25"),
            ("/ü/§", "/ü/§"),
            ("", ""),
        ] {
            assert_eq!(shown(path), expected);
        }
    }
}
