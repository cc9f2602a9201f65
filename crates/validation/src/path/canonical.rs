//! The canonical form of a path (RFC 3986, section 6.2.2), and why a path is rejected.

use std::borrow::Cow;
use std::fmt;

use super::characters::PathCharacters;
use super::encoding::{MAX_LAYERS, decode_once, has_encoding, octet};

/// A path in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'p> {
    /// The path. As many `/` as in the path that was sent, so that segments can be compared one by one.
    pub text: Cow<'p, str>,
    /// The characters in it that an operation must allow.
    pub characters: PathCharacters,
    /// Why no operation can take it. The first one found.
    pub fault: Option<PathFault>,
}

/// Why a path is rejected whatever its operation allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// A segment is `.` or `..`, or contains one behind percent-encoding, a slash, a backslash or a `;`.
    DotSegment,
    /// A `%` without two hexadecimal digits (RFC 3986, section 2.1).
    BrokenEncoding,
    /// Percent-encoding of bytes that are not UTF-8. Overlong forms of `/` and `.` are among them.
    NotUtf8,
    /// Percent-encoding nested too deeply.
    NestedEncoding,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathFault::DotSegment => "the path contains a dot segment",
            PathFault::BrokenEncoding => "the path contains `%` without two hexadecimal digits",
            PathFault::NotUtf8 => "the path contains percent-encoded bytes that are not UTF-8",
            PathFault::NestedEncoding => "the path is percent-encoded more than four times",
        })
    }
}

/// Brings a path into its canonical form. Ordinary paths are borrowed after one look at each byte.
pub fn canonical_path(path: &str) -> CanonicalPath<'_> {
    if is_plain(path) {
        let (characters, fault) = (PathCharacters::NONE, None);
        return CanonicalPath { text: Cow::Borrowed(path), characters, fault };
    }
    let mut canonical =
        CanonicalPath { text: Cow::Borrowed(""), characters: PathCharacters::NONE, fault: None };
    let text = canonical.canonicalize(path);
    for segment in text.split('/') {
        if segment.bytes().any(|byte| matches!(byte, b'%' | b'.' | b';')) {
            let fault = canonical.inspect(segment);
            canonical.fault = canonical.fault.or(fault);
        }
    }
    canonical.text = if text == path { Cow::Borrowed(path) } else { Cow::Owned(text) };
    canonical
}

impl CanonicalPath<'_> {
    /// Writes the path in canonical form.
    fn canonicalize(&mut self, path: &str) -> String {
        let mut text = String::with_capacity(path.len() + 8);
        let mut rest = path.as_bytes();
        while let [byte, tail @ ..] = rest {
            rest = tail;
            let (byte, sent) = match (*byte, tail) {
                (b'%', [high, low, after @ ..]) if let Some(decoded) = octet(*high, *low) => {
                    rest = after;
                    (decoded, Some([*high, *low]))
                }
                (b'%', _) => {
                    self.fault = Some(PathFault::BrokenEncoding);
                    text.push('%');
                    continue;
                }
                (raw, _) if is_path_character(raw) => {
                    if raw == b';' {
                        self.characters.insert(PathCharacters::SEMICOLON);
                    }
                    text.push(char::from(raw));
                    continue;
                }
                // It cannot be sent as it is: RFC 3986 has no place for it.
                (raw, _) => (raw, None),
            };
            match byte {
                b'/' => self.characters.insert(PathCharacters::SLASH),
                b'\\' => self.characters.insert(PathCharacters::BACKSLASH),
                0 => self.characters.insert(PathCharacters::NUL),
                _ => {}
            }
            match sent {
                _ if is_unreserved(byte) => text.push(char::from(byte)),
                Some(digits) => text.extend(['%', char::from(digits[0]), char::from(digits[1])]),
                None => push_encoded(&mut text, byte),
            }
        }
        text
    }

    /// Looks through every layer of encoding of a segment.
    fn inspect(&mut self, segment: &str) -> Option<PathFault> {
        let mut layer: Cow<'_, [u8]> = Cow::Borrowed(segment.as_bytes());
        for depth in 0..=MAX_LAYERS {
            if has_dot_segment(&layer) {
                return Some(PathFault::DotSegment);
            }
            if !has_encoding(&layer) {
                return None;
            }
            if depth == MAX_LAYERS {
                break;
            }
            layer = Cow::Owned(decode_once(&layer));
            if depth == 0 {
                if std::str::from_utf8(&layer).is_err() {
                    return Some(PathFault::NotUtf8);
                }
                if has_encoding(&layer) {
                    self.characters.insert(PathCharacters::PERCENT);
                }
            }
        }
        Some(PathFault::NestedEncoding)
    }
}

/// Whether two servers can only read it in one way: nothing is encoded, and no segment begins with a dot.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().all(|byte| PLAIN[usize::from(*byte)]) && !bytes.windows(2).any(|pair| pair == b"/.")
}

