//! Places in a document: a node together with its JSON Pointer.
//!
//! Mistakes are shown at spans, schemas are compiled by pointer; whoever reads a document needs both.

use std::borrow::Cow;

use demur_source::{Node, NodeKind};

/// A node, and how one gets there from the root.
#[derive(Debug, Clone)]
pub(crate) struct Located<'n> {
    pub(crate) node: &'n Node,
    /// RFC 6901, without the leading `#`; empty for the root.
    pub(crate) pointer: String,
}

impl<'n> Located<'n> {
    pub(crate) fn root(node: &'n Node) -> Self {
        Self { node, pointer: String::new() }
    }

    /// The value of a mapping's member.
    pub(crate) fn member(&self, name: &str) -> Option<Located<'n>> {
        let node = self.node.get(name)?;
        Some(Located { node, pointer: join(&self.pointer, name) })
    }

    /// Every member of a mapping; none where this is no mapping.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'n demur_source::Key, Located<'n>)> + '_ {
        let entries = self.node.as_map().unwrap_or_default();
        entries.iter().map(|(key, node)| (key, Located { node, pointer: join(&self.pointer, &key.name) }))
    }

    /// Every item of a sequence; none where this is no sequence.
    pub(crate) fn items(&self) -> impl Iterator<Item = Located<'n>> + '_ {
        let items = self.node.as_seq().unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(index, node)| Located { node, pointer: format!("{}/{index}", self.pointer) })
    }

    /// What stands at a pointer below this node; `None` where there is nothing.
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

/// `pointer` with one more token.
pub(crate) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", escape(token))
}

/// A token as it stands in a pointer.
pub(crate) fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The tokens of a pointer, unescaped.
pub(crate) fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pointer.split('/').skip(1).map(|token| {
        if token.contains('~') {
            Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(token)
        }
    })
}

/// What a `$ref` names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonReference {
    /// A place in this document.
    Local(String),
    /// An anchor, which is not supported.
    Anchor,
    /// Another document, which is never fetched.
    Remote,
}

/// Reads the text of a `$ref`. A fragment may be percent-encoded, as `%7B` for `{`.
pub(crate) fn reference(text: &str) -> JsonReference {
    match text.strip_prefix('#') {
        Some(fragment) if fragment.is_empty() || fragment.starts_with('/') => JsonReference::Local(
            percent_encoding::percent_decode_str(fragment).decode_utf8_lossy().into_owned(),
        ),
        Some(_) => JsonReference::Anchor,
        None => JsonReference::Remote,
    }
}
