//! Syntax errors in plain words: translates the messages of the YAML parser, which speak of its internals.

/// The message and the help for a message of the YAML parser.
pub(crate) fn syntax_error(info: &str) -> (String, String) {
    const LINES: &str = "check the quotes, brackets and indentation of this line and the line before";
    // "while parsing a flow mapping, did not find expected ',' or '}'"
    let found = match info.split_once(", ") {
        Some((activity, found)) if activity.starts_with("while ") => found,
        _ => info,
    };
    let known = TRANSLATIONS.iter().find(|(part, ..)| found.contains(part));
    let (text, help) = match known {
        Some((_, text, help)) => ((*text).to_owned(), help.unwrap_or(LINES)),
        None => {
            let found = found.strip_prefix("did not find expected ").map(|what| format!("expected {what}"));
            let found = found.unwrap_or_else(|| info.to_owned());
            (found.replace(['\'', '`'], "\""), LINES)
        }
    };
    (format!("syntax error: {text}"), help.to_owned())
}

/// A part of the parser's message, the text instead, and a help if the usual one does not fit.
#[rustfmt::skip]
const TRANSLATIONS: &[(&str, &str, Option<&str>)] = &[
    ("expected node content", "expected a value", None),
    ("illegal placement of ':'", "unexpected `:`", None),
    ("mapping values are not allowed", "unexpected `:`", Some("put text that contains `: ` in quotes, and check the indentation")),
    ("mapping keys are not allowed", "unexpected key", None),
    ("simple key expect", "expected `:` after the key", None),
    ("expected ',' or '}'", "expected `,` or `}`", None),
    ("expected ',' or ']'", "expected `,` or `]`", None),
    ("expected key", "expected a key", None),
    ("expected '-' indicator", "expected `-`", None),
    ("block sequence entries are not allowed", "unexpected `-`", None),
    ("misplaced bracket", "unexpected bracket", None),
    ("unexpected end of stream", "the quoted text has no closing quote", None),
    ("unexpected eof", "the file ends too early", None),
    ("trailing content after double-quoted scalar", "unexpected text after the closing quote", Some("write `\\\"` for a quote inside of the text, or use single quotes")),
    ("invalid indentation", "invalid indentation", None),
    ("wrongly indented line", "invalid indentation", None),
    ("tab", "a tab cannot be used here", Some("use spaces")),
    ("escape character", "unknown escape in double quotes", Some("write `\\\\` for a backslash, or use single quotes")),
    ("unknown anchor", "this alias refers to no earlier anchor", Some("define the anchor first, such as `&name`")),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

    use crate::{Source, parse};

    #[test]
    fn says_what_is_wrong_in_plain_words() {
        for (text, says, (line, column)) in [
            ("a: [\n\n", "expected a value", (1, 4)),
            ("a: [1\nb: {x: 1}\n", "unexpected `:`", (2, 2)),
            ("a: b: c\n", "unexpected `:`", (1, 5)),
            ("a: {b: 1]\n", "expected `,` or `}`", (1, 9)),
            ("a: 'b\n", "the quoted text has no closing quote", (1, 4)),
            ("a: \"b\" c\n", "unexpected text after the closing quote", (1, 8)),
            ("a: \"\\q\"\n", "unknown escape in double quotes", (1, 4)),
            ("a:\n\tb: 1\n", "a tab cannot be used here", (2, 2)),
            ("a: *b\n", "this alias refers to no earlier anchor", (1, 4)),
            ("a: 1\nb\n", "expected `:` after the key", (2, 1)),
            ("a: %\n", "unexpected character", (1, 4)),
        ] {
            let found = parse(&Source::new("x.yaml", text)).unwrap_err();
            let first = found.iter().next().unwrap();
            assert!(first.message.contains(says), "{text:?}: {first}");
            assert!(first.help.is_some(), "{text:?}: {first}");
            assert_eq!(first.line_column(), (line, column), "{text:?}: {first}");
        }
    }
}
