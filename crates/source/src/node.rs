//! The tree of a YAML or JSON document, with the position of each value and key.

use crate::Span;

/// A value and its position.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The position of the value; for a block collection, that of its first key or item.
    pub span: Span,
    /// The value.
    pub kind: NodeKind,
    /// A number or a boolean as written in the source, because `1.10` read as a string must not become `1.1`.
    written: Option<Box<str>>,
}

/// The value of a [`Node`], by the YAML 1.2 core schema (so `no` is a string, not a boolean).
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// `null`, `~`, or an empty value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Str(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping in source order. The parser guarantees that keys are unique.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping and its position.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key's text.
    pub name: String,
    /// The position of the key.
    pub span: Span,
}

impl Node {
    /// A value without a source text of its own, such as a default.
    pub fn new(span: Span, kind: NodeKind) -> Self {
        Self { span, kind, written: None }
    }

    /// A value and the source text from which it was read.
    pub(crate) fn written(span: Span, kind: NodeKind, text: &str) -> Self {
        let is_text = matches!(kind, NodeKind::Str(_) | NodeKind::Null);
        Self { span, kind, written: (!is_text).then(|| text.into()) }
    }

    /// The same value at another position.
    pub(crate) fn at(&self, span: Span) -> Self {
        Self { span, ..self.clone() }
    }

    /// The kind of the value as messages name it, such as `a list`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) => "an integer",
            NodeKind::Float(_) => "a number",
            NodeKind::Str(_) => "a string",
            NodeKind::Seq(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if this is a mapping.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a sequence.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The value of the key `name`, if this is a mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// A scalar as written in the source: `5` and `"5"` are both `5`, and `1.10` and `0012` stay as they are.
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

    /// The value as JSON, without positions.
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

    /// The node at a JSON Pointer (RFC 6901) relative to this one, or its deepest ancestor that exists.
    ///
    /// Code that works on [`Node::to_json`] uses it to find the position of the value it reports.
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
