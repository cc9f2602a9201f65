//! Method and path → operation, by a tree over the path's segments: looking up allocates nothing for paths
//! of ordinary length, and takes as long with ten thousand operations as with ten.
//!
//! What is written out goes before what is templated (OpenAPI: "concrete definitions are matched before
//! their templated counterparts"). A segment may hold several parameters (`{base}...{head}`, `{id}.json`).
//!
//! Paths are compared in canonical form ([`crate::path`]). A segment that a parameter takes, but that a more lenient
//! server would read as the literal of another operation (`EXPORT`, `export;a=b`, `export.` beside `export`), leads to
//! [`Found::other_reading`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use http::Method;
use smallvec::SmallVec;

use super::Operation;
use super::reader::{DocumentReader, METHODS, RawOperation};
use crate::path::{canonical_path, comparable, folded, is_unmistakable, trimmed};

/// What a method and a path mean.
#[derive(Debug)]
pub enum Find<'d, 'p> {
    /// An operation.
    Found(RouteMatch<'d, 'p>),
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The value of an `Allow` field: `GET, HEAD, POST`.
        allow: &'d str,
    },
    /// No such path.
    NotFound,
}

/// An operation, and the parameters in the path that led to it.
pub struct RouteMatch<'d, 'p> {
    /// The operation.
    pub operation: &'d Operation,
    pub(super) path: PathValues<'p>,
    pub(super) other: Option<&'d Operation>,
}

/// The texts of the parameters, in their order in the path.
pub(super) type PathValues<'p> = SmallVec<[&'p str; 4]>;

/// What a walk down the tree has found so far.
#[derive(Default)]
struct Captured<'p> {
    texts: PathValues<'p>,
    /// Whether a parameter took a segment that could have been a literal, or another pattern.
    had_choice: bool,
}

impl<'p> RouteMatch<'_, 'p> {
    /// A path parameter as it stands in the target, still percent-encoded.
    pub fn raw_path_parameter(&self, name: &str) -> Option<&'p str> {
        // The tree knows positions only: two spellings of one path may name them differently.
        let position = self.operation.path_parameters().position(|known| known == name)?;
        self.path.get(position).copied()
    }

    /// The operation that a more lenient server would run for this path: one that ignores case, decodes more than once,
    /// or drops what stands behind a `;` or at the end of a segment.
    pub fn other_reading(&self) -> Option<&Operation> {
        self.other
    }
}

impl fmt::Debug for RouteMatch<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path parameters are the caller's data: they do not belong into a log by accident.
        f.debug_struct("Found").field("operation", &self.operation.id()).finish_non_exhaustive()
    }
}

/// One segment's worth of paths.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// As they are compared.
    literals: HashMap<Box<str>, Routes>,
    /// The literals again, by how the most lenient server reads them.
    lenient: HashMap<Box<str>, Vec<Box<str>>>,
    /// Whether a literal or a pattern could be meant by a segment that is written otherwise.
    is_mistakable: bool,
    /// Parameters with text around them or between them, those with the most text first.
    patterns: Vec<(SegmentPattern, Routes)>,
    /// A parameter that fills the segment.
    any: Option<Box<Routes>>,
    here: Option<PathMethods>,
}

