//! Contracts that extend a built-in one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

use std::time::Duration;

use demur_contract::{Condition, Contract, ParseResult, Problem, ResponseView, RetryAfter, Source, builtin};
use serde_json::Value as Json;

fn load(text: &str) -> Contract {
    let loaded =
        Contract::load(&Source::new("shop.yaml", text)).unwrap_or_else(|found| panic!("{text}\n{found}"));
    assert!(loaded.warnings.is_empty(), "{text}\n{}", loaded.warnings);
    loaded.contract
}

fn built_in(name: &str) -> Contract {
    Contract::load(&builtin::source(name).unwrap()).unwrap().contract
}

/// The body of the answer to a condition, and that it parses to the same error.
fn answer(contract: &Contract, condition: &str, delay: Option<Duration>) -> (u16, Json) {
    let error = contract.answer(Condition::from_name(condition).unwrap());
    let mut problem = Problem::new(error, "req_1");
    problem.retry_after = delay.map(|delay| RetryAfter { delay });
    let mut body = Vec::new();
    contract.render(&problem, &mut body);
    let status = contract.entry(error).status.as_u16();
    match contract.parse(&ResponseView::new(status, &body)) {
        ParseResult::Exact(read) => assert_eq!(read.problem.error, error, "{condition}"),
        other => panic!("{condition}: {other:?}"),
    }
    (status, serde_json::from_slice(&body).unwrap())
}

#[test]
fn an_extended_contract_changes_only_what_it_names() {
    let google = built_in("google");
    for (changes, condition, pointer, expected) in [
        ("", "resource.exists", "/error/message", "\"The resource exists already.\""),
        (
            "settings: { domain: shop.example }",
            "resource.exists",
            "/error/details/0/domain",
            "\"shop.example\"",
        ),
        (
            "settings: { domain: shop.example }",
            "rate.exceeded",
            "/error/details/0/domain",
            "\"shop.example\"",
        ),
        (
            "errors: { RESOURCE_EXISTS: { message: Taken. } }",
            "resource.exists",
            "/error/message",
            "\"Taken.\"",
        ),
        (
            "errors: { RESOURCE_EXISTS: { message: Taken. } }",
            "resource.exists",
            "/error/status",
            "\"ALREADY_EXISTS\"",
        ),
        ("errors: { RESOURCE_EXISTS: { status: 410 } }", "resource.exists", "/error/code", "410"),
        // A claim moves.
        (
            "errors: { LAPSED: { status: 402, type: FAILED_PRECONDITION, on: [plan.inactive] } }",
            "plan.inactive",
            "/error/details/0/reason",
            "\"LAPSED\"",
        ),
        (
            "errors: { LAPSED: { status: 402, type: FAILED_PRECONDITION, on: [plan.inactive] } }",
            "plan.required",
            "/error/details/0/reason",
            "\"ACCESS_DENIED\"",
        ),
        // An error that is removed: its conditions are derived.
        ("errors: { RESOURCE_EXISTS: null }", "resource.exists", "/error/code", "409"),
        (
            "formats: { default: { code: $code, message: $message, status: $type } }",
            "resource.exists",
            "/code",
            "\"RESOURCE_EXISTS\"",
        ),
        (
            "types: { GONE: Gone }\nerrors: { RESOURCE_EXISTS: { type: GONE } }",
            "resource.exists",
            "/error/status",
            "\"GONE\"",
        ),
    ] {
        let contract = load(&format!("demur: 1\nname: shop\nextends: google\n{changes}\n"));
        assert_eq!(contract.name(), "shop");
        let (_, body) = answer(&contract, condition, None);
        assert_eq!(body.pointer(pointer).unwrap_or(&Json::Null).to_string(), expected, "{changes}: {body}");
        // What is not named is as it was.
        let untouched = answer(&contract, "upstream.timeout", None);
        if !changes.contains("formats") && !changes.contains("domain") {
            assert_eq!(untouched, answer(&google, "upstream.timeout", None), "{changes}");
        }
    }
    let named = load("demur: 1\nextends: problem\n");
    assert_eq!(named.name(), "problem");
}

#[test]
fn every_built_in_contract_can_be_extended() {
    for name in builtin::names() {
        let contract = load(&format!("demur: 1\nname: shop\nextends: {name}\n"));
        let base = built_in(name);
        for condition in Condition::all() {
            let of = |contract: &Contract| contract.entry(contract.answer(condition)).name.clone();
            assert_eq!(of(&contract), of(&base), "{name} {condition}");
        }
    }
}

/// The mistakes of a file that extends another are reported in that file.
#[test]
fn mistakes_of_extending_contracts_have_a_position_in_them() {
    for (text, expected) in [
        (
            "extends: gogle\n",
            "3:10: error[unknown-contract]: unknown contract `gogle` in `extends` (help: did you mean `google`?)",
        ),
        ("extends: [google]\n", "error[unknown-contract]"),
        (
            "extends: google\nerrors: { ACCESS_DENIED: { staus: 403 } }\n",
            "4:28: error[unknown-key]: unknown key `staus`",
        ),
        (
            "extends: google\nerrors: { internal-thing: { status: 500, type: INTERNAL } }\n",
            "4:11: error[code-style]",
        ),
        // The extended contract refers to what is removed.
        ("extends: google\ntypes: { INTERNAL: null }\n", "3:10: error[unknown-type]"),
        ("extends: google\nsettings: { domain: $code }\n", "error[setting-text]"),
        ("extends: google\nsettings: [domain]\n", "`settings` must be a mapping"),
    ] {
        let text = format!("demur: 1\nname: shop\n{text}");
        let found = Contract::load(&Source::new("shop.yaml", text.as_str())).unwrap_err().to_string();
        assert!(found.contains(expected), "{text}\n{found}");
    }
}

#[test]
fn a_delay_with_its_unit_is_written_and_read() {
    let google = built_in("google");
    let (_, body) = answer(&google, "rate.exceeded", Some(Duration::from_millis(1500)));
    assert_eq!(body["error"]["details"][1]["retryDelay"], "2s");
    let (_, body) = answer(&google, "rate.exceeded", None);
    assert_eq!(body["error"]["details"][1].get("retryDelay"), None);
    for (delay, expected) in [
        ("30s", Some(30)),
        ("0.5s", Some(1)),
        ("1.000000000s", Some(1)),
        ("1.000000001s", Some(2)),
        ("86400s", Some(86_400)),
        ("30", None),
        ("s", None),
        ("-1s", None),
        ("1.s", None),
        ("1.0000000001s", None),
        ("1e3s", None),
        ("030s", None),
        ("30 s", None),
        ("99999999999999999999s", None),
        ("18446744073709551615.5s", None),
    ] {
        let mut body = body.clone();
        body["error"]["details"][1]["retryDelay"] = delay.into();
        let body = body.to_string();
        let read = match google.parse(&ResponseView::new(429, body.as_bytes())) {
            ParseResult::Exact(read) => read.problem.retry_after.map(|retry| retry.delay.as_secs()),
            _ => None,
        };
        assert_eq!(read, expected, "{delay}");
    }
}
