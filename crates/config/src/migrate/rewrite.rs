//! The text of a version 1 file as that of version 2: nothing is changed but the names.

use std::fmt;
use std::sync::Arc;

use demur_source::{Diagnostics, Node, NodeKind, Source, Span};
use similar::TextDiff;

use super::names::{CONFIGURATION, OldNames};
use super::upgrade::{Change, ChangeKind, upgrade};

/// A rewritten text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The new text.
    pub text: String,
    /// What has changed, as a unified diff; empty where nothing has.
    pub diff: String,
}

/// Why a text cannot be rewritten.
#[derive(Debug)]
pub enum FixError {
    /// It cannot be parsed, or has a key twice.
    Invalid(Diagnostics),
    /// The new text would mean something else. It is not used.
    NotEqual,
}

impl fmt::Display for FixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FixError::Invalid(found) => found.fmt(f),
            FixError::NotEqual => f.write_str(
                "the file cannot be rewritten without changing its meaning, probably because of an anchor that is used \
                 under several keys",
            ),
        }
    }
}

impl std::error::Error for FixError {}

/// Rewrites the text of a configuration. One that is of version 2 already is not changed.
///
/// Mistakes of other kinds are not looked for: what is wrong in the text is wrong in the new one too.
pub fn fix(source: &Arc<Source>) -> Result<Fix, FixError> {
    fix_names(source, CONFIGURATION)
}

pub(super) fn fix_names(source: &Arc<Source>, names: &'static OldNames) -> Result<Fix, FixError> {
    let root = demur_source::parse(source).map_err(FixError::Invalid)?;
    let upgrade = upgrade(&root, names);
    if upgrade.has_duplicates() {
        let mut found = Diagnostics::new();
        upgrade.report_duplicates(source, &mut found);
        return Err(FixError::Invalid(found));
    }
    let text = apply(&source.text, edits(&source.text, &upgrade.changes)).ok_or(FixError::NotEqual)?;
    let rewritten = demur_source::parse(&Source::new(source.name.clone(), text.as_str()));
    if !rewritten.is_ok_and(|rewritten| is_same(&rewritten, &upgrade.root)) {
        return Err(FixError::NotEqual);
    }
    let diff = match text == source.text {
        true => String::new(),
        false => {
            let name = &source.name;
            TextDiff::from_lines(&source.text, &text).unified_diff().header(name, name).to_string()
        }
    };
    Ok(Fix { text, diff })
}

/// Whether two trees are the same but for where their nodes stand.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (NodeKind::Map(one), NodeKind::Map(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((key, value), (other_key, other))| {
                    key.name == other_key.name && is_same(value, other)
                })
        }
        (NodeKind::Seq(one), NodeKind::Seq(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (kind, other_kind) => kind == other_kind && one.scalar_text() == other.scalar_text(),
    }
}

/// A range of the text and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    start: usize,
    end: usize,
    new: String,
}

impl Edit {
    fn replace(start: usize, end: usize, new: impl Into<String>) -> Self {
        Self { start, end, new: new.into() }
    }

    fn insert(at: usize, new: impl Into<String>) -> Self {
        Self::replace(at, at, new)
    }
}

/// The text with all edits. `None` where they contradict each other: an anchor is used under keys with different names.
fn apply(text: &str, mut edits: Vec<Edit>) -> Option<String> {
    // The text contains a node once, however many aliases repeat it.
    edits.sort();
    edits.dedup();
    let mut new = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for edit in &edits {
        if edit.start < done {
            return None;
        }
        new.push_str(text.get(done..edit.start)?);
        new.push_str(&edit.new);
        done = edit.end;
    }
    new.push_str(text.get(done..)?);
    Some(new)
}

fn edits(text: &str, changes: &[Change]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut groups: Vec<(Span, &str, Vec<Member>)> = Vec::new();
    for change in changes {
        match &change.kind {
            ChangeKind::Key { new, .. } | ChangeKind::Value { new } => {
                edits.push(renamed(&Token::at(text, change.span), new));
            }
            ChangeKind::Moved { parent, new, value, mapping } => {
                let member = Member::new(text, change.span, *value, new);
                match groups.iter_mut().find(|(other, name, _)| other == mapping && name == parent) {
                    Some((_, _, members)) => members.push(member),
                    None => groups.push((*mapping, parent, vec![member])),
                }
            }
        }
    }
    for (_, parent, members) in &groups {
        edits.extend(nested(text, parent, members));
    }
    edits
}

/// A scalar in the text.
#[derive(Debug, Clone, Copy)]
struct Token {
    start: usize,
    end: usize,
    quote: Option<char>,
}

