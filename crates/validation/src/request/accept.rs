//! Matches `Accept` (RFC 9110, section 12.5.1) against the media types of an operation's responses.
//!
//! What cannot be read rejects nothing: a client that sends a malformed header is served as if it had sent none.

use super::header_value::is_token;

/// Whether one of the media types is acceptable. A malformed header accepts everything.
///
/// Documents may declare ranges: such a type is acceptable if one that it covers is.
pub(crate) fn accepts<'m>(accept: &str, mut offered: impl Iterator<Item = &'m str>) -> bool {
    let Some(ranges) = ranges(accept) else { return true };
    if ranges.is_empty() {
        return true;
    }
    offered.any(|offered| {
        let Some(offered) = MediaRange::parse(offered) else { return true };
        // The media types that a range of the client and one of the document have in common. The most specific range that
        // covers them decides.
        let mut shared = ranges.iter().filter(|range| !range.is_rejected).filter_map(|range| {
            let is_wider = range.covers(&offered);
            (is_wider || offered.covers(range)).then_some(if is_wider { &offered } else { range })
        });
        shared.any(|shared| is_accepted(&ranges, shared))
    })
}

/// Whether the most specific of the ranges that cover a media type accepts it. Of two equal ranges, one is enough.
fn is_accepted(ranges: &[MediaRange], media_type: &MediaRange) -> bool {
    let covering = ranges.iter().filter(|range| range.covers(media_type));
    let best = covering.map(|range| (range.specificity(media_type), !range.is_rejected)).max();
    best.is_some_and(|(_, is_accepted)| is_accepted)
}

/// A media range, its parameters and whether its weight is 0. Everything is in lower case.
#[derive(Debug)]
struct MediaRange {
    kind: String,
    subtype: String,
    /// The parameters of the media type, without the weight and what follows it.
    parameters: Vec<(String, String)>,
    is_rejected: bool,
}

impl MediaRange {
    /// Returns `None` if the type or a parameter is malformed. An invalid weight counts as 1.
    fn parse(text: &str) -> Option<Self> {
        let mut members = split(text, ';')?.into_iter();
        let range = members.next()?.to_ascii_lowercase();
        // `Accept: *` is what HttpURLConnection of Java sends.
        let (kind, subtype) = if range == "*" { ("*", "*") } else { range.split_once('/')? };
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        // `*/json` and `application/*+json` are no ranges, but documents and clients use them: they exclude nothing.
        let (kind, subtype) = if kind == "*" { ("*", "*") } else { (kind, subtype) };
        let subtype = if subtype.contains('*') { "*" } else { subtype };
        let mut parsed = Self {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
            parameters: Vec::new(),
            is_rejected: false,
        };
        for parameter in members {
            if parameter.is_empty() {
                continue;
            }
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = name.trim_end_matches(BLANK).to_ascii_lowercase();
            let value = value.trim_start_matches(BLANK);
            if name == "q" {
                parsed.is_rejected = is_zero(value);
                // What follows the weight was an extension of RFC 7231, and describes no media type.
                break;
            }
            if !is_token(&name) {
                return None;
            }
            parsed.parameters.push((name, unquoted(value)?.to_ascii_lowercase()));
        }
        Some(parsed)
    }

    /// Whether each media type that `other` covers is one of this range. Documents rarely name parameters, so a
    /// parameter that `other` does not name may have any value, unless this range rejects.
    fn covers(&self, other: &Self) -> bool {
        let is_type = self.kind == "*"
            || self.kind == other.kind && (self.subtype == "*" || self.subtype == other.subtype);
        let has =
            |(name, value): &(String, String)| match other.parameters.iter().find(|(known, _)| known == name)
            {
                Some((_, known)) => known == value,
                None => !self.is_rejected,
            };
        is_type && self.parameters.iter().all(has)
    }

