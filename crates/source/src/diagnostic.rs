//! Diagnostics: what is wrong in a source, where, and how to fix it.

use std::fmt;
use std::sync::Arc;

use crate::{Source, Span};

/// How serious a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The source is valid, but probably not what its author meant.
    Warning,
    /// The source is invalid and cannot be used.
    Error,
}

/// One error or warning in a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Whether this is an error or a warning.
    pub severity: Severity,
    /// The stable name of the check, such as `unknown-key`.
    pub check: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// Where it is.
    pub location: SourceLocation,
}

/// A range of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceLocation {
    /// The source.
    pub source: Arc<Source>,
    /// The range within its text.
    pub span: Span,
}

impl Diagnostic {
    /// The line and column at which it begins, both counted from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.location.source.line_column(self.location.span.start)
    }
}

/// One line, for logs and tests: `file:line:column: error[check]: message (help: …)`.
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
            self.location.source.name, self.check, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

/// A list of diagnostics, in the order in which they were reported.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error.
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

    /// Adds a warning.
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
        let location = SourceLocation { source: source.clone(), span };
        self.list.push(Diagnostic { severity, check, message, help, location });
    }

    /// Appends all diagnostics of another list.
    pub fn extend(&mut self, other: Diagnostics) {
        self.list.extend(other.list);
    }

    /// Replaces the help of what this check has reported at this place.
    pub fn set_help(&mut self, source: &Arc<Source>, span: Span, check: &str, help: &str) {
        let is_it = |it: &Diagnostic| {
            it.check == check && it.location.span == span && Arc::ptr_eq(&it.location.source, source)
        };
        for diagnostic in self.list.iter_mut().filter(|diagnostic| is_it(diagnostic)) {
            diagnostic.help = Some(help.to_owned());
        }
    }

    /// Whether the list contains an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of diagnostics.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The diagnostics, in the order in which they were reported.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Sorts the list by file, in the order in which each file is first mentioned, then by position in the file.
    pub fn sorted(mut self) -> Self {
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &self.list {
            if !files.contains(&diagnostic.location.source.name) {
                files.push(diagnostic.location.source.name.clone());
            }
        }
        self.list.sort_by_key(|diagnostic| {
            let file = files.iter().position(|name| *name == diagnostic.location.source.name);
            (file, diagnostic.location.span.start)
        });
        self
    }
}

/// One diagnostic per line.
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

/// The candidate that is closest to a misspelled `word`, if one is close enough.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // The longer a word, the more typing errors are plausible. Two in a short word make it another word.
    let tolerance = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
