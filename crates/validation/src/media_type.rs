//! Media types, and how a body of each is parsed.

/// How a body is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// `application/json`, and types with the suffix `+json` (RFC 6839).
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// `text/plain`.
    Text,
    /// Any other type; the body is not parsed.
    Other,
}

impl MediaKind {
    /// The kind of a media type in lower case.
    pub(crate) fn of(range: &str) -> Self {
        match essence(range) {
            "application/json" => MediaKind::Json,
            json if json.ends_with("+json") => MediaKind::Json,
            "application/x-www-form-urlencoded" => MediaKind::Form,
            "multipart/form-data" => MediaKind::Multipart,
            "text/plain" => MediaKind::Text,
            _ => MediaKind::Other,
        }
    }
}

/// A media type without its parameters.
pub(crate) fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

pub(crate) fn is_media_range(text: &str) -> bool {
    let is_token = |part: &str| {
        let is_char = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-*".contains(c);
        !part.is_empty() && part.chars().all(is_char)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}
