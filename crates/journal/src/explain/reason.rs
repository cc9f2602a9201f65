//! Why a request was rejected, with the values that decided.

use demur_contract::Condition;
use serde_json::Value;

use crate::{Entry, EntryViolation};

pub(super) fn of(entry: &Entry) -> Vec<String> {
    let mut reason: Vec<String> = Vec::new();
    let name = entry.condition.as_deref().unwrap_or_default();
    match name {
        "" if entry.message == "request aborted" => {
            reason.push("The client closed the connection before the response was complete.".to_owned());
        }
        "" if entry.would_reject.is_empty() => reason.push("The request was answered.".to_owned()),
        "" => {}
        _ if !entry.violations.is_empty() => reason.extend(entry.violations.iter().map(violation)),
        _ => reason.push(condition(name, entry)),
    }
    for skipped in &entry.would_reject {
        let condition = skipped.condition.as_deref().unwrap_or(&skipped.error);
        let cause = with_cause(String::new(), Some(&skipped.cause));
        reason.push(format!(
            "It would have been rejected as `{condition}` with {}, had that been enforced{cause}.",
            skipped.status
        ));
    }
    if let Some(error) = &entry.stream_error {
        reason.push(format!("The event stream contained an error event: {error}"));
    }
    reason.extend(entry.notes.iter().map(|note| format!("Note: {note}.")));
    reason
}

/// A value that decided, as text.
fn value(entry: &Entry, name: &str) -> Option<String> {
    Some(match entry.values.get(name)? {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    })
}

fn with_cause(text: String, cause: Option<&str>) -> String {
    match cause.filter(|cause| !cause.is_empty()) {
        Some(cause) if cause.contains('(') => format!("{text}: {cause}"),
        Some(cause) => format!("{text} ({cause})"),
        None => text,
    }
}

/// The sentence for a condition. What it does not name itself is its cause.
fn condition(name: &str, entry: &Entry) -> String {
    let of = |name: &str| value(entry, name);
    let cause = entry.cause.as_deref();
    let sentence = match name {
        "rate.exceeded" => {
            let rate = cause.and_then(|cause| cause.strip_prefix("rate ")).unwrap_or_default();
            let rate = if rate.is_empty() { "rate".to_owned() } else { format!("rate {rate}") };
            return limited(&format!("The {rate} allows"), "requests in", entry)
                .unwrap_or_else(|| format!("The {rate} allows no further request at the moment."));
        }
        "quota.exceeded" => {
            let text = limited("The quota allows", "requests in", entry)
                .unwrap_or_else(|| "The quota is used up.".to_owned());
            return match of("resets_at") {
                Some(at) => format!("{text} It resets at {at}."),
                None => text,
            };
        }
        "rate.concurrency" => match of("limit") {
            Some(limit) => {
                format!("{limit} requests of the account may be in progress at once, and so many were")
            }
            None => "Too many requests of the account were in progress at once".to_owned(),
        },
        "credential.throttled" => match (of("limit"), of("window")) {
            (Some(limit), Some(window)) => format!(
                "More than {limit} requests with wrong credentials came from this address within {window} seconds"
            ),
            _ => "Too many requests with wrong credentials came from this address".to_owned(),
        },
        "credits.exhausted" | "credits.held" => {
            let mut text = match (of("needed"), of("available")) {
                (Some(needed), Some(available)) => {
                    let credits = needed.parse().map_or(needed, |needed| counted(needed, "credit"));
                    let are = if available == "1" { "is" } else { "are" };
                    format!("The operation costs {credits}, and {available} {are} available")
                }
                _ => "The account has too few credits".to_owned(),
            };
            if name == "credits.held" {
                text += "; requests in progress hold the others";
            }
            if let Some(at) = of("resets_at") {
                text += &format!("; new credits are granted at {at}");
            }
            text
        }
        "credential.missing" => "The request has no API key where the API expects it".to_owned(),
        "credential.scheme" => {
            "The request has an `Authorization` header with another scheme than the API's".to_owned()
        }
        "credential.malformed" => "The API key does not have the form of a key of this API".to_owned(),
        "credential.unknown" => "The API key has the right form, and no such key exists".to_owned(),
        "credential.revoked" => "The API key was revoked or disabled".to_owned(),
        "credential.expired" => "The API key has expired".to_owned(),
        "permission.address" => match of("address") {
            Some(address) => format!("The address `{address}` is not allowed, by the API or by the API key"),
            None => "The client's address is not allowed, by the API or by the API key".to_owned(),
        },
        "permission.resource" => match of("resource") {
            Some(resource) => format!("The API key does not cover the resource `{resource}`"),
            None => "The API key does not cover this resource".to_owned(),
        },
        "permission.operation" => match of("scope") {
            Some(scope) => {
                format!("The API key does not have the scope `{scope}`, which the operation requires")
            }
            None => "The API key does not cover this operation".to_owned(),
        },
        "plan.required" => match (of("feature"), of("plan")) {
            (Some(feature), Some(plan)) => {
                format!(
                    "The operation requires the feature `{feature}`, which the plan `{plan}` does not include"
                )
            }
            _ => "The account's plan does not include a feature that the operation requires".to_owned(),
        },
        "plan.inactive" => "The account's plan is not active".to_owned(),
        "resource.not_found" if is_rejected_by(entry, "request") => {
            "The API has no operation for this path".to_owned()
        }
        "resource.not_found" => "The API found nothing there".to_owned(),
        "resource.method_not_allowed" => "The path exists, and has no operation for this method".to_owned(),
        "body.invalid_json" => "The request body could not be read as JSON".to_owned(),
        "overloaded" => "The gateway or the API had too many requests in progress".to_owned(),
        other => match Condition::from_name(other) {
            Some(condition) => condition.defaults().title.trim_end_matches('.').to_owned(),
            None if is_rejected_by(entry, "rules") => {
                format!("A rule of the API's configuration rejects it with the error `{other}`")
            }
            None => format!("The API raised the error `{other}`"),
        },
    };
    format!("{}.", with_cause(sentence, cause))
}

