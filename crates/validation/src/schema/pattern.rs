//! Checks and rewrites regular expressions.
//!
//! Patterns are matched in linear time, which excludes look-around. The exception is look-ahead at the start
//! (`^(?!\s*$)[a-z]+$`), which can be rewritten to separate patterns that must or must not match.

use serde_json::{Map, Value, json};

use super::options::validator_options;

/// The comment that marks a `not` created from a look-ahead. The original pattern follows.
const MARK: &str = "pattern: ";

/// Why a pattern is rejected, with help.
pub(super) fn problem(pattern: &str) -> Option<(String, Option<String>)> {
    if compiles(pattern) || split_lookaheads(pattern).is_some() {
        return None;
    }
    let is_look_around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|token| pattern.contains(token));
    let is_back_reference = (1..=9).any(|digit| pattern.contains(&format!("\\{digit}")));
    Some(match (is_look_around, is_back_reference) {
        (true, _) => (
            format!("pattern `{pattern}` contains look-around, which cannot be matched in linear time"),
            Some(
                "rewrite it without `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)`, for example with `not` and `allOf`".to_owned(),
            ),
        ),
        (_, true) => (
            format!("pattern `{pattern}` contains a backreference, which cannot be matched in linear time"),
            Some("rewrite it without backreferences".to_owned()),
        ),
        _ => {
            (format!("invalid pattern `{pattern}`: {}", reason(pattern)), None)
        }
    })
}

/// Why a pattern cannot be compiled. The dialects agree on most syntax errors.
fn reason(pattern: &str) -> String {
    match regex::Regex::new(pattern) {
        Err(error @ regex::Error::Syntax(_)) => {
            // The last line has the reason; the others draw its position.
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
        Err(regex::Error::CompiledTooBig(_)) => "too large when compiled".to_owned(),
        _ => "not a regular expression of JavaScript, or too large when compiled".to_owned(),
    }
}

fn compiles(pattern: &str) -> bool {
    validator_options().build(&json!({ "pattern": pattern })).is_ok()
}

/// Rewrites a pattern that starts with look-aheads.
pub(super) fn rewrite(schema: &mut Map<String, Value>) {
    let Some(pattern) = schema.get("pattern").and_then(Value::as_str).map(str::to_owned) else { return };
    if !pattern.contains("(?") || compiles(&pattern) {
        return;
    }
    let Some(split) = split_lookaheads(&pattern) else { return };
    let mut parts = vec![json!({ "pattern": split.rest })];
    parts.extend(split.lookaheads.into_iter().map(|(text, must_match)| match must_match {
        true => json!({ "pattern": text }),
        false => {
            json!({ "not": { "type": "string", "pattern": text, "$comment": format!("{MARK}{pattern}") } })
        }
    }));
    schema.remove("pattern");
    match schema.get_mut("allOf") {
        Some(Value::Array(all)) => all.extend(parts),
        _ => {
            schema.insert("allOf".to_owned(), Value::Array(parts));
        }
    }
}

/// The original pattern of a `not` that was created from a look-ahead.
pub(crate) fn original(not: &Value) -> Option<&str> {
    not.get("$comment")?.as_str()?.strip_prefix(MARK)
}

/// A pattern split into look-aheads and the rest.
struct PatternParts {
    /// The look-aheads, and whether each must match.
    lookaheads: Vec<(String, bool)>,
    rest: String,
}

fn split_lookaheads(pattern: &str) -> Option<PatternParts> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut lookaheads = Vec::new();
    loop {
        let must_match = match rest {
            wanted if wanted.starts_with("(?=") => true,
            unwanted if unwanted.starts_with("(?!") => false,
            _ => break,
        };
        let end = closing(rest)?;
        lookaheads.push((format!("^(?:{})", &rest[3..end]), must_match));
        rest = &rest[end + 1..];
    }
    // With an alternation at the top level, the look-aheads would only apply to the first alternative.
    let is_one = top_level(rest, '|').is_none();
    let split = PatternParts { lookaheads, rest: format!("^{rest}") };
    let all_compile = compiles(&split.rest) && split.lookaheads.iter().all(|(text, _)| compiles(text));
    (!split.lookaheads.is_empty() && is_one && all_compile).then_some(split)
}

/// The end of the group that starts the text.
fn closing(text: &str) -> Option<usize> {
    top_level(&text[1..], ')').map(|at| at + 1)
}

/// The position of a character outside of groups, classes and escapes.
fn top_level(text: &str, wanted: char) -> Option<usize> {
    let (mut depth, mut in_class, mut is_escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            _ if c == wanted && depth == 0 => return Some(at),
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_look_ahead_at_the_start() {
        for (pattern, rest, lookaheads) in [
            (r"^(?!\s*$)[a-z ]+$", r"^[a-z ]+$", vec![(r"^(?:\s*$)", false)]),
            (r"^(?=.*\d)(?=.*[)])\S+$", r"^\S+$", vec![(r"^(?:.*\d)", true), (r"^(?:.*[)])", true)]),
            (r"^(?!(a|b)\))c", "^c", vec![(r"^(?:(a|b)\))", false)]),
        ] {
            let split = split_lookaheads(pattern).unwrap();
            let parsed: Vec<(&str, bool)> =
                split.lookaheads.iter().map(|(text, is)| (text.as_str(), *is)).collect();
            assert_eq!((split.rest.as_str(), parsed), (rest, lookaheads), "{pattern}");
        }
        for pattern in ["(?!a)b", "^(?!a)b|c", "^a(?!b)", "^(?!a(?!b))c", "^(?<!a)b", "^(?!a", "^(a)\\1"] {
            assert!(split_lookaheads(pattern).is_none(), "{pattern}");
        }
    }
}
