//! An entry in plain words.

mod next;
mod reason;

use serde::Serialize;

use crate::Entry;

/// What happened to a request, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The outcome in one line: status and code.
    pub outcome: String,
    /// Why the request was rejected, or failed, with the values that decided.
    pub reason: Vec<String>,
    /// The checks that the request passed, and the one that rejected it.
    pub checks: Vec<String>,
    /// Whether it was charged and counted.
    pub charge: String,
    /// Who has to act: `client`, `gateway` or `upstream`; `none` if nothing is wrong.
    pub responsible: &'static str,
    /// What to do, in this order.
    pub next: Vec<String>,
}

impl Explanation {
    /// Explains an entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            outcome: outcome(entry),
            reason: reason::of(entry),
            checks: checks(entry),
            charge: charge(entry),
            responsible: responsible(entry),
            next: next::of(entry),
        }
    }
}

fn outcome(entry: &Entry) -> String {
    let code = entry.code.as_deref().or(entry.condition.as_deref());
    match (entry.message.as_str(), code) {
        ("request aborted", _) => format!("{}, and the client closed the connection", entry.status),
        (_, Some(code)) => format!("{} {code}", entry.status),
        (_, None) => entry.status.to_string(),
    }
}

fn named<'e>(entry: &'e Entry, outcome: &str) -> Vec<&'e str> {
    let with = entry.checks.iter().filter(|check| check.outcome == outcome);
    with.map(|check| check.check.as_str()).collect()
}

fn checks(entry: &Entry) -> Vec<String> {
    [("passed", "passed"), ("would_reject", "would have rejected, not enforced"), ("rejected", "rejected by")]
        .into_iter()
        .filter_map(|(outcome, words)| {
            let names = named(entry, outcome);
            (!names.is_empty()).then(|| format!("{words}: {}", names.join(", ")))
        })
        .collect()
}

/// Whether the request was admitted by this check.
fn has_passed(entry: &Entry, check: &str) -> bool {
    named(entry, "passed").contains(&check)
}

fn charge(entry: &Entry) -> String {
    let is_rejected = entry.origin.is_some();
    let is_counted = has_passed(entry, "rate") || has_passed(entry, "quota");
    let text = match (is_rejected, entry.origin.as_deref()) {
        (false, _) if entry.message == "request aborted" => {
            "By the operation's rule for clients that go away: see `demur accounts statement`."
        }
        (false, _) => "As the operation costs: see `demur accounts statement`.",
        (true, Some("gateway")) => "Nothing. What it had taken from the limits was given back.",
        (true, Some("upstream")) => {
            "No credits: those that were held were released. The request counts against rates, and not against quotas \
             of successful requests."
        }
        (true, _) if is_counted => "No credits. The request counts against rate and quota.",
        (true, _) => "Nothing. The request counts against no limit.",
    };
    text.to_owned()
}

fn responsible(entry: &Entry) -> &'static str {
    match entry.origin.as_deref() {
        Some("client") => "client",
        Some("gateway") => "gateway",
        Some("upstream") => "upstream",
        _ if entry.message == "request failed" => "upstream",
        _ if entry.message == "request aborted" => "client",
        _ => "none",
    }
}

#[cfg(test)]
mod tests;
