//! Test vectors of built-in contracts (`contracts/vectors/`). `cases` are responses that a contract renders; `documented` are
//! responses from public documentation, with the expected result of parsing them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use demur_contract::{
    Condition, Contract, Location, ParseResult, Problem, ResponseView, RetryAfter, Value, Violation, builtin,
};
use serde_json::Value as Json;

fn violation(json: &Json) -> Violation {
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let location = match text("location").as_deref() {
        Some("query") => Location::Query,
        Some("path") => Location::Path,
        Some("header") => Location::Header,
        _ => Location::Body,
    };
    Violation {
        condition: Condition::from_name(&text("condition").unwrap()).unwrap(),
        location,
        param: text("param").unwrap(),
        pointer: text("pointer").unwrap(),
        value: text("value"),
        limit: json.get("limit").and_then(Json::as_i64).map(Value::Int),
        allowed: Vec::new(),
    }
}

/// Renders a case, compares it with the expected body, and parses it back.
fn check(contract: &Contract, case: &Json, request_id: &str) {
    let violations: Vec<Violation> =
        case.get("violations").and_then(Json::as_array).into_iter().flatten().map(violation).collect();
    let error = match case.get("condition").and_then(Json::as_str) {
        Some(name) => contract.answer(Condition::from_name(name).unwrap()),
        None => contract.answer_violations(&violations).unwrap(),
    };
    let mut problem = Problem::new(error, request_id);
    problem.violations = Cow::Owned(violations);
    let delay = case.get("retry_after").and_then(Json::as_u64).map(Duration::from_secs);
    problem.retry_after = delay.map(|delay| RetryAfter { delay });
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    let rendered: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(rendered, case["body"], "{}", contract.name());
    let status = contract.entry(error).status.as_u16();
    assert_eq!(u64::from(status), case["status"].as_u64().unwrap(), "{}", contract.name());
    match contract.parse(&ResponseView::new(status, &body)) {
        ParseResult::Exact(read) => {
            assert_eq!(read.problem.error, error, "{rendered}");
            assert_eq!(read.problem.retry_after, problem.retry_after, "{rendered}");
            for (read, given) in read.violations.iter().zip(problem.violations.iter()) {
                assert!(
                    read.location.is_none_or(|location| location == given.location),
                    "{rendered} {read:?}"
                );
            }
        }
        other => panic!("{}: {rendered} is {other:?}", contract.name()),
    }
}

/// Parses a documented response and compares the result.
fn read(contract: &Contract, case: &Json) {
    let what = format!("{}: {}", contract.name(), case["what"].as_str().unwrap());
    let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
    let body = serde_json::to_vec(&case["body"]).unwrap();
    let response = ResponseView::new(status, &body);
    let read = match (contract.parse(&response), case["is"].as_str()) {
        (ParseResult::Unknown { .. }, None) => {
            return assert!(case["because"].is_string(), "{what}: why not?");
        }
        (ParseResult::Exact(read), Some(name)) => {
            assert_eq!(contract.entry(read.problem.error).name, name, "{what}");
            read
        }
        (other, _) => panic!("{what}: {other:?}"),
    };
    let unknown: Vec<&str> = read.unknown_members.iter().map(|member| member.pointer.as_str()).collect();
    let expected: Vec<&str> =
        case["unknown_members"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    assert_eq!(unknown, expected, "{what}");
    let expected = case["violations"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(case["violations"].is_null() || expected.len() == read.violations.len(), "{what}: {read:?}");
    for (read, expected) in read.violations.iter().zip(expected) {
        let actual = (read.field.as_deref(), read.rule().map(Condition::name));
        assert_eq!(actual, (expected[0].as_str(), expected[1].as_str()), "{what}: {read:?}");
    }
}

#[test]
fn documented_responses_parse_or_state_why_not() {
    let mut cases = 0;
    for (contract, file) in vectors() {
        for case in file["documented"].as_array().unwrap() {
            assert!(case["source"].as_str().is_some_and(|source| source.starts_with("https://")), "{case}");
            read(&contract, case);
            cases += 1;
        }
    }
    assert!(cases >= 14, "only {cases} cases");
}

#[test]
fn documented_responses_render_and_parse_back() {
    let mut cases = 0;
    for (contract, file) in vectors() {
        for case in file["cases"].as_array().unwrap() {
            check(&contract, case, file["request_id"].as_str().unwrap());
            cases += 1;
        }
    }
    assert!(cases >= 20, "only {cases} cases");
}

/// The contracts with test vectors, and the vectors.
fn vectors() -> impl Iterator<Item = (Contract, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/vectors");
    std::fs::read_dir(folder).unwrap().map(|entry| {
        let file: Json = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let name = file["contract"].as_str().unwrap();
        (Contract::load(&builtin::source(name).unwrap()).unwrap().contract, file)
    })
}
