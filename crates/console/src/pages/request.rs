//! Request: what happened to one of them.

use demur_journal::{Entry, Explanation, Lookup, PastedId, Reader, request_ids};
use minijinja::{Value, context};

use super::{Page, parameter, unreadable};
use crate::view::{Class, STAGES, capitalized, code, moment, retry, verdict};

/// The address of the page for what was pasted: it has the ID and nothing else of it.
pub(crate) fn address_of(pasted: &str) -> String {
    match request_ids(pasted).first() {
        Some(id) => format!("/request?id={}", id.digits),
        None => "/request?id=none".to_owned(),
    }
}

pub(crate) fn page(reader: &Reader, query: &str) -> Result<Page, String> {
    let Some(asked) = parameter(query, "id") else {
        return Ok(Page::new("request.html", "Request", context! {}));
    };
    let missing = match reader.look_up(&asked).map_err(unreadable)? {
        Lookup::Found(entry) => return Ok(Page::new("request.html", "Request", shown(&entry))),
        Lookup::Foreign(PastedId { digits, .. }) => {
            format!("{digits} is not a request ID of this gateway. Use the ID in the response.")
        }
        Lookup::Expired { made_at, .. } => {
            format!("The entry has expired: the request was made at {}.", moment(made_at))
        }
        Lookup::Unknown { id, made_at, .. } => {
            format!(
                "The journal has no entry of {}, made at {}. The request succeeded and is not kept, or it went to another gateway.",
                id.digits,
                moment(made_at)
            )
        }
        Lookup::NoId => {
            "There is no request ID in this text. It has 32 hexadecimal digits, and may have a prefix."
                .to_owned()
        }
    };
    let first = request_ids(&asked).into_iter().next().map(|id| id.digits);
    Ok(Page::new("request.html", "Request", context! { missing, asked => first }))
}

fn shown(entry: &Entry) -> Value {
    let explanation = Explanation::of(entry);
    let class = Class::of(entry);
    let (may_retry, when) = retry(entry);
    let place = [entry.method.as_deref(), entry.path.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let values: Vec<(String, String)> =
        entry.values.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    let timings: Vec<(&String, String)> =
        entry.timings_ms.iter().map(|(name, time)| (name, format!("{time:.2} ms"))).collect();
    context! {
        id => entry.request_id,
        place, time => moment(entry.timestamp),
        verdict => verdict(&explanation),
        reasons => explanation.reason.get(1..).unwrap_or_default(),
        code => code(entry), status => entry.status, class => class.id(),
        responsible => capitalized(explanation.responsible),
        charge => explanation.charge.split_once(". ").unwrap_or((explanation.charge.trim_end_matches('.'), "")),
        may_retry, when,
        duration => format!("{:.2} ms", entry.duration_ms),
        stages => stages(entry),
        api => entry.api, operation => entry.operation, account => entry.account, key => entry.key,
        client => entry.client.map(|client| client.to_string()),
        condition => entry.condition, contract => entry.contract, origin => entry.origin,
        cause => entry.cause, notes => entry.notes,
        bytes => entry.bytes, retry_after => entry.retry_after,
        violations => entry.violations, values, timings,
        next => explanation.next,
        reply => reply(entry, &explanation),
        curl => format!("curl -i -X {} -H \"Authorization: Bearer $KEY\" \"$GATEWAY{}\"", entry.method.as_deref().unwrap_or("GET"), entry.path.as_deref().unwrap_or("/")),
    }
}

fn plain(value: &impl std::fmt::Display) -> String {
    value.to_string().trim_matches('"').to_owned()
}

/// Each stage with what it did.
fn stages(entry: &Entry) -> Vec<Value> {
    let outcome = |stage: &str| {
        entry.checks.iter().find(|check| check.check == stage).map(|check| check.outcome.as_str())
    };
    STAGES
        .iter()
        .map(|stage| {
            let outcome = outcome(stage).unwrap_or("skipped");
            let facts: Vec<(&str, String)> = match *stage {
                "request" => [("api", &entry.api), ("operation", &entry.operation)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.clone()?)))
                    .collect(),
                "authentication" => [("account", &entry.account)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.clone()?)))
                    .collect(),
                "upstream" => entry
                    .timings_ms
                    .get("upstream")
                    .map(|time| ("took", format!("{time:.2} ms")))
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            };
            let decided = entry.values.iter().map(|(name, value)| (name.as_str(), plain(value)));
            let facts: Vec<(&str, String)> = match outcome {
                "rejected" => facts
                    .into_iter()
                    .chain(decided)
                    .chain(entry.condition.iter().map(|it| ("condition", it.clone())))
                    .collect(),
                _ => facts,
            };
            context! { name => capitalized(stage), outcome, facts }
        })
        .collect()
}

/// A text for the customer: nothing in it is for operators only.
fn reply(entry: &Entry, explanation: &Explanation) -> Vec<String> {
    let begin = format!(
        "Your request {} of {} was answered with {} {}.",
        entry.request_id,
        moment(entry.timestamp),
        entry.status,
        code(entry)
    );
    let why = match explanation.responsible {
        "client" => explanation.reason.first().map(|reason| {
            // The part in parentheses is the cause, which is for operators.
            let end = reason.find(" (").unwrap_or(reason.len());
            format!("{}.", reason.get(..end).unwrap_or(reason).trim_end_matches('.'))
        }),
        "none" => None,
        _ => Some("This was a fault on our side; your key and your request are fine.".to_owned()),
    };
    let charge = explanation
        .charge
        .split(". ")
        .next()
        .map(|text| format!("Charged: {}.", text.trim_end_matches('.').to_lowercase()));
    [Some(begin), why, charge].into_iter().flatten().collect()
}