/// The text around the parameters of one segment: one piece more than there are parameters.
#[derive(Debug, PartialEq, Eq)]
struct SegmentPattern {
    texts: Vec<String>,
    /// The texts as the most lenient server reads them.
    folded: Vec<String>,
}

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
    pub(super) fn build(operations: &[RawOperation], reader: &mut DocumentReader<'_>) -> Self {
        let mut root = Routes::default();
        for (index, operation) in operations.iter().enumerate() {
            let Some(position) = METHODS.iter().position(|(_, method)| *method == operation.method) else {
                continue;
            };
            let mut node = &mut root;
            let mut is_sound = true;
            for segment in segments(&operation.path) {
                node = match SegmentPattern::read(segment) {
                    None => node.literal(segment),
                    Some(pattern) if pattern.is_whole_segment() => node.any.get_or_insert_default(),
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

    fn literal(&mut self, segment: &str) -> &mut Routes {
        let segment: Box<str> = comparable(segment).into();
        if !self.literals.contains_key(&segment) {
            self.is_mistakable |= !is_unmistakable(&segment);
            let lenient = trimmed(&folded(&segment)).into();
            self.lenient.entry(lenient).or_default().push(segment.clone());
        }
        self.literals.entry(segment).or_default()
    }

    fn pattern(&mut self, pattern: SegmentPattern) -> &mut Routes {
        self.is_mistakable = true;
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
        let mut captured = Captured::default();
        let Some(rest) = path.strip_prefix('/') else { return Find::NotFound };
        let Some(methods) = self.walk(rest, &mut captured) else { return Find::NotFound };
        let Some(index) = methods.operation(method) else {
            return Find::MethodNotAllowed { allow: &methods.allow };
        };
        let other = captured.had_choice.then(|| self.walk_leniently(rest, method)).flatten();
        let other = other.filter(|other| *other != index).and_then(|other| operations.get(other));
        match operations.get(index) {
            Some(operation) => Find::Found(RouteMatch { operation, path: captured.texts, other }),
            None => Find::MethodNotAllowed { allow: &methods.allow },
        }
    }

    /// Goes down by one segment. Recursion is as deep as the document's longest path, and each node of the
    /// tree is looked at once at most.
    fn walk<'d, 'p>(&'d self, path: &'p str, captured: &mut Captured<'p>) -> Option<&'d PathMethods> {
        let (segment, rest) = split(path);
        let length = captured.texts.len();
        if let Some(methods) = self.literal_for(segment).and_then(|next| next.go_on(rest, captured)) {
            return Some(methods);
        }
        if segment.is_empty() {
            return None;
        }
        captured.had_choice |= self.is_mistakable || (!self.literals.is_empty() && !is_unmistakable(segment));
        for (pattern, next) in &self.patterns {
            captured.texts.truncate(length);
            if pattern.capture(segment, &mut captured.texts)
                && let Some(methods) = next.go_on(rest, captured)
            {
                return Some(methods);
            }
        }
        captured.texts.truncate(length);
        let any = self.any.as_ref()?;
        captured.texts.push(segment);
        any.go_on(rest, captured)
    }

    /// The literal that a segment is, however the two are spelled.
    fn literal_for(&self, segment: &str) -> Option<&Self> {
        let literal = self.literals.get(segment);
        if literal.is_some() || self.literals.is_empty() {
            return literal;
        }
        match comparable(segment) {
            Cow::Owned(comparable) => self.literals.get(comparable.as_str()),
            Cow::Borrowed(_) => None,
        }
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

    /// The operation that the most lenient server runs. Only walked where a parameter took what could have been
    /// something else.
    fn walk_leniently(&self, path: &str, method: &Method) -> Option<usize> {
        let (segment, rest) = split(path);
        let go_on = |next: &Routes| match rest {
            Some(rest) => next.walk_leniently(rest, method),
            None => next.here.as_ref()?.operation(method),
        };
        if let Some(operation) = self.literal_for(segment).and_then(go_on) {
            return Some(operation);
        }
        if segment.is_empty() {
            return None;
        }
        let folded = folded(segment);
        let alike = self.lenient.get(trimmed(&folded)).map_or(&[][..], Vec::as_slice);
        let literals = alike.iter().filter_map(|literal| self.literals.get(literal));
        let fits = |pattern: &SegmentPattern| {
            [&folded, trimmed(&folded)].iter().any(|segment| pattern.captures_leniently(segment))
        };
        let patterns = self.patterns.iter().filter(|(pattern, _)| fits(pattern)).map(|(_, next)| next);
        literals.chain(patterns).chain(self.any.as_deref()).find_map(go_on)
    }
}

/// The first segment, and what follows its slash.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl SegmentPattern {
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
        let texts: Vec<String> = texts.iter().map(|text| canonical_path(text).text.into_owned()).collect();
        let folded = texts.iter().map(|text| folded(text).into_owned()).collect();
        Some(Self { texts, folded })
    }

    /// One parameter, and nothing around it.
    fn is_whole_segment(&self) -> bool {
        self.texts.len() == 2 && self.texts.iter().all(String::is_empty)
    }

    fn weight(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// Something must stand between two parameters.
    fn is_decidable(&self) -> bool {
        let inner = self.texts.get(1..self.texts.len().saturating_sub(1)).unwrap_or_default();
        inner.iter().all(|text| !text.is_empty())
    }

    fn capture<'p>(&self, segment: &'p str, captured: &mut PathValues<'p>) -> bool {
        capture(&self.texts, segment, captured)
    }

    fn captures_leniently(&self, segment: &str) -> bool {
        capture(&self.folded, segment, &mut PathValues::new())
    }
}

/// Each parameter takes as little as it can, and at least one character.
fn capture<'p>(texts: &[String], segment: &'p str, captured: &mut PathValues<'p>) -> bool {
    let [first, inner @ .., last] = texts else { return false };
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
            let mut captured = PathValues::new();
            let matched = SegmentPattern::read(template).unwrap().capture(segment, &mut captured);
            let found = matched.then(|| captured.to_vec());
            assert_eq!(found, expected, "{segment} against {template}");
        }
        assert!(SegmentPattern::read("a{b").is_none());
        assert!(!SegmentPattern::read("{a}{b}").unwrap().is_decidable());
    }
}
