//! Where the generations of one API answer the same condition in different ways.

use std::fmt;

use comfy_table::{Table, presets};
use demur_contract::{Condition, Contract, ErrorId};
use demur_gateway::ApiConfig;
use serde::Serialize;
use serde_json::json;

/// One condition, or all of a branch, and what each generation answers.
#[derive(Serialize)]
struct VersionRow {
    condition: String,
    answers: Vec<Option<VersionResponse>>,
    /// Whether a client would notice.
    #[serde(skip)]
    differs: bool,
}

/// What a client sees of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct VersionResponse {
    status: u16,
    #[serde(rename = "type")]
    kind: ResponsePart,
    code: ResponsePart,
    retry: &'static str,
    /// The texts are told only where they differ.
    title: ResponsePart,
    message: ResponsePart,
    violation: ResponsePart,
}

/// What an answer may have a place for. That one format has it and another has not is the formats' difference, and no
/// difference of conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum ResponsePart {
    Hidden,
    Shown(Option<String>),
}

/// A table for an API of several generations whose answers differ.
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
        let answers =
            row.answers.iter().map(|answer| answer.as_ref().map(ToString::to_string).unwrap_or_default());
        table.add_row(std::iter::once(row.condition.clone()).chain(answers));
    }
    Some(format!("{}: where its generations answer differently\n{table}", api.settings.name))
}

/// The same for programs.
pub(crate) fn as_json(api: &ApiConfig) -> serde_json::Value {
    let contracts: Vec<&str> = api.settings.contracts().map(|contract| contract.name()).collect();
    json!({ "contracts": contracts, "differ": rows(api) })
}

fn rows(api: &ApiConfig) -> Vec<VersionRow> {
    let contracts: Vec<&Contract> = api.settings.contracts().map(|contract| &**contract).collect();
    if contracts.len() < 2 {
        return Vec::new();
    }
    let row = |name: &str, rule: Option<Condition>, answer: &dyn Fn(&Contract) -> Option<ErrorId>| {
        let answers = contracts
            .iter()
            .map(|contract| answer(contract).map(|error| VersionResponse::of(contract, error, rule)))
            .collect();
        VersionRow::new(name, answers)
    };
    let own = Condition::all()
        .filter(|condition| condition.is_listed() && *condition != Condition::ClientGone)
        .map(|condition| {
            row(condition.name(), Some(condition), &|contract| Some(contract.answer(condition)))
        });
    let mut rows = gathered(own.collect());
    let mut of_api: Vec<&str> = contracts.iter().flat_map(|contract| contract.api_conditions()).collect();
    of_api.sort_unstable();
    of_api.dedup();
    rows.extend(of_api.into_iter().map(|name| row(name, None, &|contract| contract.named(name))));
    rows.retain(|row| row.differs);
    rows
}

impl VersionRow {
    fn new(condition: &str, mut answers: Vec<Option<VersionResponse>>) -> Self {
        let first = answers.first().cloned().flatten();
        let advice = |answer: &VersionResponse| (answer.status, answer.retry);
        let differs = answers.iter().any(|answer| answer.as_ref().map(advice) != first.as_ref().map(advice));
        let parts: [fn(&mut VersionResponse) -> &mut ResponsePart; 5] = [
            |answer| &mut answer.kind,
            |answer| &mut answer.code,
            |answer| &mut answer.title,
            |answer| &mut answer.message,
            |answer| &mut answer.violation,
        ];
        let differing = parts.map(|part| {
            let mut shown =
                answers.iter_mut().flatten().map(part).filter(|part| **part != ResponsePart::Hidden);
            let first = shown.next();
            shown.any(|other| Some(&other) != first.as_ref())
        });
        // What all say is not repeated for each: a branch whose rules have texts of their own stays one row.
        for (part, _) in parts.iter().zip(differing).skip(2).filter(|(_, differs)| !differs) {
            answers.iter_mut().flatten().for_each(|answer| *part(answer) = ResponsePart::Hidden);
        }
        let differs = differs || differing.contains(&true);
        Self { condition: condition.to_owned(), answers, differs }
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

/// As much of a text as a column of a table has room for.
const SHOWN: usize = 60;

impl fmt::Display for VersionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [&self.kind, &self.code].into_iter().filter_map(ResponsePart::value) {
            write!(f, " · {part}")?;
        }
        write!(f, " · {}", self.retry)?;
        for text in [&self.title, &self.message, &self.violation].into_iter().filter_map(ResponsePart::value)
        {
            let cut: String = text.chars().take(SHOWN).collect();
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

/// One row for a branch of which all leaves are answered in the same way.
fn gathered(rows: Vec<VersionRow>) -> Vec<VersionRow> {
    let mut gathered: Vec<VersionRow> = Vec::new();
    for row in &rows {
        let is_done = gathered.iter().any(|done| covers(&done.condition, &row.condition));
        if is_done {
            continue;
        }
        let branches = row.condition.match_indices('.').map(|(at, _)| &row.condition[..at]);
        let uniform = |branch: &&str| {
            rows.iter()
                .filter(|other| covers(branch, &other.condition))
                .all(|other| other.answers == row.answers && other.differs == row.differs)
        };
        let condition = branches.into_iter().find(uniform).unwrap_or(&row.condition);
        gathered.push(VersionRow {
            condition: condition.to_owned(),
            answers: row.answers.clone(),
            differs: row.differs,
        });
    }
    gathered
}

fn covers(branch: &str, condition: &str) -> bool {
    condition.strip_prefix(branch).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_is_answered_alike_is_one_row() {
        let row = |condition: &str, code: &str| {
            let answer = VersionResponse {
                status: 400,
                kind: ResponsePart::Hidden,
                code: ResponsePart::Shown(Some(code.to_owned())),
                retry: "never",
                title: ResponsePart::Hidden,
                message: ResponsePart::Hidden,
                violation: ResponsePart::Hidden,
            };
            VersionRow::new(condition, vec![Some(answer)])
        };
        let rows = gathered(vec![
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
