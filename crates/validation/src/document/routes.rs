//! Method and path → operation, by a tree over the path's segments: looking up allocates nothing for paths
//! of ordinary length, and takes as long with ten thousand operations as with ten.
//!
//! What is written out goes before what is templated (OpenAPI: "concrete definitions are matched before
//! their templated counterparts"). A segment may hold several parameters (`{base}...{head}`, `{id}.json`).

use std::collections::HashMap;
use std::fmt;

use http::Method;
use smallvec::SmallVec;

use super::Operation;
use super::reader::{METHODS, RawOperation, Reader};

/// What a method and a path mean.
#[derive(Debug)]
pub enum Find<'d, 'p> {
    /// An operation.
    Found(Found<'d, 'p>),
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The value of an `Allow` field: `GET, HEAD, POST`.
        allow: &'d str,
    },
    /// No such path.
    NotFound,
}

/// An operation, and the parameters in the path that led to it.
pub struct Found<'d, 'p> {
    /// The operation.
    pub operation: &'d Operation,
    path: Captured<'p>,
}

/// The texts of the parameters, in their order in the path.
type Captured<'p> = SmallVec<[&'p str; 4]>;

impl<'p> Found<'_, 'p> {
    /// A path parameter as it stands in the target, still percent-encoded.
    pub fn raw_path_parameter(&self, name: &str) -> Option<&'p str> {
        // The tree knows positions only: two spellings of one path may name them differently.
        let position = self.operation.path_parameters().position(|known| known == name)?;
        self.path.get(position).copied()
    }
}

impl fmt::Debug for Found<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path parameters are the caller's data: they do not belong into a log by accident.
        f.debug_struct("Found").field("operation", &self.operation.id()).finish_non_exhaustive()
    }
}

/// One segment's worth of paths.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    literals: HashMap<Box<str>, Routes>,
    /// Parameters with text around them or between them, those with the most text first.
    patterns: Vec<(Pattern, Routes)>,
    /// A parameter that fills the segment.
    any: Option<Box<Routes>>,
    here: Option<PathMethods>,
}

/// The text around the parameters of one segment: one piece more than there are parameters.
#[derive(Debug, PartialEq, Eq)]
struct Pattern(Vec<String>);

/// The operations of one path.
#[derive(Debug, Default)]
struct PathMethods {
    /// Parallel to `METHODS`: the operation's index.
    operations: [Option<usize>; METHODS.len()],
    allow: String,
}

const GET: usize = 0;
const HEAD: usize = 5;

impl PathMethods {
    /// HEAD is answered wherever GET is (RFC 9110 §9.3.2), unless the document declares it by itself.
    fn operation(&self, method: &Method) -> Option<usize> {
        let position = METHODS.iter().position(|(_, known)| known == method)?;
        self.operations[position].or_else(|| (position == HEAD).then(|| self.operations[GET]).flatten())
    }

    fn name_allowed(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for (position, (_, method)) in METHODS.iter().enumerate() {
            if self.operations[position].is_some() {
                names.push(method.as_str());
            }
        }
        if self.operations[GET].is_some() && self.operations[HEAD].is_none() {
            names.insert(1, "HEAD");
        }
        self.allow = names.join(", ");
    }
}

impl Routes {
    /// Builds the tree; paths that cannot be told apart are reported.
    pub(super) fn build(operations: &[RawOperation], reader: &mut Reader<'_>) -> Self {
        let mut root = Routes::default();
        for (index, operation) in operations.iter().enumerate() {
            let Some(position) = METHODS.iter().position(|(_, method)| *method == operation.method) else {
                continue;
            };
            let mut node = &mut root;
            let mut is_sound = true;
            for segment in segments(&operation.path) {
                node = match Pattern::read(segment) {
                    None => node.literals.entry(segment.into()).or_default(),
                    Some(Pattern(texts)) if texts.len() == 2 && texts.iter().all(String::is_empty) => {
                        node.any.get_or_insert_default()
                    }
                    Some(pattern) => {
                        is_sound &= pattern.is_decidable();
                        node.pattern(pattern)
                    }
                };
            }
            if !is_sound {
                reader.unusable(operation, "nothing parts two parameters from each other");
                continue;
            }
            let methods = node.here.get_or_insert_default();
            let before = methods.operations[position].replace(index).and_then(|index| operations.get(index));
            if let Some(first) = before {
                reader.unusable(operation, &format!("the same requests would match `{}`", first.path));
            }
            methods.name_allowed();
        }
        root
    }

