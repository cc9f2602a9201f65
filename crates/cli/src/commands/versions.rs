//! Differences between the contract versions of an API: the conditions they render differently.

use std::fmt;

use comfy_table::{Table, presets};
use demur_contract::{Condition, Contract, ErrorId};
use demur_gateway::ApiConfig;
use serde::Serialize;
use serde_json::json;

/// A condition or a whole branch, and the response of each contract version.
#[derive(Serialize)]
struct VersionRow {
    condition: String,
    responses: Vec<Option<VersionResponse>>,
    /// Whether a client can see the difference.
    #[serde(skip)]
    differs: bool,
}

/// The parts of a response that a client sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct VersionResponse {
    status: u16,
    #[serde(rename = "type")]
    kind: ResponsePart,
    code: ResponsePart,
    retry: &'static str,
    /// Texts are shown only if they differ.
    title: ResponsePart,
    message: ResponsePart,
    violation: ResponsePart,
}

/// A part that a format may or may not show. That two formats show different parts is a difference of the formats, not of
/// the conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum ResponsePart {
    Hidden,
    Shown(Option<String>),
}

/// A table for an API with several contract versions that differ.
pub(crate) fn table(api: &ApiConfig) -> Option<String> {
    let rows = rows(api);
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    let names = api.settings.contracts().map(|contract| contract.name().to_owned());
    table.set_header(std::iter::once("condition".to_owned()).chain(names));
    for row in rows {
        let responses = row
            .responses
            .iter()
            .map(|response| response.as_ref().map(ToString::to_string).unwrap_or_default());
        table.add_row(std::iter::once(row.condition.clone()).chain(responses));
    }
    Some(format!(
        "{}: differences between contract versions (status · code · retry class)\n{table}",
        api.settings.name
    ))
}

/// The same as JSON.
pub(crate) fn as_json(api: &ApiConfig) -> serde_json::Value {
    let contracts: Vec<&str> = api.settings.contracts().map(|contract| contract.name()).collect();
    json!({ "contracts": contracts, "differ": rows(api) })
}

fn rows(api: &ApiConfig) -> Vec<VersionRow> {
    let contracts: Vec<&Contract> = api.settings.contracts().map(|contract| &**contract).collect();
    if contracts.len() < 2 {
        return Vec::new();
    }
    let row = |name: &str, rule: Option<Condition>, error: &dyn Fn(&Contract) -> Option<ErrorId>| {
        let responses = contracts
            .iter()
            .map(|contract| error(contract).map(|error| VersionResponse::of(contract, error, rule)))
            .collect();
        VersionRow::new(name, responses)
    };
    let own = Condition::all()
        .filter(|condition| condition.is_listed() && *condition != Condition::ClientGone)
        .map(|condition| {
            row(condition.name(), Some(condition), &|contract| Some(contract.answer(condition)))
        });
    let mut rows = merge_branches(own.collect());
    let mut of_api: Vec<&str> = contracts.iter().flat_map(|contract| contract.api_conditions()).collect();
    of_api.sort_unstable();
    of_api.dedup();
    rows.extend(of_api.into_iter().map(|name| row(name, None, &|contract| contract.named(name))));
    rows.retain(|row| row.differs);
    rows
}

impl VersionRow {
    fn new(condition: &str, mut responses: Vec<Option<VersionResponse>>) -> Self {
        let first = responses.first().cloned().flatten();
        let advice = |response: &VersionResponse| (response.status, response.retry);
        let differs =
            responses.iter().any(|response| response.as_ref().map(advice) != first.as_ref().map(advice));
        let parts: [fn(&mut VersionResponse) -> &mut ResponsePart; 5] = [
            |response| &mut response.kind,
            |response| &mut response.code,
            |response| &mut response.title,
            |response| &mut response.message,
            |response| &mut response.violation,
        ];
        let differing = parts.map(|part| {
            let mut shown =
                responses.iter_mut().flatten().map(part).filter(|part| **part != ResponsePart::Hidden);
            let first = shown.next();
            shown.any(|other| Some(&other) != first.as_ref())
        });
        // Hide the texts that are equal in all versions, so that a branch whose rules have their own texts stays one row.
        for (part, _) in parts.iter().zip(differing).skip(2).filter(|(_, differs)| !differs) {
            responses.iter_mut().flatten().for_each(|response| *part(response) = ResponsePart::Hidden);
        }
        let differs = differs || differing.contains(&true);
        Self { condition: condition.to_owned(), responses, differs }
    }
}

