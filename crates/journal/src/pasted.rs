//! Request IDs in what a person pastes.

use jiff::Timestamp;

/// The digits of an ID.
const DIGITS: usize = 32;
/// The most IDs that are looked for in one text.
const MAX_IDS: usize = 100;

/// What looks like a request ID: 32 hexadecimal digits, with anything before them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PastedId {
    /// The digits, in lower case, without the prefix of the contract.
    pub digits: String,
    /// When it was made, if it is an ID of this gateway: a UUID of version 7 (RFC 9562, section 5.7).
    pub made_at: Option<Timestamp>,
}

/// All that looks like a request ID in a text, those of this gateway's form first, each once.
///
/// It reads no format: an ID is found in a header line, in JSON, in the output of `curl -i`, and between other words, with
/// hyphens too.
pub fn request_ids(text: &str) -> Vec<PastedId> {
    let mut found: Vec<PastedId> = Vec::new();
    let mut run = String::new();
    // The end of the text ends the last run.
    for char in text.chars().chain([' ']) {
        match char {
            '0'..='9' | 'a'..='f' => run.push(char),
            'A'..='F' => run.push(char.to_ascii_lowercase()),
            // Within a UUID; elsewhere it joins words, of which the digits at the end count.
            '-' if !run.is_empty() => {}
            _ => {
                if let Some(digits) = run.len().checked_sub(DIGITS).and_then(|start| run.get(start..)) {
                    let id = PastedId { digits: digits.to_owned(), made_at: made_at(digits) };
                    if found.len() < MAX_IDS && !found.contains(&id) {
                        found.push(id);
                    }
                }
                run.clear();
            }
        }
    }
    found.sort_by_key(|id| id.made_at.is_none());
    found
}

/// The time within a UUID of version 7: its first 48 bits, in milliseconds.
fn made_at(digits: &str) -> Option<Timestamp> {
    let is_version_7 = digits.as_bytes().get(12) == Some(&b'7');
    let is_variant = matches!(digits.as_bytes().get(16), Some(b'8' | b'9' | b'a' | b'b'));
    if !is_version_7 || !is_variant {
        return None;
    }
    Timestamp::from_millisecond(i64::from_str_radix(digits.get(..12)?, 16).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a2309e6c007d5a9c1f0b8e2d3c4b5a";

    #[test]
    fn finds_ids_wherever_they_are() {
        for text in [
            ID.to_owned(),
            format!("req_{ID}"),
            format!("X-Request-Id: {ID}"),
            format!("{{\"error\":{{\"request_id\":\"req_{ID}\"}}}}"),
            format!("HTTP/1.1 429 Too Many Requests\r\nx-request-id: req_{ID}\r\n\r\n{{}}"),
            ID.to_uppercase(),
            "01a2309e-6c00-7d5a-9c1f-0b8e2d3c4b5a".to_owned(),
            format!("trace 4bf92f3577b34da6a3ce929d0e0e4736 and {ID}, twice {ID}"),
        ] {
            let ids = request_ids(&text);
            assert_eq!(ids[0].digits, ID, "{text}");
            assert!(ids[0].made_at.is_some(), "{text}");
        }
    }

    #[test]
    fn tells_what_is_no_id_of_this_gateway() {
        for (text, count) in [("", 0), ("req_123", 0), ("no id", 0), ("4bf92f3577b34da6a3ce929d0e0e4736", 1)]
        {
            let ids = request_ids(text);
            assert_eq!(ids.len(), count, "{text}");
            assert!(ids.iter().all(|id| id.made_at.is_none()), "{text}");
        }
        assert_eq!(request_ids(&"0123456789abcdef0123456789abcdef ".repeat(5)).len(), 1);
        let many: Vec<String> = (0..300).map(|number| format!("{number:032x}")).collect();
        assert_eq!(request_ids(&many.join(" ")).len(), MAX_IDS);
    }
}
