//! The files of a document as one tree.
//!
//! Each file that a `$ref` refers to is parsed and added to the tree of the root file under a reserved key, so that
//! one JSON Pointer locates any node. [`Files::target`] resolves references: the result depends on the file and on
//! the `$id`s around the reference. Spans are offsets into the concatenation of all files; diagnostics are reported
//! in the file that the span belongs to.
//!
//! Nothing is fetched: the caller reads the files.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use demur_source::{Diagnostics, Node, NodeKind, Source, Span, parse};

use super::pointer::{Located, join, tokens};
use super::uri::{has_scheme, resolve};

/// The key for the other files in the root file's tree. No OpenAPI document has such a key.
pub(crate) const FILES: &str = "x-demur-files";

/// Limits on referenced files, since generated references may never end.
const MAX_FILES: usize = 2_000;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The reasons for a file that was not read; [`NOT_FOLLOWED`] is one that only an extension refers to.
pub(super) const TOO_MANY: &str = "too many referenced files";
pub(super) const TOO_LARGE: &str = "the referenced files are too large in total";
pub(super) const NOT_FOLLOWED: &str = "the file was not loaded";
pub(crate) const NO_FILES: &str = "this document was loaded without its folder";
/// The reason for a file that was read, but has syntax errors. These are reported on their own.
pub(super) const HAS_ERRORS: &str = "the file has errors";

/// Reads the file with a name. The error is the reason why it cannot be read.
pub type ReadFile<'r> = dyn FnMut(&str) -> Result<Arc<Source>, String> + 'r;

/// The target of a `$ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReferenceTarget {
    /// The JSON Pointer of a node in the tree.
    Local(String),
    /// The reason why the target cannot be read.
    Unreadable(String),
}

/// The files of a tree, and the names that references can use.
pub(crate) struct Files {
    parts: Vec<FilePart>,
    /// From the name of a file, or of a schema with an `$id`, to its pointer.
    resources: HashMap<String, String>,
    /// From a name and an anchor within it to a pointer.
    anchors: HashMap<(String, String), String>,
    /// From the pointer of a schema with an `$id` to its name.
    ids: HashMap<String, String>,
    /// Whether several `$dynamicAnchor`s have the same name. Then a `$dynamicRef` must be resolved at validation
    /// time.
    is_dynamic: bool,
    unreadable: HashMap<String, String>,
    /// Diagnostics already reported, by offset and message: many operations may share one part of the document.
    reported: RefCell<HashSet<(usize, String)>>,
}

struct FilePart {
    /// The offset at which its spans start.
    start: usize,
    name: String,
    source: Arc<Source>,
}

impl Files {
    /// Reads all files that `root` refers to, directly or indirectly, into `root`.
    pub(crate) fn gather(
        source: &Arc<Source>,
        root: &mut Node,
        read: &mut ReadFile<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let name = source.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let mut files = Self {
            parts: Vec::new(),
            resources: HashMap::new(),
            anchors: HashMap::new(),
            ids: HashMap::new(),
            is_dynamic: false,
            unreadable: HashMap::new(),
            reported: RefCell::default(),
        };
        let mut pending = files.add_file(name, source, root);
        let mut others: Vec<(demur_source::Key, Node)> = Vec::new();
        let mut bytes = source.text.len();
        while let Some(name) = pending.pop() {
            if files.resources.contains_key(&name) || files.unreadable.contains_key(&name) {
                continue;
            }
            let within = files.parts.len() < MAX_FILES && bytes < MAX_BYTES;
            let text = if within { read(&name) } else { Err(TOO_MANY.to_owned()) };
            let text = text.and_then(|text| match bytes + text.text.len() <= MAX_BYTES {
                true => Ok(text),
                false => Err(TOO_LARGE.to_owned()),
            });
            let text = text.and_then(|text| match parse(&text) {
                Ok(node) => Ok((text, node)),
                Err(mistakes) => {
                    diagnostics.extend(mistakes);
                    Err(HAS_ERRORS.to_owned())
                }
            });
            match text {
                Ok((text, mut node)) => {
                    bytes += text.text.len();
                    pending.extend(files.add_file(name, &text, &mut node));
                    let key = demur_source::Key { name: others.len().to_string(), span: node.span };
                    others.push((key, node));
                }
                Err(cause) => {
                    files.unreadable.insert(name, cause);
                }
            }
        }
        if let (NodeKind::Map(entries), false) = (&mut root.kind, others.is_empty()) {
            let key = demur_source::Key { name: FILES.to_owned(), span: Span::default() };
            entries.push((key, Node::new(Span::default(), NodeKind::Map(others))));
        }
        files
    }