impl Token {
    /// The range that the parser gives begins with the anchor and the tag, and of a quoted scalar ends behind the blanks
    /// after it.
    fn at(text: &str, span: Span) -> Self {
        let mut written = text.get(span.start..span.end).unwrap_or_default();
        while written.starts_with(['&', '!']) {
            let property = written.find(char::is_whitespace).unwrap_or(written.len());
            written = written[property..].trim_start();
        }
        let start = span.end - written.len();
        let quote = written.chars().next().filter(|first| matches!(first, '"' | '\''));
        let length = match quote.and_then(|quote| written.rfind(quote)) {
            Some(last) if last > 0 => last + 1,
            _ => written.trim_end().len(),
        };
        Self { start, end: start + length, quote }
    }
}

/// The new name in the quotes of the old one.
fn renamed(token: &Token, new: &str) -> Edit {
    Edit::replace(token.start, token.end, quoted(new, token.quote))
}

fn quoted(text: &str, quote: Option<char>) -> String {
    match quote {
        Some(quote) => format!("{quote}{text}{quote}"),
        None => text.to_owned(),
    }
}

/// A key that moves into a new mapping.
struct Member {
    key: Token,
    new: &'static str,
    /// Where the value begins, its anchor and tag included, and where it ends.
    start: usize,
    end: usize,
}

impl Member {
    fn new(text: &str, key: Span, value: Span, new: &'static str) -> Self {
        let key = Token::at(text, key);
        let value = Token::at(text, value);
        let before = text.get(key.end..value.start).unwrap_or_default();
        // On the line of the value, or behind the colon.
        let from = before.rfind('\n').or(before.find(':')).map_or(0, |at| at + 1);
        let blanks = before[from..].len() - before[from..].trim_start().len();
        Self { key, new, start: key.end + from + blanks, end: value.end }
    }

    fn entry(&self, text: &str) -> String {
        let value = text.get(self.start..self.end).unwrap_or_default();
        format!("{}: {value}", quoted(self.new, self.key.quote))
    }
}

/// Puts keys into a mapping of their own: below each other where they stand so, else on one line in place of the first.
fn nested(text: &str, parent: &str, members: &[Member]) -> Vec<Edit> {
    let Some((first, others)) = members.split_first() else { return Vec::new() };
    let parent = quoted(parent, first.key.quote);
    if let ([second], Some(indent)) = (others, indent(text, first))
        && are_neighbours(text, first, second, indent)
    {
        let end = if line_end(text, first.end).1.starts_with('\r') { "\r\n" } else { "\n" };
        let name = quoted(first.new, first.key.quote);
        let name = format!("{parent}:{end}{indent}  {name}");
        return vec![
            Edit::replace(first.key.start, first.key.end, name),
            Edit::replace(
                second.key.start,
                second.key.end,
                format!("  {}", quoted(second.new, second.key.quote)),
            ),
        ];
    }
    let mut edits = vec![
        Edit::replace(first.key.start, first.key.end, parent),
        Edit::insert(first.start, format!("{{ {}: ", quoted(first.new, first.key.quote))),
    ];
    let moved: String = others.iter().map(|other| format!(", {}", other.entry(text))).collect();
    edits.push(Edit::insert(first.end, format!("{moved} }}")));
    edits.extend(others.iter().map(|other| removed(text, other)));
    edits
}

/// The blanks before a key that is the first on its line.
fn indent<'t>(text: &'t str, member: &Member) -> Option<&'t str> {
    let line = text[..member.key.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..member.key.start];
    before.chars().all(|char| char == ' ').then_some(before)
}

/// Whether two entries of a block mapping are on lines of their own, with nothing but comments between them.
fn are_neighbours(text: &str, first: &Member, second: &Member, blanks: &str) -> bool {
    let is_one_line = |member: &Member| !text[member.key.start..member.end].contains('\n');
    let between = text.get(first.end..second.key.start).unwrap_or("x");
    is_one_line(first)
        && is_one_line(second)
        && indent(text, second) == Some(blanks)
        && between.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// The rest of a line, and how it ends.
fn line_end(text: &str, from: usize) -> (&str, &str) {
    let rest = &text[from..];
    let end = rest.find('\n').unwrap_or(rest.len());
    let line = rest[..end].strip_suffix('\r').unwrap_or(&rest[..end]);
    (line, &rest[line.len()..rest.len().min(end + 1)])
}

/// Takes an entry away: in a flow mapping with a comma, in a block mapping with its line.
fn removed(text: &str, member: &Member) -> Edit {
    let (start, end) = (member.key.start, member.end);
    let after = &text[end..];
    let blanks = after.len() - after.trim_start().len();
    if after[blanks..].starts_with(',') {
        let behind = &after[blanks + 1..];
        let space = behind.len() - behind.trim_start_matches(' ').len();
        return Edit::replace(start, end + blanks + 1 + space, "");
    }
    let before = text[..start].trim_end();
    if let Some(before) = before.strip_suffix(',') {
        return Edit::replace(before.len(), end, "");
    }
    let (rest, ending) = line_end(text, end);
    match indent(text, member) {
        Some(indent) if rest.trim().is_empty() => {
            Edit::replace(start - indent.len(), end + rest.len() + ending.len(), "")
        }
        _ => Edit::replace(start, end + (rest.len() - rest.trim_start().len()), ""),
    }
}
