//! Colours for JSON and for the head of a response.

use std::fmt::Write;

/// Escapes a text for HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A response: a status line, headers, a blank line and a body. Any other text is escaped.
pub(crate) fn code(text: &str) -> String {
    let Some(rest) = text.strip_prefix("HTTP/1.1 ") else {
        return if text.starts_with(['{', '[']) { json(text) } else { escaped(text) };
    };
    let (head, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let mut out = String::from("<span class=\"h\">HTTP/1.1 </span>");
    for (number, line) in head.lines().enumerate() {
        match line.split_once(": ") {
            Some((name, value)) if number > 0 => {
                let is_hot = matches!(name, "retry-after" | "www-authenticate" | "allow");
                let (open, close) = if is_hot { ("<span class=\"hot\">", "</span>") } else { ("", "") };
                let (name, value) = (escaped(name), escaped(value));
                let _ = write!(out, "\n{open}<span class=\"h\">{name}:</span> {value}{close}");
            }
            _ => out.push_str(&escaped(line)),
        }
    }
    out.push_str("\n\n");
    out.push_str(&json(body));
    out
}

/// JSON with its names, strings and numbers marked.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => rest
                .find(|char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char)))
                .unwrap_or(rest.len()),
            char if char.is_ascii_alphabetic() => {
                rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len())
            }
            char => char.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let class = match first {
            '"' if after.trim_start().starts_with(':') => "k",
            '"' => "s",
            '-' | '0'..='9' => "n",
            char if char.is_ascii_alphabetic() => "w",
            char if char.is_whitespace() => "",
            _ => "p",
        };
        match class {
            "" => out.push_str(token),
            class => {
                let _ = write!(out, "<span class=\"{class}\">{}</span>", escaped(token));
            }
        }
        rest = after;
    }
    out
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_every_token_and_escapes_it() {
        assert_eq!(
            json(r#"{"a":"<\"b>",1:-2.5e3,null}"#),
            "<span class=\"p\">{</span><span class=\"k\">&quot;a&quot;</span><span class=\"p\">:</span>\
             <span class=\"s\">&quot;&lt;\\&quot;b&gt;&quot;</span><span class=\"p\">,</span><span class=\"n\">1</span>\
             <span class=\"p\">:</span><span class=\"n\">-2.5e3</span><span class=\"p\">,</span>\
             <span class=\"w\">null</span><span class=\"p\">}</span>"
        );
        for broken in ["\"", "{\"a", "\"\\", "é<"] {
            assert!(!json(broken).contains("<b"), "{broken}");
        }
        assert!(code("HTTP/1.1 429 X\nretry-after: 1\n\n{}").contains("class=\"hot\""));
    }
}
