//! Any text as a contract file: mistakes are told, and what loads can be asked.
#![no_main]

#[path = "../../crates/contract/tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target holds one of them")]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| properties::load(bytes));