fn is_rejected_by(entry: &Entry, check: &str) -> bool {
    entry.checks.iter().any(|it| it.check == check && it.outcome == "rejected")
}

/// A sentence with a limit, its window, and what was left.
fn limited(start: &str, unit: &str, entry: &Entry) -> Option<String> {
    let of = |name: &str| value(entry, name);
    let (limit, window) = (of("limit")?, of("window")?);
    let left = of("remaining").unwrap_or_else(|| "0".to_owned());
    let were = if left == "1" { "was" } else { "were" };
    Some(format!("{start} {limit} {unit} {}, and {left} {were} left.", seconds(&window)))
}

/// A number of seconds in words.
pub(super) fn seconds(number: &str) -> String {
    match number.parse::<u64>() {
        Ok(1) => "1 second".to_owned(),
        Ok(days) if days >= 86_400 && days % 86_400 == 0 => counted(days / 86_400, "day"),
        Ok(hours) if hours >= 3_600 && hours % 3_600 == 0 => counted(hours / 3_600, "hour"),
        _ => format!("{number} seconds"),
    }
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

fn violation(violation: &EntryViolation) -> String {
    let EntryViolation { param, location, pointer, rule, .. } = violation;
    let place = match (param.as_str(), pointer.as_str()) {
        ("", "") => format!("The {location} as a whole"),
        (param, pointer) if location == "body" && pointer.len() > param.len() + 1 => {
            format!("`{pointer}` (body)")
        }
        (param, _) => format!("`{param}` ({location})"),
    };
    let title = Condition::from_name(rule).map_or(rule.as_str(), |rule| rule.defaults().title);
    // The titles say "A parameter …" of what is named here.
    let what = title.strip_prefix("A parameter ").or_else(|| title.strip_prefix("A required parameter "));
    match what {
        Some(what) => format!("{place} {what}: `{rule}`."),
        None => format!("{place}: {title} (`{rule}`)."),
    }
}
