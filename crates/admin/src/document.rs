//! The API's OpenAPI document: `data/openapi.yaml` with the errors of the contract.

use std::collections::BTreeMap;

use bytes::Bytes;
use demur_contract::{Contract, ErrorEntry};
use demur_source::{Diagnostics, Source, parse};
use demur_validation::{ApiDocument, DocumentOptions, UnknownQuery, Unsupported};
use serde_json::{Map, Value as Json, json};

const DOCUMENT: &str = include_str!("../data/openapi.yaml");
/// The operations of a path.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// Errors that every operation has.
const COMMON: &[&str] = &[
    "bad_request",
    "head_too_large",
    "uri_too_long",
    "request_timeout",
    "expectation_failed",
    "not_implemented",
    "version_not_supported",
    "host_unknown",
    "cross_site",
    "body_too_large",
    "invalid_parameters",
    "credential_in_request",
    "path_not_found",
    "method_not_allowed",
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "role_insufficient",
    "store_unavailable",
    "internal",
];
/// Errors of operations with a body.
const OF_BODIES: &[&str] = &["unsupported_media_type", "invalid_body"];
/// Errors of operations that take an `Idempotency-Key`: all that change something.
const OF_WRITES: &[&str] = &[
    "idempotency_key_reused",
    "idempotency_in_progress",
    "idempotency_outcome_unknown",
    "idempotency_keys_exhausted",
    "audit_unavailable",
];

/// The document, to route and validate requests with, and to serve.
pub(crate) struct Document {
    pub(crate) api: ApiDocument,
    pub(crate) json: Bytes,
}

/// The OpenAPI document, as JSON.
///
/// The error is a mistake in the contract or the document, which are part of the program.
pub fn openapi_document() -> Result<Bytes, String> {
    Document::load(&*crate::error::contract()?).map(|document| document.json)
}

impl Document {
    pub(crate) fn load(contract: &Contract) -> Result<Self, String> {
        let root = parse(&Source::new("openapi.yaml", DOCUMENT)).map_err(|mistakes| mistakes.to_string())?;
        let mut document = root.to_json();
        let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
        let operations = paths.filter_map(Json::as_object_mut).flat_map(|path| {
            path.iter_mut().filter(|(method, _)| METHODS.contains(&method.as_str())).map(|(_, it)| it)
        });
        for operation in operations.filter_map(Json::as_object_mut) {
            add_errors(operation, contract)?;
        }
        let text = document.to_string();
        let options = DocumentOptions {
            unknown_query: UnknownQuery::Reject,
            unsupported: Unsupported::Reject,
            ..DocumentOptions::default()
        };
        let (source, mut found) = (Source::new("openapi.json", text.as_str()), Diagnostics::new());
        let api = ApiDocument::load(&source, &options, &mut found).ok_or_else(|| found.to_string())?;
        Ok(Self { api, json: text.into() })
    }
}

/// Replaces `x-errors` by responses, one for each status.
fn add_errors(operation: &mut Map<String, Json>, contract: &Contract) -> Result<(), String> {
    let own = operation.remove("x-errors").unwrap_or_default();
    let own: Vec<&str> = own.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let of_bodies = if operation.contains_key("requestBody") { OF_BODIES } else { &[] };
    let changes = operation.get("parameters").is_some_and(|all| all.to_string().contains("idempotencyKey"));
    let of_writes = if changes { OF_WRITES } else { &[] };
    let names = COMMON.iter().chain(of_bodies).chain(of_writes).chain(&own);
    let mut by_status: BTreeMap<u16, BTreeMap<&str, &ErrorEntry>> = BTreeMap::new();
    for name in names {
        let entry = contract.entries().map(|(_, entry)| entry).find(|entry| entry.name == *name);
        let entry = entry.ok_or_else(|| format!("the contract has no error `{name}`"))?;
        by_status.entry(entry.status.as_u16()).or_default().insert(&entry.name, entry);
    }
    let Some(responses) = operation.get_mut("responses").and_then(Json::as_object_mut) else {
        return Err("an operation has no responses".to_owned());
    };
    for (status, entries) in by_status {
        responses.insert(status.to_string(), response(status, &entries, contract));
    }
    Ok(())
}

fn response(status: u16, entries: &BTreeMap<&str, &ErrorEntry>, contract: &Contract) -> Json {
    let lines: Vec<String> =
        entries.iter().map(|(code, entry)| format!("`{code}`: {}", entry.title)).collect();
    let codes: Vec<&&str> = entries.keys().collect();
    let has_violations = entries.contains_key("invalid_parameters");
    let mut properties = json!({
        "type": { "type": "string", "enum": ["about:blank"] },
        "title": { "type": "string" },
        "status": { "type": "integer", "enum": [status] },
        "detail": { "type": "string" },
        "code": { "type": "string", "enum": codes },
        "request_id": { "type": "string" },
    });
    if has_violations {
        let text = json!({ "type": "string" });
        properties["errors"] = json!({ "type": "array", "items": {
            "type": "object",
            "required": ["pointer", "location", "rule", "detail"],
            "properties": { "pointer": text, "location": text, "rule": text, "detail": text },
        } });
    }
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": properties,
    });
    json!({
        "description": lines.join("; "),
        "content": { contract.content_type(): { "schema": schema } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_documented_at_some_operation() {
        let contract = crate::error::contract().unwrap();
        let document = Document::load(&contract).unwrap();
        let text = String::from_utf8(document.json.to_vec()).unwrap();
        for (_, entry) in contract.entries() {
            let is_derived = entry.source != demur_contract::EntrySource::Declared;
            assert!(is_derived || text.contains(&format!("`{}`: ", entry.name)), "{}", entry.name);
        }
        assert!(!text.contains("x-errors"));
    }
}
