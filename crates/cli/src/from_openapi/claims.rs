//! Which conditions each error answers: by its status, and by the words of its code where several have the status.

use super::errors::{DeclaredError, reason};
use super::text::snake;

/// A condition or a branch, the statuses of an error that answers it, the best one first, and words of its code.
const CLAIMS: &[(&str, &[u16], &[&str])] = &[
    ("request", &[400, 422], &["bad_request", "malformed", "invalid_request", "request", "invalid"]),
    (
        "body",
        &[400, 422],
        &["json", "body", "malformed", "bad_request", "invalid_request", "invalid", "valid"],
    ),
    ("param", &[422, 400], &["validation", "param", "unprocessable", "valid", "bad_request", "argument"]),
    ("credential", &[401, 403], &["unauth", "authent", "api_key", "token", "credential", "login", "auth"]),
    ("permission", &[403, 401], &["forbidden", "permission", "access", "denied", "scope", "authoriz"]),
    ("plan", &[402], &["plan", "subscription", "payment"]),
    ("credits", &[402], &["credit", "payment", "balance", "billing"]),
    ("resource.not_found", &[404], &["not_found", "notfound", "missing", "no_such", "unknown"]),
    ("resource.method_not_allowed", &[405], &["method"]),
    ("request.not_acceptable", &[406], &["accept"]),
    ("request.timeout", &[408], &["timeout"]),
    ("resource.conflict", &[409], &["conflict", "exists", "duplicate"]),
    ("resource.gone", &[410], &["gone"]),
    ("precondition.failed", &[412], &["precondition"]),
    ("body.too_large", &[413], &["large", "size"]),
    ("body.unsupported_media_type", &[415], &["media", "content_type"]),
    ("rate", &[429], &["rate", "too_many", "throttl", "limit"]),
    ("credential.throttled", &[429], &["rate", "too_many", "throttl", "limit"]),
    ("quota", &[429], &["quota", "rate", "too_many", "limit"]),
    ("credits.held", &[429], &["rate", "too_many", "throttl", "limit"]),
    ("internal", &[500], &["internal", "server", "unexpected", "unknown"]),
    ("rule.failed", &[500], &["internal", "server", "unexpected", "unknown"]),
    ("upstream.failed", &[500], &["internal", "server", "unexpected", "unknown"]),
    ("upstream.unreachable", &[502], &["gateway", "upstream"]),
    ("upstream.invalid_response", &[502], &["gateway", "upstream"]),
    ("upstream.unavailable", &[503], &["unavailable", "maintenance"]),
    ("upstream.unhealthy", &[503], &["unavailable", "maintenance"]),
    ("store.unavailable", &[503], &["unavailable", "maintenance"]),
    ("overloaded", &[503], &["overload", "unavailable", "busy"]),
    ("upstream.timeout", &[504], &["timeout"]),
];

/// What a contract must answer, with the status of an error that is added for it.
const REQUIRED: [(&str, u16); 2] = [("request", 400), ("internal", 500)];

/// Gives each condition to the error that fits best.
pub(crate) fn assign(errors: &mut Vec<DeclaredError>) {
    for (condition, status) in REQUIRED {
        let Some((_, statuses, _)) = CLAIMS.iter().find(|(known, ..)| *known == condition) else { continue };
        if !errors.iter().any(|error| statuses.contains(&error.status)) {
            errors.push(added(status, errors));
        }
    }
    for (condition, statuses, words) in CLAIMS {
        let Some(status) = statuses.iter().find(|status| errors.iter().any(|error| error.status == **status))
        else {
            continue;
        };
        let score = |error: &DeclaredError| {
            let name = snake(&error.name);
            words.iter().position(|word| name.contains(word)).unwrap_or(usize::MAX)
        };
        let of_status = errors.iter_mut().filter(|error| error.status == *status);
        // The first of equals.
        if let Some(best) = of_status.min_by_key(|error| score(error)) {
            best.on.push(condition);
        }
    }
}

fn added(status: u16, errors: &[DeclaredError]) -> DeclaredError {
    let name = snake(reason(status));
    let is_taken = errors.iter().any(|error| error.name == name);
    DeclaredError {
        name: if is_taken { format!("{name}_{status}") } else { name },
        status,
        code: None,
        message: reason(status).to_owned(),
        format: None,
        on: Vec::new(),
        is_added: true,
    }
}
