//! The files of one document, as one tree.
//!
//! A file that a `$ref` names is read, and hung into the first one's tree under a key of its own. So every
//! place has one pointer, and whoever follows a reference asks here what it means ([`Files::target`]): that
//! depends on the file, and on the `$id`s around it. Spans are those of all files end to end; what is
//! reported about one is shown in the file that it comes from.
//!
//! Files are read by whoever loads the document. No name is ever fetched.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use demur_source::{Diagnostics, Node, NodeKind, Source, Span, parse};

use super::pointer::{Located, join, tokens};
use super::uri::{has_scheme, resolve};

/// Under which the other files hang in the first one's tree. No document has such a key.
pub(crate) const FILES: &str = "x-demur-files";

/// More files or bytes than this are not read: a document can name itself in ever new ways.
const MAX_FILES: usize = 2_000;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Reads the file of a name; the error says why it cannot be read.
pub type ReadFile<'r> = dyn FnMut(&str) -> Result<Arc<Source>, String> + 'r;

/// What a `$ref` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReferenceTarget {
    /// A place in the tree.
    Local(String),
    /// Nothing that could be read, and why.
    Unreadable(String),
}

/// Which files a tree is made of, and what names mean in it.
pub(crate) struct Files {
    parts: Vec<FilePart>,
    /// From the name of a file or a schema with an `$id` to where it stands.
    resources: HashMap<String, String>,
    /// From a name and an anchor in it.
    anchors: HashMap<(String, String), String>,
    /// From the pointer of a schema with an `$id` to its name.
    ids: HashMap<String, String>,
    /// `$dynamicAnchor`s of one name in several places: then the way to a `$dynamicRef` decides.
    is_dynamic: bool,
    unreadable: HashMap<String, String>,
    /// What was reported where: a part that a hundred operations share is reported on once.
    reported: RefCell<HashSet<(usize, String)>>,
}

struct FilePart {
    /// Where its spans begin.
    start: usize,
    name: String,
    source: Arc<Source>,
}

impl Files {
    /// Reads what `root` refers to, and what that refers to, into `root`.
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
            let text = if within { read(&name) } else { Err("these are too many files".to_owned()) };
            let text = text.and_then(|text| match bytes + text.text.len() <= MAX_BYTES {
                true => Ok(text),
                false => Err("these are too many bytes".to_owned()),
            });
            let text = text.and_then(|text| match parse(&text) {
                Ok(node) => Ok((text, node)),
                Err(mistakes) => {
                    diagnostics.extend(mistakes);
                    Err("it has mistakes".to_owned())
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

    /// Enters a file: its names, and those that it refers to.
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

    /// Finds names and references. Examples and the like hold values, not schemas, and are not looked at.
    fn scan(&mut self, node: &Node, pointer: String, base: String, pending: &mut Vec<String>) {
        const VALUES: [&str; 6] = ["example", "examples", "default", "enum", "const", "x-examples"];
        // Below these, keys are names of the document's own.
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

    /// Enters what a schema calls itself; the base of what stands within it.
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

    /// What the text at a `$ref` means there.
    pub(crate) fn target(&self, place: &Located<'_>) -> ReferenceTarget {
        let text = place.node.as_str().unwrap_or_default();
        self.resolve_from(self.base(&place.pointer), text)
    }

    /// Where a `$dynamicRef` with this text may lead, whatever the way to it: wherever there is an anchor of its name.
    pub(crate) fn dynamic_targets<'f>(&'f self, text: &'f str) -> impl Iterator<Item = &'f str> {
        let name = text.split_once('#').map_or("", |(_, fragment)| fragment);
        let anchors = self.anchors.iter().filter(move |((_, anchor), _)| anchor == name);
        anchors.map(|(_, pointer)| pointer.as_str())
    }

    fn resolve_from(&self, base: &str, text: &str) -> ReferenceTarget {
        let (name, fragment) = text.split_once('#').unwrap_or((text, ""));
        let name = resolve(base, &decoded(name));
        let Some(pointer) = self.resources.get(without_fragment(&name)) else {
            let cause = self.unreadable.get(&name).map_or("it is not known", String::as_str);
            return ReferenceTarget::Unreadable(cause.to_owned());
        };
        let fragment = decoded(fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return ReferenceTarget::Local(format!("{pointer}{fragment}"));
        }
        // An anchor belongs to the schema with an `$id` that is nearest around it.
        match self.anchors.get(&(name, fragment)) {
            Some(pointer) => ReferenceTarget::Local(pointer.clone()),
            None => ReferenceTarget::Unreadable("there is no such anchor".to_owned()),
        }
    }

    /// The name of the file or schema in which a place stands.
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

    /// Whether references can only be followed on the way: see `is_dynamic`.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.is_dynamic
    }

    /// The names of all files, with the pointers at which they hang.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.parts.iter().enumerate().map(|(number, part)| {
            let pointer = if number == 0 { String::new() } else { format!("/{FILES}/{}", number - 1) };
            (part.name.as_str(), pointer)
        })
    }

    /// The names that schemas give themselves, with their pointers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ids.iter().map(|(pointer, name)| (name.as_str(), pointer.as_str()))
    }

    /// What the schema at a pointer calls itself.
    pub(crate) fn id(&self, pointer: &str) -> Option<&str> {
        self.ids.get(pointer).map(String::as_str)
    }

    /// The file of a span, and the span in it.
    fn locate(&self, span: Span) -> Option<(&Arc<Source>, Span)> {
        let after = self.parts.partition_point(|part| part.start <= span.start);
        let part = self.parts.get(after.checked_sub(1)?)?;
        let last = part.source.text.len();
        let within = |offset: usize| offset.saturating_sub(part.start).min(last);
        Some((&part.source, Span::new(within(span.start), within(span.end))))
    }

    /// The place of what has not been reported there before.
    fn first_report(&self, span: Span, message: &str) -> Option<(&Arc<Source>, Span)> {
        let place = self.locate(span)?;
        self.reported.borrow_mut().insert((span.start, message.to_owned())).then_some(place)
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
        if let Some((source, place)) = self.first_report(span, &message) {
            diagnostics.error(source, place, check, message, help);
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
        if let Some((source, place)) = self.first_report(span, &message) {
            diagnostics.warning(source, place, check, message, help);
        }
    }
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Whether a name is one that only a registry of the operator's own can know.
pub(crate) fn is_remote(name: &str) -> bool {
    has_scheme(name) || name.starts_with('/')
}

/// Moves every span. The tree is as deep as the parser allows at most.
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
