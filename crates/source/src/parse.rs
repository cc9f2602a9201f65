//! The parser: YAML 1.2 text, of which JSON is a subset, to a tree.
//!
//! The depth and the number of nodes are limited, because aliases are expanded: without a limit, nine lines could make a
//! billion nodes. The tree is built with an explicit stack, so that deep input cannot overflow the call stack.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::syntax::syntax_error;
use crate::{Diagnostics, Key, Node, NodeKind, Source, Span};

/// The maximum nesting depth; documents written by people stay far below it.
const MAX_DEPTH: usize = 128;
/// The maximum number of nodes; the largest public OpenAPI documents have about half a million.
const MAX_NODES: usize = 4_000_000;

/// Parses one document. An empty text is [`NodeKind::Null`].
///
/// # Errors
///
/// The first syntax error, all duplicate keys, or the limit that the document exceeds.
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    let (node, diagnostics) = parse_lossy(source)?;
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok(node) }
}

/// Parses one document like [`parse`], but returns duplicate keys beside the tree instead of failing.
///
/// This lets the caller report its own diagnostics in the same run. The first of two equal keys is in the tree, the
/// second is not.
pub fn parse_lossy(source: &Arc<Source>) -> Result<(Node, Diagnostics), Diagnostics> {
    let mut builder = NodeBuilder::new(source);
    for event in Parser::new_from_str(&source.text) {
        match event {
            Ok((event, span)) => {
                let span = builder.offsets.span(span);
                if builder.event(event, span).is_err() {
                    return Err(builder.diagnostics);
                }
            }
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                let (message, help) = syntax_error(error.info());
                builder.diagnostics.error(
                    source,
                    position_in_text(&source.text, at),
                    "syntax",
                    message,
                    help,
                );
                return Err(builder.diagnostics);
            }
        }
    }
    let root = builder.root.unwrap_or_else(|| Node::new(Span::default(), NodeKind::Null));
    Ok((root, builder.diagnostics))
}

/// The span of a syntax error: the position itself, or the last character of the text if only white space follows.
fn position_in_text(text: &str, at: usize) -> Span {
    let text = text.trim_end();
    match text.char_indices().next_back() {
        Some((last, _)) if at >= text.len() => Span::new(last, text.len()),
        _ => Span::new(at, at),
    }
}

/// The byte offset of each character: the YAML parser counts characters, spans count bytes.
struct Offsets {
    /// Empty if the text is ASCII, where both offsets are the same.
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

/// A collection whose end has not been read yet.
enum OpenCollection {
    Seq { span: Span, anchor: usize, items: Vec<Node> },
    Map { span: Span, anchor: usize, entries: Vec<(Key, Node)>, names: HashSet<String>, key: Option<NextKey> },
}

/// A key whose value has not been read yet.
struct NextKey {
    key: Key,
    is_duplicate: bool,
}

/// Parsing cannot continue; the reason has been added to the diagnostics.
struct ParseStopped;

struct NodeBuilder<'s> {
    source: &'s Arc<Source>,
    offsets: Offsets,
    diagnostics: Diagnostics,
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
            diagnostics: Diagnostics::new(),
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
                self.check_depth(span)?;
                self.open.push(OpenCollection::Seq { span, anchor, items: Vec::new() });
                Ok(())
            }
            Event::MappingStart(anchor, _) => {
                self.check_depth(span)?;
                let names = HashSet::new();
                self.open.push(OpenCollection::Map { span, anchor, entries: Vec::new(), names, key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(OpenCollection::Seq { span, anchor, items }) => {
                    let span = visible_start(span, items.first().map(|item| item.span));
                    self.put(Node::new(span, NodeKind::Seq(items)), anchor, 1)
                }
                Some(OpenCollection::Map { span, anchor, entries, .. }) => {
                    let span = visible_start(span, entries.first().map(|(key, _)| key.span));
                    self.put(Node::new(span, NodeKind::Map(entries)), anchor, 1)
                }
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((node, weight)) => {
                    let (node, weight) = (node.at(span), *weight);
                    self.put(node, 0, weight)
                }
                None => self.stop(span, "syntax", "this alias refers to no earlier anchor"),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                self.stop(span, "several-documents", "the file must contain a single YAML document")
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn check_depth(&mut self, span: Span) -> Result<(), ParseStopped> {
        if self.open.len() >= MAX_DEPTH {
            return self.stop(span, "too-deep", "the document is nested deeper than 128 levels");
        }
        Ok(())
    }

    fn stop(&mut self, span: Span, check: &'static str, message: &str) -> Result<(), ParseStopped> {
        self.diagnostics.error(self.source, span, check, message, None);
        Err(ParseStopped)
    }

    /// Adds a complete node to the innermost open collection, or makes it the root.
    fn put(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), ParseStopped> {
        self.nodes += weight;
        if self.nodes > MAX_NODES {
            return self.stop(
                node.span,
                "too-large",
                "the document has more than 4,000,000 values after expanding aliases",
            );
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
                        return self.stop(node.span, "key", "a key must be a scalar");
                    };
                    let is_duplicate = !names.insert(name.clone());
                    if is_duplicate {
                        let message = format!("duplicate key `{name}`");
                        let help = "remove one of the two".to_owned();
                        self.diagnostics.error(self.source, node.span, "duplicate-key", message, help);
                    }
                    *key = Some(NextKey { key: Key { name, span: node.span }, is_duplicate });
                }
            },
        }
        Ok(())
    }
}

