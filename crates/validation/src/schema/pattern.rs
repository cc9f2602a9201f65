//! Regular expressions: which are refused, and which can be said in another way.
//!
//! Every pattern is matched in linear time, which leaves no room for looking around. What looks lookaheads at the
//! very beginning (`^(?!\\s*$)[a-z]+$`: a name that is not blank) is the exception, for it says two things
//! that can be said split_lookaheads: this must match, and that must not.

use serde_json::{Map, Value, json};

use super::validator_options;

/// Marks a `not` that was a part of a pattern, with the whole pattern behind it.
const MARK: &str = "pattern: ";

/// Why a pattern is refused, if it is.
pub(super) fn problem(pattern: &str) -> Option<(String, Option<String>)> {
    if compiles(pattern) || split_lookaheads(pattern).is_some() {
        return None;
    }
    let is_look_around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|token| pattern.contains(token));
    let is_back_reference = (1..=9).any(|digit| pattern.contains(&format!("\\{digit}")));
    Some(match (is_look_around, is_back_reference) {
        (true, _) => (
            format!("the pattern `{pattern}` looks around, which cannot be matched in linear time"),
            Some(
                "say it without `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)`; `not` and `allOf` may help".to_owned(),
            ),
        ),
        (_, true) => (
            format!("the pattern `{pattern}` refers back to a group, which cannot be matched in linear time"),
            Some("say it without `\\1`".to_owned()),
        ),
        _ => (format!("the pattern `{pattern}` is not a regular expression, or too large a one"), None),
    })
}

fn compiles(pattern: &str) -> bool {
    validator_options().build(&json!({ "pattern": pattern })).is_ok()
}

/// Rewrites a pattern that looks lookaheads at its beginning.
pub(super) fn rewrite(schema: &mut Map<String, Value>) {
    let Some(pattern) = schema.get("pattern").and_then(Value::as_str).map(str::to_owned) else { return };
    if !pattern.contains("(?") || compiles(&pattern) {
        return;
    }
    let Some(split_lookaheads) = split_lookaheads(&pattern) else { return };
    let mut parts = vec![json!({ "pattern": split_lookaheads.rest })];
    parts.extend(split_lookaheads.lookaheads.into_iter().map(|(text, must_match)| match must_match {
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

/// The pattern of which a `not` was a part.
pub(crate) fn original(not: &Value) -> Option<&str> {
    not.get("$comment")?.as_str()?.strip_prefix(MARK)
}

/// A pattern taken split_lookaheads.
struct PatternParts {
    /// What it looks lookaheads at, and whether that must match or must not.
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
    // With alternatives at the top, the beginning belongs to the first of them only.
    let is_one = top_level(rest, '|').is_none();
    let split_lookaheads = PatternParts { lookaheads, rest: format!("^{rest}") };
    let all_compile = compiles(&split_lookaheads.rest)
        && split_lookaheads.lookaheads.iter().all(|(text, _)| compiles(text));
    (!split_lookaheads.lookaheads.is_empty() && is_one && all_compile).then_some(split_lookaheads)
}

/// Where the group that begins the text ends.
fn closing(text: &str) -> Option<usize> {
    top_level(&text[1..], ')').map(|at| at + 1)
}

/// Where a character stands outside of groups, classes and escapes.
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
    fn what_looks_ahead_at_the_beginning_is_said_apart() {
        for (pattern, rest, lookaheads) in [
            (r"^(?!\s*$)[a-z ]+$", r"^[a-z ]+$", vec![(r"^(?:\s*$)", false)]),
            (r"^(?=.*\d)(?=.*[)])\S+$", r"^\S+$", vec![(r"^(?:.*\d)", true), (r"^(?:.*[)])", true)]),
            (r"^(?!(a|b)\))c", "^c", vec![(r"^(?:(a|b)\))", false)]),
        ] {
            let split_lookaheads = split_lookaheads(pattern).unwrap();
            let parsed: Vec<(&str, bool)> =
                split_lookaheads.lookaheads.iter().map(|(text, is)| (text.as_str(), *is)).collect();
            assert_eq!((split_lookaheads.rest.as_str(), parsed), (rest, lookaheads), "{pattern}");
        }
        for pattern in ["(?!a)b", "^(?!a)b|c", "^a(?!b)", "^(?!a(?!b))c", "^(?<!a)b", "^(?!a", "^(a)\\1"] {
            assert!(split_lookaheads(pattern).is_none(), "{pattern}");
        }
    }
}
