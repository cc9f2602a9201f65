//! Text → tree. YAML 1.2; JSON is a subset of it.
//!
//! Bounded: depth, and the number of nodes (aliases are expanded, so nine lines could otherwise make a
//! billion). Built with a stack of its own, never by recursion on the input's depth.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::{Diagnostics, Key, Node, NodeKind, Source, Span};

/// Deeper than any document that a person writes.
const MAX_DEPTH: usize = 128;
/// The largest public OpenAPI documents have about half a million.
const MAX_NODES: usize = 4_000_000;

/// Reads one document.
///
/// `Err` holds what kept it from being read: a syntax error (only the first can be known), duplicate keys
/// (all of them), bounds. An empty text is [`NodeKind::Null`].
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    let (node, found) = parse_lossy(source)?;
    if found.has_errors() { Err(found) } else { Ok(node) }
}

/// As [`parse`], for readers that report all mistakes at once: duplicate keys come along with the tree. Of a key that
/// stands twice the first counts, and the second is not in the tree.
pub fn parse_lossy(source: &Arc<Source>) -> Result<(Node, Diagnostics), Diagnostics> {
    let mut builder = NodeBuilder::new(source);
    for event in Parser::new_from_str(&source.text) {
        match event {
            Ok((event, span)) => {
                let span = builder.offsets.span(span);
                if builder.event(event, span).is_err() {
                    return Err(builder.found);
                }
            }
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                builder.found.error(source, Span::new(at, at), "syntax", error.info().to_owned(), None);
                return Err(builder.found);
            }
        }
    }
    let root = builder.root.unwrap_or_else(|| Node::new(Span::default(), NodeKind::Null));
    Ok((root, builder.found))
}

/// The parser counts characters; spans count bytes.
struct Offsets {
    /// Empty where the text is ASCII and the two are the same.
    bytes: Vec<usize>,
    len: usize,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(byte, _)| byte).collect() };
        Self { bytes, len: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            character.min(self.len)
        } else {
            self.bytes.get(character).copied().unwrap_or(self.len)
        }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        Span::new(self.byte(span.start.index()), self.byte(span.end.index()))
    }
}

/// A collection that is still open.
enum OpenCollection {
    Seq { span: Span, anchor: usize, items: Vec<Node> },
    Map { span: Span, anchor: usize, entries: Vec<(Key, Node)>, names: HashSet<String>, key: Option<NextKey> },
}

/// A key whose value comes next.
struct NextKey {
    key: Key,
    is_duplicate: bool,
}

/// The document cannot be read on; why stands in the diagnostics.
struct ParseStopped;

