//! How violations are named in responses: by their whole path, the body as a whole by a name, and each rule by its own
//! text.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::borrow::Cow;

use demur_contract::{Condition, Contract, Location, Problem, Violation, builtin};
use demur_source::Source;
use serde_json::Value as Json;

fn load(source: &std::sync::Arc<Source>) -> Contract {
    Contract::load(source).unwrap_or_else(|found| panic!("{found}")).contract
}

fn violation(condition: Condition, pointer: &str) -> Violation {
    Violation {
        condition,
        location: Location::Body,
        param: pointer.split('/').nth(1).unwrap_or_default().to_owned(),
        pointer: pointer.to_owned(),
        value: Some("v".into()),
        limit: Some("object".into()),
        allowed: vec!["a".into()],
    }
}

fn render(contract: &Contract, violations: &[Violation]) -> Json {
    let mut problem = Problem::new(contract.answer_violations(violations).unwrap(), "req_1");
    problem.violations = Cow::Borrowed(violations);
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    serde_json::from_slice(&body).unwrap_or_else(|_| Json::String(String::from_utf8(body).unwrap()))
}

/// Every text of a response.
fn texts(value: &Json, all: &mut Vec<String>) {
    match value {
        Json::String(text) => all.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Json::Object(members) => {
            all.extend(members.keys().cloned());
            members.values().for_each(|member| texts(member, all));
        }
        _ => {}
    }
}

/// openapistack/openapi-backend#730, krakenjs/swaggerize-routes#63: "distance must be of type number", where it is to be an
/// object.
#[test]
fn a_nested_parameter_is_named_by_its_path() {
    let contract = load(&builtin::source("problem").unwrap());
    for (pointer, expected) in [
        ("/distance/value", "distance.value must be of type object"),
        ("/list/1/value", "list[1].value must be of type object"),
        ("/distance", "distance must be of type object"),
        ("", "body must be of type object"),
    ] {
        let body = render(&contract, &[violation(Condition::ParamTypeObject, pointer)]);
        assert_eq!(body["errors"][0]["detail"], expected);
        assert_eq!(body["errors"][0]["pointer"], pointer);
    }
}

/// spring-projects/spring-data-rest#1175: " must not be empty", `"field": ""`.
#[test]
fn the_body_as_a_whole_has_a_name_in_every_built_in() {
    for name in builtin::names() {
        let contract = load(&builtin::source(name).unwrap());
        for contract in [Some(&contract), contract.as_problem()].into_iter().flatten() {
            for condition in Condition::all().filter(|condition| condition.is_violation()) {
                let body = render(contract, &[violation(condition, "")]);
                let mut all = Vec::new();
                texts(&body, &mut all);
                // A pointer to the whole is empty (RFC 6901).
                let pointer = |value: &Json| {
                    value["errors"][0]["pointer"] == "" || value["errors"][0]["source"]["pointer"] == ""
                };
                let allowed = usize::from(pointer(&body));
                let empty = all.iter().filter(|text| text.is_empty()).count();
                assert!(empty <= allowed, "{name} {condition}: {body}");
                let is_nameless = |text: &String| {
                    text.starts_with(' ')
                        || text.contains("''")
                        || text.contains("  ")
                        || text.contains("for .")
                        || text.contains(": .")
                };
                assert!(!all.iter().any(is_nameless), "{name} {condition}: {body}");
            }
        }
    }
}

const FIRST: &str = "
demur: 1
name: shop
formats: { default: { message: $message } }
violations: { show: first }
errors:
  missing: { status: 400, message: 'Missing required parameter: {param}', on: [param.missing] }
  bad_request: { status: 400, message: The request is invalid., on: [request, param] }
  internal: { status: 500, message: Ours., on: [internal] }
";

#[test]
fn problem_documents_list_all_violations_each_with_its_own_text() {
    let contract = load(&Source::new("shop.yaml", FIRST));
    let violations = [
        violation(Condition::ParamMissing, "/a"),
        violation(Condition::ParamTypeObject, "/b/c"),
        violation(Condition::ParamUnknown, "/d"),
    ];
    assert_eq!(render(&contract, &violations)["message"], "Missing required parameter: a");
    let problem = render(contract.as_problem().unwrap(), &violations);
    let details: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    // The message of another error would be false: nothing is missing at `/b/c`.
    assert_eq!(
        details,
        ["Missing required parameter: a", "b.c must be of type object", "d is not a known parameter"]
    );
}
