//! The reference page lists the operations and the errors of the document.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// The errors of one operation, by their codes, with status and title.
fn errors(operation: &Json) -> BTreeMap<String, (String, String)> {
    let responses = operation["responses"].as_object().unwrap().iter();
    let errors = responses.filter(|(status, _)| status.as_str() >= "400");
    errors
        .flat_map(|(status, response)| {
            let lines = text(&response["description"]).split("; `");
            lines.map(move |line| {
                let (code, title) = line.trim_start_matches('`').split_once("`: ").unwrap();
                (code.to_owned(), (status.clone(), title.to_owned()))
            })
        })
        .collect()
}

fn generated() -> String {
    let document: Json = serde_json::from_slice(&demur_admin::openapi_document().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS.into_iter().filter(|method| item.get(method).is_some()) {
            operations.push((method.to_uppercase(), path.clone(), item[method].clone()));
        }
    }
    let all: BTreeMap<String, (String, String)> =
        operations.iter().flat_map(|(_, _, operation)| errors(operation)).collect();
    let common: Vec<&String> = all
        .keys()
        .filter(|code| operations.iter().all(|(_, _, operation)| errors(operation).contains_key(*code)))
        .collect();
    let mut page =
        "## Operations\n\n| request | operation | role | what it does |\n|---|---|---|---|\n".to_owned();
    for (method, path, operation) in &operations {
        let (id, role) = (text(&operation["operationId"]), text(&operation["security"][0]["token"][0]));
        let summary = text(&operation["summary"]);
        writeln!(page, "| `{method} {path}` | `{id}` | `{role}` | {summary} |").unwrap();
    }
    page += "\n## Errors\n\n| code | status | meaning | operations |\n|---|---|---|---|\n";
    let mut rows: Vec<_> = all.iter().collect();
    rows.sort_by_key(|(code, (status, _))| (status.clone(), (*code).clone()));
    for (code, (status, title)) in rows {
        let of: Vec<String> = operations
            .iter()
            .filter(|(_, _, operation)| errors(operation).contains_key(code))
            .map(|(_, _, operation)| format!("`{}`", text(&operation["operationId"])))
            .collect();
        let changes =
            operations.iter().filter(|(_, _, it)| errors(it).contains_key("audit_unavailable")).count();
        let of = match of.len() {
            _ if common.contains(&code) => "all".to_owned(),
            count if count == changes && code.starts_with(['i', 'a']) => {
                "all that change something".to_owned()
            }
            _ => of.join(", "),
        };
        writeln!(page, "| `{code}` | {status} | {title} | {of} |").unwrap();
    }
    page
}

/// `DEMUR_UPDATE_DOCS=1` writes the page anew.
#[test]
fn the_reference_page_has_every_operation_and_error() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/admin-api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, _) = page.split_once("## Operations\n").unwrap();
    let expected = format!("{head}{}", generated());
    if std::env::var_os("DEMUR_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    assert_eq!(page, expected, "run it with DEMUR_UPDATE_DOCS=1");
}
