//! Excerpts of the caller's values that are safe to show.

use std::io::{self, Write};

use serde_json::Value;

/// The maximum number of characters of an excerpt.
const MAX_CHARS: usize = 64;

/// Replaces characters that could disrupt a log or a terminal, and truncates the text.
pub(super) fn text(text: &str) -> String {
    let mut excerpt = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            excerpt.push('…');
            break;
        }
        excerpt.push(if is_shown(c) { c } else { '\u{fffd}' });
    }
    excerpt
}

/// A string without quotes, any other value as JSON.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => {
            // Stops writing after enough for an excerpt: the value may be a megabyte.
            let mut bytes = BoundedWriter(Vec::new());
            let _cut_or_done = serde_json::to_writer(&mut bytes, other);
            text(&String::from_utf8_lossy(&bytes.0))
        }
    }
}

/// A value from the document, in full: a string without quotes, any other value as JSON.
pub(super) fn uncut(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a character is neither a control character nor an invisible one that changes the text direction.
fn is_shown(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

/// A writer that fails once there is enough text for an excerpt.
struct BoundedWriter(Vec<u8>);

impl Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // At most four bytes per character, and one more character to detect that the text is longer.
        let remaining = ((MAX_CHARS + 1) * 4).saturating_sub(self.0.len());
        if remaining == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = remaining.min(bytes.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn truncates_and_sanitises_values() {
        let long = "é".repeat(65);
        for (given, shown) in [
            (json!("invalid"), "invalid".to_owned()),
            (json!(5), "5".to_owned()),
            (json!(null), "null".to_owned()),
            (json!(["a", 1]), r#"["a",1]"#.to_owned()),
            (json!("a\r\nb\u{1b}[31m\u{202e}c"), "a\u{fffd}\u{fffd}b\u{fffd}[31m\u{fffd}c".to_owned()),
            (json!("é".repeat(64)), "é".repeat(64)),
            (json!(long), "é".repeat(64) + "…"),
            (json!({ "a": "x".repeat(1_000_000) }), format!("{{\"a\":\"{}…", "x".repeat(58))),
        ] {
            assert_eq!(value(&given), shown);
        }
    }
}
