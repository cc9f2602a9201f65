//! What is true of any bytes as a contract's file, and as an answer. The fuzzers (`fuzz/fuzz_targets/`) and the replay of
//! their corpus share these.

use std::borrow::Cow;

use demur_contract::{
    Condition, Contract, Location, ParseResult, Problem, ResponseView, Value, Violation, builtin,
};
use demur_source::Source;

/// What loads can be asked, renders valid JSON, with violations and without, and knows that again; what does not load is
/// told.
pub(crate) fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(loaded) = Contract::load(&Source::new("fuzz.yaml", text)) else { return };
    let contract = loaded.contract;
    contract.round_trip_report();
    for (error, _) in contract.entries().take(8) {
        is_json_and_known(&contract, &Problem::new(error, "req_\"1"), text);
    }
    // The first and the last of all rules, and one between them: the errors that answer these answer most.
    for condition in [Condition::ParamMissing, Condition::ParamMaximum, Condition::ParamUnknown] {
        let rules = [condition, Condition::ParamEnum, condition];
        let places = [("q", "/q"), ("q", "/q/0"), ("", "")];
        let violations: Vec<Violation> = rules.into_iter().zip(places).map(violation).collect();
        for count in 1..=violations.len() {
            let mut problem = Problem::new(contract.answer(condition), "req_\"1");
            problem.violations = Cow::Borrowed(&violations[..count]);
            is_json_and_known(&contract, &problem, text);
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

fn is_json_and_known(contract: &Contract, problem: &Problem<'_>, text: &str) {
    let mut content = Vec::new();
    contract.render(problem, &mut content);
    let read = serde_json::from_slice::<serde_json::Value>(&content);
    let shown = String::from_utf8_lossy(&content);
    assert!(read.is_ok(), "{shown}\n{text}");
    let status = contract.entry(problem.error).status.as_u16();
    let is_known =
        !matches!(contract.parse(&ResponseView::new(status, &content)), ParseResult::Unknown { .. });
    assert!(is_known, "{shown}\n{text}");
}

/// What was recognised can be rendered again, and is recognised then. The first byte chooses the contract, the second
/// the status.
pub(crate) fn parse(contracts: &[Contract], bytes: &[u8]) {
    let [which, status, content @ ..] = bytes else { return };
    let contract = &contracts[usize::from(*which) % contracts.len()];
    let status = 400 + u16::from(*status) % 200;
    let text = std::str::from_utf8(content).unwrap_or("7");
    let fields = |_: &str| Some(text);
    if let ParseResult::Exact(read) = contract.parse(&ResponseView { status, fields: &fields, content }) {
        let mut again = Vec::new();
        contract.render(&read.problem, &mut again);
        let is_known =
            !matches!(contract.parse(&ResponseView::new(status, &again)), ParseResult::Unknown { .. });
        assert!(is_known, "{}\n{}", String::from_utf8_lossy(content), String::from_utf8_lossy(&again));
    }
}

/// The contracts that [`parse`] chooses from.
pub(crate) fn builtins() -> Vec<Contract> {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(load).collect()
}
