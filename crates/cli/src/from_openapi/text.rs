//! Texts of a document as lines, as values and as names in YAML.

use serde_json::Value;

/// A text on one line, without characters that a terminal or an editor would act on.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let shown: String = text
        .chars()
        .map(|char| if char.is_whitespace() { ' ' } else { char })
        .filter(|char| !demur_source::is_hidden(*char))
        .collect();
    let words: Vec<&str> = shown.split(' ').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    }
}

/// A text in YAML.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '$')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '$' | '.' | '|'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

/// `snake_case` of any text, as a name: `not_found` of `Not Found`. Empty if nothing is left.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for char in text.chars().take(64) {
        match char {
            _ if char.is_ascii_alphanumeric() => {
                if char.is_ascii_uppercase() && was_lower {
                    out.push('_');
                }
                was_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
                out.push(char.to_ascii_lowercase());
            }
            _ => {
                was_lower = false;
                if !out.is_empty() && !out.ends_with('_') {
                    out.push('_');
                }
            }
        }
    }
    out.trim_end_matches('_').to_owned()
}
