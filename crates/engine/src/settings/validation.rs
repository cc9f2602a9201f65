//! `validation:` of an API: how strictly it is held against its document, and where the two disagree.

use demur_source::{Fields, Node, Span};
use demur_validation::{ApiDocument, DocumentOptions, Formats, SecurityKind, UnknownQuery};

use super::plan::positive;
use super::references::References;
use super::{Authentication, ConfigReader, OperationSettings, Scheme};

/// What is done about an upstream's success that breaks its own document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// Nobody looks.
    #[default]
    Ignore,
    /// It passes, and the operators are told.
    Report,
    /// It is refused as `upstream.invalid_response`.
    Refuse,
}

/// What is done with a path that a more lenient server would read as that of another operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AmbiguousPath {
    /// It is rejected.
    #[default]
    Reject,
    /// It passes: the upstream compares paths as exactly as the gateway.
    Ignore,
}

/// How strictly an API is held against its document, beyond the document's own options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValidationSettings {
    /// Of the upstream's answers.
    pub answers: ResponseMode,
    /// Whether a caller who accepts none of the declared media types is refused.
    pub refuses_unacceptable: bool,
    /// Of paths with two readings.
    pub ambiguous_path: AmbiguousPath,
}

pub(super) fn read_validation(
    node: &Node,
    reading: &mut ConfigReader<'_>,
) -> (DocumentOptions, ValidationSettings, References) {
    let mut options = DocumentOptions::default();
    let mut settings = ValidationSettings::default();
    let Some(mut fields) = Fields::of(node, reading.source, "`validation`", reading.found) else {
        return (options, settings, References::default());
    };
    match fields.text("formats", reading.found).as_deref() {
        None | Some("assert") => {}
        Some("annotate") => options.formats = Formats::Annotate,
        Some(_) => unknown(node, reading, "`formats` is `assert` or `annotate`"),
    }
    match fields.text("unknown_query", reading.found).as_deref() {
        None | Some("ignore") => {}
        Some("warn") => options.unknown_query = UnknownQuery::Warn,
        Some("refuse") => options.unknown_query = UnknownQuery::Reject,
        Some(_) => unknown(node, reading, "`unknown_query` is `ignore`, `warn` or `refuse`"),
    }
    match fields.text("accept", reading.found).as_deref() {
        None | Some("ignore") => {}
        Some("refuse") => settings.refuses_unacceptable = true,
        Some(_) => unknown(node, reading, "`accept` is `ignore` or `refuse`"),
    }
    match fields.text("answers", reading.found).as_deref() {
        None | Some("ignore") => {}
        Some("report") => settings.answers = ResponseMode::Report,
        Some("refuse") => settings.answers = ResponseMode::Refuse,
        Some(_) => unknown(node, reading, "`answers` is `ignore`, `report` or `refuse`"),
    }
    match fields.text("ambiguous_path", reading.found).as_deref() {
        None | Some("reject") => {}
        Some("ignore") => settings.ambiguous_path = AmbiguousPath::Ignore,
        Some(_) => unknown(node, reading, "`ambiguous_path` must be `reject` or `ignore`"),
    }
    if let Some(most) = positive(&mut fields, "violations", reading) {
        options.max_violations = most.get() as usize;
    }
    if let Some(most) = positive(&mut fields, "depth", reading) {
        options.max_depth = (most.get() as usize).min(DocumentOptions::MAX_DEPTH);
        if most.get() as usize > DocumentOptions::MAX_DEPTH {
            let message = format!("`depth` goes up to {}", DocumentOptions::MAX_DEPTH);
            reading.error(node.span, "number", message, None);
        }
    }
    options.checks_responses = settings.answers != ResponseMode::Ignore;
    let root = fields.node("reference_root").map(|node| node.span);
    let root = fields.text("reference_root", reading.found).zip(root);
    let references = References::read(fields.map("references", reading.found), root, reading);
    fields.finish(reading.found);
    (options, settings, references)
}