/// The characters of a path that are plain: pchar and `/`, without `%` and `;` (RFC 3986, section 3.3).
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        // The cast cannot lose anything below 256.
        table[byte] = is_path_character(byte as u8) && byte != b';' as usize;
        byte += 1;
    }
    table
};

/// pchar without percent-encoding, and `/`.
const fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('%');
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 0xF)]);
}

/// Whether a server that cuts at `;`, and reads `\` as `/`, finds `.` or `..`.
fn has_dot_segment(bytes: &[u8]) -> bool {
    let parts = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
    parts.into_iter().any(|part| {
        let part = part.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default();
        matches!(part.trim_ascii(), b"." | b"..")
    })
}

/// A segment of a document or of a request as the two are compared: canonical, with hexadecimal digits in upper case
/// (RFC 3986, section 6.2.2.1).
pub(crate) fn normalised(segment: &str) -> Cow<'_, str> {
    let canonical = canonical_path(segment).text;
    if !canonical.contains('%') {
        return canonical;
    }
    let mut text = String::with_capacity(canonical.len());
    let mut digits = 0_u8;
    for c in canonical.chars() {
        text.push(if digits > 0 { c.to_ascii_uppercase() } else { c });
        digits = if c == '%' { 2 } else { digits.saturating_sub(1) };
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_unreserved_characters_and_leaves_reserved_ones() {
        for (path, text) in [
            ("/items/export", "/items/export"),
            ("/items/%65xport", "/items/export"),
            ("/items/%65%78%70%6f%72%74", "/items/export"),
            ("/%7euser%73/a%2Db", "/~users/a-b"),
            ("/a%2cb,c", "/a%2cb,c"),
            ("/a%0d%0ab", "/a%0d%0ab"),
            ("/%e2%82%ac", "/%e2%82%ac"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a%20b|c", "/a%20b%7Cc"),
            ("/a:b@c!$&'()*+=", "/a:b@c!$&'()*+="),
            ("/%3A%40", "/%3A%40"),
            ("//a//", "//a//"),
            ("", ""),
            ("*", "*"),
        ] {
            let canonical = canonical_path(path);
            assert_eq!((&*canonical.text, canonical.fault), (text, None), "{path}");
            assert_eq!(canonical_path(text).text, text, "canonical form is stable: {text}");
        }
    }

    #[test]
    fn names_the_characters_that_servers_read_differently() {
        for (path, characters) in [
            ("/items/a.b", ""),
            ("/items/...", ""),
            ("/items/.a", ""),
            ("/items/100%25", ""),
            ("/items/100%25zz", ""),
            ("/items/a%3Bb", ""),
            ("/items/1%2fsecret", "slash"),
            ("/items/1%5csecret", "backslash"),
            ("/items/1\\secret", "backslash"),
            ("/items/1%00", "nul"),
            ("/items/1%0a", ""),
            ("/items/%2565xport", "percent"),
            ("/items/%252fsecret", "percent"),
            ("/items/export;v=1", "semicolon"),
            ("/items/;%2f", "slash, semicolon"),
        ] {
            let canonical = canonical_path(path);
            assert_eq!(canonical.characters.to_string(), characters, "{path}");
            assert_eq!(canonical.fault, None, "{path}");
        }
    }

    #[test]
    fn finds_dot_segments_however_they_are_spelled() {
        for path in [
            "/items/..",
            "/./items",
            "/items/.",
            "/items/%2e%2E",
            "/items/.%2e/a",
            "/items/%252e%252e",
            "/items/%25252e%2e",
            "/items/..%2fadmin",
            "/items/a%2f..%2fadmin",
            "/items/a%5c..%5cadmin",
            "/items/..\\admin",
            "/items/..;/admin",
            "/items/.;a=b/admin",
            "/items/..%3b",
            "/items/..%253ba",
            "/items/..%20",
            "/items/%20../a",
            "/items/..%00",
            "/items/..%0a",
        ] {
            assert_eq!(canonical_path(path).fault, Some(PathFault::DotSegment), "{path}");
        }
    }

    #[test]
    fn rejects_what_is_not_percent_encoded_utf_8() {
        for (path, fault) in [
            ("/items/%", PathFault::BrokenEncoding),
            ("/items/%6", PathFault::BrokenEncoding),
            ("/items/%zz", PathFault::BrokenEncoding),
            ("/items/%u0065", PathFault::BrokenEncoding),
            ("/items/%c0%af", PathFault::NotUtf8),
            ("/items/%c0%ae%c0%ae", PathFault::NotUtf8),
            ("/items/%e0%80%af", PathFault::NotUtf8),
            ("/items/%ff", PathFault::NotUtf8),
            ("/items/%e9", PathFault::NotUtf8),
            ("/items/%252525252541", PathFault::NestedEncoding),
        ] {
            assert_eq!(canonical_path(path).fault, Some(fault), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_encoded_very_often_costs_a_bounded_number_of_passes() {
        let path = format!("/items/%{}", "25".repeat(100_000));
        assert_eq!(canonical_path(&path).fault, Some(PathFault::NestedEncoding));
    }
}