/// The position of a collection. A block collection begins with an empty token, so its first key or item marks it.
fn visible_start(start: Span, first: Option<Span>) -> Span {
    match first {
        Some(first) if start.start == start.end => first,
        _ => start,
    }
}

/// The number of nodes in a complete node. Aliases inside it have been counted against `MAX_NODES` before, so the loop
/// is bounded.
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

/// The value of a scalar by the YAML 1.2 core schema. A quoted scalar, or one tagged `!!str`, is a string.
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
    fn resolves_plain_scalars_by_the_core_schema() {
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
    fn scalar_text_keeps_the_source_spelling() {
        for text in ["1.10", "0012", "+5", "0x1f", "1e3", "True", "5", "no"] {
            let root = read(&format!("{text}: &a {text}\nb: *a")).unwrap();
            assert_eq!(root.get(text).and_then(Node::scalar_text).as_deref(), Some(text));
            assert_eq!(root.get("b").and_then(Node::scalar_text).as_deref(), Some(text));
        }
        assert_eq!(read("0012").unwrap().to_json(), serde_json::json!(12));
    }

    #[test]
    fn spans_count_bytes_after_multibyte_characters() {
        let source = Source::new("t.yaml", "é: ü\nkey: value\n");
        let root = parse(&source).unwrap();
        let node = root.get("key").unwrap();
        assert_eq!(&source.text[node.span.start..node.span.end], "value");
        assert_eq!(source.line_column(node.span.start), (2, 6));
    }

    #[test]
    fn reports_every_duplicate_key() {
        let diagnostics = read("a: 1\na: 2\nb: {c: 1, c: 2}\n").unwrap_err();
        assert_eq!(diagnostics.len(), 2, "{diagnostics}");
    }

    #[test]
    fn parse_lossy_keeps_the_first_of_two_equal_keys() {
        let (root, diagnostics) = parse_lossy(&Source::new("t.yaml", "a: 1\na: {b: 2}\nc: 3\n")).unwrap();
        assert_eq!(diagnostics.len(), 1, "{diagnostics}");
        assert_eq!(root.to_json(), serde_json::json!({ "a": 1, "c": 3 }));
    }

    #[test]
    fn rejects_alias_bombs_and_deep_nesting() {
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
    fn nearest_returns_the_deepest_existing_node() {
        let root = read("a: {b: [1, {c: 2}]}").unwrap();
        assert_eq!(root.nearest("/a/b/1/c").kind, NodeKind::Int(2));
        assert_eq!(root.nearest("/a/b/7").kind_name(), "a list");
    }
}
