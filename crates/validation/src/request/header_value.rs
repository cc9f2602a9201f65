//! Parses a header value with parameters, such as Content-Type (RFC 9110, section 5.6.6).
//!
//! Servers differ in how they read spaces around `=`, backslashes, and repeated parameters: such values are rejected.

/// A value with its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderValue<'v> {
    /// The text before the first semicolon.
    pub(super) value: &'v str,
    parameters: Vec<HeaderParameter<'v>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderParameter<'v> {
    pub(super) name: &'v str,
    /// Without quotes.
    pub(super) text: &'v str,
    pub(super) is_quoted: bool,
}

impl<'v> HeaderValue<'v> {
    /// Returns `None` if the value is malformed or a parameter is repeated.
    pub(super) fn parse(text: &'v str) -> Option<Self> {
        let (value, mut rest) = match text.find(';') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let mut parameters: Vec<HeaderParameter<'v>> = Vec::new();
        while !rest.is_empty() {
            // An empty parameter is malformed, even at the end: busboy rejects it.
            let (parameter, after) = parameter(rest.strip_prefix(';')?.trim_start_matches(BLANK))?;
            if parameters.iter().any(|known| known.name.eq_ignore_ascii_case(parameter.name)) {
                return None;
            }
            parameters.push(parameter);
            rest = after.trim_start_matches(BLANK);
        }
        Some(Self { value: value.trim_matches(BLANK), parameters })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&HeaderParameter<'v>> {
        self.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn parameters(&self) -> &[HeaderParameter<'v>] {
        &self.parameters
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// Parses `name=text` or `name="text"`, and returns the rest.
fn parameter(text: &str) -> Option<(HeaderParameter<'_>, &str)> {
    let (name, value) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    if let Some(quoted) = value.strip_prefix('"') {
        let end =
            if name.eq_ignore_ascii_case("filename") { end_of_filename(quoted) } else { quoted.find('"') };
        let (text, after) = quoted.split_at_checked(end?)?;
        // Servers may unescape the backslash or take it literally, and then see different ends of the text.
        let is_escaped = text.contains('\\') && !name.eq_ignore_ascii_case("filename");
        let is_plain = !is_escaped && !text.contains(char::is_control);
        return is_plain.then_some((HeaderParameter { name, text, is_quoted: true }, &after[1..]));
    }
    let end = value.find([';', ' ', '\t']).unwrap_or(value.len());
    let (text, after) = value.split_at(end);
    // PHP accepts single quotes as quotes. Extended values (RFC 8187) contain two of them.
    let is_plain = is_token(text) && (name.ends_with('*') || !text.contains('\''));
    is_plain.then_some((HeaderParameter { name, text, is_quoted: false }, after))
}

/// The end of a quoted file name; `None` if servers could see different ends. Browsers send backslashes unescaped,
/// urllib3 doubles them, and Go escapes quotes. A server with any of these expectations sees the same end if there is
/// no backslash before it, and nothing after an escaped quote could be a parameter.
fn end_of_filename(quoted: &str) -> Option<usize> {
    let mut escapes = false;
    for (at, _) in quoted.match_indices('"') {
        let text = &quoted[..at];
        let backslashes = text.len() - text.trim_end_matches('\\').len();
        match backslashes {
            0 if escapes && text.contains(';') => return None,
            0 => return Some(at),
            1 => escapes = true,
            _ => return None,
        }
    }
    None
}

/// Whether the text is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_parameters_strictly() {
        for (text, expected) in [
            ("a/b", Some("a/b")),
            ("a/b ; c=d;E=\"f; g\" ;h*=utf-8''i", Some("a/b c=d E=f; g h*=utf-8''i")),
            ("a/b;", None),
            ("a/b; c=d;", None),
            ("form-data; name=\"caf\u{e9}\"; filename=\"\"", Some("form-data name=caf\u{e9} filename=")),
            ("a/b; c", None),
            ("a/b; c=", None),
            ("a/b; c =d", None),
            ("a/b; c= d", None),
            ("a/b; c=d e", None),
            ("a/b; c=d; C=e", None),
            ("a/b; c=\"d", None),
            ("a/b; c=\"d\"e", None),
            ("a/b; c=d\"e\"", None),
            ("a/b; c=\"\\d\"", None),
            ("a/b; filename=\"c\\d\"", Some("a/b filename=c\\d")),
            ("a/b; filename=\"c\\\"", None),
            ("a/b; filename=\"c\\\\\"", None),
            ("a/b; filename=\"c\\\\d\"", Some("a/b filename=c\\\\d")),
            ("a/b; filename=\"c\\\"d\"", Some("a/b filename=c\\\"d")),
            ("a/b; filename=\"c\\\\\"; name=\"d\"", None),
            ("a/b; filename=\"c\\\"; name=\"d\"", None),
            ("a/b; c=\"d\u{0}\"", None),
            ("a/b; c='d'", None),
            ("a/b; c=d,e", None),
            ("a/b;; c=d", None),
        ] {
            let shown = HeaderValue::parse(text).map(|value| {
                let mut shown = value.value.to_owned();
                for parameter in value.parameters() {
                    shown.push_str(&format!(" {}={}", parameter.name, parameter.text));
                }
                shown
            });
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }
}
