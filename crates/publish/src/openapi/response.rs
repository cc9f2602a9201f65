//! The responses of one operation: one for each status.

use std::collections::BTreeMap;

use demur_contract::Contract;
use demur_matrix::{Cell, OperationMatrix};
use serde_json::{Map, Value, json};

use super::schema::{ErrorSchemas, Unions};
use crate::pages::{public_cause, reason};

/// Causes that a description lists for each error.
const MAX_CAUSES: usize = 5;

/// The responses with errors, by their statuses.
pub(super) fn responses(
    operation: &OperationMatrix,
    contract: &Contract,
    schemas: &mut ErrorSchemas<'_>,
    unions: Unions,
) -> Map<String, Value> {
    let mut by_status: BTreeMap<String, Vec<&Cell>> = BTreeMap::new();
    for cell in &operation.cells {
        // One cell for all statuses of an upstream, which the derived errors keep.
        let is_range = cell.upstream_statuses.len() > 1 && schemas.is_derived(&cell.error);
        let status = if is_range { "4XX".to_owned() } else { cell.answer.status.to_string() };
        by_status.entry(status).or_default().push(cell);
    }
    by_status
        .iter()
        .map(|(status, cells)| (status.clone(), response(status, cells, contract, schemas, unions)))
        .collect()
}

fn response(
    status: &str,
    cells: &[&Cell],
    contract: &Contract,
    schemas: &mut ErrorSchemas<'_>,
    unions: Unions,
) -> Value {
    let mut errors: Vec<&str> = Vec::new();
    for cell in cells {
        if !errors.contains(&cell.error.as_str()) {
            errors.push(&cell.error);
        }
    }
    let mut description = status
        .parse()
        .map_or_else(|_| "Rejected by the service".to_owned(), |status| reason(status).to_owned());
    let mut examples = Map::new();
    for error in &errors {
        let of_error: Vec<&&Cell> = cells.iter().filter(|cell| cell.error == *error).collect();
        let mut causes: Vec<String> = Vec::new();
        for cell in &of_error {
            for cause in cell.causes.iter().filter_map(|cause| public_cause(cell, cause)) {
                if causes.len() < MAX_CAUSES && !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
        }
        let message = schemas.message(error);
        description.push_str(&format!("\n\n- `{error}`: {message}"));
        if !causes.is_empty() {
            description.push_str(&format!(" ({})", causes.join(" ")));
        }
        if let Some(cell) = of_error.first() {
            let value = serde_json::from_str(&cell.answer.body).unwrap_or(Value::Null);
            examples.insert((*error).to_owned(), json!({ "summary": message, "value": value }));
        }
    }
    // The examples of a range have one of its statuses, which its schema must not pin.
    let schema = if status.ends_with("XX") { schemas.any() } else { schemas.union(&errors, unions) };
    let media_type = json!({ "schema": schema, "examples": examples });
    let mut content = Map::new();
    content.insert(contract.content_type().to_owned(), media_type);
    json!({ "description": description, "headers": headers(cells), "content": content })
}

/// The headers of these answers. One that all of them have is required.
fn headers(cells: &[&Cell]) -> Map<String, Value> {
    // `Content-Type` is ignored here (OpenAPI), and what every server sends says nothing of the error.
    const UNSAID: [&str; 5] =
        ["content-type", "cache-control", "vary", "x-content-type-options", "content-language"];
    let mut counts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (name, value) in cells.iter().flat_map(|cell| &cell.answer.headers) {
        if !UNSAID.contains(&name.as_str()) {
            counts.entry(name).or_insert((0, value)).0 += 1;
        }
    }
    counts
        .into_iter()
        .map(|(name, (count, value))| {
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty();
            let kind = if is_number { "integer" } else { "string" };
            let header = json!({
                "description": meaning(name),
                "required": count == cells.len(),
                "schema": { "type": kind },
            });
            (name.to_owned(), header)
        })
        .collect()
}

fn meaning(name: &str) -> &'static str {
    match name {
        "retry-after" => "Seconds until a retry makes sense",
        "www-authenticate" => "How to authenticate",
        "allow" => "The methods of the path",
        name if name.contains("limit") => "The state of a limit",
        name if name.contains("retry") => "Whether or when a retry makes sense",
        _ => "The request ID, for logs and for support",
    }
}
