//! A path segment as the most lenient server reads it.

use std::borrow::Cow;

use super::encoding::{MAX_LAYERS, decode_once, has_encoding};

/// A segment as the most lenient server reads it: decoded as often as it can be, in lower case. Borrowed where that
/// changes nothing.
pub(crate) fn folded(segment: &str) -> Cow<'_, str> {
    if !segment.bytes().any(|byte| byte == b'%' || byte.is_ascii_uppercase() || !byte.is_ascii()) {
        return Cow::Borrowed(segment);
    }
    let mut layer: Cow<'_, [u8]> = Cow::Borrowed(segment.as_bytes());
    for _ in 0..MAX_LAYERS {
        if !has_encoding(&layer) {
            break;
        }
        layer = Cow::Owned(decode_once(&layer));
    }
    Cow::Owned(String::from_utf8_lossy(&layer).to_lowercase())
}

/// Whether the most lenient server reads a segment as it is written.
pub(crate) fn is_unambiguous(segment: &str) -> bool {
    matches!(folded(segment), Cow::Borrowed(folded) if trimmed(folded).len() == segment.len())
}

/// What is left of a folded segment where a server drops path parameters, what follows a NUL, an encoded query or
/// fragment, blanks around it, and dots at its end.
pub(crate) fn trimmed(folded: &str) -> &str {
    let cut = folded.find([';', '\0', '?', '#']).map_or(folded, |end| &folded[..end]);
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    cut.trim_start_matches(is_blank).trim_end_matches(|c: char| c == '.' || is_blank(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_servers_read_a_segment_like_this() {
        for (segment, read) in [
            ("EXPORT", "export"),
            ("%65xport", "export"),
            ("%2565xport", "export"),
            ("export;a=b", "export"),
            ("export%3Bx", "export"),
            ("export.", "export"),
            ("export%20", "export"),
            ("%09export%0A", "export"),
            ("export%00.json", "export"),
            ("export%3Fa", "export"),
            ("export%23", "export"),
            ("export.json", "export.json"),
            ("...", ""),
        ] {
            assert_eq!(trimmed(&folded(segment)), read, "{segment}");
        }
    }
}
