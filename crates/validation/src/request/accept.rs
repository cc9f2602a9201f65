//! Matches `Accept` (RFC 9110, section 12.5.1) against the media types of an operation's responses.

/// Whether a media type is acceptable. A malformed header accepts everything.
pub(crate) fn accepts<'m>(accept: &str, offered: impl Iterator<Item = &'m str> + Clone) -> bool {
    let mut ranges = Vec::new();
    for item in accept.split(',') {
        let mut parts = item.split(';').map(|part| part.trim_matches([' ', '\t']));
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let Some((kind, subtype)) = range.split_once('/') else {
            if range.is_empty() {
                continue;
            }
            return true;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_rejected =
            weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0));
        ranges.push((kind.to_owned(), subtype.to_owned(), is_rejected));
    }
    if ranges.is_empty() {
        return true;
    }
    offered.into_iter().any(|offered| {
        let Some((kind, subtype)) = offered.split_once('/') else { return true };
        // The most specific matching range decides. Documents may declare ranges too.
        let cover =
            |(of_kind, of_subtype, _): &(String, String, bool)| match (of_kind.as_str(), of_subtype.as_str())
            {
                _ if kind == "*" => Some(0),
                ("*", _) => Some(0),
                (known, "*") => (known == kind).then_some(1),
                (known, name) => (known == kind && (name == subtype || subtype == "*")).then_some(2),
            };
        let best =
            ranges.iter().filter_map(|range| Some((cover(range)?, !range.2))).max_by_key(|(depth, _)| *depth);
        best.is_some_and(|(_, is_accepted)| is_accepted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_specific_range_decides() {
        let offered = ["application/json", "text/csv"];
        for (accept, expected) in [
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
            ("", true),
            ("nonsense", true),
        ] {
            assert_eq!(accepts(accept, offered.into_iter()), expected, "{accept}");
        }
        assert!(accepts("image/png", ["image/*"].into_iter()));
        assert!(accepts("image/png", ["*/*"].into_iter()));
        assert!(!accepts("image/png", ["text/*"].into_iter()));
    }
}
