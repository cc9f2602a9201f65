//! Markdown to HTML and to plain text. Raw HTML is escaped, and links with unsafe schemes lose their target.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Inline Markdown, without the paragraph around it.
pub(crate) fn inline(markdown: &str, relative: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let events = events(markdown, relative).into_iter();
    let is_block =
        |event: &Event<'_>| matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph));
    html::push_html(&mut out, events.filter(|event| !is_block(event)));
    out.trim_end().to_owned()
}

/// Markdown with blocks. Headings are two levels lower than written, below those of the page.
pub(crate) fn blocks(markdown: &str, relative: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    html::push_html(&mut out, events(markdown, relative).into_iter());
    out
}

/// The text without its markup, on one line.
pub(crate) fn plain(markdown: &str) -> String {
    let mut out = String::new();
    for event in Parser::new_ext(markdown, OPTIONS) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                out.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak | Event::End(_) if !out.ends_with(' ') => out.push(' '),
            _ => {}
        }
    }
    // The end of inline markup is no end of a word.
    let mut text = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for mark in [".", ",", ":", ";", ")"] {
        text = text.replace(&format!(" {mark}"), mark);
    }
    text
}

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

fn events<'m>(markdown: &'m str, relative: &dyn Fn(&str) -> String) -> Vec<Event<'m>> {
    use pulldown_cmark::HeadingLevel as Level;
    let lower = |level: Level| match level {
        Level::H1 | Level::H2 => Level::H3,
        Level::H3 => Level::H4,
        Level::H4 => Level::H5,
        Level::H5 | Level::H6 => Level::H6,
    };
    let target = |to: CowStr<'m>| -> CowStr<'m> {
        match to.strip_prefix("@/") {
            Some(page) => relative(page).into(),
            None if is_safe(&to) => to,
            None => "#".into(),
        }
    };
    Parser::new_ext(markdown, OPTIONS)
        .map(|event| match event {
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Link { link_type, dest_url: target(dest_url), title, id })
            }
            // An image would be a request to another host.
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Link { link_type, dest_url: target(dest_url), title, id })
            }
            Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
            Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                Event::Start(Tag::Heading { level: lower(level), id, classes, attrs })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
            other => other,
        })
        .collect()
}

/// Whether a link leads to a page, a fragment or a mailbox: `javascript:` and the like do not.
pub(crate) fn is_safe(target: &str) -> bool {
    let target = target.trim();
    if target.bytes().any(|byte| byte.is_ascii_control()) || target.starts_with("//") {
        return false;
    }
    match target.split_once(':') {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
        _ => true,
    }
}

/// A text as inline Markdown that shows just this text.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' => out.push(' '),
            char if char.is_ascii_punctuation() && !".,:;'\"-/()?!%".contains(char) => {
                out.push('\\');
                out.push(char);
            }
            char => out.push(char),
        }
    }
    // What would begin a list or a rule at the beginning of a line.
    match out.as_bytes().first() {
        Some(b'-' | b':') => format!("\\{out}"),
        Some(first) if first.is_ascii_digit() => out.replacen('.', "\\.", 1),
        _ => out,
    }
}

/// A text as code.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace(['\n', '\r', '|'], " "))
}

/// A link to a page of the same language.
pub(crate) fn link(text: &str, page: &str) -> String {
    format!("[{}](@/{page})", escape(text))
}

/// A link whose text is code.
pub(crate) fn code_link(text: &str, page: &str) -> String {
    format!("[{}](@/{page})", code(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(markdown: &str) -> String {
        inline(markdown, &|page| format!("../{page}"))
    }

    #[test]
    fn raw_html_is_escaped_and_unsafe_links_are_dropped() {
        for (markdown, html) in [
            ("a **b** `c`", "a <strong>b</strong> <code>c</code>"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a <b onclick=x>b</b>", "a &lt;b onclick=x&gt;b&lt;/b&gt;"),
            ("[a](javascript:alert)", "<a href=\"#\">a</a>"),
            ("[a](JavaScript:alert)", "<a href=\"#\">a</a>"),
            ("[a](data:text/html,x)", "<a href=\"#\">a</a>"),
            ("[a](vbscript:x)", "<a href=\"#\">a</a>"),
            ("[a](//evil.example)", "<a href=\"#\">a</a>"),
            ("[a](https://a.example/?b=c:d)", "<a href=\"https://a.example/?b=c:d\">a</a>"),
            ("[a](mailto:a@b.example)", "<a href=\"mailto:a@b.example\">a</a>"),
            ("[a](@/errors.html#b)", "<a href=\"../errors.html#b\">a</a>"),
            ("![a](https://a.example/a.png)", "<a href=\"https://a.example/a.png\">a</a>"),
            ("<javascript:alert>", "<a href=\"#\">javascript:alert</a>"),
        ] {
            assert_eq!(rendered(markdown), html, "{markdown}");
        }
    }

    #[test]
    fn escaped_text_is_shown_as_it_is() {
        for text in
            ["a_b*c*", "<b>", "[x](y)", "# a", "- a", "1. a", "a `b` c", "x | y", "&amp;", "a\\b", "{param}"]
        {
            assert_eq!(plain(&escape(text)), text);
            assert!(!rendered(&escape(text)).contains("<b>"), "{text}");
        }
        assert_eq!(rendered(&code("a`b")), "<code>a`b</code>");
        assert_eq!(rendered(&code("`")), "<code>`</code>");
    }
}
