//! Typed access to the fields of a mapping, and detection of unknown keys.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Diagnostics, Key, Node, NodeKind, Source, Span, did_you_mean};

/// Reads a mapping field by field and reports unknown keys, wrong kinds and missing fields.
///
/// Every field is read by one of the methods below, which also makes its name known. [`Fields::finish`] then reports
/// the keys that no method has read.
///
/// ```
/// # use demur_source::{Diagnostics, Fields, Source, parse};
/// let source = Source::new("x.yaml", "statsu: 400");
/// let root = parse(&source).unwrap();
/// let mut diagnostics = Diagnostics::new();
/// let mut fields = Fields::of(&root, &source, "an error", &mut diagnostics).unwrap();
/// assert_eq!(fields.int("status", &mut diagnostics), None);
/// fields.finish(&mut diagnostics);
/// assert!(diagnostics.to_string().contains("did you mean `status`?"));
/// ```
pub struct Fields<'n> {
    source: &'n Arc<Source>,
    what: &'static str,
    span: Span,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
    taken: HashSet<&'n str>,
}

impl<'n> Fields<'n> {
    /// Reads `node` as a mapping. `what` names it in messages, such as "an error" or "a plan".
    ///
    /// `null` is an empty mapping. Any other kind is reported, and the result is `None`.
    pub fn of(
        node: &'n Node,
        source: &'n Arc<Source>,
        what: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let entries = match &node.kind {
            NodeKind::Map(entries) => entries.as_slice(),
            NodeKind::Null => &[],
            _ => {
                let message = format!("{what} must be a mapping, not {}", node.kind_name());
                diagnostics.error(source, node.span, "wrong-kind", message, None);
                return None;
            }
        };
        Some(Self { source, what, span: node.span, entries, known: Vec::new(), taken: HashSet::new() })
    }

    /// The position of the mapping.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value of the key `name`, of any kind.
    pub fn node(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// The key `name` and its value.
    pub fn entry(&mut self, name: &'static str) -> Option<(&'n Key, &'n Node)> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        self.taken.insert(&key.name);
        Some((key, node))
    }

    /// Reports that the required key `name` is missing.
    pub fn missing(&self, name: &str, diagnostics: &mut Diagnostics) {
        let message = format!("{} needs `{name}`", self.what);
        diagnostics.error(self.source, self.span, "missing-key", message, format!("add `{name}: …`"));
    }

    fn wrong_kind(&self, name: &str, node: &Node, expected: &str, diagnostics: &mut Diagnostics) {
        let message = format!("`{name}` must be {expected}, not {}", node.kind_name());
        diagnostics.error(self.source, node.span, "wrong-kind", message, None);
    }

    /// A string. A number or a boolean is returned as it is written in the source.
    pub fn text(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Option<String> {
        let node = self.node(name)?;
        let text = node.scalar_text();
        if text.is_none() {
            self.wrong_kind(name, node, "a string", diagnostics);
        }
        text
    }

    /// An integer.
    pub fn int(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Option<i64> {
        let node = self.node(name)?;
        match node.kind {
            NodeKind::Int(value) => Some(value),
            _ => {
                self.wrong_kind(name, node, "an integer", diagnostics);
                None
            }
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Option<bool> {
        let node = self.node(name)?;
        match node.kind {
            NodeKind::Bool(value) => Some(value),
            _ => {
                self.wrong_kind(name, node, "`true` or `false`", diagnostics);
                None
            }
        }
    }

    /// The items of a list; empty if the key is missing. A scalar is a list with one item.
    pub fn list(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> &'n [Node] {
        let Some(node) = self.node(name) else { return &[] };
        match &node.kind {
            NodeKind::Seq(items) => items,
            NodeKind::Null => &[],
            NodeKind::Map(_) => {
                self.wrong_kind(name, node, "a list", diagnostics);
                &[]
            }
            _ => std::slice::from_ref(node),
        }
    }

    /// The items of a list of strings, each with its position.
    pub fn texts(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
        let mut texts = Vec::new();
        for item in self.list(name, diagnostics) {
            match item.scalar_text() {
                Some(text) => texts.push((text, item.span)),
                None => self.wrong_kind(name, item, "a list of strings", diagnostics),
            }
        }
        texts
    }

    /// The entries of a mapping; empty if the key is missing.
    pub fn map(&mut self, name: &'static str, diagnostics: &mut Diagnostics) -> &'n [(Key, Node)] {
        let Some(node) = self.node(name) else { return &[] };
        match &node.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Null => &[],
            _ => {
                self.wrong_kind(name, node, "a mapping", diagnostics);
                &[]
            }
        }
    }

    /// Reports every key that no method has read.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        for (key, _) in self.entries {
            if self.taken.contains(key.name.as_str()) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", key.name, self.what);
            let help = match did_you_mean(&key.name, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let known: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
                    format!("known keys: {}", known.join(", "))
                }
            };
            diagnostics.error(self.source, key.span, "unknown-key", message, help);
        }
    }
}
