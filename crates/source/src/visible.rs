//! Text that others wrote, as it may be shown in a terminal or a log.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character steers whoever shows it and is not seen itself: controls, line and paragraph separators, marks
/// that change the direction of text, and what has no width.
pub fn is_hidden(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every hidden character but `kept` ones as JSON escapes it: `\u202e`. JSON stays the same JSON.
pub fn visible<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let is_escaped = |char: char| is_hidden(char) && !kept.contains(&char);
    if !text.contains(is_escaped) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if !is_escaped(char) {
            shown.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to memory does not fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_instead_of_obeyed() {
        for (text, shown) in [
            ("plain, ünï, 日本, 🔑", "plain, ünï, 日本, 🔑"),
            ("a\u{202e}b\u{2066}c\u{2069}", "a\\u202eb\\u2066c\\u2069"),
            ("\u{200e}\u{200f}\u{61c}", "\\u200e\\u200f\\u061c"),
            ("\u{2028}\u{2029}\u{85}", "\\u2028\\u2029\\u0085"),
            ("\u{1b}[2J\u{7}\r\n\u{7f}\u{9b}", "\\u001b[2J\\u0007\\u000d\n\\u007f\\u009b"),
            ("a\u{200b}b\u{feff}c\u{2060}d\u{ad}", "a\\u200bb\\ufeffc\\u2060d\\u00ad"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(visible(text, &['\n']), shown);
        }
    }
}
