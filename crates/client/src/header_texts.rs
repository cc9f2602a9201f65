//! The headers of a response as text.

use http::{HeaderMap, HeaderName};

/// Looks up headers by name. The lines of a repeated header are one list, joined by commas (RFC 9110, section 5.3).
pub(crate) struct HeaderTexts<'h> {
    headers: &'h HeaderMap,
    /// Only the repeated ones, which are few.
    joined: Vec<(HeaderName, String)>,
}

impl<'h> HeaderTexts<'h> {
    pub(crate) fn new(headers: &'h HeaderMap) -> Self {
        let is_repeated = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
        let join = |name: &HeaderName| {
            let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
            (name.clone(), lines.collect::<Vec<_>>().join(", "))
        };
        let joined = match headers.len() == headers.keys_len() {
            true => Vec::new(),
            false => headers.keys().filter(is_repeated).map(join).collect(),
        };
        Self { headers, joined }
    }

    /// The value of a header, without space around it.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        match self.joined.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Some(value),
            None => self.first(name),
        }
    }

    /// The first line of a header, without space around it.
    pub(crate) fn first(&self, name: &str) -> Option<&'h str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}
