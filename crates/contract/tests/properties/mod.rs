//! What is true of any bytes as a contract's file, and as an answer. The fuzzers (`fuzz/fuzz_targets/`) and the replay of
//! their corpus share these.

use demur_contract::{Answer, Contract, Parsed, Problem, builtin};
use demur_source::Source;

/// What loads can be asked, and renders valid JSON; what does not is told.
pub(crate) fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(loaded) = Contract::load(&Source::new("fuzz.yaml", text)) else { return };
    loaded.contract.losses();
    for (error, _) in loaded.contract.entries().take(8) {
        let mut content = Vec::new();
        loaded.contract.render(&Problem::new(error, "req_\"1"), &mut content);
        assert!(serde_json::from_slice::<serde_json::Value>(&content).is_ok(), "{text}");
    }
}

/// What was recognised can be rendered again, and is recognised then. The first byte chooses the contract, the second
/// the status.
pub(crate) fn parse(contracts: &[Contract], bytes: &[u8]) {
    let [which, status, content @ ..] = bytes else { return };
    let contract = &contracts[usize::from(*which) % contracts.len()];
    let status = 400 + u16::from(*status) % 200;
    let text = std::str::from_utf8(content).unwrap_or("7");
    let fields = |_: &str| Some(text);
    if let Parsed::Exact(read) = contract.parse(&Answer { status, fields: &fields, content }) {
        let mut again = Vec::new();
        contract.render(&read.problem, &mut again);
        let is_known = !matches!(contract.parse(&Answer::new(status, &again)), Parsed::Unknown { .. });
        assert!(is_known, "{}\n{}", String::from_utf8_lossy(content), String::from_utf8_lossy(&again));
    }
}

/// The contracts that [`parse`] chooses from.
pub(crate) fn builtins() -> Vec<Contract> {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(load).collect()
}
