//! The built-in contracts for other worlds answer as their public documentation shows: `contracts/vectors/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::borrow::Cow;
use std::path::Path;

use demur_contract::{Answer, Condition, Contract, Location, Parsed, Problem, Value, Violation, builtin};
use serde_json::Value as Json;

fn violation(json: &Json) -> Violation {
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let location = match text("location").as_deref() {
        Some("query") => Location::Query,
        Some("path") => Location::Path,
        _ => Location::Body,
    };
    Violation {
        condition: Condition::named(&text("condition").unwrap()).unwrap(),
        location,
        param: text("param").unwrap(),
        pointer: text("pointer").unwrap(),
        value: text("value"),
        limit: json.get("limit").and_then(Json::as_i64).map(Value::Int),
        allowed: Vec::new(),
    }
}

/// Renders the case, compares, and reads it back.
fn check(contract: &Contract, case: &Json, request_id: &str) {
    let violations: Vec<Violation> =
        case.get("violations").and_then(Json::as_array).into_iter().flatten().map(violation).collect();
    let error = match case.get("condition").and_then(Json::as_str) {
        Some(name) => contract.answer(Condition::named(name).unwrap()),
        None => contract.answer_violations(&violations).unwrap(),
    };
    let mut problem = Problem::new(error, request_id);
    problem.violations = Cow::Owned(violations);
    let mut content = Vec::new();
    contract.render(&problem, &mut content);
    let rendered: Json = serde_json::from_slice(&content).unwrap();
    assert_eq!(rendered, case["body"], "{}", contract.name());
    let status = contract.entry(error).status.as_u16();
    assert_eq!(u64::from(status), case["status"].as_u64().unwrap(), "{}", contract.name());
    match contract.parse(&Answer::new(status, &content)) {
        Parsed::Exact(read) => assert_eq!(read.problem.error, error, "{rendered}"),
        other => panic!("{}: {rendered} is {other:?}", contract.name()),
    }
}

#[test]
fn every_documented_answer_comes_out_and_is_read_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/vectors");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file: Json = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let name = file["contract"].as_str().unwrap();
        let contract = Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
        for case in file["cases"].as_array().unwrap() {
            check(&contract, case, file["request_id"].as_str().unwrap());
            cases += 1;
        }
    }
    assert!(cases >= 20, "only {cases} cases");
}
