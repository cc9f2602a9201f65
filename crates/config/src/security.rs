//! Where document and configuration disagree about credentials: warnings, since the gateway goes by the configuration.

use demur_engine::settings::{Authentication, OperationSettings, Scheme};
use demur_source::Span;
use demur_validation::{ApiDocument, SecurityKind};

use crate::reader::ConfigReader;

pub(crate) fn compare_security(
    span: Span,
    document: &ApiDocument,
    authentication: &Authentication,
    settings: &[OperationSettings],
    reader: &mut ConfigReader<'_>,
) {
    let matches = |name: &String| {
        let scheme = document.security_schemes().iter().find(|scheme| scheme.name == *name);
        scheme.is_some_and(|scheme| is_read(&scheme.kind, authentication))
    };
    let (mut others, mut more, mut open, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for operation in document.operations() {
        // A document that says nothing disagrees with nothing.
        let Some(requirements) = operation.security() else { continue };
        let is_anonymous = settings.get(operation.index()).is_some_and(|settings| settings.anonymous);
        let is_open = requirements.iter().any(Vec::is_empty) || requirements.is_empty();
        let id = operation.id().to_owned();
        match (is_anonymous, is_open) {
            (true, false) => open.push(id),
            (false, true) => closed.push(id),
            (false, false) if requirements.iter().any(|names| names.iter().all(matches)) => {}
            (false, false) if requirements.iter().any(|names| names.iter().any(matches)) => more.push(id),
            (false, false) => others.push(id),
            (true, true) => {}
        }
    }
    let schemes = authentication.schemes().map(|scheme| match scheme {
        Scheme::Authorization(scheme) => format!("`Authorization: {scheme} …`"),
        Scheme::Field(field) => format!("the header `{field}`"),
    });
    let query = authentication.query.iter().map(|name| format!("`?{name}=…`"));
    let accepted = schemes.chain(query).collect::<Vec<_>>().join(" or ");
    for (operations, message, help) in [
        (
            others,
            format!("the document requires other credentials than {accepted}, which the gateway reads"),
            "clients that follow the document are rejected: change `authentication`, or the document",
        ),
        (
            more,
            format!("the document requires more than {accepted}, and the rest is not checked"),
            "check it in the upstream, or remove it from the document",
        ),
        (
            open,
            "the document requires credentials for `anonymous` operations".to_owned(),
            "add `security: []` to them in the document, or remove `anonymous`",
        ),
        (
            closed,
            "the document requires no credentials, but the gateway requires a key".to_owned(),
            "set `anonymous: true` for them, or add `security` to the document",
        ),
    ] {
        if !operations.is_empty() {
            let message = format!("{message}: {}", named(&operations));
            reader.warning(span, "security", message, help.to_owned());
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
