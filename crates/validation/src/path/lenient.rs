//! Path segments as the most lenient server reads them.

use std::borrow::Cow;

use super::encoding::{MAX_LAYERS, decode_once, has_encoding};

/// Decodes a segment as often as possible, and converts it to lower case. Borrows if this changes nothing.
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

/// Removes from a folded segment what some server drops: path parameters, everything after NUL, an encoded query or
/// fragment, surrounding whitespace, and trailing dots.
pub(crate) fn trimmed(folded: &str) -> &str {
    let cut = folded.find([';', '\0', '?', '#']).map_or(folded, |end| &folded[..end]);
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    cut.trim_start_matches(is_blank).trim_end_matches(|c: char| c == '.' || is_blank(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_segments_like_lenient_servers() {
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
