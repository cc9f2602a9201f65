//! The canonical form of a path (RFC 3986, section 6.2.2), and why a path is rejected.

use std::borrow::Cow;
use std::fmt;

use super::characters::PathCharacters;
use super::encoding::{MAX_LAYERS, decode_once, has_encoding, octet};

/// A path in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'p> {
    /// The path. It has as many `/` as the received path, so that segments can be compared one by one.
    pub text: Cow<'p, str>,
    /// The characters that an operation must explicitly allow.
    pub characters: PathCharacters,
    /// The first reason to reject the path for every operation.
    pub fault: Option<PathFault>,
}

/// Why a path is rejected for every operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// A segment is `.` or `..`, or hides one behind percent-encoding, a slash, a backslash or a `;`.
    DotSegment,
    /// A `%` without two hexadecimal digits (RFC 3986, section 2.1).
    BrokenEncoding,
    /// Percent-encoded bytes that are not UTF-8, such as overlong forms of `/` and `.`.
    NotUtf8,
    /// Percent-encoding nested more than four times.
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

/// Returns the canonical form of a path. Borrows the path if it is already canonical.
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
    /// Writes the path in canonical form, and records characters and broken encoding.
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
                // RFC 3986 does not allow this byte in a path: it must be encoded.
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

    /// Decodes a segment layer by layer, and returns the first reason to reject it.
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

/// Whether every server reads the path alike: nothing is encoded, and no segment starts with a dot.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().all(|byte| PLAIN[usize::from(*byte)]) && !bytes.windows(2).any(|pair| pair == b"/.")
}

/// The plain characters of a path: pchar and `/`, without `%` and `;` (RFC 3986, section 3.3).
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        // Lossless: `byte` is below 256.
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

/// Unreserved characters (RFC 3986, section 2.3).
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

/// Whether the bytes contain `.` or `..` as a segment, for a server that cuts at `;` and reads `\` as `/`.
fn has_dot_segment(bytes: &[u8]) -> bool {
    let parts = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
    parts.into_iter().any(|part| {
        let part = part.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default();
        matches!(part.trim_ascii(), b"." | b"..")
    })
}

/// The form in which segments are compared: canonical, with hexadecimal digits in upper case (RFC 3986, section
/// 6.2.2.1).
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
    fn decodes_unreserved_characters_only() {
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
    fn reports_characters_that_servers_read_differently() {
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
    fn rejects_dot_segments_in_every_encoding() {
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
    fn rejects_invalid_percent_encoding() {
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
    fn limits_the_number_of_decoding_passes() {
        let path = format!("/items/%{}", "25".repeat(100_000));
        assert_eq!(canonical_path(&path).fault, Some(PathFault::NestedEncoding));
    }
}
