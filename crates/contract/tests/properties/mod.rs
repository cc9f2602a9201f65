//! Properties of any bytes as a contract file and as a response body. The fuzzers (`fuzz/fuzz_targets/`) and the replay of
//! their corpus share them.

use std::borrow::Cow;

use demur_contract::{
    Condition, Contract, Location, ParseResult, Problem, ResponseView, Value, Violation, builtin,
};
use demur_source::Source;

/// A contract that loads renders valid JSON, with and without violations, and recognizes it.
pub(crate) fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(loaded) = Contract::load(&Source::new("fuzz.yaml", text)) else { return };
    let contract = loaded.contract;
    contract.round_trip_report();
    for (error, _) in contract.entries().take(8) {
        assert_is_json_and_recognized(&contract, &Problem::new(error, "req_\"1"), text);
    }
    // The first and the last rule by precedence, and one between them.
    for condition in [Condition::ParamMissing, Condition::ParamMaximum, Condition::ParamUnknown] {
        let rules = [condition, Condition::ParamEnum, condition];
        let params = [("q", "/q"), ("q", "/q/0"), ("", "")];
        let violations: Vec<Violation> = rules.into_iter().zip(params).map(violation).collect();
        for count in 1..=violations.len() {
            let mut problem = Problem::new(contract.answer(condition), "req_\"1");
            problem.violations = Cow::Borrowed(&violations[..count]);
            assert_is_json_and_recognized(&contract, &problem, text);
        }
    }
}

fn violation((condition, (param, pointer)): (Condition, (&str, &str))) -> Violation {
    Violation {
        condition,
        location: Location::Query,
        param: param.to_owned(),
        pointer: pointer.to_owned(),
        value: Some("\"".to_owned()),
        limit: Some(Value::Int(1)),
        allowed: vec!["'".to_owned()],
    }
}

fn assert_is_json_and_recognized(contract: &Contract, problem: &Problem<'_>, text: &str) {
    let mut body = Vec::new();
    contract.render(problem, &mut body);
    let read = serde_json::from_slice::<serde_json::Value>(&body);
    let rendered = String::from_utf8_lossy(&body);
    assert!(read.is_ok(), "{rendered}\n{text}");
    let status = contract.entry(problem.error).status.as_u16();
    let is_recognized =
        !matches!(contract.parse(&ResponseView::new(status, &body)), ParseResult::Unknown { .. });
    assert!(is_recognized, "{rendered}\n{text}");
}

/// A recognized problem can be rendered again, and is recognized then. The first byte selects the contract, the second the
/// status.
pub(crate) fn parse(contracts: &[Contract], bytes: &[u8]) {
    let [which, status, body @ ..] = bytes else { return };
    let contract = &contracts[usize::from(*which) % contracts.len()];
    let status = 400 + u16::from(*status) % 200;
    let text = std::str::from_utf8(body).unwrap_or("7");
    let headers = |_: &str| Some(text);
    if let ParseResult::Exact(read) = contract.parse(&ResponseView { status, headers: &headers, body }) {
        let mut again = Vec::new();
        contract.render(&read.problem, &mut again);
        let is_recognized =
            !matches!(contract.parse(&ResponseView::new(status, &again)), ParseResult::Unknown { .. });
        assert!(is_recognized, "{}\n{}", String::from_utf8_lossy(body), String::from_utf8_lossy(&again));
    }
}

/// The contracts for [`parse`].
pub(crate) fn builtins() -> Vec<Contract> {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(load).collect()
}
