//! The table "upstream status → answer" of `demur check`: what becomes of each error status of an upstream.

use comfy_table::{Table, presets};
use demur_contract::{Condition, Contract, EntrySource, ErrorEntry};
use demur_engine::settings::{TranslationRule, UpstreamErrorMode, UpstreamErrors};
use demur_gateway::ApiConfig;
use serde_json::{Value as Json, json};

/// The registered statuses of errors. All others have the answers of 499 and 599.
const STATUSES: &[u16] = &[
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423,
    424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 511, 599,
];

/// The tables of an API: one for each of its contracts, with the rules and what operations change.
pub(crate) fn tables(api: &ApiConfig) -> String {
    let settings = &api.settings;
    let contracts: Vec<&Contract> = settings.contracts().map(|contract| &**contract).collect();
    let mut text = String::new();
    for contract in &contracts {
        let of = if contracts.len() > 1 {
            format!(" in the contract `{}`", contract.name())
        } else {
            String::new()
        };
        text.push_str(&format!("\n\n{}: upstream status → answer{of}", settings.name));
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        for rule in &settings.upstream_errors.rules {
            table.add_row(rule_row(rule, contract));
        }
        match settings.upstream_errors.mode {
            UpstreamErrorMode::Passthrough => {
                table.add_row([
                    format!("  {}", any(settings.upstream_errors.rules.is_empty())),
                    PASSED.to_owned(),
                ]);
            }
            UpstreamErrorMode::Contract | UpstreamErrorMode::GatewayOnly => {
                for [statuses, answer] in status_rows(contract) {
                    table.add_row([format!("  {statuses}"), answer]);
                }
            }
        }
        text.push('\n');
        text.push_str(&table.trim_fmt());
    }
    for (operation, own) in settings.document.operations().iter().zip(&settings.operations) {
        if let Some(errors) = &own.upstream_errors {
            text.push_str(&format!("\n  `{}`: mode {}", operation.id(), mode(errors.mode)));
            let rules = errors.rules.len().saturating_sub(settings.upstream_errors.rules.len());
            for rule in &errors.rules[..rules] {
                let [when, answer] = rule_row(rule, contracts[0]);
                text.push_str(&format!("\n  {when}  {answer}"));
            }
        }
    }
    let is_anonymous = settings.operations.iter().any(|operation| operation.anonymous);
    if is_anonymous && settings.upstream_errors.mode != UpstreamErrorMode::Passthrough {
        text.push_str("\n  401 and 402 of operations without a key keep their status");
    }
    text
}

const PASSED: &str = "passed on as it is, in the format of the upstream";

fn any(is_all: bool) -> &'static str {
    if is_all { "any" } else { "any other" }
}

fn mode(mode: UpstreamErrorMode) -> &'static str {
    match mode {
        UpstreamErrorMode::Contract => "contract",
        UpstreamErrorMode::GatewayOnly => "gateway_only",
        UpstreamErrorMode::Passthrough => "passthrough",
    }
}

fn rule_row(rule: &TranslationRule, contract: &Contract) -> [String; 2] {
    let statuses: Vec<String> = rule.statuses.iter().map(range).collect();
    let conditions: Vec<String> = rule
        .when
        .iter()
        .map(|(pointer, values)| {
            let values: Vec<String> = values.iter().map(Json::to_string).collect();
            format!("`{pointer}` is {}", values.join(" or "))
        })
        .collect();
    let when = if conditions.is_empty() { String::new() } else { format!(", {}", conditions.join(", ")) };
    let answer = entry_of(rule, contract).map(answer).unwrap_or_default();
    [format!("  {}{when}", statuses.join(", ")), answer]
}

fn range(statuses: &std::ops::RangeInclusive<u16>) -> String {
    match (*statuses.start(), *statuses.end()) {
        (400, 499) => "4xx".to_owned(),
        (500, 599) => "5xx".to_owned(),
        (status, _) => status.to_string(),
    }
}

fn entry_of<'c>(rule: &TranslationRule, contract: &'c Contract) -> Option<&'c ErrorEntry> {
    let raised = Condition::from_name(&rule.raise).map(|condition| contract.answer(condition));
    contract.named(&rule.raise).or(raised).map(|error| contract.entry(error))
}

/// Statuses with one answer, and the answer.
fn status_rows(contract: &Contract) -> Vec<[String; 2]> {
    let mut rows: Vec<(Vec<String>, String)> = Vec::new();
    for status in STATUSES {
        let condition = contract.upstream_condition(*status);
        let entry = contract.entry(contract.answer(condition));
        let answer = match (condition, entry.source) {
            (Condition::UpstreamRefused(_), EntrySource::Derived(_)) => {
                "the same status, by its name".to_owned()
            }
            _ => answer(entry),
        };
        let name = match status {
            499 => "other 4xx".to_owned(),
            599 => "other 5xx".to_owned(),
            status => status.to_string(),
        };
        match rows.iter_mut().find(|(_, known)| *known == answer) {
            Some((statuses, _)) => statuses.push(name),
            None => rows.push((vec![name], answer)),
        }
    }
    rows.into_iter().map(|(statuses, answer)| [wrapped(&statuses), answer]).collect()
}

/// Statuses in lines of eight.
fn wrapped(statuses: &[String]) -> String {
    let lines: Vec<String> = statuses.chunks(8).map(|line| line.join(", ")).collect();
    lines.join(",\n  ")
}

fn answer(entry: &ErrorEntry) -> String {
    format!("{} {}", entry.status, entry.name)
}

/// The same as JSON.
pub(crate) fn as_json(api: &ApiConfig) -> Json {
    let settings = &api.settings;
    let contracts: serde_json::Map<String, Json> = settings
        .contracts()
        .map(|contract| {
            let rows: Vec<Json> = STATUSES.iter().map(|status| status_json(contract, *status)).collect();
            (contract.name().to_owned(), rows.into())
        })
        .collect();
    let operations: serde_json::Map<String, Json> = settings
        .document
        .operations()
        .iter()
        .zip(&settings.operations)
        .filter_map(|(operation, own)| {
            Some((operation.id().to_owned(), errors_json(own.upstream_errors.as_ref()?)))
        })
        .collect();
    let mut value = errors_json(&settings.upstream_errors);
    value["statuses"] = contracts.into();
    value["operations"] = operations.into();
    value
}

fn status_json(contract: &Contract, status: u16) -> Json {
    let condition = contract.upstream_condition(status);
    let entry = contract.entry(contract.answer(condition));
    json!({
        "status": status,
        "condition": condition.name(),
        "error": entry.name,
        "answer": entry.status.as_u16(),
    })
}

fn errors_json(errors: &UpstreamErrors) -> Json {
    let rules: Vec<Json> = errors
        .rules
        .iter()
        .map(|rule| {
            json!({
                "status": rule.statuses.iter().map(range).collect::<Vec<_>>(),
                "when": rule.when.iter().map(|(pointer, values)| (pointer.clone(), values.clone().into()))
                    .collect::<serde_json::Map<String, Json>>(),
                "raise": rule.raise,
            })
        })
        .collect();
    json!({ "mode": mode(errors.mode), "rules": rules })
}