impl VersionResponse {
    fn of(contract: &Contract, error: ErrorId, rule: Option<Condition>) -> Self {
        let entry = contract.entry(error);
        let part = |is_shown: bool, value: Option<String>| {
            if is_shown { ResponsePart::Shown(value) } else { ResponsePart::Hidden }
        };
        let shows = contract.shows(error);
        let rule = rule.filter(|rule| rule.is_violation());
        let violation = rule.map(|rule| contract.text_of_rule(error, rule).to_string());
        Self {
            status: entry.status.as_u16(),
            kind: part(shows.kind, entry.kind.clone()),
            code: part(shows.code, entry.code.clone()),
            retry: entry.retry.class.as_str(),
            title: part(shows.title, Some(entry.title.to_string())),
            message: part(shows.message || shows.detail && rule.is_none(), Some(entry.message.to_string())),
            violation: part(shows.violations && rule.is_some(), violation),
        }
    }
}

/// Maximum characters of a text in a table column.
const MAX_TEXT: usize = 60;

impl fmt::Display for VersionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [&self.kind, &self.code].into_iter().filter_map(ResponsePart::value) {
            write!(f, " · {part}")?;
        }
        write!(f, " · {}", self.retry)?;
        for text in [&self.title, &self.message, &self.violation].into_iter().filter_map(ResponsePart::value)
        {
            let cut: String = text.chars().take(MAX_TEXT).collect();
            let more = if cut.len() < text.len() { "…" } else { "" };
            write!(f, " · “{cut}{more}”")?;
        }
        Ok(())
    }
}

impl ResponsePart {
    fn value(&self) -> Option<&str> {
        match self {
            ResponsePart::Shown(value) => value.as_deref(),
            ResponsePart::Hidden => None,
        }
    }
}

/// Merges the rows of a branch whose leaves all have the same responses.
fn merge_branches(rows: Vec<VersionRow>) -> Vec<VersionRow> {
    let mut merged: Vec<VersionRow> = Vec::new();
    for row in &rows {
        let is_done = merged.iter().any(|done| covers(&done.condition, &row.condition));
        if is_done {
            continue;
        }
        let branches = row.condition.match_indices('.').map(|(at, _)| &row.condition[..at]);
        let uniform = |branch: &&str| {
            rows.iter()
                .filter(|other| covers(branch, &other.condition))
                .all(|other| other.responses == row.responses && other.differs == row.differs)
        };
        let condition = branches.into_iter().find(uniform).unwrap_or(&row.condition);
        merged.push(VersionRow {
            condition: condition.to_owned(),
            responses: row.responses.clone(),
            differs: row.differs,
        });
    }
    merged
}

fn covers(branch: &str, condition: &str) -> bool {
    condition.strip_prefix(branch).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_a_branch_with_equal_responses() {
        let row = |condition: &str, code: &str| {
            let response = VersionResponse {
                status: 400,
                kind: ResponsePart::Hidden,
                code: ResponsePart::Shown(Some(code.to_owned())),
                retry: "never",
                title: ResponsePart::Hidden,
                message: ResponsePart::Hidden,
                violation: ResponsePart::Hidden,
            };
            VersionRow::new(condition, vec![Some(response)])
        };
        let rows = merge_branches(vec![
            row("a.b.c", "1"),
            row("a.b.d", "1"),
            row("a.e", "2"),
            row("f.g", "3"),
            row("f.h", "3"),
            row("i", "4"),
        ]);
        let names: Vec<&str> = rows.iter().map(|row| row.condition.as_str()).collect();
        assert_eq!(names, ["a.b", "a.e", "f", "i"]);
    }
}
