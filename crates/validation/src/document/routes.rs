//! Looks up the operation for a method and a path, in a tree of path segments.
//! Long because the rules of matching are read beside their table.
//!
//! Literal segments take precedence over templated ones, as OpenAPI requires. A segment may contain several
//! parameters (`{base}...{head}`, `{id}.json`). A lookup does not allocate for paths of ordinary length, and its time
//! does not depend on the number of operations.
//!
//! Paths are compared in canonical form ([`crate::path`]). If a parameter matched a segment that a more lenient
//! server would read as the literal of another operation (`EXPORT`, `export;a=b` or `export.` for `export`),
//! [`RouteMatch::lenient_match`] returns that operation.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use http::Method;
use smallvec::SmallVec;

use super::operation::Operation;
use super::operations::{METHODS, RawOperation};
use super::reader::DocumentReader;
use crate::path::{canonical_path, folded, is_unambiguous, normalised, trimmed};

/// The result of a lookup.
#[derive(Debug)]
pub enum Find<'d, 'p> {
    /// The operation.
    Found(RouteMatch<'d, 'p>),
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The value of the `Allow` header: `GET, HEAD, POST`.
        allow: &'d str,
    },
    /// No such path.
    NotFound,
}

/// An operation and the path parameters of a request.
pub struct RouteMatch<'d, 'p> {
    /// The operation.
    pub operation: &'d Operation,
    pub(super) path: PathValues<'p>,
    pub(super) lenient_match: Option<&'d Operation>,
}

/// The values of the parameters, in the order of the path.
pub(super) type PathValues<'p> = SmallVec<[&'p str; 4]>;

/// The state of a lookup.
#[derive(Default)]
struct Captured<'p> {
    texts: PathValues<'p>,
    /// Whether a parameter matched a segment that may also be a literal or match another pattern.
    may_match_other: bool,
}

impl<'p> RouteMatch<'_, 'p> {
    /// The raw value of a path parameter, still percent-encoded.
    pub fn raw_path_parameter(&self, name: &str) -> Option<&'p str> {
        // The tree stores positions: two templates of one path may use different names.
        let position = self.operation.path_parameters().position(|known| known == name)?;
        self.path.get(position).copied()
    }

    /// The operation that a more lenient server would run for this path: one that ignores case, decodes more than
    /// once, or drops what follows a `;` or the end of a segment.
    pub fn lenient_match(&self) -> Option<&Operation> {
        self.lenient_match
    }
}

impl fmt::Debug for RouteMatch<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of path parameters may be confidential, and must not be logged by accident.
        f.debug_struct("RouteMatch").field("operation", &self.operation.id()).finish_non_exhaustive()
    }
}

/// A node of the tree: the routes below one path prefix.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// By normalised segment.
    literals: HashMap<Box<str>, Routes>,
    /// The literals by their lenient form.
    lenient: HashMap<Box<str>, Vec<Box<str>>>,
    /// Whether a segment may match a literal or a pattern that is spelled differently.
    has_lookalikes: bool,
    /// Parameters with text around or between them, those with the most text first.
    patterns: Vec<(SegmentPattern, Routes)>,
    /// A parameter that is the whole segment.
    parameter: Option<Box<Routes>>,
    methods: Option<PathMethods>,
}

/// The text around the parameters of a segment: one more piece than there are parameters.
#[derive(Debug, PartialEq, Eq)]
struct SegmentPattern {
    texts: Vec<String>,
    /// The lenient form of the texts.
    folded: Vec<String>,
}

/// The operations of one path.
#[derive(Debug, Default)]
struct PathMethods {
    /// The operations' indices. Methods that every document may use come first, in the order of `METHODS`.
    operations: Vec<(Method, usize)>,
    allow: String,
}

impl PathMethods {
    /// HEAD falls back to GET (RFC 9110, section 9.3.2).
    fn operation(&self, method: &Method) -> Option<usize> {
        let find = |method: &Method| self.operations.iter().find(|(known, _)| known == method);
        let found = find(method).or_else(|| if method == Method::HEAD { find(&Method::GET) } else { None });
        found.map(|(_, index)| *index)
    }

    /// Adds an operation, and returns the one that it replaces.
    fn insert(&mut self, method: &Method, index: usize) -> Option<usize> {
        let rank = |method: &Method| METHODS.iter().position(|(_, known)| known == method);
        let rank = |method: &Method| rank(method).unwrap_or(METHODS.len());
        if let Some((_, known)) = self.operations.iter().find(|(known, _)| known == method) {
            return Some(*known);
        }
        let after = self.operations.partition_point(|(known, _)| rank(known) <= rank(method));
        self.operations.insert(after, (method.clone(), index));
        self.update_allow();
        None
    }

    fn update_allow(&mut self) {
        let has = |method: &Method| self.operations.iter().any(|(known, _)| known == method);
        let mut names: Vec<&str> = self.operations.iter().map(|(method, _)| method.as_str()).collect();
        if has(&Method::GET) && !has(&Method::HEAD) {
            names.insert(1, "HEAD");
        }
        self.allow = names.join(", ");
    }
}

impl Routes {
    /// Builds the tree, and reports ambiguous paths.
    pub(super) fn build(operations: &[RawOperation], reader: &mut DocumentReader<'_>) -> Self {
        let mut root = Routes::default();
        for (index, operation) in operations.iter().enumerate() {
            if operation.is_unreachable {
                continue;
            }
            let mut node = &mut root;
            let mut is_valid = true;
            for segment in segments(&operation.path) {
                node = match SegmentPattern::parse(segment) {
                    None => node.literal(segment),
                    Some(pattern) if pattern.is_whole_segment() => node.parameter.get_or_insert_default(),
                    Some(pattern) => {
                        is_valid &= pattern.is_separated();
                        node.pattern(pattern)
                    }
                };
            }
            if !is_valid {
                reader.reject_path(operation, "no text separates two parameters");
                continue;
            }
            let methods = node.methods.get_or_insert_default();
            if let Some(first) =
                methods.insert(&operation.method, index).and_then(|first| operations.get(first))
            {
                reader.reject_path(operation, &format!("`{}` matches the same requests", first.path));
            }
        }
        root
    }

