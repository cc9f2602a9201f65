//! Any bytes as an answer. The first byte chooses the contract, the second the status.
#![no_main]

#[path = "../../crates/contract/tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target holds one of them")]
mod properties;

use std::sync::LazyLock;

use demur_contract::Contract;
use libfuzzer_sys::fuzz_target;

static CONTRACTS: LazyLock<Vec<Contract>> = LazyLock::new(properties::builtins);

fuzz_target!(|bytes: &[u8]| properties::parse(&CONTRACTS, bytes));