    /// Registers a file with its names, and returns the names it refers to.
    fn add_file(&mut self, name: String, source: &Arc<Source>, node: &mut Node) -> Vec<String> {
        let number = self.parts.len();
        let pointer = if number == 0 { String::new() } else { format!("/{FILES}/{}", number - 1) };
        let start = self.parts.last().map_or(0, |last| last.start + last.source.text.len() + 1);
        shift(node, start);
        self.resources.insert(name.clone(), pointer.clone());
        self.parts.push(FilePart { start, name: name.clone(), source: source.clone() });
        let mut pending = Vec::new();
        self.scan(node, pointer, name, &mut pending);
        pending
    }

    /// Collects names and references. Examples, defaults and the like are skipped, since they hold values.
    fn scan(&mut self, node: &Node, pointer: String, base: String, pending: &mut Vec<String>) {
        const VALUES: [&str; 6] = ["example", "examples", "default", "enum", "const", "x-examples"];
        // The keys of these mappings are names chosen by the document.
        const NAMED: [&str; 14] = [
            "properties",
            "patternProperties",
            "$defs",
            "definitions",
            "dependentSchemas",
            "schemas",
            "responses",
            "parameters",
            "paths",
            "headers",
            "requestBodies",
            "callbacks",
            "links",
            "pathItems",
        ];
        let mut rest = vec![(node, pointer, base, false)];
        while let Some((node, pointer, mut base, is_named)) = rest.pop() {
            match &node.kind {
                NodeKind::Seq(items) => {
                    let items = items.iter().enumerate();
                    rest.extend(items.map(|(n, item)| (item, format!("{pointer}/{n}"), base.clone(), false)));
                }
                NodeKind::Map(entries) => {
                    if !is_named {
                        base = self.register_ids(node, &pointer, base);
                        if let Some(text) =
                            node.get("$ref").or_else(|| node.get("$dynamicRef")).and_then(Node::as_str)
                        {
                            let name = resolve(&base, decoded(without_fragment(text)).as_str());
                            pending.push(without_fragment(&name).to_owned());
                        }
                    }
                    for (key, member) in entries {
                        let is_value =
                            !is_named && (VALUES.contains(&key.name.as_str()) || key.name.starts_with("x-"));
                        if is_value && key.name != FILES {
                            continue;
                        }
                        let names = !is_named && NAMED.contains(&key.name.as_str());
                        rest.push((member, join(&pointer, &key.name), base.clone(), names));
                    }
                }
                _ => {}
            }
        }
    }

    /// Registers the `$id` and the anchors of a schema, and returns the base name for its members.
    fn register_ids(&mut self, node: &Node, pointer: &str, mut base: String) -> String {
        let text = |name: &str| node.get(name).and_then(Node::as_str);
        if let Some(id) = text("$id").map(without_fragment).filter(|id| !id.is_empty()) {
            base = resolve(&base, id);
            self.resources.entry(base.clone()).or_insert_with(|| pointer.to_owned());
            self.ids.insert(pointer.to_owned(), base.clone());
        }
        if let Some(anchor) = text("$anchor") {
            self.anchors.entry((base.clone(), anchor.to_owned())).or_insert_with(|| pointer.to_owned());
        }
        if let Some(anchor) = text("$dynamicAnchor") {
            self.is_dynamic |= self.anchors.keys().any(|(_, known)| known == anchor);
            self.anchors.entry((base.clone(), anchor.to_owned())).or_insert_with(|| pointer.to_owned());
        }
        base
    }

    /// Resolves the reference at a node.
    pub(crate) fn target(&self, located: &Located<'_>) -> ReferenceTarget {
        let text = located.node.as_str().unwrap_or_default();
        self.resolve_from(self.base(&located.pointer), text)
    }

    /// All possible targets of a `$dynamicRef`: the anchors of its name.
    pub(crate) fn dynamic_targets<'f>(&'f self, text: &'f str) -> impl Iterator<Item = &'f str> {
        let name = text.split_once('#').map_or("", |(_, fragment)| fragment);
        let anchors = self.anchors.iter().filter(move |((_, anchor), _)| anchor == name);
        anchors.map(|(_, pointer)| pointer.as_str())
    }

