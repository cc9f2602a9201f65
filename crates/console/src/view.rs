//! What pages show of an entry.

use demur_contract::Condition;
use demur_journal::{Entry, Explanation};
use jiff::Timestamp;
use serde::Serialize;

/// All stages, in their order.
pub(crate) const STAGES: [&str; 9] = [
    "request",
    "authentication",
    "authorization",
    "rate",
    "quota",
    "validation",
    "rules",
    "credits",
    "upstream",
];

/// A class of errors, which has a colour and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Server,
    Limit,
    Auth,
    Request,
}

impl Class {
    pub(crate) const ALL: [Class; 4] = [Class::Server, Class::Limit, Class::Auth, Class::Request];

    pub(crate) fn of(entry: &Entry) -> Self {
        let name = entry.condition.as_deref().unwrap_or_default();
        let begins = |branches: &[&str]| branches.iter().any(|branch| name.starts_with(branch));
        match entry.origin.as_deref() {
            _ if begins(&["credential", "permission"]) => Self::Auth,
            _ if begins(&["rate", "quota", "credits", "plan"]) => Self::Limit,
            Some("client") => Self::Request,
            None if entry.status < 500 => Self::Request,
            _ => Self::Server,
        }
    }

    /// The name of the class in styles and addresses.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Limit => "limit",
            Self::Auth => "auth",
            Self::Request => "request",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "Upstream",
            Self::Limit => "Limits",
            Self::Auth => "Credentials",
            Self::Request => "Request",
        }
    }
}

/// A row of the table of rejections.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) number: i64,
    pub(crate) time: String,
    pub(crate) millis: String,
    pub(crate) status: u16,
    pub(crate) class: &'static str,
    pub(crate) code: String,
    pub(crate) place: String,
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) stage: String,
    pub(crate) duration: String,
    pub(crate) id: String,
}

impl Row {
    pub(crate) fn of(number: i64, entry: &Entry) -> Self {
        let dash = || "–".to_owned();
        let at = entry.timestamp.strftime("%H:%M:%S").to_string();
        let place = [entry.api.as_deref(), entry.operation.as_deref()];
        let place: Vec<&str> = place.into_iter().flatten().collect();
        let key = entry
            .key
            .as_deref()
            .map(|key| format!("…{}", key.get(key.len().saturating_sub(7)..).unwrap_or(key)));
        Self {
            number,
            time: at,
            millis: format!(".{:03}", entry.timestamp.subsec_millisecond()),
            status: entry.status,
            class: Class::of(entry).id(),
            code: code(entry),
            place: if place.is_empty() { dash() } else { place.join(" · ") },
            account: entry.account.clone().unwrap_or_else(dash),
            key: key.unwrap_or_else(dash),
            stage: stage(entry).unwrap_or_else(dash),
            duration: format!("{:.2}", entry.duration_ms),
            id: entry.request_id.clone(),
        }
    }
}

/// The code, or what stands for it.
pub(crate) fn code(entry: &Entry) -> String {
    let names = [&entry.code, &entry.condition];
    names.into_iter().flatten().next().cloned().unwrap_or_else(|| entry.message.clone())
}

/// The check that rejected the request, with a capital.
pub(crate) fn stage(entry: &Entry) -> Option<String> {
    let rejected = entry.checks.iter().find(|check| check.outcome == "rejected")?;
    Some(capitalized(&rejected.check))
}

pub(crate) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Whether a client may send the request again, in a few words.
pub(crate) fn retry(entry: &Entry) -> (&'static str, String) {
    use demur_contract::RetryClass as C;
    if let Some(seconds) = entry.retry_after {
        return ("Later", format!("after {seconds} s"));
    }
    let class = entry.condition.as_deref().and_then(Condition::from_name).map(|it| it.defaults().retry);
    match class {
        Some(C::Backoff) => ("With backoff", "if the request is idempotent".to_owned()),
        Some(C::AtReset) => ("Later", "when the quota's period ends".to_owned()),
        Some(C::AfterDelay) => ("Later", "after a while".to_owned()),
        Some(C::AfterFix) => ("After a fix", "the same request fails again".to_owned()),
        Some(C::Never) => ("No", "the same request fails again".to_owned()),
        None => ("It depends", "see the error's page".to_owned()),
    }
}

/// One sentence: what happened.
pub(crate) fn verdict(explanation: &Explanation) -> String {
    explanation.reason.first().cloned().unwrap_or_else(|| "The request was answered.".to_owned())
}

pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
