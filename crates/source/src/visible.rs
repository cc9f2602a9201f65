//! Escaping of control and invisible characters, so that untrusted text is safe to show in a terminal or a log.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is invisible or changes how other text is displayed: control characters, line and paragraph
/// separators, bidirectional marks, and characters of zero width.
pub fn is_hidden(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Escapes every hidden character except those in `kept`, as JSON does: `\u202e`. JSON text keeps its meaning.
pub fn visible<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let is_escaped = |char: char| is_hidden(char) && !kept.contains(&char);
    if !text.contains(is_escaped) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if !is_escaped(char) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_and_invisible_characters() {
        for (text, escaped) in [
            ("plain, ünï, 日本, 🔑", "plain, ünï, 日本, 🔑"),
            ("a\u{202e}b\u{2066}c\u{2069}", "a\\u202eb\\u2066c\\u2069"),
            ("\u{200e}\u{200f}\u{61c}", "\\u200e\\u200f\\u061c"),
            ("\u{2028}\u{2029}\u{85}", "\\u2028\\u2029\\u0085"),
            ("\u{1b}[2J\u{7}\r\n\u{7f}\u{9b}", "\\u001b[2J\\u0007\\u000d\n\\u007f\\u009b"),
            ("a\u{200b}b\u{feff}c\u{2060}d\u{ad}", "a\\u200bb\\ufeffc\\u2060d\\u00ad"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(visible(text, &['\n']), escaped);
        }
    }
}
