//! The tree of a version 1 file as that of version 2, and the changes between them.

use std::sync::Arc;

use demur_source::{Diagnostics, Key, Node, NodeKind, Source, Span};

use super::names::OldNames;

/// A tree in which all names are those of version 2.
#[derive(Debug)]
pub(crate) struct Upgrade {
    pub(crate) root: Node,
    /// What had an old name, in the order of the tree.
    pub(crate) changes: Vec<Change>,
    /// Keys whose new name their mapping has already.
    duplicates: Vec<(Span, String)>,
}

/// An old name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Where the key or the value stands.
    pub(crate) span: Span,
    pub(crate) kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// A key has another name. Where its value has changed too, that is `value`.
    Key { new: &'static str, value: Option<&'static str> },
    /// A value is another word.
    Value { new: &'static str },
    /// A key has moved into a new mapping `parent` beside it.
    Moved {
        parent: &'static str,
        new: &'static str,
        /// Where the value stands, and the mapping that it was in.
        value: Span,
        mapping: Span,
    },
}

impl Change {
    /// The new name, as messages show it.
    pub(crate) fn new_name(&self) -> String {
        match &self.kind {
            ChangeKind::Key { new, value: Some(value) } => format!("{new}: {value}"),
            ChangeKind::Key { new, value: None } | ChangeKind::Value { new } => (*new).to_owned(),
            ChangeKind::Moved { parent, new, .. } => format!("{parent}.{new}"),
        }
    }
}

impl Upgrade {
    /// Reports keys that are there under both names.
    pub(crate) fn report_duplicates(&self, source: &Arc<Source>, found: &mut Diagnostics) {
        for (span, message) in &self.duplicates {
            found.error(source, *span, "duplicate-key", message, "remove one of the two".to_owned());
        }
    }

    pub(super) fn has_duplicates(&self) -> bool {
        !self.duplicates.is_empty()
    }
}

/// Gives everything in a tree its name of today.
pub(crate) fn upgrade(root: &Node, names: &'static OldNames) -> Upgrade {
    let mut walk = Walk { names, path: Vec::new(), changes: Vec::new(), duplicates: Vec::new() };
    let root = walk.node(root);
    Upgrade { root, changes: walk.changes, duplicates: walk.duplicates }
}

struct Walk {
    names: &'static OldNames,
    /// Where the walk is, in the names of version 1.
    path: Vec<String>,
    changes: Vec<Change>,
    duplicates: Vec<(Span, String)>,
}

impl Walk {
    /// The parser bounds how deep a tree is.
    fn node(&mut self, node: &Node) -> Node {
        match &node.kind {
            NodeKind::Map(entries) => self.map(node, entries),
            NodeKind::Seq(items) => {
                self.path.push("[]".to_owned());
                let items = items.iter().map(|item| self.node(item)).collect();
                self.path.pop();
                Node::new(node.span, NodeKind::Seq(items))
            }
            _ => self.scalar(node),
        }
    }

    fn scalar(&mut self, node: &Node) -> Node {
        let new = node.scalar_text().and_then(|text| self.names.value(&self.path, &text));
        let Some(new) = new else { return node.clone() };
        self.changes.push(Change { span: node.span, kind: ChangeKind::Value { new } });
        let number = new.parse().ok().filter(|_| matches!(node.kind, NodeKind::Int(_)));
        Node::new(node.span, number.map_or_else(|| NodeKind::Str(new.to_owned()), NodeKind::Int))
    }

    fn map(&mut self, node: &Node, entries: &[(Key, Node)]) -> Node {
        let mut upgraded: Vec<(Key, Node)> = Vec::new();
        for (key, value) in entries {
            let row = self.names.key(&self.path, &key.name);
            self.path.push(row.map_or(key.name.as_str(), |(old, _)| old).to_owned());
            let new = row.and_then(|(_, new)| new);
            // A name with a dot is that of a mapping and of a key in it.
            let moved = new.and_then(|new| new.split_once('.'));
            if let Some(new) = new {
                let kind = match moved {
                    Some((parent, new)) => {
                        ChangeKind::Moved { parent, new, value: value.span, mapping: node.span }
                    }
                    None => {
                        let text = value.scalar_text().unwrap_or_default();
                        ChangeKind::Key { new, value: self.names.value(&self.path, &text) }
                    }
                };
                self.changes.push(Change { span: key.span, kind });
            }
            let value = self.node(value);
            self.path.pop();
            let name = new.unwrap_or(&key.name);
            let added = match moved {
                Some((parent, inner)) => match member_of(&mut upgraded, parent, key.span) {
                    Some(members) => add(members, inner, key.span, value),
                    None => false,
                },
                None => add(&mut upgraded, name, key.span, value),
            };
            if !added {
                let message = match row {
                    Some((old, _)) => format!("`{old}` and `{name}` are the same key"),
                    None => format!("`{name}` is set already, by keys of version 1"),
                };
                self.duplicates.push((key.span, message));
            }
        }
        Node::new(node.span, NodeKind::Map(upgraded))
    }
}

/// Adds an entry, unless there is one of its name.
fn add(entries: &mut Vec<(Key, Node)>, name: &str, span: Span, value: Node) -> bool {
    let is_new = entries.iter().all(|(key, _)| key.name != name);
    if is_new {
        entries.push((Key { name: name.to_owned(), span }, value));
    }
    is_new
}

/// The mapping of this name among the entries, which is made where there is none. `None` where it is no mapping.
fn member_of<'e>(
    entries: &'e mut Vec<(Key, Node)>,
    name: &str,
    span: Span,
) -> Option<&'e mut Vec<(Key, Node)>> {
    add(entries, name, span, Node::new(span, NodeKind::Map(Vec::new())));
    let (_, parent) = entries.iter_mut().find(|(key, _)| key.name == name)?;
    match &mut parent.kind {
        NodeKind::Map(members) => Some(members),
        _ => None,
    }
}