    /// How closely the range describes a media type that it covers: a type before a range, and then the one with more
    /// of its parameters.
    fn specificity(&self, media_type: &Self) -> (u8, usize) {
        let depth = u8::from(self.kind != "*") + u8::from(self.subtype != "*");
        let named = self.parameters.iter().filter(|parameter| media_type.parameters.contains(parameter));
        (depth, named.count())
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// The ranges of the header; `None` if one of them is malformed.
fn ranges(accept: &str) -> Option<Vec<MediaRange>> {
    let members = split(accept, ',')?.into_iter();
    members.filter(|member| !member.is_empty()).map(MediaRange::parse).collect()
}

/// The members between separators outside of quoted strings, without the blanks around them; `None` if a quoted string has
/// no end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut members, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => {
                members.push(text[start..at].trim_matches(BLANK));
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(text[start..].trim_matches(BLANK));
    (!is_quoted).then_some(members)
}

/// The text of a token or a quoted string.
fn unquoted(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else { return is_token(value).then(|| value.to_owned()) };
    let (mut text, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

/// Whether a weight is 0: `0`, `0.0`. Also with more digits than the RFC allows.
fn is_zero(weight: &str) -> bool {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    whole == "0" && fraction.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offered: &[&str], rows: &[(&str, bool)]) {
        for (accept, expected) in rows {
            assert_eq!(accepts(accept, offered.iter().copied()), *expected, "{accept} of {offered:?}");
        }
    }

    #[test]
    fn most_specific_range_decides() {
        let rows = [
            ("*/*", true),
            ("application/json", true),
            ("APPLICATION/JSON; charset=utf-8", true),
            ("text/*", true),
            ("text/html", false),
            ("text/html, */*;q=0.1", true),
            ("text/html, application/*", true),
            ("*/*, application/json;q=0, text/csv;q=0", false),
            ("*/*;q=0", false),
            ("application/json;q=0, text/*", true),
            // Whichever comes first.
            ("text/*, application/json;q=0", true),
            ("text/*;q=0, application/*;q=0, */*", false),
            ("*/*;q=0, text/*", true),
            ("application/*, application/json;q=0", false),
            ("application/json;q=0, application/json", true),
            ("application/json, application/json;q=0", true),
            ("application/xml;q=0", false),
        ];
        check(&["application/json", "text/csv"], &rows);
    }

    #[test]
    fn weights_are_read_as_the_rfc_says() {
        let rows = [
            ("application/json;q=0", false),
            ("application/json;q=0.0", false),
            ("application/json;q=0.", false),
            ("application/json;Q=0.000", false),
            ("application/json ; q = 0", false),
            ("application/json;q=0.0000", false),
            ("application/json;q=0;ext=1", false),
            // It rejects one variant, and nothing else is accepted.
            ("application/json;ext=1;q=0", false),
            ("application/json;ext=1;q=0, */*", true),
            ("application/json;q=0.001", true),
            ("application/json;q=1.000", true),
            ("application/json;q=.2", true),
            // Malformed weights reject nothing.
            ("application/json;q=", true),
            ("application/json;q", true),
            ("application/json;q=-0", true),
            ("application/json;q=nonsense", true),
            ("application/json;q=\"0\"", true),
            ("application/json;q=0e0", true),
            ("application/json;q=2", true),
            ("application/json;q=0,5", true),
            // Only the name `q` is a weight.
            ("application/json;xq=0", true),
            ("application/json;q2=0", true),
        ];
        check(&["application/json"], &rows);
    }

    #[test]
    fn separators_in_quoted_strings_are_text() {
        let rows = [
            (r#"application/json;v="1,2""#, true),
            (r#"text/html;v="a, application/json""#, false),
            (r#"text/html;v="a, */*", text/plain"#, false),
            (r#"text/html;v="a;q=0", application/json"#, true),
            (r#"text/html;v="\", application/json;v=\"""#, false),
            (r#"application/json;v="a;q=0""#, true),
            (r#"application/json;v="a";q=0, text/html"#, false),
            // Malformed headers accept everything.
            (r#"text/html;v="a, application/json;q=0"#, true),
            (r#"text/html;v="a"b"#, true),
            ("", true),
            (" , ,", true),
            ("nonsense", true),
            ("text/html, nonsense", true),
            ("text/", true),
            ("/html", true),
            ("text/html/x", true),
            ("text/ht ml", true),
            ("text/html;=1", true),
            ("text/html;a b=1", true),
            ("text/html;;q=0.5,", false),
            ("text/h\u{e9}", true),
        ];
        check(&["application/json"], &rows);
    }

    #[test]
    fn parameters_of_ranges_are_compared_where_both_name_them() {
        let offered = ["application/json;version=1", r#"text/csv; charset="UTF-8"; header=present"#];
        let rows = [
            ("application/json", true),
            ("application/json;version=1", true),
            ("application/json;version=\"1\"", true),
            ("application/json;version=2", false),
            ("application/json;version=2, text/csv", true),
            ("text/csv;charset=utf-8", true),
            ("text/csv;charset=latin1", false),
            ("text/csv;header=present;charset=utf-8;other=1", true),
            ("text/csv;header=absent", false),
            // A parameter that the document does not name does not reject the type.
            ("application/*, application/json;profile=x;q=0", true),
            ("application/*, application/json;version=1;q=0", false),
            ("application/json;q=0, application/json;version=1", true),
            ("application/json;version=1;q=0, application/json", false),
            ("application/json;version=2;q=0, application/json", true),
        ];
        check(&offered, &rows);
    }

    #[test]
    fn ranges_of_documents_accept_what_they_cover() {
        for (offered, accept, expected) in [
            ("image/*", "image/png", true),
            ("*/*", "image/png", true),
            ("text/*", "image/png", false),
            ("image/*", "image/*;q=0, image/png", true),
            ("image/*", "image/*;q=0, */*", false),
            ("image/*", "image/png;q=0, */*", true),
            ("image/*", "image/png;q=0", false),
            ("*/*", "*/*;q=0, text/plain", true),
            ("application/*+json", "application/vnd.api+json", true),
            ("application/vnd.api+json", "application/*+json", true),
            ("application/json", "*/json", true),
            ("not a type", "image/png", true),
        ] {
            check(&[offered], &[(accept, expected)]);
        }
    }

    /// openapi-generator, Java's HttpURLConnection, Firefox, curl and axios.
    #[test]
    fn headers_of_common_clients_are_satisfiable() {
        for accept in [
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "*/*",
            "application/json, text/plain, */*",
            "application/json;odata=verbose",
            "application/json; charset=UTF-8, */*;q=0",
            "application/json, text/json, text/x-json, text/javascript, application/xml, text/xml",
        ] {
            check(&["application/json"], &[(accept, true)]);
        }
    }
}