    fn literal(&mut self, segment: &str) -> &mut Routes {
        let segment: Box<str> = normalised(segment).into();
        if !self.literals.contains_key(&segment) {
            self.has_lookalikes |= !is_unambiguous(&segment);
            let lenient = trimmed(&folded(&segment)).into();
            self.lenient.entry(lenient).or_default().push(segment.clone());
        }
        self.literals.entry(segment).or_default()
    }

    fn pattern(&mut self, pattern: SegmentPattern) -> &mut Routes {
        self.has_lookalikes = true;
        let position = match self.patterns.iter().position(|(known, _)| *known == pattern) {
            Some(position) => position,
            None => {
                let text_len = pattern.text_len();
                let after = self.patterns.partition_point(|(known, _)| known.text_len() >= text_len);
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
        let lenient_match = captured.may_match_other.then(|| self.walk_leniently(rest, method)).flatten();
        let lenient_match =
            lenient_match.filter(|other| *other != index).and_then(|other| operations.get(other));
        match operations.get(index) {
            Some(operation) => Find::Found(RouteMatch { operation, path: captured.texts, lenient_match }),
            None => Find::MethodNotAllowed { allow: &methods.allow },
        }
    }

    /// The operation that the most lenient server would run for a path that matches none.
    pub(super) fn lenient_match<'d>(
        &self,
        operations: &'d [Operation],
        method: &Method,
        path: &str,
    ) -> Option<&'d Operation> {
        operations.get(self.walk_leniently(path.strip_prefix('/')?, method)?)
    }

    /// Matches one segment and descends. The depth is bounded by the longest path of the document, and each node is
    /// visited at most once.
    fn walk<'d, 'p>(&'d self, path: &'p str, captured: &mut Captured<'p>) -> Option<&'d PathMethods> {
        let (segment, rest) = split(path);
        let length = captured.texts.len();
        if let Some(methods) = self.literal_for(segment).and_then(|next| next.descend(rest, captured)) {
            return Some(methods);
        }
        if segment.is_empty() {
            return None;
        }
        captured.may_match_other |=
            self.has_lookalikes || (!self.literals.is_empty() && !is_unambiguous(segment));
        for (pattern, next) in &self.patterns {
            captured.texts.truncate(length);
            if pattern.capture(segment, &mut captured.texts)
                && let Some(methods) = next.descend(rest, captured)
            {
                return Some(methods);
            }
        }
        captured.texts.truncate(length);
        let parameter = self.parameter.as_ref()?;
        captured.texts.push(segment);
        parameter.descend(rest, captured)
    }

    /// The literal route that equals a segment in canonical form.
    fn literal_for(&self, segment: &str) -> Option<&Self> {
        let literal = self.literals.get(segment);
        if literal.is_some() || self.literals.is_empty() {
            return literal;
        }
        match normalised(segment) {
            Cow::Owned(normalised) => self.literals.get(normalised.as_str()),
            Cow::Borrowed(_) => None,
        }
    }

    fn descend<'d, 'p>(
        &'d self,
        rest: Option<&'p str>,
        captured: &mut Captured<'p>,
    ) -> Option<&'d PathMethods> {
        match rest {
            Some(rest) => self.walk(rest, captured),
            None => self.methods.as_ref(),
        }
    }

    /// The operation that the most lenient server would run.
    fn walk_leniently(&self, path: &str, method: &Method) -> Option<usize> {
        let (segment, rest) = split(path);
        let descend = |next: &Routes| match rest {
            Some(rest) => next.walk_leniently(rest, method),
            None => next.methods.as_ref()?.operation(method),
        };
        if let Some(operation) = self.literal_for(segment).and_then(descend) {
            return Some(operation);
        }
        if segment.is_empty() {
            return None;
        }
        let folded = folded(segment);
        let lookalikes = self.lenient.get(trimmed(&folded)).map_or(&[][..], Vec::as_slice);
        let literals = lookalikes.iter().filter_map(|literal| self.literals.get(literal));
        let fits = |pattern: &SegmentPattern| {
            [&folded, trimmed(&folded)].iter().any(|segment| pattern.captures_leniently(segment))
        };
        let patterns = self.patterns.iter().filter(|(pattern, _)| fits(pattern)).map(|(_, next)| next);
        literals.chain(patterns).chain(self.parameter.as_deref()).find_map(descend)
    }
}

/// Splits off the first segment.
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
    /// Parses a segment. `None` if it has no parameters; an unmatched brace is text.
    fn parse(segment: &str) -> Option<Self> {
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

    /// Whether the segment is exactly one parameter.
    fn is_whole_segment(&self) -> bool {
        self.texts.len() == 2 && self.texts.iter().all(String::is_empty)
    }

    fn text_len(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// Whether there is text between all parameters.
    fn is_separated(&self) -> bool {
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

/// Matches each parameter to the shortest possible text of at least one character.
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
    fn matches_several_parameters_in_a_segment() {
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
            let matched = SegmentPattern::parse(template).unwrap().capture(segment, &mut captured);
            let found = matched.then(|| captured.to_vec());
            assert_eq!(found, expected, "{segment} against {template}");
        }
        assert!(SegmentPattern::parse("a{b").is_none());
        assert!(!SegmentPattern::parse("{a}{b}").unwrap().is_separated());
    }
}