fn unknown(node: &Node, reading: &mut ConfigReader<'_>, message: &str) {
    reading.error(node.span, "unknown-word", message, None);
}

/// Where the document says otherwise than the configuration who may ask, and how: warnings, since what the
/// gateway does is the configuration's word.
pub(super) fn compare_security(
    span: Span,
    document: &ApiDocument,
    authentication: &Authentication,
    settings: &[OperationSettings],
    reading: &mut ConfigReader<'_>,
) {
    let matches = |name: &String| {
        let scheme = document.security_schemes().iter().find(|scheme| scheme.name == *name);
        scheme.is_some_and(|scheme| is_read(&scheme.kind, authentication))
    };
    let (mut unknown_way, mut more, mut open, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for operation in document.operations() {
        // A document that says nothing disagrees with nothing.
        let Some(requirements) = operation.security() else { continue };
        let is_anonymous = settings.get(operation.index()).is_some_and(|settings| settings.anonymous);
        let needs_nobody = requirements.iter().any(Vec::is_empty) || requirements.is_empty();
        let id = operation.id().to_owned();
        match (is_anonymous, needs_nobody) {
            (true, false) => open.push(id),
            (false, true) => closed.push(id),
            (false, false) if requirements.iter().any(|names| names.iter().all(matches)) => {}
            (false, false) if requirements.iter().any(|names| names.iter().any(matches)) => more.push(id),
            (false, false) => unknown_way.push(id),
            (true, true) => {}
        }
    }
    let ways = authentication.schemes().map(|scheme| match scheme {
        Scheme::Authorization(scheme) => format!("`Authorization: {scheme} …`"),
        Scheme::Field(field) => format!("the field `{field}`"),
    });
    let query = authentication.query.iter().map(|name| format!("`?{name}=…`"));
    let way = ways.chain(query).collect::<Vec<_>>().join(" or ");
    for (operations, message, help) in [
        (
            unknown_way,
            format!("the document asks for other credentials than {way}, which the gateway reads"),
            "callers who follow the document are refused: change `authentication`, or the document",
        ),
        (
            more,
            format!("the document asks for more than {way}: the rest is not checked here"),
            "let the service behind check it, or take it out of the document",
        ),
        (
            open,
            "`anonymous` operations, for which the document asks for credentials".to_owned(),
            "add `security: []` to them in the document, or leave out `anonymous`",
        ),
        (
            closed,
            "the document lets everyone ask; the gateway asks for a key".to_owned(),
            "write `anonymous: true` for them, or `security` in the document",
        ),
    ] {
        if !operations.is_empty() {
            let message = format!("{message}: {}", named(&operations));
            reading.found.warning(reading.source, span, "security", message, help.to_owned());
        }
    }
}

/// Whether a credential that is sent like this is read here.
fn is_read(kind: &SecurityKind, authentication: &Authentication) -> bool {
    let in_query = matches!(kind, SecurityKind::Query(name) if authentication.query.as_ref() == Some(name));
    in_query || authentication.schemes().any(|scheme| is_same(kind, scheme))
}

fn is_same(kind: &SecurityKind, scheme: &Scheme) -> bool {
    match (kind, scheme) {
        (SecurityKind::Authorization(name), Scheme::Authorization(scheme)) => {
            name.eq_ignore_ascii_case(scheme)
        }
        (SecurityKind::Header(name), Scheme::Field(field)) => name.eq_ignore_ascii_case(field.as_str()),
        // `apiKey` in `Authorization` is how some documents write a scheme of their own.
        (SecurityKind::Header(name), Scheme::Authorization(_)) => name == "authorization",
        (
            SecurityKind::Authorization(_)
            | SecurityKind::Query(_)
            | SecurityKind::Cookie(_)
            | SecurityKind::Certificate,
            _,
        ) => false,
    }
}

/// A few of them, and how many more there are.
fn named(operations: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = operations.iter().take(SHOWN).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    match operations.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}
