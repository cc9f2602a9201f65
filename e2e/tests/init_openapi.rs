//! `demur init --openapi` on ten public documents: contract and configuration load, and the errors that each document declares
//! are in the contract.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop and say where")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use demur_contract::Contract;
use demur_e2e::{TestDir, installed, run};
use demur_source::Source;
use serde_json::Value as Json;

/// Package and file, errors with a code of their own that the document declares, and the number of those.
const DOCUMENTS: &[(&str, &[(u16, &str)])] = &[
    ("@blockfrost/openapi/openapi.yaml", &[]),
    ("@digdir/dialogporten-schema/swagger.verified.json", &[]),
    ("@directus/specs/dist/openapi.json", &[]),
    ("@ideal-postcodes/openapi/dist/openapi.json", &[(404, "4040"), (410, "4100")]),
    ("@readme/oas-examples/3.0/json/readme-legacy.json", &[]),
    ("scalar/galaxy/dist/latest.json", &[]),
    ("octokit/openapi/generated/api.github.com.json", &[]),
    ("figma/rest-api-spec/openapi/openapi.yaml", &[]),
    ("mojaloop/api-snippets/docs/fspiop-rest-v2.0-openapi3-snippets.yaml", &[]),
    ("mojaloop/api-snippets/docs/sdk-scheme-adapter-outbound-v2_1_0-openapi3-snippets.yaml", &[]),
];

fn path(file: &str) -> PathBuf {
    match file.strip_prefix('@') {
        Some(file) => installed("documents.sh").join(file),
        None => installed("../crates/validation/tests/documents.sh").join(file),
    }
}

/// The statuses of all error responses, read without any of our code but the parser.
fn declared_statuses(document: &Json) -> BTreeSet<u16> {
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.filter_map(Json::as_object).flatten();
    let operations = operations.filter(|(method, _)| method.chars().all(|char| char.is_ascii_lowercase()));
    let responses = operations.filter_map(|(_, operation)| operation.get("responses")?.as_object()).flatten();
    responses
        .filter_map(|(status, _)| status.parse().ok())
        .filter(|status| (400..600).contains(status))
        .collect()
}

#[test]
fn ten_public_documents_give_contracts_with_their_errors() {
    let mut errors = 0;
    for (file, codes) in DOCUMENTS {
        let (folder, document) = (TestDir::empty(), path(file));
        let outcome = run(&["init", "--openapi", document.to_str().unwrap()], folder.path());
        assert_eq!(outcome.code, Some(0), "{file}: {}", outcome.stderr);
        let source = Source::read(&folder.path().join("contract.yaml")).unwrap();
        let contract = Contract::load(&source).unwrap_or_else(|found| panic!("{file}: {found}")).contract;
        let parsed = demur_source::parse(&Source::read(&document).unwrap()).unwrap().to_json();
        let declared: Vec<(u16, &str, &str)> = contract
            .entries()
            .filter(|(_, entry)| entry.source == demur_contract::EntrySource::Declared)
            .map(|(_, entry)| {
                (entry.status.as_u16(), entry.name.as_str(), entry.code.as_deref().unwrap_or(""))
            })
            .collect();
        let statuses = declared_statuses(&parsed);
        assert!(!statuses.is_empty(), "{file}");
        for status in &statuses {
            assert!(declared.iter().any(|(known, ..)| known == status), "{file}: {status}");
        }
        for (status, code) in *codes {
            let is_it = |known: &&(u16, &str, &str)| known.0 == *status && known.2 == *code;
            assert!(declared.iter().any(|known| is_it(&known)), "{file}: {status} {code}: {declared:?}");
        }
        errors += declared.len();
        // The largest one, of 12 MB, takes a build without optimization half a minute, and is read by other tests.
        if !file.contains("github") {
            let checked = run(&["check", "--format", "json", "demur.yaml"], folder.path());
            assert_eq!(checked.code, Some(0), "{file}: {}{}", checked.stdout, checked.stderr);
        }
    }
    assert!(errors > 80, "only {errors} errors");
}

