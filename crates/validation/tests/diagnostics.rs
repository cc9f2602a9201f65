//! Renders the diagnostics of documents and rules to `golden/diagnostics.txt`, grouped by code.
//!
//! Each group shows the messages with the line and position at fault, and the help. `DEMUR_UPDATE_GOLDENS=1` rewrites
//! the file.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed test reports why")]

mod broken;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use demur_source::{Diagnostic, Diagnostics, Severity, Source, Span};
use demur_validation::{ApiDocument, Declarations, DocumentOptions, Expression, Unsupported};

/// The document of the rules, and the rules that break its types.
const RULES_DOCUMENT: &str = include_str!("golden/rule_types.yaml");
const TYPED_RULES: &str = include_str!("golden/rule_types.txt");

fn document_diagnostics(text: &str) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let unsupported = Unsupported::Reject;
    let options = DocumentOptions { checks_responses: true, unsupported, ..DocumentOptions::default() };
    let mut count = 0;
    let mut read = |name: &str| {
        // Each of these files refers to another new file.
        if name.starts_with("endless") {
            count += 1;
            return Ok(Source::new(name, format!("page: {{ $ref: 'endless{count}.yaml#/page' }}")));
        }
        let file = broken::FILES.iter().find(|(known, _)| *known == name);
        file.map(|(name, text)| Source::new(*name, *text)).ok_or_else(|| "no such file".to_owned())
    };
    ApiDocument::load_files(&Source::new("openapi.yaml", text), &mut read, &options, &mut diagnostics);
    diagnostics
}

/// Diagnostics of a document that is loaded without access to other files.
fn single_file_diagnostics(text: &str) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    ApiDocument::load(&Source::new("openapi.yaml", text), &DocumentOptions::default(), &mut diagnostics);
    diagnostics
}

fn rule_diagnostics(rule: &str, on: &[&str]) -> Diagnostics {
    let source = Source::new("openapi.yaml", RULES_DOCUMENT);
    let document = ApiDocument::load(&source, &DocumentOptions::default(), &mut Diagnostics::new()).unwrap();
    let declarations = Declarations::of(on.iter().map(|id| document.operation(id).unwrap()));
    let mut diagnostics = Diagnostics::new();
    let span = Span::new(0, rule.len());
    Expression::compile_condition(rule, &declarations, &Source::new("rule", rule), span, &mut diagnostics);
    diagnostics
}

/// The message, then the line at fault with the position marked, then the help.
fn render(diagnostic: &Diagnostic) -> String {
    let (line, column) = diagnostic.line_column();
    let text = diagnostic.location.source.text.lines().nth(line - 1).unwrap_or_default();
    // Only the surroundings of the position: some fixtures are one long line.
    let before: Vec<char> = text.chars().take(column - 1).collect();
    let shown: String = before.iter().skip(before.len().saturating_sub(40)).collect();
    let after: String = text.chars().skip(column - 1).take(50).collect();
    let (shown, after) = (shown.trim_start(), after.trim_end());
    let severity = match diagnostic.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let mut rendered = format!("{severity}: {}\n", diagnostic.message);
    if !(shown.is_empty() && after.is_empty()) {
        writeln!(rendered, "    {shown}{after}\n    {}^", " ".repeat(shown.chars().count())).unwrap();
    }
    if let Some(help) = &diagnostic.help {
        writeln!(rendered, "    help: {help}").unwrap();
    }
    rendered
}

/// All diagnostics of the fixtures by code. Of those with the same message, the first is shown.
fn rendered() -> String {
    let mut all: Vec<Diagnostics> =
        broken::documents().iter().map(|text| document_diagnostics(text)).collect();
    all.push(single_file_diagnostics(broken::OTHER_FILE));
    let typed = TYPED_RULES.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '#']));
    all.extend(typed.map(|rule| rule_diagnostics(rule, &["make"])));
    all.extend(broken::rules().iter().map(|(rule, on)| rule_diagnostics(rule, on)));
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut seen: BTreeSet<(&str, String, Option<String>)> = BTreeSet::new();
    for diagnostic in all.iter().flat_map(Diagnostics::iter) {
        if seen.insert((diagnostic.check, diagnostic.message.clone(), diagnostic.help.clone())) {
            groups.entry(diagnostic.check).or_default().push(render(diagnostic));
        }
    }
    let mut text = "# Diagnostics of documents and rules, by code.\n".to_owned();
    for (code, diagnostics) in groups {
        write!(text, "\n## {code}\n\n{}", diagnostics.join("\n")).unwrap();
    }
    text
}

#[test]
fn renders_every_diagnostic_like_the_golden_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/diagnostics.txt");
    let rendered = rendered();
    if std::env::var_os("DEMUR_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(rendered == golden, "golden/diagnostics.txt would now be:\n{rendered}");
}

#[test]
fn golden_file_shows_every_code_in_the_source() {
    let golden = include_str!("golden/diagnostics.txt");
    // The code is the first string among the arguments of a report.
    let report = r#"(?s)\.(?:error|fault|warning|report|warn|warn_once)\(([^";]*?)"([a-z]+(?:-[a-z]+)*)","#;
    let report = regex::Regex::new(report).unwrap();
    let mut codes = BTreeSet::new();
    for text in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        codes.extend(report.captures_iter(&text).map(|captures| captures[2].to_owned()));
    }
    assert!(codes.len() >= 20, "codes are not found any more: {codes:?}");
    codes.retain(|code| !golden.contains(&format!("\n## {code}\n")));
    assert!(codes.is_empty(), "the golden file does not show {codes:?}");
}

/// Every message must be lower case and without a full stop, like those of the Rust compiler.
#[test]
fn messages_have_the_form_of_compiler_messages() {
    let golden = include_str!("golden/diagnostics.txt");
    for line in golden.lines() {
        let message =
            ["error: ", "warning: ", "    help: "].iter().find_map(|start| line.strip_prefix(start));
        let Some(message) = message else { continue };
        let names = ["OpenAPI", "Swagger", "URLs", "YAML", "JSON"];
        let is_name = names.iter().any(|name| message.starts_with(name));
        assert!(is_name || !message.starts_with(char::is_uppercase), "{message}");
        assert!(!message.ends_with('.'), "{message}");
    }
}

/// The code of every file below a folder, without its unit tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => sources.extend(self::sources(&path)),
            false => {
                let code = std::fs::read_to_string(&path).unwrap();
                sources.push(code.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    sources
}
