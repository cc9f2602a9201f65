//! The tree: what YAML and JSON can say, with the place of each value and each key.

use crate::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value stands. For a block collection: its first key or item.
    pub span: Span,
    /// The value.
    pub kind: NodeKind,
    /// A number or a boolean as it was written, for whoever takes it for text: `1.10` is no `1.1` to a person.
    written: Option<Box<str>>,
}

/// What a [`Node`] holds, by the YAML 1.2 core schema (so `no` is a string, not a boolean).
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping, in the order in which it was written. Keys are unique: the parser sees to that.
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key's text.
    pub name: String,
    /// Where the key stands.
    pub span: Span,
}

impl Node {
    /// A value that no one wrote down in just this way.
    pub fn new(span: Span, kind: NodeKind) -> Self {
        Self { span, kind, written: None }
    }

    /// A value and the text that it was read from.
    pub(crate) fn written(span: Span, kind: NodeKind, text: &str) -> Self {
        let is_text = matches!(kind, NodeKind::Str(_) | NodeKind::Null);
        Self { span, kind, written: (!is_text).then(|| text.into()) }
    }

    /// The same value at another place.
    pub(crate) fn at(&self, span: Span) -> Self {
        Self { span, ..self.clone() }
    }

    /// What the value is called in a message to a person.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) => "a whole number",
            NodeKind::Float(_) => "a number",
            NodeKind::Str(_) => "a string",
            NodeKind::Seq(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, where this is a mapping.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, where this is a sequence.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// A mapping's value under `name`.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// A scalar as the text that a person wrote: `5` and `"5"` are both `5`, `1.10` stays `1.10` and `0012` stays `0012`.
    pub fn scalar_text(&self) -> Option<String> {
        if let Some(written) = &self.written {
            return Some(written.to_string());
        }
        match &self.kind {
            NodeKind::Bool(value) => Some(value.to_string()),
            NodeKind::Int(value) => Some(value.to_string()),
            NodeKind::Float(value) => Some(value.to_string()),
            NodeKind::Str(text) => Some(text.clone()),
            NodeKind::Null | NodeKind::Seq(_) | NodeKind::Map(_) => None,
        }
    }

    /// The same value as JSON, without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(value) => Value::Bool(*value),
            NodeKind::Int(value) => Value::from(*value),
            NodeKind::Float(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
            NodeKind::Str(text) => Value::String(text.clone()),
            NodeKind::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeKind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect())
            }
        }
    }

    /// The node at an RFC 6901 JSON Pointer below this one, or the deepest one on the way to it.
    ///
    /// A reader that works on [`Node::to_json`] uses it to find the place of what it complains about.
    pub fn nearest(&self, pointer: &str) -> &Node {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                NodeKind::Map(_) => node.get(&token),
                NodeKind::Seq(items) => token.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}
