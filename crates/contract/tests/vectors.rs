//! Every documented response of the examples (`e2e/vectors/`) parses as one error, or as errors with a declared ambiguity.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::path::Path;

use demur_contract::{Contract, ErrorId, ParseResult, Problem, ResponseView, builtin};
use regex::Regex;
use serde_json::Value as Json;

/// The documented body, with each `{"$match": RE}` replaced by the rendered text there if it matches.
fn filled(documented: &Json, rendered: Option<&Json>) -> Option<Json> {
    match documented {
        Json::Object(members) => match members.get("$match").and_then(Json::as_str) {
            Some(pattern) => {
                let text = rendered?.as_str()?;
                Regex::new(pattern).unwrap().is_match(text).then(|| Json::from(text))
            }
            None => {
                let of = |name: &String| rendered.and_then(|rendered| rendered.get(name));
                members.iter().map(|(name, value)| Some((name.clone(), filled(value, of(name))?))).collect()
            }
        },
        Json::Array(items) => {
            let of = |index: usize| rendered.and_then(|rendered| rendered.get(index));
            items.iter().enumerate().map(|(index, item)| filled(item, of(index))).collect()
        }
        other => Some(other.clone()),
    }
}

/// The rendered body of an error about a parameter.
fn rendered(contract: &Contract, error: ErrorId, param: &str) -> Json {
    let mut problem = Problem::new(error, "req_0123456789abcdef0123456789abcdef");
    problem.params.push(("param".into(), param.into()));
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    serde_json::from_slice(&body).unwrap()
}

fn texts(body: &Json) -> Vec<&str> {
    match body {
        Json::Object(members) => members.values().flat_map(texts).collect(),
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text],
        _ => Vec::new(),
    }
}

fn check(contract: &Contract, case: &Json) {
    let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
    let of_status = contract.entries().filter(|(_, entry)| entry.status.as_u16() == status);
    let errors: Vec<ErrorId> = of_status.map(|(error, _)| error).collect();
    let mut params = texts(&case["body"]);
    params.push("any");
    let mut contents = errors.iter().flat_map(|error| {
        params.iter().filter_map(|param| filled(&case["body"], Some(&rendered(contract, *error, param))))
    });
    let is_read = contents.any(|body| {
        let body = serde_json::to_vec(&body).unwrap();
        match contract.parse(&ResponseView::new(status, &body)) {
            ParseResult::Exact(read) => read.unknown_members.is_empty(),
            ParseResult::Ambiguous { candidates } => contract.ambiguous_pairs().iter().any(|pair| {
                pair.declared && candidates.contains(&pair.first) && candidates.contains(&pair.second)
            }),
            ParseResult::Unknown { .. } => false,
        }
    });
    assert!(is_read, "{}: {case}", contract.name());
}

#[test]
fn every_documented_response_parses() {
    let mut cases = 0;
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/vectors")).unwrap() {
        let file: Json = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let source = builtin::source(file["contract"].as_str().unwrap()).unwrap();
        let contract = Contract::load(&source).unwrap().contract;
        for case in file["cases"].as_array().unwrap() {
            check(&contract, case);
            cases += 1;
        }
    }
    assert!(cases >= 50, "only {cases} cases");
}
