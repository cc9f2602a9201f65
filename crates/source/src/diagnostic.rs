//! A mistake: its place, its cause, its mend; and the list in which they are collected.

use std::fmt;
use std::sync::Arc;

use crate::{Source, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Works, but a person should know.
    Warning,
    /// Nothing is started with this.
    Error,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the check, such as `unknown-key`.
    pub check: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where.
    pub place: SourceLocation,
}

/// A span in a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceLocation {
    /// The text.
    pub source: Arc<Source>,
    /// The range in it.
    pub span: Span,
}

impl Diagnostic {
    /// Line and column, both from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.place.source.line_column(self.place.span.start)
    }
}

/// `file:line:column: error[check]: message (help: …)`: one line, for logs and for tests.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            f,
            "{}:{line}:{column}: {severity}[{}]: {}",
            self.place.source.name, self.check, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

/// Everything that was found so far.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake that keeps everything from starting.
    pub fn error(
        &mut self,
        source: &Arc<Source>,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.push(Severity::Error, source, span, check, message.into(), help.into());
    }

    /// Adds something that a person should know.
    pub fn warning(
        &mut self,
        source: &Arc<Source>,
        span: Span,
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.push(Severity::Warning, source, span, check, message.into(), help.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        source: &Arc<Source>,
        span: Span,
        check: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let place = SourceLocation { source: source.clone(), span };
        self.list.push(Diagnostic { severity, check, message, help, place });
    }

    /// Takes over what another reader found.
    pub fn extend(&mut self, other: Diagnostics) {
        self.list.extend(other.list);
    }

    /// Replaces the help of what this check has reported at this place.
    pub fn set_help(&mut self, source: &Arc<Source>, span: Span, check: &str, help: &str) {
        let is_it = |it: &Diagnostic| {
            it.check == check && it.place.span == span && Arc::ptr_eq(&it.place.source, source)
        };
        for diagnostic in self.list.iter_mut().filter(|diagnostic| is_it(diagnostic)) {
            diagnostic.help = Some(help.to_owned());
        }
    }

    /// Whether anything was found that keeps from starting.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// By file in the order of first mention, then by place in it.
    pub fn sorted(mut self) -> Self {
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &self.list {
            if !files.contains(&diagnostic.place.source.name) {
                files.push(diagnostic.place.source.name.clone());
            }
        }
        self.list.sort_by_key(|diagnostic| {
            let file = files.iter().position(|name| *name == diagnostic.place.source.name);
            (file, diagnostic.place.span.start)
        });
        self
    }
}

/// One mistake a line.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate that `word` was probably meant to be.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Long names tolerate more slips; a short one changed in two places is another word.
    let tolerance = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