    fn pattern(&mut self, pattern: Pattern) -> &mut Routes {
        let position = match self.patterns.iter().position(|(known, _)| *known == pattern) {
            Some(position) => position,
            None => {
                let weight = pattern.weight();
                let after = self.patterns.partition_point(|(known, _)| known.weight() >= weight);
                self.patterns.insert(after, (pattern, Routes::default()));
                after
            }
        };
        &mut self.patterns[position].1
    }

    pub(super) fn find<'d, 'p>(
        &'d self,
        operations: &'d [Operation],
        method: &Method,
        path: &'p str,
    ) -> Find<'d, 'p> {
        let mut captured = Captured::new();
        let Some(rest) = path.strip_prefix('/') else { return Find::NotFound };
        let Some(methods) = self.walk(rest, &mut captured) else { return Find::NotFound };
        match methods.operation(method).and_then(|index| operations.get(index)) {
            Some(operation) => Find::Found(Found { operation, path: captured }),
            None => Find::MethodNotAllowed { allow: &methods.allow },
        }
    }

    /// Goes down by one segment. Recursion is as deep as the document's longest path, and each node of the
    /// tree is looked at once at most.
    fn walk<'d, 'p>(&'d self, path: &'p str, captured: &mut Captured<'p>) -> Option<&'d PathMethods> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let length = captured.len();
        let literal = self.literals.get(segment);
        if let Some(methods) = literal.and_then(|next| next.go_on(rest, captured)) {
            return Some(methods);
        }
        if segment.is_empty() {
            return None;
        }
        for (pattern, next) in &self.patterns {
            captured.truncate(length);
            if pattern.capture(segment, captured)
                && let Some(methods) = next.go_on(rest, captured)
            {
                return Some(methods);
            }
        }
        captured.truncate(length);
        let any = self.any.as_ref()?;
        captured.push(segment);
        any.go_on(rest, captured)
    }

    fn go_on<'d, 'p>(
        &'d self,
        rest: Option<&'p str>,
        captured: &mut Captured<'p>,
    ) -> Option<&'d PathMethods> {
        match rest {
            Some(rest) => self.walk(rest, captured),
            None => self.here.as_ref(),
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl Pattern {
    /// `None` where the segment is plain text: a brace without its partner is text, too.
    fn read(segment: &str) -> Option<Self> {
        let mut texts = Vec::new();
        let mut rest = segment;
        while let Some((before, (_, after))) =
            rest.split_once('{').and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
        {
            texts.push(before.to_owned());
            rest = after;
        }
        if texts.is_empty() {
            return None;
        }
        texts.push(rest.to_owned());
        Some(Self(texts))
    }

    fn weight(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    /// Something must stand between two parameters.
    fn is_decidable(&self) -> bool {
        let inner = self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default();
        inner.iter().all(|text| !text.is_empty())
    }

    /// Each parameter takes as little as it can, and at least one character.
    fn capture<'p>(&self, segment: &'p str, captured: &mut Captured<'p>) -> bool {
        let [first, inner @ .., last] = self.0.as_slice() else { return false };
        let Some(mut rest) =
            segment.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for text in inner {
            let Some(start) = rest.char_indices().nth(1).map(|(start, _)| start) else { return false };
            let Some(at) = rest[start..].find(text.as_str()) else { return false };
            captured.push(&rest[..start + at]);
            rest = &rest[start + at + text.len()..];
        }
        captured.push(rest);
        !rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_parameters_share_a_segment() {
        for (template, segment, expected) in [
            ("{base}...{head}", "main...topic", Some(vec!["main", "topic"])),
            ("{base}...{head}", "a...b...c", Some(vec!["a", "b...c"])),
            ("{base}...{head}", "...b", None),
            ("{base}...{head}", ".....b", Some(vec![".", ".b"])),
            ("{base}...{head}", "main", None),
            ("{base}...{head}", "main...", None),
            ("{id}.json", "5.json", Some(vec!["5"])),
            ("{id}.json", ".json", None),
            ("v{major}.{minor}", "v1.2", Some(vec!["1", "2"])),
            ("v{major}.{minor}", "1.2", None),
            ("{a}-{b}", "é-x", Some(vec!["é", "x"])),
        ] {
            let mut captured = Captured::new();
            let matched = Pattern::read(template).unwrap().capture(segment, &mut captured);
            let found = matched.then(|| captured.to_vec());
            assert_eq!(found, expected, "{segment} against {template}");
        }
        assert_eq!(Pattern::read("a{b"), None);
        assert!(!Pattern::read("{a}{b}").unwrap().is_decidable());
    }
}
