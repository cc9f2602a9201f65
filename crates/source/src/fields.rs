//! A mapping whose keys are taken one by one; what nobody took is an unknown key.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Diagnostics, Key, Node, NodeKind, Source, Span, did_you_mean};

/// Reads a mapping field by field, and reports unknown keys, wrong kinds and missing fields as it goes.
///
/// ```
/// # use demur_source::{Diagnostics, Fields, Source, parse};
/// let source = Source::new("x.yaml", "statsu: 400");
/// let root = parse(&source).unwrap();
/// let mut found = Diagnostics::new();
/// let mut fields = Fields::of(&root, &source, "an error", &mut found).unwrap();
/// assert_eq!(fields.int("status", &mut found), None);
/// fields.finish(&mut found);
/// assert!(found.to_string().contains("did you mean `status`?"));
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
    /// Opens a mapping; `what` names it in messages ("an error", "a plan"). Anything else than a mapping is
    /// reported, and `None`.
    pub fn of(
        node: &'n Node,
        source: &'n Arc<Source>,
        what: &'static str,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let entries = match &node.kind {
            NodeKind::Map(entries) => entries.as_slice(),
            NodeKind::Null => &[],
            _ => {
                let message = format!("{what} must be a mapping, not {}", node.kind_name());
                found.error(source, node.span, "wrong-kind", message, None);
                return None;
            }
        };
        Some(Self { source, what, span: node.span, entries, known: Vec::new(), taken: HashSet::new() })
    }

    /// Where the mapping stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value under `name`, whatever it is.
    pub fn node(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// The key and the value under `name`.
    pub fn entry(&mut self, name: &'static str) -> Option<(&'n Key, &'n Node)> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        self.taken.insert(&key.name);
        Some((key, node))
    }

    /// Reports that `name` must be there.
    pub fn missing(&self, name: &str, found: &mut Diagnostics) {
        let message = format!("{} needs `{name}`", self.what);
        found.error(self.source, self.span, "missing-key", message, format!("add `{name}: …`"));
    }

    fn wrong(&self, name: &str, node: &Node, wanted: &str, found: &mut Diagnostics) {
        let message = format!("`{name}` must be {wanted}, not {}", node.kind_name());
        found.error(self.source, node.span, "wrong-kind", message, None);
    }

    /// Text. A number or a boolean is taken as the text that was written.
    pub fn text(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<String> {
        let node = self.node(name)?;
        let text = node.scalar_text();
        if text.is_none() {
            self.wrong(name, node, "text", found);
        }
        text
    }

    /// A whole number.
    pub fn int(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<i64> {
        let node = self.node(name)?;
        match node.kind {
            NodeKind::Int(value) => Some(value),
            _ => {
                self.wrong(name, node, "a whole number", found);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<bool> {
        let node = self.node(name)?;
        match node.kind {
            NodeKind::Bool(value) => Some(value),
            _ => {
                self.wrong(name, node, "true or false", found);
                None
            }
        }
    }

    /// The items of a list; absent is empty. One scalar stands for a list of one.
    pub fn list(&mut self, name: &'static str, found: &mut Diagnostics) -> &'n [Node] {
        let Some(node) = self.node(name) else { return &[] };
        match &node.kind {
            NodeKind::Seq(items) => items,
            NodeKind::Null => &[],
            NodeKind::Map(_) => {
                self.wrong(name, node, "a list", found);
                &[]
            }
            _ => std::slice::from_ref(node),
        }
    }

    /// A list of texts, each with its place.
    pub fn texts(&mut self, name: &'static str, found: &mut Diagnostics) -> Vec<(String, Span)> {
        let mut texts = Vec::new();
        for item in self.list(name, found) {
            match item.scalar_text() {
                Some(text) => texts.push((text, item.span)),
                None => self.wrong(name, item, "a list of texts", found),
            }
        }
        texts
    }

    /// The entries of a mapping; absent is empty.
    pub fn map(&mut self, name: &'static str, found: &mut Diagnostics) -> &'n [(Key, Node)] {
        let Some(node) = self.node(name) else { return &[] };
        match &node.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Null => &[],
            _ => {
                self.wrong(name, node, "a mapping", found);
                &[]
            }
        }
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, found: &mut Diagnostics) {
        for (key, _) in self.entries {
            if self.taken.contains(key.name.as_str()) {
                continue;
            }
            let message = format!("{} has no key `{}`", self.what, key.name);
            let help = match did_you_mean(&key.name, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it knows: {}", self.known.join(", ")),
            };
            found.error(self.source, key.span, "unknown-key", message, help);
        }
    }
}
