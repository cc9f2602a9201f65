//! Maps positions in a rule's text to spans in the file that contains it.

use std::sync::Arc;

use demur_source::{Diagnostics, Source, Span};

/// Reports diagnostics of one expression.
pub(super) struct RuleSpans<'p> {
    pub(super) text: &'p str,
    source: &'p Arc<Source>,
    whole: Span,
    /// The offset of the text in the file. `None` if the file spells it differently (escapes, folded lines); then
    /// diagnostics have the span of the whole rule.
    start: Option<usize>,
    diagnostics: &'p mut Diagnostics,
    has_errors: bool,
}

impl<'p> RuleSpans<'p> {
    pub(super) fn new(
        text: &'p str,
        source: &'p Arc<Source>,
        whole: Span,
        diagnostics: &'p mut Diagnostics,
    ) -> Self {
        let written = source.text.get(whole.start..whole.end);
        let start = written.and_then(|written| written.find(text)).map(|offset| whole.start + offset);
        Self { text, source, whole, start, diagnostics, has_errors: false }
    }

    /// Reports an error at a range of bytes of the text.
    pub(super) fn error(&mut self, at: Span, message: impl Into<String>, help: Option<String>) {
        self.has_errors = true;
        self.diagnostics.error(self.source, self.span(at), "rule", message, help);
    }

    /// Reports a warning at a range of bytes of the text.
    pub(super) fn warning(&mut self, at: Span, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.warning(self.source, self.span(at), "rule", message, help);
    }

    /// Maps a range of the text to the file.
    fn span(&self, at: Span) -> Span {
        match self.start {
            Some(start) => Span::new(start + at.start, start + at.end),
            None => self.whole,
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.has_errors
    }

    /// The byte offset of a character: the parser counts characters.
    pub(super) fn byte(&self, character: usize) -> usize {
        self.text.char_indices().nth(character).map_or(self.text.len(), |(byte, _)| byte)
    }

    /// The byte offset of a line and a column, both from 1.
    pub(super) fn line_column(&self, line: usize, column: usize) -> usize {
        let before: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = self.text.get(before..).unwrap_or_default();
        before + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(byte, _)| byte)
    }
}
