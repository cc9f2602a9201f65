//! Where the generations of one API answer the same condition in different ways.

use std::fmt;

use comfy_table::{Table, presets};
use demur_contract::{Condition, Contract, ErrorId};
use demur_gateway::ApiConfig;
use serde::Serialize;
use serde_json::json;

/// One condition, or all of a branch, and what each generation answers.
#[derive(Serialize)]
struct Row {
    condition: String,
    answers: Vec<Option<Answer>>,
}

/// What a program sees of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Answer {
    status: u16,
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    retry: &'static str,
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

fn rows(api: &ApiConfig) -> Vec<Row> {
    let contracts: Vec<&Contract> = api.settings.contracts().map(|contract| &**contract).collect();
    if contracts.len() < 2 {
        return Vec::new();
    }
    let answered = |answer: &dyn Fn(&Contract) -> Option<ErrorId>| {
        let answers =
            contracts.iter().map(|contract| answer(contract).map(|error| Answer::of(contract, error)));
        answers.collect()
    };
    let own = Condition::all()
        .filter(|condition| condition.is_listed() && *condition != Condition::ClientGone)
        .map(|condition| Row {
            condition: condition.name().to_owned(),
            answers: answered(&|contract| Some(contract.answer(condition))),
        });
    let mut rows = gathered(own.collect());
    let mut of_api: Vec<&str> = contracts.iter().flat_map(|contract| contract.api_conditions()).collect();
    of_api.sort_unstable();
    of_api.dedup();
    rows.extend(
        of_api.into_iter().map(|name| Row {
            condition: name.to_owned(),
            answers: answered(&|contract| contract.named(name)),
        }),
    );
    rows.retain(|row| row.answers.windows(2).any(|pair| pair[0] != pair[1]));
    rows
}

impl Answer {
    fn of(contract: &Contract, error: ErrorId) -> Self {
        let entry = contract.entry(error);
        let (kind, code) = (entry.kind.clone(), entry.code.clone());
        Self { status: entry.status.as_u16(), kind, code, retry: entry.retry.class.as_str() }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [self.kind.as_deref(), self.code.as_deref(), Some(self.retry)].into_iter().flatten() {
            write!(f, " · {part}")?;
        }
        Ok(())
    }
}

/// One row for a branch of which all leaves are answered in the same way.
fn gathered(rows: Vec<Row>) -> Vec<Row> {
    let mut gathered: Vec<Row> = Vec::new();
    for row in &rows {
        let is_done = gathered.iter().any(|done| covers(&done.condition, &row.condition));
        if is_done {
            continue;
        }
        let branches = row.condition.match_indices('.').map(|(at, _)| &row.condition[..at]);
        let uniform = |branch: &&str| {
            rows.iter()
                .filter(|other| covers(branch, &other.condition))
                .all(|other| other.answers == row.answers)
        };
        let condition = branches.into_iter().find(uniform).unwrap_or(&row.condition);
        gathered.push(Row { condition: condition.to_owned(), answers: row.answers.clone() });
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
            let answer = Answer { status: 400, kind: None, code: Some(code.to_owned()), retry: "never" };
            Row { condition: condition.to_owned(), answers: vec![Some(answer)] }
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
