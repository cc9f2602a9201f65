//! Any bytes as an answer. The first byte chooses the contract, the second the status.
#![no_main]

use std::sync::LazyLock;

use demur_contract::{Answer, Contract, Parsed, builtin};
use libfuzzer_sys::fuzz_target;

static CONTRACTS: LazyLock<Vec<Contract>> = LazyLock::new(|| {
    let load = |name| Contract::load(&builtin::source(name).unwrap()).unwrap().contract;
    builtin::names().map(load).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let [which, status, content @ ..] = bytes else { return };
    let contract = &CONTRACTS[usize::from(*which) % CONTRACTS.len()];
    let status = 400 + u16::from(*status) % 200;
    let text = std::str::from_utf8(content).unwrap_or("7");
    let fields = |_: &str| Some(text);
    if let Parsed::Exact(read) = contract.parse(&Answer { status, fields: &fields, content }) {
        // What was recognised can be rendered again, and is the same error or one that looks like it.
        let mut again = Vec::new();
        contract.render(&read.problem, &mut again);
        contract.parse(&Answer::new(status, &again));
    }
});
