//! A short text that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Longer texts are not made.
const MAX_CHARS: usize = 10_000;

/// A text that the pattern matches, of at least and at most these lengths. `None` if the pattern is not understood, or if no
/// such text is found.
pub(super) fn matching(pattern: &str, least: usize, most: usize) -> Option<String> {
    // Patterns are those of ECMAScript. What differs (look-around, back-references) is not understood.
    let hir = regex_syntax::ParserBuilder::new().nest_limit(50).unicode(true).build().parse(pattern).ok()?;
    let shortest = text(&hir, 0)?;
    if shortest.chars().count() >= least {
        return (shortest.chars().count() <= most).then_some(shortest);
    }
    // Repetitions are made longer until the text is long enough.
    let missing = u32::try_from(least).ok()?;
    let longer = (1..=missing.min(1000)).filter_map(|more| text(&hir, more));
    let mut fitting = longer.filter(|text| (least..=most).contains(&text.chars().count()));
    fitting.next().or_else(|| {
        // A pattern that is not anchored matches within a longer text.
        let is_anchored = pattern.ends_with('$');
        let padded: String = shortest.chars().chain(std::iter::repeat('a')).take(least).collect();
        (!is_anchored && least <= most).then_some(padded)
    })
}

/// A text, with each repetition this much longer than it has to be.
fn text(hir: &Hir, more: u32) -> Option<String> {
    let mut out = String::new();
    write(hir, more, &mut out)?;
    Some(out)
}

fn write(hir: &Hir, more: u32, out: &mut String) -> Option<()> {
    if out.len() > MAX_CHARS {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
            out.push(preferred(&ranges)?);
        }
        HirKind::Class(Class::Bytes(class)) => {
            let char = |byte: u8| char::from(byte);
            let ranges: Vec<_> = class.iter().map(|range| (char(range.start()), char(range.end()))).collect();
            out.push(preferred(&ranges)?);
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.saturating_add(more).min(most) {
                let before = out.len();
                write(&repetition.sub, more, out)?;
                if out.len() == before {
                    break;
                }
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, more, out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, more, out)?;
            }
        }
        HirKind::Alternation(branches) => {
            let before = out.len();
            let fits = |branch: &Hir, out: &mut String| {
                out.truncate(before);
                write(branch, more, out)
            };
            branches.iter().find_map(|branch| fits(branch, out))?;
        }
    }
    Some(())
}

/// A letter or a digit if the class has one, else its first character that can be seen.
fn preferred(ranges: &[(char, char)]) -> Option<char> {
    let holds = |wanted: char| ranges.iter().any(|(start, end)| (*start..=*end).contains(&wanted));
    let usual = ['a', '0', 'A'].into_iter().chain('a'..='z').chain('0'..='9').chain('A'..='Z');
    let visible = usual.chain('!'..='~').find(|char| holds(*char));
    visible.or_else(|| ranges.first().map(|(start, _)| *start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_match_their_patterns() {
        for (pattern, least, most, expected) in [
            ("^[a-z]+$", 0, 9, Some("a")),
            ("^[a-z]+$", 3, 9, Some("aaa")),
            ("^key_[A-Z0-9]{4}$", 0, 99, Some("key_0000")),
            ("^(foo|ba?r)$", 0, 9, Some("foo")),
            ("^\\d{4}-\\d{2}$", 0, 9, Some("0000-00")),
            ("x", 5, 9, Some("xaaaa")),
            ("^x$", 5, 9, None),
            ("^x{5}$", 0, 4, None),
            ("(?=a)b", 0, 9, None),
            ("[", 0, 9, None),
            ("", 0, 9, Some("")),
            ("^[^/]+$", 0, 9, Some("a")),
            ("^.*$", 2, 9, Some("aa")),
            ("((a{0,9}){0,9}){0,9}", 4, 9, None),
        ] {
            let made = matching(pattern, least, most);
            match expected {
                Some(expected) => assert_eq!(made.as_deref(), Some(expected), "{pattern}"),
                None => assert!(made.is_none_or(|made| (least..=most).contains(&made.len())), "{pattern}"),
            }
        }
    }
}
