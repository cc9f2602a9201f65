//! Nodes of a document with their JSON Pointers (RFC 6901).
//!
//! Diagnostics need the span of a node, compiled schemas its pointer.

use std::borrow::Cow;

use demur_source::{Node, NodeKind};

/// A node and its pointer.
#[derive(Debug, Clone)]
pub(crate) struct Located<'n> {
    pub(crate) node: &'n Node,
    /// The pointer from the root, which is empty for the root itself.
    pub(crate) pointer: String,
}

impl<'n> Located<'n> {
    pub(crate) fn root(node: &'n Node) -> Self {
        Self { node, pointer: String::new() }
    }

    /// A member of a mapping.
    pub(crate) fn member(&self, name: &str) -> Option<Located<'n>> {
        let node = self.node.get(name)?;
        Some(Located { node, pointer: join(&self.pointer, name) })
    }

    /// All members of a mapping; none if the node is not a mapping.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'n demur_source::Key, Located<'n>)> + '_ {
        let entries = self.node.as_map().unwrap_or_default();
        entries.iter().map(|(key, node)| (key, Located { node, pointer: join(&self.pointer, &key.name) }))
    }

    /// All items of a sequence; none if the node is not a sequence.
    pub(crate) fn items(&self) -> impl Iterator<Item = Located<'n>> + '_ {
        let items = self.node.as_seq().unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(index, node)| Located { node, pointer: format!("{}/{index}", self.pointer) })
    }

    /// The node at a pointer relative to this node.
    pub(crate) fn at(&self, pointer: &str) -> Option<Located<'n>> {
        let mut node = self.node;
        for token in tokens(pointer) {
            node = match &node.kind {
                NodeKind::Map(_) => node.get(&token)?,
                NodeKind::Seq(items) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(Located { node, pointer: format!("{}{pointer}", self.pointer) })
    }
}

/// Appends a token to a pointer.
pub(crate) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", escape(token))
}

/// Escapes a token for a pointer.
pub(crate) fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The unescaped tokens of a pointer.
pub(crate) fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pointer.split('/').skip(1).map(|token| {
        if token.contains('~') {
            Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(token)
        }
    })
}

/// The kind of a `$ref`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonReference {
    /// A pointer in the same document.
    Local(String),
    /// An anchor.
    Anchor,
    /// Another document.
    Remote,
}

/// Parses the text of a `$ref`. A fragment may be percent-encoded, such as `%7B` for `{`.
pub(crate) fn reference(text: &str) -> JsonReference {
    match text.strip_prefix('#') {
        Some(fragment) if fragment.is_empty() || fragment.starts_with('/') => JsonReference::Local(
            percent_encoding::percent_decode_str(fragment).decode_utf8_lossy().into_owned(),
        ),
        Some(_) => JsonReference::Anchor,
        None => JsonReference::Remote,
    }
}
