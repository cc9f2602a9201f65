//! Printing: data to standard output, messages and diagnostics to standard error.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use demur_source::{Diagnostic, Diagnostics, Severity, is_hidden, visible};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use serde_json::json;

use crate::args::{Color, OutputFormat};
use crate::exit::CommandFailure;

/// The output settings of a command.
#[derive(Clone)]
pub(crate) struct Output {
    format: OutputFormat,
    color: bool,
    quiet: bool,
}

/// A description of a file, for people and for programs.
pub(crate) struct OutputSubject {
    pub(crate) human: String,
    pub(crate) value: serde_json::Value,
}

impl OutputSubject {
    /// With what `check --fix` has changed before it.
    pub(crate) fn with_diff(mut self, diff: Option<String>) -> Self {
        if let Some(diff) = diff {
            if !diff.is_empty() {
                self.human = format!("{diff}\n{}", self.human);
            }
            self.value["diff"] = diff.into();
        }
        self
    }
}

impl Output {
    pub(crate) fn new(format: OutputFormat, color: Color, quiet: bool) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::env::var_os("NO_COLOR").is_none() && io::stderr().is_terminal(),
        };
        Self { format, color, quiet }
    }

    /// The same without progress and hints.
    pub(crate) fn quieted(&self) -> Self {
        Self { quiet: true, ..self.clone() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    pub(crate) fn has_color(&self) -> bool {
        self.color
    }

    /// Prints a result as text or JSON. A closed standard output is ignored.
    pub(crate) fn result(&self, human: &str, value: &impl Serialize) {
        let text = match self.format {
            OutputFormat::Human => visible(human, KEPT).into_owned(),
            OutputFormat::Json => json_line(value),
        };
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{text}");
        let _ = stdout.flush();
    }

    /// Prints one line of many to standard output. An error means that nobody reads it any more.
    pub(crate) fn line(&self, line: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", visible(line, &[])).and_then(|()| stdout.flush())
    }

    /// Prints a result that is one value, such as a secret or an ID: the value alone with `--quiet`, for scripts.
    pub(crate) fn value(&self, value: &str, human: &str, json: &impl Serialize) {
        self.result(if self.quiet { value } else { human }, json);
    }

    /// Prints the diagnostics of a file, and its description if the file is valid. JSON is always one document on standard
    /// output.
    pub(crate) fn findings(&self, found: &Diagnostics, about: Option<OutputSubject>) {
        if self.is_json() {
            let mut value = about.map_or_else(|| json!({}), |about| about.value);
            value["diagnostics"] = all_as_json(found);
            return self.result("", &value);
        }
        let Some(about) = about else { return self.diagnostics(found) };
        let mut stderr = io::stderr().lock();
        self.reports(found, &mut stderr);
        drop(stderr);
        let verdict = match found.iter().count() {
            0 => "valid".to_owned(),
            warnings => format!("valid, with {}", counted(warnings, "warning")),
        };
        self.result(&format!("{}\n\n{verdict}", about.human), &about.value);
    }

    /// Prints progress or a hint to standard error, unless `--quiet` is set.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", visible(message, KEPT));
        }
    }

    /// Prints a warning to standard error, also with `--quiet`.
    pub(crate) fn warning(&self, message: &str) {
        let mut stderr = io::stderr().lock();
        if self.is_json() {
            let _ = writeln!(stderr, "{}", json_line(&json!({ "warning": message })));
        } else {
            let _ = writeln!(stderr, "warning: {}", visible(message, KEPT));
        }
    }

    /// Whether progress may be shown: standard error is a terminal, and the output is for people.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.is_json() && io::stderr().is_terminal()
    }

    /// Prints why a command failed, also with `--quiet`.
    pub(crate) fn failure(&self, failure: &CommandFailure) {
        let (message, help) = match failure {
            CommandFailure::Configuration(found) => {
                self.diagnostics(found);
                return;
            }
            CommandFailure::Usage { message, help }
            | CommandFailure::Unavailable { message, help }
            | CommandFailure::Rejected { message, help } => (message, help.clone()),
        };
        let mut stderr = io::stderr().lock();
        if self.is_json() {
            let _ = writeln!(stderr, "{}", json_line(&json!({ "error": message, "help": help })));
            return;
        }
        let _ = writeln!(stderr, "error: {}", visible(message, KEPT));
        if let Some(help) = help {
            let _ = writeln!(stderr, " help: {}", visible(&help, KEPT));
        }
    }

    /// Prints errors and warnings, each with its location, excerpt and help, then their number.
    pub(crate) fn diagnostics(&self, found: &Diagnostics) {
        let mut stderr = io::stderr().lock();
        if self.is_json() {
            let _ = writeln!(stderr, "{}", json_line(&json!({ "diagnostics": all_as_json(found) })));
            return;
        }
        self.reports(found, &mut stderr);
        let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let warnings = counted(warnings, "warning");
        let _ = match errors {
            0 => writeln!(stderr, "{warnings}"),
            _ => writeln!(stderr, "{}, {warnings}", counted(errors, "error")),
        };
    }

    fn reports(&self, found: &Diagnostics, stderr: &mut impl Write) {
        let theme = if self.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
        for diagnostic in found.iter() {
            let mut text = String::new();
            let shown = Sanitized::new(diagnostic);
            if handler.render_report(&mut text, &shown).is_err() {
                text = visible(&diagnostic.to_string(), KEPT).into_owned();
            }
            let _ = writeln!(stderr, "{text}");
        }
    }
}