struct NodeBuilder<'s> {
    source: &'s Arc<Source>,
    offsets: Offsets,
    found: Diagnostics,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl<'s> NodeBuilder<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        Self {
            source,
            offsets: Offsets::new(&source.text),
            found: Diagnostics::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ParseStopped> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = resolve(&text, style, tag.as_deref());
                self.put(Node::written(span, kind, &text), anchor, 1)
            }
            Event::SequenceStart(anchor, _) => {
                self.deeper(span)?;
                self.open.push(OpenCollection::Seq { span, anchor, items: Vec::new() });
                Ok(())
            }
            Event::MappingStart(anchor, _) => {
                self.deeper(span)?;
                let names = HashSet::new();
                self.open.push(OpenCollection::Map { span, anchor, entries: Vec::new(), names, key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(OpenCollection::Seq { span, anchor, items }) => {
                    let span = shown(span, items.first().map(|item| item.span));
                    self.put(Node::new(span, NodeKind::Seq(items)), anchor, 1)
                }
                Some(OpenCollection::Map { span, anchor, entries, .. }) => {
                    let span = shown(span, entries.first().map(|(key, _)| key.span));
                    self.put(Node::new(span, NodeKind::Map(entries)), anchor, 1)
                }
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((node, weight)) => {
                    let (node, weight) = (node.at(span), *weight);
                    self.put(node, 0, weight)
                }
                None => self.stop(span, "syntax", "this alias has no anchor before it"),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                self.stop(span, "several-documents", "only one YAML document is read from a file")
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn deeper(&mut self, span: Span) -> Result<(), ParseStopped> {
        if self.open.len() >= MAX_DEPTH {
            return self.stop(span, "too-deep", "nested deeper than 128 levels");
        }
        Ok(())
    }

    fn stop(&mut self, span: Span, check: &'static str, message: &str) -> Result<(), ParseStopped> {
        self.found.error(self.source, span, check, message, None);
        Err(ParseStopped)
    }

    /// Puts a finished node into the collection that is open, or makes it the root.
    fn put(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), ParseStopped> {
        self.nodes += weight;
        if self.nodes > MAX_NODES {
            return self.stop(node.span, "too-large", "more than 4,000,000 values, aliases expanded");
        }
        if anchor > 0 {
            let weight = count(&node);
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(OpenCollection::Seq { items, .. }) => items.push(node),
            Some(OpenCollection::Map { entries, names, key, .. }) => match key.take() {
                Some(NextKey { is_duplicate: true, .. }) => {}
                Some(NextKey { key, .. }) => entries.push((key, node)),
                None => {
                    let Some(name) = node.scalar_text() else {
                        return self.stop(node.span, "key", "a key must be a plain string");
                    };
                    let is_duplicate = !names.insert(name.clone());
                    if is_duplicate {
                        let message = format!("the key `{name}` stands here a second time");
                        let help = "keep one of the two".to_owned();
                        self.found.error(self.source, node.span, "duplicate-key", message, help);
                    }
                    *key = Some(NextKey { key: Key { name, span: node.span }, is_duplicate });
                }
            },
        }
        Ok(())
    }
}

/// A block collection begins with nothing to see: its first key or item shows the place.
fn shown(start: Span, first: Option<Span>) -> Span {
    match first {
        Some(first) if start.start == start.end => first,
        _ => start,
    }
}

/// How many nodes a finished one holds. Its depth is bounded by `MAX_DEPTH` for what was parsed, and an
/// alias inside an anchor was counted into `MAX_NODES` before.
fn count(node: &Node) -> usize {
    let mut total = 0;
    let mut rest = vec![node];
    while let Some(node) = rest.pop() {
        total += 1;
        match &node.kind {
            NodeKind::Seq(items) => rest.extend(items),
            NodeKind::Map(entries) => rest.extend(entries.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    total
}

/// The YAML 1.2 core schema for plain scalars; whatever is quoted or tagged `!!str` is text.
fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> NodeKind {
    let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
    if is_text {
        return NodeKind::Str(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeKind::Null,
        "true" | "True" | "TRUE" => return NodeKind::Bool(true),
        "false" | "False" | "FALSE" => return NodeKind::Bool(false),
        _ => {}
    }
    let starts_numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    if starts_numeric {
        let integer = match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => text.parse::<i64>(),
        };
        if let Ok(value) = integer {
            return NodeKind::Int(value);
        }
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        if let (true, Ok(value)) = (has_digit, text.parse::<f64>()) {
            return NodeKind::Float(value);
        }
    }
    NodeKind::Str(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Diagnostics> {
        parse(&Source::new("t.yaml", text))
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, kind) in [
            ("5", NodeKind::Int(5)),
            ("-5", NodeKind::Int(-5)),
            ("0x1f", NodeKind::Int(31)),
            ("1.5", NodeKind::Float(1.5)),
            ("'5'", NodeKind::Str("5".into())),
            ("no", NodeKind::Str("no".into())),
            ("true", NodeKind::Bool(true)),
            ("", NodeKind::Null),
            ("1.2.3", NodeKind::Str("1.2.3".into())),
            ("10/1m", NodeKind::Str("10/1m".into())),
        ] {
            assert_eq!(read(text).unwrap().kind, kind, "{text}");
        }
    }

    #[test]
    fn a_scalar_is_the_text_that_was_written() {
        for text in ["1.10", "0012", "+5", "0x1f", "1e3", "True", "5", "no"] {
            let root = read(&format!("{text}: &a {text}\nb: *a")).unwrap();
            assert_eq!(root.get(text).and_then(Node::scalar_text).as_deref(), Some(text));
            assert_eq!(root.get("b").and_then(Node::scalar_text).as_deref(), Some(text));
        }
        assert_eq!(read("0012").unwrap().to_json(), serde_json::json!(12));
    }

    #[test]
    fn spans_are_bytes_even_after_wide_characters() {
        let source = Source::new("t.yaml", "é: ü\nkey: value\n");
        let root = parse(&source).unwrap();
        let node = root.get("key").unwrap();
        assert_eq!(&source.text[node.span.start..node.span.end], "value");
        assert_eq!(source.line_column(node.span.start), (2, 6));
    }

    #[test]
    fn every_duplicate_key_is_reported() {
        let found = read("a: 1\na: 2\nb: {c: 1, c: 2}\n").unwrap_err();
        assert_eq!(found.len(), 2, "{found}");
    }

    #[test]
    fn of_a_duplicate_key_the_first_counts() {
        let (root, found) = parse_lossy(&Source::new("t.yaml", "a: 1\na: {b: 2}\nc: 3\n")).unwrap();
        assert_eq!(found.len(), 1, "{found}");
        assert_eq!(root.to_json(), serde_json::json!({ "a": 1, "c": 3 }));
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let item = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", [item.as_str(); 10].join(","));
        }
        assert!(read(&laughs).unwrap_err().to_string().contains("too-large"));
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(read(&deep).unwrap_err().to_string().contains("too-deep"));
        assert!(read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_pointer_finds_the_nearest_place() {
        let root = read("a: {b: [1, {c: 2}]}").unwrap();
        assert_eq!(root.nearest("/a/b/1/c").kind, NodeKind::Int(2));
        assert_eq!(root.nearest("/a/b/7").kind_name(), "a list");
    }
}