    fn resolve_from(&self, base: &str, text: &str) -> ReferenceTarget {
        let (name, fragment) = text.split_once('#').unwrap_or((text, ""));
        let name = resolve(base, &decoded(name));
        let Some(pointer) = self.resources.get(without_fragment(&name)) else {
            let cause = self.unreadable.get(&name).map_or(NOT_FOLLOWED, String::as_str);
            return ReferenceTarget::Unreadable(cause.to_owned());
        };
        let fragment = decoded(fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return ReferenceTarget::Local(format!("{pointer}{fragment}"));
        }
        // An anchor belongs to the innermost enclosing schema with an `$id`.
        match self.anchors.get(&(name, fragment)) {
            Some(pointer) => ReferenceTarget::Local(pointer.clone()),
            None => ReferenceTarget::Unreadable("no such anchor".to_owned()),
        }
    }

    /// The name of the file or schema that encloses a pointer.
    fn base(&self, pointer: &str) -> &str {
        let mut around = pointer;
        while !self.ids.is_empty() {
            if let Some(id) = self.ids.get(around) {
                return id;
            }
            match around.rfind('/') {
                Some(slash) => around = &around[..slash],
                None => break,
            }
        }
        self.parts.get(self.number(pointer)).map_or("", |part| &part.name)
    }

    fn number(&self, pointer: &str) -> usize {
        let mut path = tokens(pointer);
        let is_other = path.next().is_some_and(|first| first == FILES);
        let number = path.next().and_then(|number| number.parse::<usize>().ok());
        number.filter(|_| is_other).map_or(0, |number| number + 1)
    }

    /// Whether references must be resolved at validation time: see the field.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.is_dynamic
    }

    /// The names of all files with their pointers.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.parts.iter().enumerate().map(|(number, part)| {
            let pointer = if number == 0 { String::new() } else { format!("/{FILES}/{}", number - 1) };
            (part.name.as_str(), pointer)
        })
    }

    /// The `$id`s of schemas with their pointers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ids.iter().map(|(pointer, name)| (name.as_str(), pointer.as_str()))
    }

    /// The `$id` of the schema at a pointer.
    pub(crate) fn id(&self, pointer: &str) -> Option<&str> {
        self.ids.get(pointer).map(String::as_str)
    }

    /// The file of a span, and the span within the file.
    fn locate(&self, span: Span) -> Option<(&Arc<Source>, Span)> {
        let after = self.parts.partition_point(|part| part.start <= span.start);
        let part = self.parts.get(after.checked_sub(1)?)?;
        let last = part.source.text.len();
        let within = |offset: usize| offset.saturating_sub(part.start).min(last);
        Some((&part.source, Span::new(within(span.start), within(span.end))))
    }

    /// The location of a diagnostic, unless it was already reported there.
    fn first_report(&self, span: Span, message: &str) -> Option<(&Arc<Source>, Span)> {
        let location = self.locate(span)?;
        self.reported.borrow_mut().insert((span.start, message.to_owned())).then_some(location)
    }

    pub(crate) fn error(
        &self,
        diagnostics: &mut Diagnostics,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let message = message.into();
        if let Some((source, span)) = self.first_report(span, &message) {
            diagnostics.error(source, span, check, message, help);
        }
    }

    pub(crate) fn warning(
        &self,
        diagnostics: &mut Diagnostics,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let message = message.into();
        if let Some((source, span)) = self.first_report(span, &message) {
            diagnostics.warning(source, span, check, message, help);
        }
    }
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a name refers to nothing below the document's folder: it is a URI or an absolute path.
pub(crate) fn is_remote(name: &str) -> bool {
    has_scheme(name) || name.starts_with('/')
}

/// Moves all spans. The recursion is bounded by the parser's depth limit.
fn shift(node: &mut Node, by: usize) {
    if by == 0 {
        return;
    }
    let moved = |span: Span| Span::new(span.start + by, span.end + by);
    node.span = moved(node.span);
    match &mut node.kind {
        NodeKind::Seq(items) => items.iter_mut().for_each(|item| shift(item, by)),
        NodeKind::Map(entries) => {
            for (key, member) in entries {
                key.span = moved(key.span);
                shift(member, by);
            }
        }
        _ => {}
    }
}