/// Control characters of our own layout. All other invisible characters are printed as escapes.
const KEPT: &[char] = &['\n', '\t'];

/// JSON on one line, without characters that control a terminal.
fn json_line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    visible(&text, &[]).into_owned()
}

/// The text of a file with every hidden character replaced by as many bytes, so that offsets stay valid.
fn shown_source(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' | '\r' | '\t' => char.to_string(),
        _ if is_hidden(char) && char.len_utf8() == 3 => '\u{fffd}'.to_string(),
        _ if is_hidden(char) => "?".repeat(char.len_utf8()),
        _ => char.to_string(),
    };
    text.chars().map(shown).collect()
}

/// `1 key`, `2 keys`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn all_as_json(found: &Diagnostics) -> serde_json::Value {
    found.iter().map(as_json).collect()
}

/// The range is half-open, as in LSP, but lines and columns start at 1; columns count characters.
fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let place = &diagnostic.location;
    let position = |offset| {
        let (line, column) = place.source.line_column(offset);
        json!({ "line": line, "column": column })
    };
    json!({
        "file": place.source.name,
        "start": position(place.span.start),
        "end": position(place.span.end),
        "severity": diagnostic.severity,
        "code": diagnostic.check,
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

/// A diagnostic for miette, without characters that control a terminal.
#[derive(Debug)]
struct Sanitized<'d> {
    diagnostic: &'d Diagnostic,
    message: Cow<'d, str>,
    source: NamedSource<String>,
}

impl<'d> Sanitized<'d> {
    fn new(diagnostic: &'d Diagnostic) -> Self {
        let source = &diagnostic.location.source;
        let name = visible(&source.name, &[]);
        let source = NamedSource::new(name, shown_source(&source.text));
        Self { diagnostic, message: visible(&diagnostic.message, KEPT), source }
    }
}

impl fmt::Display for Sanitized<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Sanitized<'_> {}

impl miette::Diagnostic for Sanitized<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.check))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = visible(self.diagnostic.help.as_deref()?, KEPT);
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.diagnostic.location.span;
        // The span of a block collection may cover many lines: mark only the first.
        let text = self.diagnostic.location.source.text.get(span.start..span.end).unwrap_or_default();
        let length = text.lines().next().map_or(0, str::len);
        Some(Box::new(std::iter::once(LabeledSpan::new(None, span.start, length))))
    }
}