/// What a document declares, and what the contract has for it.
#[test]
fn recognises_formats_and_codes() {
    for (schema, codes, contract) in [
        (
            r#"{ "properties": { "error": { "properties": { "code": { "enum": ["no_tea", "no_cup"] }, "message": { "type": "string" }, "request_id": { "type": "string" } } } } }"#,
            &["no_tea", "no_cup"][..],
            &["    error:\n      code: $code\n      message: $message\n      request_id: $request_id"][..],
        ),
        (
            r#"{ "properties": { "statusCode": { "type": "integer", "example": 404 }, "error": { "type": "string", "example": "Not Found" }, "message": { "type": "string" } } }"#,
            &[],
            &["    statusCode: $status\n    error: $title\n    message: $message"],
        ),
        (
            r#"{ "allOf": [{ "properties": { "title": { "type": "string" } } }, { "properties": { "detail": { "type": "string" }, "type": { "type": "string", "format": "uri" }, "status": { "type": "integer" } } }] }"#,
            &[],
            &["    title: $title\n    detail: $message\n    type?: $doc_url\n    status: $status"],
        ),
        (
            r#"{ "properties": { "message": { "type": "string" }, "errors": { "type": "array", "items": { "properties": { "field": { "type": "string" }, "message": { "type": "string" }, "rank": { "type": "integer" } } } } } }"#,
            &[],
            &[r#"    errors?: [{"field":"$violation.field","message":"$violation.message"}]"#],
        ),
        (
            r#"{ "properties": { "errors": { "type": "array", "items": { "properties": { "message": { "type": "string" }, "extensions": { "properties": { "code": { "const": "NO_TEA" } } } } } } } }"#,
            &["NO_TEA"],
            &[r#"    errors: [{"message":"$message","extensions":{"code":"$code"}}]"#],
        ),
        (
            r#"{ "properties": { "code": { "type": "integer", "enum": [4041, 4042] }, "message": { "type": "string" }, "trail": { "type": "array" } } }"#,
            &["4041", "4042"],
            &["code: 4041", "code: 4042", "# Not recognised: the member `trail`"],
        ),
        (r#"{ "type": "string" }"#, &[], &["# Not recognised: 1 error responses have no body"]),
    ] {
        let folder = TestDir::empty();
        folder.write(
            "openapi.json",
            &format!(
                r#"{{ "openapi": "3.1.0", "info": {{ "title": "Tea", "version": "1" }}, "paths": {{ "/tea": {{ "get": {{ "operationId": "tea",
                "responses": {{ "200": {{ "description": "Tea" }}, "404": {{ "description": "No {{tea}}\u0007 here",
                "content": {{ "application/json": {{ "schema": {schema} }} }} }} }} }} }} }} }}"#
            ),
        );
        let outcome = run(&["init", "--openapi", "openapi.json"], folder.path());
        assert_eq!(outcome.code, Some(0), "{schema}: {}", outcome.stderr);
        let text = std::fs::read_to_string(folder.path().join("contract.yaml")).unwrap();
        for part in contract {
            assert!(text.contains(part), "{schema}: {part}\n{text}");
        }
        let loaded = Contract::load(&Source::new("contract.yaml", text.clone()));
        let loaded = loaded.unwrap_or_else(|found| panic!("{found}\n{text}")).contract;
        for code in codes {
            let has = loaded.entries().any(|(_, entry)| entry.code.as_deref() == Some(*code));
            assert!(has, "{schema}: {code}\n{text}");
        }
        assert!(loaded.entries().any(|(_, entry)| entry.status.as_u16() == 404), "{text}");
        let checked = run(&["check", "demur.yaml"], folder.path());
        assert_eq!(checked.code, Some(0), "{schema}: {}", checked.stderr);
    }
}

#[test]
fn rejects_what_is_no_document_and_keeps_files() {
    let folder = TestDir::empty();
    folder.write("swagger.yaml", "swagger: '2.0'");
    folder.write("broken.yaml", "a: [");
    folder.write("openapi.yaml", "openapi: 3.1.0\ninfo: { title: x, version: '1' }\npaths: {}\n");
    for (file, code, message) in [
        ("swagger.yaml", 3, "missing key `openapi`"),
        ("broken.yaml", 3, "broken.yaml"),
        ("none.yaml", 4, "none.yaml"),
    ] {
        let outcome = run(&["init", "--openapi", file], folder.path());
        assert_eq!(outcome.code, Some(code), "{file}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{file}: {}", outcome.stderr);
        assert!(!folder.path().join("contract.yaml").exists());
    }
    folder.write("demur.yaml", "mine");
    let outcome = run(&["init", "--openapi", "openapi.yaml"], folder.path());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`demur.yaml` already exists and was not changed"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(folder.path().join("demur.yaml")).unwrap(), "mine");
    let checked = run(&["check", "contract.yaml"], folder.path());
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let again = run(&["init", "--openapi", "openapi.yaml"], folder.path());
    assert_eq!(again.code, Some(4), "{}", again.stderr);
}
