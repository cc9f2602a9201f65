//! Headers that the configuration sets and removes on the way to the upstream, and on the way back.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Changes of headers, of an API or an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderSettings {
    /// Of requests that are forwarded.
    pub request: HeaderChanges,
    /// Of all responses. On error responses of the gateway, headers that it has set itself stay.
    pub response: HeaderChanges,
}

/// What is changed about the headers of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Removed first.
    pub remove: Vec<HeaderName>,
    /// Set then, in place of what the message has under the name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Not removed, though they are by default: the upstream's `Server`.
    pub keep: Vec<HeaderName>,
}

impl HeaderChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }

    /// Applies the changes.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Sets the headers that the message does not have.
    pub(crate) fn add_missing(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}
