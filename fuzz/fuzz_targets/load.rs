//! Any text as a contract file: mistakes are told, and what loads can be asked.
#![no_main]

use demur_contract::{Contract, Problem};
use demur_source::Source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(loaded) = Contract::load(&Source::new("fuzz.yaml", text)) else { return };
    let contract = loaded.contract;
    contract.losses();
    for (error, _) in contract.entries().take(8) {
        let mut content = Vec::new();
        contract.render(&Problem::new(error, "req_\"1"), &mut content);
    }
});
